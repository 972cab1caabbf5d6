// A load shape: how many users there are at each second of a run, and how fast they come and go. It
// is asked once, before the run, for every second until it ends; what comes out is a plan of steps
// that all generator processes follow.

import { LoadError, messageOf } from './errors.js';
import { loadModule, type UserClassChoice } from './load-user-class.js';

export interface LoadStage {
  users: number;
  /** Users started or stopped per second. */
  spawnRate: number;
}

export interface LoadShape {
  /** The stage at so many seconds after the start; `null` ends the run. */
  tick(elapsedS: number): LoadStage | null | undefined;
}

export interface PlanStep extends LoadStage {
  readonly fromMs: number;
}

export interface LoadPlan {
  /** From the start on, without repetitions; at least one. */
  readonly steps: readonly PlanStep[];
  /** The most users at a time. */
  readonly users: number;
  readonly runTimeMs: number;
}

export const MAX_SHAPE_SECONDS = 24 * 3600;
const MAX_STAGE = 1_000_000;

/** The shape that the chosen files export, if any. Throws `INVALID_USER_CLASS` for more than one. */
export async function loadShape(choice: UserClassChoice): Promise<LoadShape | undefined> {
  const modules = await Promise.all(choice.locustfiles.map(loadModule));
  const shapes = new Set(modules.flatMap((module) => Object.values(module)).filter(isShape));
  if (shapes.size > 1) {
    throw new LoadError('INVALID_USER_CLASS', `A run has one load shape, not ${shapes.size}.`);
  }
  const [shape] = shapes;
  return shape;
}

function isShape(value: unknown): value is LoadShape {
  return typeof (value as LoadShape | null)?.tick === 'function';
}

/** Throws `INVALID_USER_CLASS` for a shape that makes no sense. */
export function planOf(shape: LoadShape): LoadPlan {
  const steps: PlanStep[] = [];
  for (let second = 0; second < MAX_SHAPE_SECONDS; second += 1) {
    const stage = stageAt(shape, second);
    if (stage === undefined) return endOf(steps, second);
    const last = steps.at(-1);
    const { users, spawnRate } = stage;
    if (last?.users === users && last.spawnRate === spawnRate) continue;
    steps.push({ fromMs: second * 1000, users, spawnRate });
  }
  return endOf(steps, MAX_SHAPE_SECONDS);
}

function endOf(steps: readonly PlanStep[], seconds: number): LoadPlan {
  const users = Math.max(0, ...steps.map((step) => step.users));
  if (users === 0) throw new LoadError('INVALID_USER_CLASS', 'The load shape has no users.');
  return { steps, users, runTimeMs: seconds * 1000 };
}

function stageAt(shape: LoadShape, second: number): LoadStage | undefined {
  let stage: LoadStage | null | undefined;
  try {
    stage = shape.tick(second);
  } catch (error) {
    const message = `The load shape threw at second ${second}: ${messageOf(error)}`;
    throw new LoadError('INVALID_USER_CLASS', message, { cause: error });
  }
  if (stage === null || stage === undefined) return undefined;
  const { users, spawnRate } = stage;
  const isFine =
    Number.isInteger(users) &&
    users >= 0 &&
    spawnRate > 0 &&
    Math.max(users, spawnRate) <= MAX_STAGE;
  if (isFine) return stage;
  throw new LoadError(
    'INVALID_USER_CLASS',
    `The load shape says ${JSON.stringify(stage)} at second ${second}; it takes whole users from 0 ` +
      'on, and a spawnRate above 0.',
  );
}
