// The pool as its users have it: the mechanism of pool/, with a client on top.

import type { ResolvedOptions } from '../config/options.js';
import type { Entry } from '../node/entry.js';
import type { ConnectionLease, LeaseOwner } from '../node/lease.js';
import type { AcquireOptions } from '../node/lease-request.js';
import { type CloseOptions, ConnectionPool, type PoolDependencies } from '../pool/pool.js';
import type { Client } from './client.js';
import { Lease } from './lease.js';
import { createLeaseClient, type LeaseClients } from './lease-host.js';
import { PoolFeed } from './pool-feed.js';
import { type ClientPool, createPoolClient } from './pool-host.js';
import type { ClientSetup } from './setup.js';
import type {
  None,
  PlimsollClient,
  RedisFunctions,
  RedisModules,
  RedisScripts,
  RespVersions,
  TypeMapping,
} from './types.js';

export class Pool<
    M extends RedisModules = None,
    F extends RedisFunctions = None,
    S extends RedisScripts = None,
    RESP extends RespVersions = 3,
    TM extends TypeMapping = None,
  >
  extends ConnectionPool
  implements ClientPool, LeaseClients
{
  /** @internal */
  readonly feed: PoolFeed;
  /** Same API as a node-redis client; its commands share the pool's connections. */
  readonly client: PlimsollClient<M, F, S, RESP, TM>;
  readonly #setup: ClientSetup;

  constructor(options: ResolvedOptions, dependencies: PoolDependencies, setup: ClientSetup) {
    super(options, dependencies);
    this.#setup = setup;
    this.feed = new PoolFeed(this, false);
    this.client = createPoolClient(this, setup) as unknown as PlimsollClient<M, F, S, RESP, TM>;
  }

  /**
   * Lends a connection; give it back with `release()`, or declare it with `await using`.
   * @throws PoolError ACQUIRE_TIMEOUT, ABORTED, QUEUE_FULL, BREAKER_OPEN, POOL_CLOSED
   */
  acquire(options?: AcquireOptions): Promise<Lease<M, F, S, RESP, TM>> {
    return this.acquireLease(options) as Promise<Lease<M, F, S, RESP, TM>>;
  }

  /** Lends a connection for the time that `use` takes, and gives back what `use` gives. */
  async withLease<T>(
    use: (
      client: PlimsollClient<M, F, S, RESP, TM>,
      lease: Lease<M, F, S, RESP, TM>,
    ) => T | Promise<T>,
    options?: AcquireOptions,
  ): Promise<T> {
    const lease = await this.acquire(options);
    try {
      return await use(lease.client, lease);
    } finally {
      lease[Symbol.dispose]();
    }
  }

  override close(options?: CloseOptions): Promise<void> {
    this.feed.noteClosing();
    return super.close(options);
  }

  /** For leases alone. @internal */
  createLeaseClient(lease: ConnectionLease): Client {
    return createLeaseClient(lease, this, this.#setup);
  }

  protected override createLease(
    owner: LeaseOwner,
    entry: Entry,
    now: number,
    origin: Error | undefined,
  ): ConnectionLease {
    return new Lease(this, owner, entry, now, origin);
  }
}
