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
const MAX_TICK_MS = 10;

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
  /** Arrivals due since the last one that came, a fraction included. */
  #owed = 0;
  #tickMs: number;
  #timer: NodeJS.Timeout | undefined;
  #draining: Promise<void> | undefined;
  #onDrained: (() => void) | undefined;

  constructor(private readonly events: ArrivalEvents<T>) {
    this.#tickMs = events.now();
    this.#schedule();
  }

  get backlog(): number {
    return this.#backlogMs.length - this.#served;
  }

  /** A user is free: takes the arrival that waits longest. */
  release(free: T): void {
    const dueMs = this.#backlogMs[this.#served];
    if (dueMs === undefined) {
      this.#free.push(free);
      this.#onDrained?.();
      return;
    }
    this.#served += 1;
    if (this.#served > 1024 && this.#served * 2 > this.#backlogMs.length) {
      this.#backlogMs = this.#backlogMs.slice(this.#served);
      this.#served = 0;
    }
    this.events.onStart(free, dueMs);
  }

  /** No more arrivals; resolves when those that wait have met a user. */
  drain(): Promise<void> {
    clearTimeout(this.#timer);
    this.#draining ??= new Promise((resolve) => {
      this.#onDrained = resolve;
      if (this.backlog === 0) resolve();
    });
    return this.#draining;
  }

  /** Gives up the arrivals that still wait. */
  abandon(): void {
    clearTimeout(this.#timer);
    for (const dueMs of this.#backlogMs.slice(this.#served)) this.events.onNotSent(dueMs);
    this.#backlogMs = [];
    this.#served = 0;
  }

  #schedule(): void {
    const rate = this.events.ratePerS();
    const waitMs = rate > 0 ? ((1 - this.#owed) * 1000) / rate : MAX_TICK_MS;
    const boundedMs = Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, waitMs));
    this.#timer = setTimeout(() => this.#tick(), boundedMs);
  }

  #tick(): void {
    // The rate grows during the spawn phase, so arrivals are its sum over time, not a fixed step.
    const rate = this.events.ratePerS();
    const nowMs = this.events.now();
    this.#owed += ((nowMs - this.#tickMs) * rate) / 1000;
    this.#tickMs = nowMs;
    for (let count = 0; this.#owed >= 1 && count < MAX_ARRIVALS_A_TICK; count += 1) {
      this.#owed -= 1;
      this.#arrive(nowMs - (this.#owed * 1000) / rate);
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
