// The clients of a pool that keep an order, as far as something of theirs is held back: it has no
// place at any node, and yet it is waited for, has a deadline, and ends with the pool.

import type { Clock } from '../base/clock.js';
import type { Command } from '../base/command.js';
import { Order, type OrderOwner } from '../node/order.js';
import type { Refusals } from '../node/refusals.js';
import type { Router } from './router.js';

export class Orders {
  readonly #holding = new Set<Order>();
  readonly #owner: OrderOwner;

  /** @param maxHeld Commands that one client may have held back. */
  constructor(
    maxHeld: number,
    router: Router,
    refusals: Refusals,
    clock: Clock,
    refuses: (holder: object | undefined) => boolean,
  ) {
    this.#owner = {
      maxHeld,
      nodeFor: (route) => router.only ?? router.nodeFor(route),
      refuses,
      refuse: (command, error) => refusals.refuse(command, error),
      refusal: (error) => refusals.refusal(error),
      now: () => clock.now(),
      onHolding: (order) => this.#holding.add(order),
      onFree: (order) => this.#holding.delete(order),
    };
  }

  create(): Order {
    return new Order(this.#owner);
  }

  /** Nothing is held back. */
  get isIdle(): boolean {
    return this.#holding.size === 0;
  }

  forEachCommand(visit: (command: Command) => void): void {
    for (const order of this.#holding) order.forEachHeld(visit);
  }

  /** Tells those whose deadline has passed; returns how many. */
  expire(now: number): number {
    let expired = 0;
    for (const order of this.#holding) expired += order.expire(now);
    return expired;
  }

  /** Ends all that is held back. */
  fail(error: Error): void {
    for (const order of [...this.#holding]) order.fail(error);
  }
}
