// How long Redis was away, as this worker saw it. Who lost an answer to an outage can't ask again
// before it is over, so an outage stops the time of grace of a refresh: it must not make a theft of
// what was a retry. An outage that is over is counted as long as the time of grace lasts anew.
//
// Of a cluster a part may be away, while the rest answers: then nobody's answer ends the outage, but
// that nobody fails any more. It counts for all, as no worker knows what others' users have met.

import type { Pool } from 'plimsoll';
import { isSharded } from './shards.js';

/** A longer outage is over for whoever waited: he logs in again. */
export const MAX_OUTAGE_MS = 600_000;
/** A server that comes back may go again at once, or load its data first: one outage. */
export const MERGE_MS = 10_000;
/** A part of a cluster that has not failed for so long is back. */
export const QUIET_MS = 2_000;
/** How often the parts are looked at, as the pool tells once that one has gone. */
const LOOK_MS = 1_000;

export interface OutageTerms {
  /** What answers may not be what failed: an outage ends when nothing has failed for so long, ms. */
  readonly quietMs?: number;
  /** What fails may have been sent so long before, while others were answered, ms. */
  readonly lateMs?: number;
}

export class Outages {
  /** One that sees what happens while nobody asks anything, too. */
  static of(pool: Pool): Outages {
    if (isSharded(pool)) return Outages.#ofParts(pool);
    const outages = new Outages();
    pool.on('breakerOpen', () => outages.failed());
    pool.on('breakerClose', () => outages.answered());
    return outages;
  }

  static #ofParts(pool: Pool): Outages {
    const terms = { quietMs: QUIET_MS, lateMs: pool.options.commandTimeoutMs };
    const outages = new Outages(undefined, terms);
    const timer = setInterval(() => {
      const { endpoints } = pool.status();
      if (endpoints.some(({ role, state }) => role === 'primary' && state === 'down')) {
        outages.failed();
      }
    }, LOOK_MS);
    timer.unref();
    pool.on('close', () => clearInterval(timer));
    return outages;
  }

  readonly #now: () => number;
  readonly #quietMs: number;
  readonly #lateMs: number;
  #answeredAt: number;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** The last answer before the outage, of which there may have been none yet. */
  #awaySince = Number.NEGATIVE_INFINITY;
  #backAt = Number.NEGATIVE_INFINITY;
  #isAway = false;

  /** @param now Monotonic, ms. */
  constructor(now: () => number = () => performance.now(), terms: OutageTerms = {}) {
    this.#now = now;
    this.#quietMs = terms.quietMs ?? 0;
    this.#lateMs = terms.lateMs ?? 0;
    this.#answeredAt = now();
  }

  /** Redis has answered. */
  answered(): void {
    this.#answeredAt = this.#now();
    if (!this.#isAway || this.#answeredAt - this.#failedAt < this.#quietMs) return;
    this.#isAway = false;
    this.#backAt = this.#answeredAt;
  }

  /** Redis has not answered. */
  failed(): void {
    const now = this.#now();
    this.#failedAt = now;
    if (this.#isAway) return;
    this.#isAway = true;
    if (now - this.#backAt >= MERGE_MS) {
      this.#awaySince = Math.min(this.#answeredAt, now - this.#lateMs);
    }
  }

  /** A time of grace with the outage in it, ms; 0 stays 0. */
  prolong(graceMs: number): number {
    const now = this.#now();
    const until = this.#isAway ? now : this.#backAt;
    if (graceMs === 0 || now - until >= graceMs) return graceMs;
    return graceMs + Math.min(Math.ceil(until - this.#awaySince), MAX_OUTAGE_MS);
  }
}
