// The pool for a client whose commands arrive in the order in which they are issued.

import type { Command } from '../base/command.js';
import type { Order } from '../node/order.js';
import type { PoolExecutor } from '../pool/executor.js';
import { PoolFacade } from './facade.js';

/** Whose own connection may claim a command has a word in it before any lane. */
export interface ClaimingPool extends PoolExecutor {
  claims?(command: Command): boolean;
}

export class InOrder extends PoolFacade<ClaimingPool> {
  readonly #order: Order;

  constructor(pool: ClaimingPool, order: Order) {
    super(pool);
    this.#order = order;
  }

  override execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    return this.pool.claims?.(command)
      ? this.pool.execute(command, signal)
      : this.#order.execute(command, signal);
  }
}
