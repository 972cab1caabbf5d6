// Tells hung workers from busy ones. A worker sends a heartbeat each second from its event loop; the
// primary looks once a second, and whoever was silent for ten looks in a row is hung: stopped, or in
// a loop without an end. Looks are counted, not time: one that comes late says that this process was
// kept from running, and then so were the others, whose heartbeats may still lie in the socket. So
// a host that is busy, was suspended or froze the whole service ends no worker. Pure.

/** How often workers send a heartbeat and the primary looks, ms. */
export const HEARTBEAT_MS = 1_000;
/** Looks in a row without a heartbeat, after which a worker is hung. */
export const HUNG_AFTER_LOOKS = 10;
/** A look this much after its time doesn't count, ms. */
export const LATE_MS = 500;

export class Watchdog {
  readonly #silentLooks = new Map<number, number>();
  #lookedAt: number;

  /** @param now Monotonic, ms, as in {@link look}. */
  constructor(now: number) {
    this.#lookedAt = now;
  }

  /** A worker said something, whatever it was. */
  heard(worker: number): void {
    this.#silentLooks.delete(worker);
  }

  /** To be called each HEARTBEAT_MS. @returns Those of the workers that are hung. */
  look(workers: readonly number[], now: number): number[] {
    const isLate = now - this.#lookedAt > HEARTBEAT_MS + LATE_MS;
    this.#lookedAt = now;
    if (isLate) return [];
    const before = new Map(this.#silentLooks);
    this.#silentLooks.clear();
    for (const worker of workers) this.#silentLooks.set(worker, (before.get(worker) ?? 0) + 1);
    return workers.filter((worker) => this.#silentLooks.get(worker)! > HUNG_AFTER_LOOKS);
  }
}
