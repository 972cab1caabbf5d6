// The pool's one timer. It ticks fast while somebody waits for something, so that deadlines are
// kept without a timer per command, and slowly while the pool is idle.

import type { Clock } from '../base/clock.js';
import { afterPolling, TOLERATED_LAG_MS } from '../base/event-loop.js';

/** How exact deadlines are, ms. */
const FAST_TICK_MS = 20;
const SLOW_TICK_MS = 500;
/** After a block, what it kept from being sent has this long to be answered, at most, ms. */
const GRACE_MS = 100;

export interface Chores {
  /** Deadlines, at each tick. Returns whether anything is going on, i.e. to tick fast. */
  sweep(now: number): boolean;
  /** What has time: health checks, lifetimes, leaks, alerts; every 500 ms or so. */
  inspect(now: number): void;
  /** How late a tick came, for what is counted. */
  onLag(lagMs: number): void;
  /** Whether somebody waits who has no socket that would keep the process alive. */
  readonly mustStayAlive: boolean;
}

export class Housekeeper {
  /** The clock at the last tick or `hurry()`: good enough for what is measured in seconds. */
  coarseNow: number;
  /** Whether it ticks fast; checked on the hot path before `hurry()` is called. */
  isFast = false;
  readonly #clock: Clock;
  readonly #chores: Chores;
  #timer: NodeJS.Timeout | undefined;
  #expectedAt = 0;
  /** A tick was put off after a block; the next one is not, however late it comes. */
  #isPutOff = false;
  #inspectedAt: number;

  constructor(clock: Clock, chores: Chores) {
    this.#clock = clock;
    this.#chores = chores;
    this.coarseNow = clock.now();
    this.#inspectedAt = this.coarseNow;
  }

  /** Begins to tick; what it looks after is there now. */
  start(): void {
    this.#schedule(SLOW_TICK_MS);
  }

  /** Something began that has a deadline. */
  hurry(): void {
    if (this.isFast || this.#timer === undefined) return;
    this.isFast = true;
    this.coarseNow = this.#clock.now();
    this.#schedule(FAST_TICK_MS);
  }

  /** Keeps the process alive, or not, according to `mustStayAlive`. */
  refresh(): void {
    if (this.#chores.mustStayAlive) this.#timer?.ref();
    else this.#timer?.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(waitMs: number): void {
    clearTimeout(this.#timer);
    this.#expectedAt = this.#clock.now() + waitMs;
    this.#timer = setTimeout(() => this.#onTimer(), waitMs);
    this.refresh();
  }

  #onTimer(): void {
    const lagMs = this.#clock.now() - this.#expectedAt;
    this.#chores.onLag(lagMs);
    if (lagMs <= TOLERATED_LAG_MS) {
      this.#isPutOff = false;
      this.#tick();
    } else if (this.#isPutOff) {
      // Blocked again and again: replies may lie unread in the sockets, but deadlines have to come.
      afterPolling(() => this.#tick());
    } else {
      // What was asked before the block may only now have left; then silence is the server's.
      this.#isPutOff = true;
      this.#schedule(Math.min(lagMs, GRACE_MS));
    }
  }

  #tick(): void {
    if (this.#timer === undefined) return;
    const now = this.#clock.now();
    this.coarseNow = now;
    if (now - this.#inspectedAt >= SLOW_TICK_MS - FAST_TICK_MS) {
      this.#inspectedAt = now;
      this.#chores.inspect(now);
    }
    this.isFast = this.#chores.sweep(now);
    this.#schedule(this.isFast ? FAST_TICK_MS : SLOW_TICK_MS);
  }
}
