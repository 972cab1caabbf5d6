// The bounds that a pool keeps at every moment, looked at from outside: its own status, and the
// connections that the network has.

import type { Pool } from 'plimsoll';
import type { Network } from 'plimsoll-cli/simulated-time/network.js';
import type { Model } from './model.js';

/** One more than the maximum may be open for as long as a lane is being replaced; at each server. */
const REPLACEMENTS = 1;
/** Dials that may be under way beside those that the maximum allows: a witness, a second try. */
const EXTRA_DIALS = 2;
/** Connections of a cluster's topology itself, which are kept for a moment, for each server. */
const QUESTIONS = 2;

export class Limits {
  readonly #pool: Pool;
  readonly #network: Network;
  readonly #model: Model;
  readonly #addresses: ReadonlySet<string>;
  readonly #isCluster: boolean;
  /** After the maximum was lowered, what is open above it may end in peace, but nothing is added. */
  #mostOpen = 0;
  #max = 0;

  constructor(
    pool: Pool,
    network: Network,
    model: Model,
    addresses: readonly string[],
    isCluster: boolean,
  ) {
    this.#pool = pool;
    this.#network = network;
    this.#model = model;
    this.#addresses = new Set(addresses);
    this.#isCluster = isCluster;
  }

  check(): void {
    const { connections, waiting } = this.#pool.status();
    this.#checkQueue(waiting);
    const servers = this.#isCluster ? this.#addresses.size : 1;
    // Each server of a cluster may have one, however small the budget is.
    const least = this.#isCluster ? servers : 0;
    const allowed = Math.max(connections.max, least) + servers * REPLACEMENTS;
    const isLowered = connections.max < this.#max;
    this.#max = connections.max;
    this.#mostOpen = isLowered
      ? Math.max(allowed, this.#mostOpen, connections.open)
      : Math.max(allowed, Math.min(this.#mostOpen, connections.open));
    if (connections.open > this.#mostOpen) {
      const text = `${connections.open} connections are open, the maximum is ${connections.max}`;
      this.#model.violate('bounded', text);
    }
    const open = [...this.#network.open].filter(({ address }) => this.#addresses.has(address));
    const extra = EXTRA_DIALS + (this.#isCluster ? QUESTIONS * servers : 0);
    if (open.length > this.#mostOpen + extra) {
      const text = `${open.length} sockets are open, the maximum is ${connections.max}`;
      this.#model.violate('bounded', text);
    }
  }

  /** A queue for each server, as one that is away shall not take the others' places. */
  #checkQueue(waiting: number): void {
    const { maxWaiters } = this.#pool.options;
    const queues = this.#isCluster ? this.#addresses.size + 1 : 1;
    if (waiting <= maxWaiters * queues) return;
    this.#model.violate('bounded', `${waiting} callers wait, maxWaiters is ${maxWaiters}`);
  }
}
