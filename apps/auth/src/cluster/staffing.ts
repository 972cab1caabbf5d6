// How many workers there are: one more when their event loops have been busy for a while, one less
// when fewer would do, by the same rule as a pool's connections. Workers say once a second for which
// part of it their event loop was busy.

import { Scaling } from 'plimsoll';

/** A worker's event loop busier than this, on average over all, wants another one, per cent. */
export const GROW_ABOVE_PERCENT = 80;
/** With one worker less they would still be less busy than this, per cent. */
export const SHRINK_BELOW_PERCENT = 50;

export interface StaffingTerms {
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly scaleUpSeconds: number;
  readonly scaleDownSeconds: number;
}

export interface StaffingDecision {
  /** `hold`: there should be another one, and there are as many as may be; told once. */
  readonly action: 'grow' | 'shrink' | 'hold';
  readonly from: number;
  readonly to: number;
  readonly reason: 'utilization' | 'ceiling';
  readonly utilizationPercent: number;
}

export class Staffing {
  readonly #scaling: Scaling | undefined;
  /** By worker, 0 to 1. */
  readonly #loads = new Map<number, number>();
  #utilizationPercent = 0;
  #isHeld = false;

  /** @param terms `undefined`: as many as there are. @param now Monotonic, ms. */
  constructor(terms: StaffingTerms | undefined, now: number) {
    if (terms === undefined) return;
    const rule = {
      least: terms.minWorkers,
      most: terms.maxWorkers,
      step: 1,
      growAbovePercent: GROW_ABOVE_PERCENT,
      growAfterMs: terms.scaleUpSeconds * 1_000,
      shrinkBelowPercent: SHRINK_BELOW_PERCENT,
      shrinkAfterMs: terms.scaleDownSeconds * 1_000,
    };
    this.#scaling = new Scaling(rule, now);
  }

  /** Over all workers, in their last second, per cent. */
  get utilizationPercent(): number {
    return this.#utilizationPercent;
  }

  /** @param load For which part of the last second its event loop was busy, 0 to 1. */
  heard(worker: number, load: number): void {
    this.#loads.set(worker, load);
  }

  /**
   * To be called each second.
   * @param serving Ids of the workers that serve.
   * @param size How many there are to be, with those that start.
   */
  look(serving: readonly number[], size: number, now: number): StaffingDecision | undefined {
    for (const id of this.#loads.keys()) if (!serving.includes(id)) this.#loads.delete(id);
    const busy = [...this.#loads.values()].reduce((sum, load) => sum + load, 0);
    const utilizationPercent = (busy / size) * 100;
    this.#utilizationPercent = utilizationPercent;
    const verdict = this.#scaling?.judge(busy, size, now);
    if (verdict === undefined) {
      if (this.#scaling?.isCrowded === false) this.#isHeld = false;
      return undefined;
    }
    if (verdict.action === 'full') {
      if (this.#isHeld) return undefined;
      this.#isHeld = true;
      return { action: 'hold', from: size, to: size, reason: 'ceiling', utilizationPercent };
    }
    this.#isHeld = false;
    this.#scaling?.restart(now);
    return { ...verdict, from: size, reason: 'utilization', utilizationPercent };
  }
}
