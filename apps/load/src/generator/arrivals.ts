// The open model's clock: arrivals come at a constant rate whether or not the service keeps up. An
// arrival that finds no free user waits, and its latency counts from when it was due, so a stall
// of the service shows in the percentiles in full (no "coordinated omission").
//
//   due --> free user? --yes--> task
//              no --> backlog (bounded) --> next user that gets free

/** Arrivals that may wait for a user; beyond it they are counted as not sent. */
export const MAX_BACKLOG = 100_000;
/** Arrivals of one tick, so that a generator that fell behind can't starve its sockets. */
const MAX_ARRIVALS_A_TICK = 5000;
const MIN_TICK_MS = 1;
const IDLE_TICK_MS = 10;

export interface ArrivalEvents<T> {
  /** An arrival meets a free user. */
  onStart(free: T, dueMs: number): void;
  /** An arrival will never be sent. */
  onNotSent(dueMs: number): void;
  /** Arrivals per second now. */
  ratePerS(): number;
  now(): number;
}

export class Arrivals<T> {
  readonly #free: T[] = [];
  #backlogMs: number[] = [];
  #served = 0;
  #nextMs: number;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(private readonly events: ArrivalEvents<T>) {
    this.#nextMs = events.now();
    this.#schedule();
  }

  get backlog(): number {
    return this.#backlogMs.length - this.#served;
  }

  /** A user is free: takes the arrival that waits longest. */
  release(free: T): void {
    if (this.#over) return;
    const dueMs = this.#backlogMs[this.#served];
    if (dueMs === undefined) {
      this.#free.push(free);
      return;
    }
    this.#served += 1;
    if (this.#served > 1024 && this.#served * 2 > this.#backlogMs.length) {
      this.#backlogMs = this.#backlogMs.slice(this.#served);
      this.#served = 0;
    }
    this.events.onStart(free, dueMs);
  }

  /** No more arrivals; those that wait are not sent. */
  stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    for (const dueMs of this.#backlogMs.slice(this.#served)) this.events.onNotSent(dueMs);
    this.#backlogMs = [];
    this.#served = 0;
  }

  #schedule(): void {
    const rate = this.events.ratePerS();
    const waitMs = rate > 0 ? this.#nextMs - this.events.now() : IDLE_TICK_MS;
    this.#timer = setTimeout(() => this.#tick(), Math.max(MIN_TICK_MS, waitMs));
  }

  #tick(): void {
    const rate = this.events.ratePerS();
    const nowMs = this.events.now();
    if (rate <= 0) this.#nextMs = nowMs;
    for (let count = 0; rate > 0 && this.#nextMs <= nowMs; count += 1) {
      if (count >= MAX_ARRIVALS_A_TICK) break;
      this.#arrive(this.#nextMs);
      this.#nextMs += 1000 / rate;
    }
    this.#schedule();
  }

  #arrive(dueMs: number): void {
    // The user that has been idle longest, so that all connections stay in use.
    const free = this.#free.shift();
    if (free !== undefined) this.events.onStart(free, dueMs);
    else if (this.backlog < MAX_BACKLOG) this.#backlogMs.push(dueMs);
    else this.events.onNotSent(dueMs);
  }
}
