// How long Redis was away, as this worker saw it. Who lost an answer to an outage can't ask again
// before it is over, so an outage stops the time of grace of a refresh: it must not make a theft of
// what was a retry. An outage that is over is counted as long as the time of grace lasts anew.

import type { Pool } from 'plimsoll';

/** A longer outage is over for whoever waited: he logs in again. */
export const MAX_OUTAGE_MS = 600_000;
/** A server that comes back may go again at once, or load its data first: one outage. */
export const MERGE_MS = 10_000;

export class Outages {
  /** One that sees what happens while nobody asks anything, too. */
  static of(pool: Pool): Outages {
    const outages = new Outages();
    pool.on('breakerOpen', () => outages.failed());
    pool.on('breakerClose', () => outages.answered());
    return outages;
  }

  readonly #now: () => number;
  #answeredAt: number;
  /** The last answer before the outage, of which there may have been none yet. */
  #awaySince = Number.NEGATIVE_INFINITY;
  #backAt = Number.NEGATIVE_INFINITY;
  #isAway = false;

  /** @param now Monotonic, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#answeredAt = now();
  }

  /** Redis has answered. */
  answered(): void {
    this.#answeredAt = this.#now();
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#backAt = this.#answeredAt;
  }

  /** Redis has not answered. */
  failed(): void {
    if (this.#isAway) return;
    this.#isAway = true;
    if (this.#now() - this.#backAt >= MERGE_MS) this.#awaySince = this.#answeredAt;
  }

  /** A time of grace with the outage in it, ms; 0 stays 0. */
  prolong(graceMs: number): number {
    const now = this.#now();
    const until = this.#isAway ? now : this.#backAt;
    if (graceMs === 0 || now - until >= graceMs) return graceMs;
    return graceMs + Math.min(Math.ceil(until - this.#awaySince), MAX_OUTAGE_MS);
  }
}
