// What will happen in an episode, drawn from its seed before anything does: the servers, the pool's
// options, who calls when, what fails when. Each episode has its own mixture, and most have only a
// few kinds of faults, as what hides behind one fault shows where that one is absent.

import type { PlimsollOptions } from 'plimsoll';
import { Chance } from 'plimsoll-cli/simulated-time/chance.js';
import type { Delays } from 'plimsoll-cli/simulated-time/network.js';
import type { DeploymentKind } from './deployment.js';

/** What callers do. */
export const CALLS = [
  'read',
  'write',
  'transaction',
  'script',
  'lease',
  'pop',
  'burst',
  'chain',
  'spread',
  'pipeline',
  'duplicate',
] as const;

/** What whoever holds the pool does. */
const CONTROLS = ['probe', 'resize', 'suspend', 'block'] as const;

/** What befalls network and servers. */
export const FAULTS = [
  'reset',
  'hang up',
  'freeze',
  'silence',
  'deafen',
  'kill',
  'hang',
  'mood',
  'unreachable',
  'crowd',
  'fail over',
  'confuse',
] as const;

export type ActKind =
  | (typeof CALLS)[number]
  | (typeof CONTROLS)[number]
  | (typeof FAULTS)[number]
  | 'feed';

export interface Act {
  /** ms after the beginning. */
  readonly atMs: number;
  readonly kind: ActKind;
  /** All else that chance decides about it. */
  readonly seed: number;
}

export interface Plan {
  readonly seed: number;
  readonly deployment: DeploymentKind;
  readonly options: PlimsollOptions;
  readonly delays: Delays;
  readonly sliceShare: number;
  /** In the order of their time. */
  readonly acts: readonly Act[];
  /** Until the faults end, ms. */
  readonly lengthMs: number;
  /** The pool is closed in the middle of it all, and given so long for that, ms. */
  readonly closesWithinMs: number | undefined;
}

export function drawPlan(seed: number): Plan {
  const chance = new Chance(seed);
  const lengthMs = chance.between(2_000, 20_000);
  const acts = [...drawCalls(chance, lengthMs), ...drawControls(chance, lengthMs)];
  if (chance.happens(0.9)) acts.push(...drawFaults(chance, lengthMs));
  acts.sort((left, right) => left.atMs - right.atMs);
  return {
    seed,
    deployment: drawDeployment(chance.next()),
    options: drawOptions(chance),
    delays: drawDelays(chance),
    sliceShare: chance.pick([0, 0.05, 0.3]),
    acts,
    lengthMs,
    closesWithinMs: chance.happens(0.3) ? chance.pick([0, 50, 500, 3_000]) : undefined,
  };
}

function drawDeployment(share: number): DeploymentKind {
  if (share < 0.3) return 'standalone';
  return share < 0.6 ? 'cluster' : 'sentinel';
}

/** Limits are low, so that they are reached. */
function drawOptions(chance: Chance): Plan['options'] {
  const maxConnections = chance.pick([1, 2, 2, 3, 4, 8]);
  const maxInFlight = chance.pick([1, 2, 16, 4_096]);
  const laneDepth = Math.min(maxInFlight, chance.pick([1, 4, 512]));
  return {
    maxConnections,
    minConnections: Math.min(maxConnections, chance.pick([0, 1, 1, 2])),
    maxInFlight,
    laneDepth,
    maxWaiters: chance.pick([0, 5, 50, 50_000]),
    maxQueuedBytes: chance.pick([200, 2_000, 268_435_456]),
    acquireTimeoutMs: chance.pick([30, 200, 1_000]),
    commandTimeoutMs: chance.pick([60, 300, 1_500, 5_000]),
    connectTimeoutMs: chance.pick([60, 200, 1_000]),
    healthCheckIntervalMs: chance.pick([700, 3_000, 30_000]),
    idleTimeoutMs: chance.pick([0, 700, 3_000, 60_000]),
    maxLifetimeMs: chance.pick([0, 1_500, 6_000, 1_800_000]),
    leakThresholdMs: chance.pick([0, 300, 30_000]),
    retry: {
      retries: chance.pick([0, 1, 3, 3]),
      baseMs: chance.pick([1, 8]),
      jitter: chance.happens(0.3),
    },
    retryWrites: chance.pick(['safe', 'safe', 'never', 'always']),
    breaker: {
      failures: chance.pick([1, 4]),
      maxPauseMs: chance.pick([50, 512]),
      patienceMs: chance.pick([0, 100, 2_000]),
    },
    RESP: chance.happens(0.2) ? 2 : 3,
  };
}

function drawDelays(chance: Chance): Delays {
  return {
    leastMs: 0.05,
    mostMs: chance.pick([0.2, 1, 5]),
    slowShare: chance.pick([0, 0.01, 0.1]),
    slowMs: chance.pick([5, 40]),
  };
}

function drawCalls(chance: Chance, lengthMs: number): Act[] {
  const kinds = subset(chance, CALLS);
  const perSecond = chance.pick([10, 40, 120]);
  return draw(chance, kinds, lengthMs, (perSecond * lengthMs) / 1_000, 'feed');
}

function drawControls(chance: Chance, lengthMs: number): Act[] {
  const count = chance.integer(0, 6);
  return count === 0 ? [] : draw(chance, subset(chance, CONTROLS), lengthMs, count);
}

function drawFaults(chance: Chance, lengthMs: number): Act[] {
  const kinds = FAULTS.filter(() => chance.happens(0.3));
  if (kinds.length === 0) kinds.push(chance.pick(FAULTS));
  const perSecond = chance.pick([0.3, 1, 3]);
  return draw(chance, kinds, lengthMs, Math.ceil((perSecond * lengthMs) / 1_000));
}

function subset<T>(chance: Chance, all: readonly T[]): T[] {
  const some = all.filter(() => chance.happens(0.6));
  return some.length > 0 ? some : [chance.pick(all)];
}

/** @param companion Comes along with each `pop`, more or less. */
function draw(
  chance: Chance,
  kinds: readonly ActKind[],
  lengthMs: number,
  count: number,
  companion?: ActKind,
): Act[] {
  const acts: Act[] = [];
  for (let index = 0; index < count; index++) {
    const kind = chance.pick(kinds);
    acts.push({ atMs: chance.between(0, lengthMs), kind, seed: chance.seed() });
    if (companion !== undefined && kind === 'pop' && chance.happens(0.7)) {
      acts.push({ atMs: chance.between(0, lengthMs), kind: companion, seed: chance.seed() });
    }
  }
  return acts;
}
