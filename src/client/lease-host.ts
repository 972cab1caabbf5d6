// The host of a lease's client. Commands run on the leased connection; what needs a connection of
// its own besides, as pub/sub does, belongs to `pool.client`.

import { PoolError } from '../errors.js';
import type { ConnectionLease } from '../node/lease.js';
import { ownCommand } from '../node/own-command.js';
import { restoringCommands } from '../policy/session.js';
import type { Client } from './client.js';
import { clientClass } from './client-class.js';
import { CommandContext } from './context.js';
import type { ClientHost, HostedClient } from './host.js';
import type { MonitorListener } from './monitor.js';
import type { ClientPool } from './pool-host.js';
import type { ClientSetup } from './setup.js';
import type { Subscriber } from './subscriber.js';

/** Makes the clients of leases. */
export interface LeaseClients {
  createLeaseClient(lease: ConnectionLease): Client;
}

export function createLeaseClient(
  lease: ConnectionLease,
  pool: ClientPool & { readonly client: object },
  setup: ClientSetup,
): Client {
  const { keyPrefix, commandOptions } = setup;
  const { commandTimeoutMs } = pool.options;
  const context = new CommandContext({ lease }, keyPrefix, commandTimeoutMs, commandOptions);
  const Class = clientClass(setup.sets);
  return new Class(new LeaseClientHost(lease, pool, setup), context);
}

class LeaseClientHost implements ClientHost {
  readonly setup: ClientSetup;
  readonly #lease: ConnectionLease;
  readonly #pool: ClientPool & { readonly client: object };

  constructor(
    lease: ConnectionLease,
    pool: ClientPool & { readonly client: object },
    setup: ClientSetup,
  ) {
    this.setup = setup;
    this.#lease = lease;
    this.#pool = pool;
  }

  get isOpen(): boolean {
    return !this.#lease.isReleased;
  }

  get isReady(): boolean {
    return this.isOpen && this.#lease.lostError === undefined;
  }

  get isPubSubActive(): boolean {
    return false;
  }

  get isWatching(): boolean {
    return this.#lease.session?.watching === true;
  }

  get isDirtyWatch(): boolean {
    return false;
  }

  get description(): Readonly<Record<string, unknown>> {
    const { name, database } = this.#pool.options.target;
    return { name, database };
  }

  subscriber(): Subscriber {
    throw onlyOnPool('Subscribing');
  }

  async monitor(_context: CommandContext, _listener: MonitorListener): Promise<() => void> {
    throw onlyOnPool('MONITOR');
  }

  async connect(): Promise<void> {
    await this.#lease.execute(ownCommand(['PING'], this.#pool.options.commandTimeoutMs));
  }

  /** Another client of the pool, not of the lease: a lease has one borrower. */
  duplicate(_context: CommandContext, setup: ClientSetup): HostedClient {
    const { keyPrefix, commandOptions, sets } = setup;
    const ownSets = sets === this.setup.sets ? {} : sets;
    return (this.#pool.client as Client).duplicate({ keyPrefix, commandOptions, ...ownSets });
  }

  /** Without effect: the connection goes back to the pool. */
  ref(): void {}

  unref(): void {}

  async reset(): Promise<void> {
    const { session } = this.#lease;
    const { target, commandTimeoutMs } = this.#pool.options;
    if (session === undefined) return;
    for (const args of restoringCommands(session, target.database)) {
      await this.#lease.execute(ownCommand(args, commandTimeoutMs));
    }
  }

  async close(): Promise<void> {
    if (!this.#lease.isReleased) this.#lease.release();
  }

  destroy(): void {
    this.#lease.destroy();
  }
}

function onlyOnPool(what: string): PoolError {
  return new PoolError(
    'INVALID_ARGUMENT',
    `${what} is not for a lease: pool.client has a connection of its own for it`,
  );
}
