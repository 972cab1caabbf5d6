// The pool, seen through something that stands before it: what it does not change, it passes on.

import type { Command } from '../base/command.js';
import type { TraceOrigin } from '../base/tracing.js';
import type { ConnectionLease } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';
import type { Order } from '../node/order.js';
import type { KnownEndpoint, PoolExecutor } from '../pool/executor.js';

export class PoolFacade<Pool extends PoolExecutor = PoolExecutor> implements PoolExecutor {
  readonly onError: ((error: unknown) => void) | undefined;
  readonly traceOrigin: TraceOrigin | undefined;
  protected readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
    this.onError = pool.onError;
    this.traceOrigin = pool.traceOrigin;
  }

  get holder(): object | undefined {
    return this.pool.holder;
  }

  get isSharded(): boolean {
    return this.pool.isSharded;
  }

  get endpoints(): readonly KnownEndpoint[] {
    return this.pool.endpoints;
  }

  get hasReaders(): boolean {
    return this.pool.hasReaders === true;
  }

  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    return this.pool.execute(command, signal);
  }

  executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown> {
    return this.pool.executeExclusive(command, signal);
  }

  endpointIds(which: 'primaries' | 'all'): readonly string[] {
    return this.pool.endpointIds(which);
  }

  slotOwnerId(slot: number): string | undefined {
    return this.pool.slotOwnerId(slot);
  }

  acquireLease(options?: LeaseTerms): Promise<ConnectionLease> {
    return this.pool.acquireLease(options);
  }

  createOrder(): Order | undefined {
    return this.pool.createOrder?.();
  }

  refuse(command: Command, error: Error): void {
    this.pool.refuse(command, error);
  }

  refusal(error: Error): Promise<never> {
    return this.pool.refusal(error);
  }
}
