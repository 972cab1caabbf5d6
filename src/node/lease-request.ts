// A caller who asks for a connection of his own: what he may say, and his place in the queue.

import type { CommandRoute } from '../base/route.js';
import { PoolError } from '../errors.js';
import type { ConnectionLease } from './lease.js';

export interface AcquireOptions {
  /** Gives up waiting when it aborts (error code ABORTED). */
  readonly signal?: AbortSignal | undefined;
  /** Longest wait, ms; 0: no limit. Default: the pool's `acquireTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Held for good on purpose, as pub/sub does: never reported as a leak. */
  readonly isLongLived?: boolean | undefined;
  /** In a cluster: a key, as commands on the lease name it, of the server that it is to be of. */
  readonly key?: string | Buffer | undefined;
}

/** What the library's own callers may say besides. */
export interface LeaseTerms extends AcquireOptions {
  /** Whose the lease is, where that may end before the pool does. */
  readonly holder?: object | undefined;
  /** Which of several servers it is for; `undefined`: any of them. */
  readonly route?: CommandRoute | undefined;
}

/** What is wrong with the options of an `acquire()`; `undefined`: nothing. */
export function acquireMistake({ signal, timeoutMs, key }: AcquireOptions): PoolError | undefined {
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    return wrong('timeoutMs must be a number of milliseconds, 0 or more');
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    return wrong('signal must be an AbortSignal');
  }
  if (key !== undefined && !(typeof key === 'string' || key instanceof Uint8Array)) {
    return wrong('key must be a string or a Buffer');
  }
  return undefined;
}

function wrong(what: string): PoolError {
  return new PoolError('INVALID_ARGUMENT', `acquire(): ${what}`, { sent: false });
}

export class LeaseRequest {
  readonly queuedAt: number;
  readonly deadlineAt: number;
  readonly isLongLived: boolean;
  /** Captured where the lease was asked for, as the stack is gone when it is granted. */
  readonly origin: Error | undefined;
  readonly holder: object | undefined;
  readonly route: CommandRoute | undefined;
  settled = false;
  /** Told why it was refused, for counting. */
  onError: ((error: unknown) => void) | undefined = undefined;
  unlisten: (() => void) | undefined = undefined;
  readonly promise: Promise<ConnectionLease>;
  #resolve!: (lease: ConnectionLease) => void;
  #reject!: (error: unknown) => void;

  constructor(
    queuedAt: number,
    timeoutMs: number,
    terms: Pick<LeaseTerms, 'isLongLived' | 'holder' | 'route'>,
    origin: Error | undefined,
  ) {
    this.queuedAt = queuedAt;
    this.deadlineAt = timeoutMs === 0 ? Number.POSITIVE_INFINITY : queuedAt + timeoutMs;
    this.isLongLived = terms.isLongLived === true;
    this.origin = origin;
    this.holder = terms.holder;
    this.route = terms.route;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  grant(lease: ConnectionLease): void {
    this.#settle();
    this.#resolve(lease);
  }

  fail(error: unknown): void {
    if (this.settled) return;
    this.#settle();
    this.onError?.(error);
    this.#reject(error);
  }

  #settle(): void {
    this.settled = true;
    this.unlisten?.();
  }
}
