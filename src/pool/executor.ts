// Who runs commands: the pool, on lanes and leases, or one lease. The client above knows no more.

import type { Command } from '../base/command.js';
import type { ConnectionLease } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';

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
  acquireLease(options?: LeaseTerms): Promise<ConnectionLease>;
}
