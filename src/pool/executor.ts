// Who runs commands: the pool, on lanes and leases, or one lease. The client above knows no more.

import type { Command } from '../base/command.js';
import { PoolError } from '../errors.js';
import type { ConnectionLease } from './lease.js';

export interface AcquireOptions {
  /** Gives up waiting when it aborts (error code ABORTED). */
  readonly signal?: AbortSignal | undefined;
  /** Longest wait, ms; 0: no limit. Default: the pool's `acquireTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Held for good on purpose, as pub/sub does: never reported as a leak. */
  readonly isLongLived?: boolean | undefined;
  /** Whose the lease is, where that may end before the pool does. @internal */
  readonly holder?: object | undefined;
}

/** What is wrong with the options of an `acquire()`; `undefined`: nothing. */
export function acquireMistake({ signal, timeoutMs }: AcquireOptions): PoolError | undefined {
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    return wrong('timeoutMs must be a number of milliseconds, 0 or more');
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    return wrong('signal must be an AbortSignal');
  }
  return undefined;
}

function wrong(what: string): PoolError {
  return new PoolError('INVALID_ARGUMENT', `acquire(): ${what}`, { sent: false });
}

export interface CommandExecutor {
  /** Counts an error that a caller gets; commands carry it in their settings. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Whose the commands are, where that may end before the pool; they carry it likewise. */
  readonly holder?: object | undefined;
  /** Runs an ordinary command. The promise rejects; nothing is thrown. */
  execute(command: Command, signal?: AbortSignal): Promise<unknown>;
  /** Rejects with `error`, a turn of the event loop later, so that no loop starves the process. */
  refusal(error: Error): Promise<never>;
}

export interface PoolExecutor extends CommandExecutor {
  /** Fails a command that must not be sent, likewise a turn later. */
  refuse(command: Command, error: Error): void;
  /** Runs a command that needs a connection for itself, e.g. BLPOP: leases one for its duration. */
  executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown>;
  /** Lends a connection. @throws PoolError ACQUIRE_TIMEOUT, ABORTED, QUEUE_FULL, POOL_CLOSED, ... */
  acquireLease(options?: AcquireOptions): Promise<ConnectionLease>;
}
