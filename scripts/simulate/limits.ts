// The bounds that a pool keeps at every moment, looked at from outside: its own status, and the
// connections that the network has.

import type { Pool } from 'plimsoll';
import type { Model } from './model.js';
import type { Network } from './network.js';

/** One more than the maximum may be open for as long as a lane is being replaced. */
const REPLACEMENTS = 1;
/** Dials that may be under way beside those that the maximum allows: a witness, a second try. */
const EXTRA_DIALS = 2;

export class Limits {
  readonly #pool: Pool;
  readonly #network: Network;
  readonly #model: Model;
  readonly #dataAddresses: ReadonlySet<string>;
  readonly #perServer: number;
  /** After the maximum was lowered, what is open above it may end in peace, but nothing is added. */
  #mostOpen = 0;
  #max = 0;

  constructor(pool: Pool, network: Network, model: Model, dataAddresses: readonly string[]) {
    this.#pool = pool;
    this.#network = network;
    this.#model = model;
    this.#dataAddresses = new Set(dataAddresses);
    this.#perServer = EXTRA_DIALS;
  }

  check(): void {
    const { connections, waiting } = this.#pool.status();
    const { maxWaiters } = this.#pool.options;
    if (waiting > maxWaiters) {
      this.#model.violate('bounded', `${waiting} callers wait, maxWaiters is ${maxWaiters}`);
    }
    const isLowered = connections.max < this.#max;
    this.#max = connections.max;
    const allowed = connections.max + REPLACEMENTS;
    this.#mostOpen = isLowered
      ? Math.max(allowed, this.#mostOpen, connections.open)
      : Math.max(allowed, Math.min(this.#mostOpen, connections.open));
    if (connections.open > this.#mostOpen) {
      const text = `${connections.open} connections are open, the maximum is ${connections.max}`;
      this.#model.violate('bounded', text);
    }
    const sockets = [...this.#network.open].filter(({ address }) =>
      this.#dataAddresses.has(address),
    ).length;
    if (sockets > this.#mostOpen + this.#perServer) {
      const text = `${sockets} sockets are open, the maximum is ${connections.max}`;
      this.#model.violate('bounded', text);
    }
  }
}
