// Who runs commands: the pool, on lanes and leases, or one lease. The client above knows no more.

import type { Command } from '../base/command.js';
import type { Endpoint } from '../base/endpoint.js';
import type { TraceOrigin } from '../base/tracing.js';
import type { ConnectionLease } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';
import type { Order } from '../node/order.js';

export interface CommandExecutor {
  /** Whether keys decide where a command runs: only then do commands need a route. */
  readonly isSharded: boolean;
  /** Whether reads may be others' than the primary's: then commands that may need a route too. */
  readonly hasReaders?: boolean;
  /** Counts an error that a caller gets; commands carry it in their settings. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** What is told of where commands come from; `undefined`: nothing is told of them. */
  readonly traceOrigin?: TraceOrigin | undefined;
  /** Whose the commands are, where that may end before the pool; they carry it likewise. */
  readonly holder?: object | undefined;
  /** Runs an ordinary command. The promise rejects; nothing is thrown. */
  execute(command: Command, signal?: AbortSignal): Promise<unknown>;
  /** Rejects with `error`, a turn of the event loop later, so that no loop starves the process. */
  refusal(error: Error): Promise<never>;
}

/** A server that commands may go to. */
export type KnownEndpoint = Pick<Endpoint, 'id' | 'address' | 'role'>;

export interface PoolExecutor extends CommandExecutor {
  /** All servers that are known. */
  readonly endpoints: readonly KnownEndpoint[];
  /** Fails a command that must not be sent, likewise a turn later. */
  refuse(command: Command, error: Error): void;
  /** Runs a command that needs a connection for itself, e.g. BLPOP: leases one for its duration. */
  executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown>;
  /** Ids of all that serve, or of the primaries alone; none where it is one server. */
  endpointIds(which: 'primaries' | 'all'): readonly string[];
  /** Whose primary has the slot; `undefined`: nobody is known to, or it is one server. */
  slotOwnerId(slot: number): string | undefined;
  /** Keeps the order of what is executed by it. */
  createOrder?(): Order | undefined;
  /** Lends a connection. @throws PoolError ACQUIRE_TIMEOUT, ABORTED, QUEUE_FULL, POOL_CLOSED, ... */
  acquireLease(options?: LeaseTerms): Promise<ConnectionLease>;
}
