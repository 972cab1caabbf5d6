// How many users a process starts or stops, by the plan of the run. Pure: time comes in.

import type { LoadStage, PlanStep } from '../load-shape.js';
import type { GeneratorSettings } from './protocol.js';

/** Whole things divided among processes: the first ones have one more. */
export function share(all: number, parts: number, part: number): number {
  return Math.floor(all / parts) + (part < all % parts ? 1 : 0);
}

/** How many of all users belong to one process. */
export function localUsers(settings: GeneratorSettings): number {
  const { users, processCount, processIndex } = settings;
  return share(users, processCount, processIndex);
}

export class Staffing {
  /** Users that may come or go by now; the first one may at once. */
  #credit = 1;
  #lastMs = 0;
  #stepIndex = 0;

  constructor(
    private steps: readonly PlanStep[],
    private readonly processCount: number,
    private readonly processIndex: number,
  ) {}

  /** In place of what was planned, at once. */
  redirect(stage: LoadStage): void {
    this.steps = [{ fromMs: 0, ...stage }];
    this.#stepIndex = 0;
    this.#credit = 1;
  }

  /** Users to start, above 0, or to stop, below 0, of those that are active in this process. */
  change(elapsedMs: number, active: number): number {
    while ((this.steps[this.#stepIndex + 1]?.fromMs ?? Number.POSITIVE_INFINITY) <= elapsedMs) {
      this.#stepIndex += 1;
    }
    const { users, spawnRate } = this.steps[this.#stepIndex]!;
    this.#credit += ((elapsedMs - this.#lastMs) / 1000) * (spawnRate / this.processCount);
    this.#lastMs = elapsedMs;
    const missing = share(users, this.processCount, this.processIndex) - active;
    const changed = Math.min(Math.floor(this.#credit), Math.abs(missing));
    this.#credit -= changed;
    // What isn't used up doesn't add up until the next step.
    if (changed === Math.abs(missing)) this.#credit = Math.min(this.#credit, 1);
    return Math.sign(missing) * changed;
  }
}
