// One process on simulated time: the event loop of Node with its timers, its poll and its immediates,
// and the world outside, which goes on while the process is busy.
//
//   turn:  timers that are due --> what came from outside, in any order --> immediates
//          nothing to do: the clock goes on to what is due next
//
// After each callback all microtasks have run, as a real turn of the event loop is waited for.

import type { Chance } from './chance.js';
import { EventHeap, type Planned } from './event-heap.js';

const realSetImmediate = setImmediate;

/** What a turn takes, ms: the clock never stands still. */
const TURN_MS = 0.01;
/** Node's longest timer, ms; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Never 0, which stands for "not yet" in commands, ms. */
const BEGINNING_MS = 1_000;

interface Happening extends Planned {
  readonly act: () => void;
}

/** What `setTimeout` and `setInterval` give. */
export class SimulatedTimer implements Planned {
  at: number;
  order: number;
  isActive = true;
  #isRef = true;
  readonly callback: () => void;
  readonly everyMs: number | undefined;
  readonly #loop: EventLoop;

  constructor(loop: EventLoop, at: number, order: number, callback: () => void, every?: number) {
    this.#loop = loop;
    this.at = at;
    this.order = order;
    this.callback = callback;
    this.everyMs = every;
  }

  ref(): this {
    if (this.isActive && !this.#isRef) this.#loop.holds++;
    this.#isRef = true;
    return this;
  }

  unref(): this {
    if (this.isActive && this.#isRef) this.#loop.holds--;
    this.#isRef = false;
    return this;
  }

  hasRef(): boolean {
    return this.#isRef;
  }

  /** It does not fire any more. */
  end(): void {
    if (!this.isActive) return;
    this.isActive = false;
    this.#loop.activeTimers--;
    if (this.#isRef) this.#loop.holds--;
  }
}

export interface SimulatedImmediate {
  callback: (() => void) | undefined;
}

export class EventLoop {
  /** The process' clock, ms. */
  now = BEGINNING_MS;
  /** The clock of the world outside, which is behind while it catches up with a busy process. */
  outsideNow = BEGINNING_MS;
  /** Callbacks and events so far. */
  steps = 0;
  /** Timers that have fired. */
  timersFired = 0;
  activeTimers = 0;
  /** Timers and sockets that keep the process alive. */
  holds = 0;
  /** For how long the process was blocked so far, ms. */
  blockedMs = 0;
  /** When it was so last, ms. */
  blockedAt = 0;
  /** Called after each callback, when its microtasks have run. */
  onStep: () => void = () => undefined;
  /** Called when there is nothing to do for a while. */
  onIdle: () => void = () => undefined;
  /** Told what a callback threw. */
  onUncaught: (error: unknown) => void = () => undefined;
  /** Takes down what happens; `undefined`: nobody reads it. */
  note: ((text: () => string) => void) | undefined;
  readonly #chance: Chance;
  readonly #timers = new EventHeap<SimulatedTimer>();
  readonly #outside = new EventHeap<Happening>();
  #inputs: (() => void)[] = [];
  #immediates: SimulatedImmediate[] = [];
  #order = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  get pendingImmediates(): number {
    return this.#immediates.filter(({ callback }) => callback !== undefined).length;
  }

  /** Something happens outside of the process at that time. */
  happensAt(at: number, act: () => void): void {
    this.#outside.push({ at: Math.max(at, this.outsideNow), order: this.#order++, act });
  }

  /** Something came from outside: the process reads it in its next poll. */
  input(act: () => void): void {
    this.#inputs.push(act);
  }

  /** A caller in the process goes on at a later time; it is no timer of the process. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.happensAt(this.outsideNow + ms, () => this.input(resolve));
    });
  }

  /** The process computes for so long; outside everything goes on. */
  block(ms: number): void {
    this.blockedMs += ms;
    const until = this.now + ms;
    this.#catchUp(until);
    this.now = until;
    this.blockedAt = until;
  }

  setTimeout(callback: () => void, ms: number | undefined, isRepeated = false): SimulatedTimer {
    const waitMs = Number(ms) >= 1 && Number(ms) <= MAX_TIMER_MS ? Math.trunc(Number(ms)) : 1;
    const everyMs = isRepeated ? waitMs : undefined;
    // libuv counts whole milliseconds, so that a timer may fire a fraction too early.
    const at = Math.floor(this.now) + waitMs;
    const timer = new SimulatedTimer(this, at, this.#order++, callback, everyMs);
    this.activeTimers++;
    this.holds++;
    this.#timers.push(timer);
    return timer;
  }

  setImmediate(callback: () => void): SimulatedImmediate {
    const immediate = { callback };
    this.#immediates.push(immediate);
    return immediate;
  }

  /** Runs until `isOver`, or until nothing is left that could happen. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#fireTimers();
      await this.#readInputs();
      await this.#runImmediates();
      if (isOver() || !this.#goOn()) return;
    }
  }

  async #fireTimers(): Promise<void> {
    for (;;) {
      const timer = this.#nextTimer();
      if (timer === undefined || timer.at > this.now) return;
      this.#timers.shift();
      this.timersFired++;
      if (timer.everyMs === undefined) timer.end();
      await this.#step(timer.callback);
      if (!timer.isActive || timer.everyMs === undefined) continue;
      timer.at = Math.floor(this.now) + timer.everyMs;
      timer.order = this.#order++;
      this.#timers.push(timer);
    }
  }

  async #readInputs(): Promise<void> {
    const inputs = this.#inputs;
    if (inputs.length === 0) return;
    this.#inputs = [];
    this.#chance.shuffle(inputs);
    for (const act of inputs) await this.#step(act);
  }

  async #runImmediates(): Promise<void> {
    const immediates = this.#immediates;
    if (immediates.length === 0) return;
    this.#immediates = [];
    for (const { callback } of immediates) if (callback !== undefined) await this.#step(callback);
  }

  /** The next turn begins, later where there is nothing to do before; false: nothing is left. */
  #goOn(): boolean {
    let next = this.now + TURN_MS;
    if (this.#inputs.length === 0 && this.#immediates.length === 0) {
      this.onIdle();
      const due = Math.min(this.#nextTimer()?.at ?? Infinity, this.#outside.peek()?.at ?? Infinity);
      if (due === Infinity) return false;
      next = Math.max(next, due);
    }
    this.#catchUp(next);
    this.now = next;
    return true;
  }

  #catchUp(until: number): void {
    for (;;) {
      const happening = this.#outside.peek();
      if (happening === undefined || happening.at > until) break;
      this.#outside.shift();
      this.outsideNow = Math.max(this.outsideNow, happening.at);
      this.steps++;
      happening.act();
    }
    this.outsideNow = until;
  }

  async #step(callback: () => void): Promise<void> {
    this.steps++;
    try {
      callback();
    } catch (error) {
      this.onUncaught(error);
    }
    await allMicrotasks();
    this.onStep();
  }

  #nextTimer(): SimulatedTimer | undefined {
    for (;;) {
      const timer = this.#timers.peek();
      if (timer === undefined || timer.isActive) return timer;
      this.#timers.shift();
    }
  }
}

function allMicrotasks(): Promise<void> {
  return new Promise((resolve) => {
    realSetImmediate(resolve);
  });
}
