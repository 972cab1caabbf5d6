// How long Redis was away, as this worker saw it. Who lost an answer to an outage can't ask again
// before it is over, so an outage stops the time of grace of a refresh: it must not make a theft of
// what was a retry. An outage that is over is counted as long as the time of grace lasts anew.

/** A longer outage is over for whoever waited: he logs in again. */
export const MAX_OUTAGE_MS = 600_000;

export class Outages {
  readonly #now: () => number;
  #answeredAt: number;
  /** The last answer before the outage that is on. */
  #awaySince: number | undefined;
  #backAt = Number.NEGATIVE_INFINITY;
  #lengthMs = 0;

  /** @param now Monotonic, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#answeredAt = now();
  }

  /** Redis has answered. */
  answered(): void {
    this.#answeredAt = this.#now();
    if (this.#awaySince === undefined) return;
    this.#backAt = this.#answeredAt;
    this.#lengthMs = this.#answeredAt - this.#awaySince;
    this.#awaySince = undefined;
  }

  /** Redis has not answered. */
  failed(): void {
    this.#awaySince ??= this.#answeredAt;
  }

  /** A time of grace with the outage in it, ms; 0 stays 0. */
  prolong(graceMs: number): number {
    const now = this.#now();
    const isOn = this.#awaySince !== undefined;
    const isRecent = now - this.#backAt < graceMs;
    const lengthMs = isOn ? now - this.#awaySince! : isRecent ? this.#lengthMs : 0;
    return graceMs === 0 ? 0 : graceMs + Math.min(Math.ceil(lengthMs), MAX_OUTAGE_MS);
  }
}
