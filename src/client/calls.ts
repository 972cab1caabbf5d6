// Callers who wait until the server has confirmed something, channel by channel: each is counted
// down, so that a confirmation costs the same however many wait. One timer has all their deadlines.

import { onceAborted } from '../base/abort-signal.js';
import type { Clock } from '../base/clock.js';
import { afterPolling } from '../base/event-loop.js';
import { PoolError } from '../errors.js';
import { abortedError } from '../node/caller-errors.js';

/** How exact deadlines are, ms: the callers are looked through no more often. */
const GRAIN_MS = 20;

/** What a caller's own options say of his wait. */
export interface CallTerms {
  /** His own deadline, which counts from the call, ms; `undefined`: he named none; 0: none. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

// Nothing is #private here: calls may be many, and on Node 20 each such field makes one dearer.
export class Call {
  readonly promise: Promise<void>;
  /** What was called, for messages. */
  readonly name: string;
  /** Whether the time of the library, and not his own, counts while the server is asked. */
  readonly hasOwnTime: boolean;
  deadlineAt = Number.POSITIVE_INFINITY;
  timeoutMs: number;
  unlisten: (() => void) | undefined = undefined;
  private readonly owner: Calls;
  /** Takes back what the call had asked for, where it fails. */
  private readonly undo: (() => void) | undefined;
  private awaited: number;
  private isSettled = false;
  private resolve!: () => void;
  private fail!: (error: Error) => void;

  constructor(
    owner: Calls,
    name: string,
    awaited: number,
    timeoutMs: number | undefined,
    undo: (() => void) | undefined,
  ) {
    this.owner = owner;
    this.name = name;
    this.awaited = awaited;
    this.hasOwnTime = timeoutMs !== undefined;
    this.timeoutMs = timeoutMs ?? 0;
    this.undo = undo;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.fail = reject;
    });
  }

  /** One of the things that it waits for has come. */
  countDown(): void {
    this.awaited--;
    if (this.awaited === 0 && this.settle()) this.resolve();
  }

  reject(error: Error): void {
    if (!this.settle()) return;
    this.undo?.();
    this.fail(error);
  }

  private settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.unlisten?.();
    this.owner.forget(this);
    return true;
  }
}

export class Calls {
  readonly #clock: Clock;
  readonly #waiting = new Set<Call>();
  #timer: NodeJS.Timeout | undefined;
  #firesAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param awaited How often `countDown()` has to be called.
   * @param undo Takes back what was asked for, if the call fails.
   */
  open(name: string, awaited: number, terms: CallTerms, undo?: () => void): Call {
    const call = new Call(this, name, awaited, terms.timeoutMs, undo);
    const { signal } = terms;
    this.#waiting.add(call);
    if (call.timeoutMs > 0) this.#setDeadline(call, call.timeoutMs);
    if (signal !== undefined) {
      call.unlisten = onceAborted(signal, () => call.reject(abortedError(name, signal)));
    }
    return call;
  }

  /** The server was asked: who named no deadline waits so long from now on, ms; 0: for ever. */
  startClocks(timeoutMs: number): void {
    for (const call of this.#waiting) this.startClock(call, timeoutMs);
  }

  /** The same for one of them, unless its clock runs already. */
  startClock(call: Call, timeoutMs: number): void {
    if (call.hasOwnTime || call.timeoutMs !== 0 || timeoutMs === 0) return;
    call.timeoutMs = timeoutMs;
    this.#setDeadline(call, timeoutMs);
  }

  /** Nobody can be asked just now: who named no deadline has time. */
  stopClocks(): void {
    for (const call of this.#waiting) this.stopClock(call);
  }

  /** The same for one of them. */
  stopClock(call: Call): void {
    if (call.hasOwnTime) return;
    call.timeoutMs = 0;
    call.deadlineAt = Number.POSITIVE_INFINITY;
  }

  rejectAll(error: Error): void {
    for (const call of [...this.#waiting]) call.reject(error);
  }

  /** For calls alone: it is settled. */
  forget(call: Call): void {
    this.#waiting.delete(call);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#firesAt = Number.POSITIVE_INFINITY;
  }

  #setDeadline(call: Call, timeoutMs: number): void {
    call.deadlineAt = this.#clock.now() + timeoutMs;
    this.#fireAt(call.deadlineAt);
  }

  #fireAt(time: number): void {
    if (time >= this.#firesAt) return;
    clearTimeout(this.#timer);
    this.#firesAt = time;
    const waitMs = Math.max(0, Math.ceil(time - this.#clock.now()));
    // After a blocked event loop the confirmation may lie unread in the socket.
    this.#timer = setTimeout(() => afterPolling(() => this.#expire()), waitMs);
    // What keeps the process alive is the connection that is waited for.
    this.#timer.unref();
  }

  #expire(): void {
    const now = this.#clock.now();
    this.#firesAt = Number.POSITIVE_INFINITY;
    let earliest = Number.POSITIVE_INFINITY;
    for (const call of [...this.#waiting]) {
      if (call.deadlineAt <= now) call.reject(late(call));
      else earliest = Math.min(earliest, call.deadlineAt);
    }
    if (earliest < Number.POSITIVE_INFINITY) this.#fireAt(Math.max(earliest, now + GRAIN_MS));
  }
}

function late({ name, timeoutMs }: Call): PoolError {
  const text = `${name} was not confirmed within ${timeoutMs} ms, and was taken back`;
  return new PoolError('COMMAND_TIMEOUT', text);
}
