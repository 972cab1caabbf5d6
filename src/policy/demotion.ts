// How often connections may be given up because the server says that it is read-only. After a
// failover once is enough; towards a server that stays read-only (a replica by mistake, a failover
// that isn't over) each further time waits longer, or every write would cost all connections.

/** Wait after the first demotion until the next one may count, ms; then `FACTOR` times as long. */
const FIRST_PAUSE_MS = 32;
const FACTOR = 4;
const MAX_PAUSE_MS = 10_000;
/** After so long without a demotion the next one is taken for the first again, ms. */
const FORGOTTEN_AFTER_MS = 60_000;

export class DemotionPause {
  #lastAt = Number.NEGATIVE_INFINITY;
  #pauseMs = 0;

  /**
   * A server answered that it is read-only.
   * @param now ms on the pool's clock.
   * @returns Whether its connections are to be given up now.
   */
  note(now: number): boolean {
    const elapsedMs = now - this.#lastAt;
    if (elapsedMs < this.#pauseMs) return false;
    const isFirst = elapsedMs >= FORGOTTEN_AFTER_MS;
    this.#pauseMs = isFirst ? FIRST_PAUSE_MS : Math.min(this.#pauseMs * FACTOR, MAX_PAUSE_MS);
    this.#lastAt = now;
    return true;
  }
}
