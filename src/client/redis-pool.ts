// What `createPool()` makes: the mechanism of pool/, with a client on top. Users see its face alone.

import type { EventEmitter } from 'node:events';
import { keySlot } from '../base/key-slot.js';
import { routeOf } from '../base/route.js';
import { callListener } from '../base/uncaught.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import type { Entry } from '../node/entry.js';
import type { ConnectionLease, LeaseOwner } from '../node/lease.js';
import { type AcquireOptions, acquireMistake } from '../node/lease-request.js';
import { type CloseOptions, ConnectionPool, type PoolDependencies } from '../pool/pool.js';
import { prefixKey } from '../wire/encoder.js';
import type { Client } from './client.js';
import { followCredentials, stopCredentials } from './credentials.js';
import type { Lease, Pool } from './faces.js';
import { ClientLease } from './lease.js';
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

export class RedisPool<
    M extends RedisModules = None,
    F extends RedisFunctions = None,
    S extends RedisScripts = None,
    RESP extends RespVersions = 3,
    TM extends TypeMapping = None,
  >
  extends ConnectionPool
  implements Omit<Pool<M, F, S, RESP, TM>, 'execute' | keyof EventEmitter>, ClientPool, LeaseClients
{
  readonly feed: PoolFeed;
  /** Whose the commands of its own client are, as that may end before the pool. */
  readonly holder = {};
  readonly client: PlimsollClient<M, F, S, RESP, TM>;
  readonly #setup: ClientSetup;

  constructor(options: ResolvedOptions, dependencies: PoolDependencies, setup: ClientSetup) {
    super(options, dependencies);
    this.#setup = setup;
    this.feed = new PoolFeed(this);
    followCredentials(options, (error) => callListener(() => this.emit('connectError', error)));
    this.client = createPoolClient(this, setup) as unknown as PlimsollClient<M, F, S, RESP, TM>;
  }

  acquire(options?: AcquireOptions): Promise<Lease<M, F, S, RESP, TM>> {
    return this.#acquire(options) as Promise<ConnectionLease & Lease<M, F, S, RESP, TM>>;
  }

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

  /** In a cluster a lease is of the server of its key. */
  #acquire(options: AcquireOptions = {}): Promise<ConnectionLease> {
    const { key } = options;
    if (!this.isSharded || acquireMistake(options) !== undefined) return this.acquireLease(options);
    if (key === undefined) return this.refusal(keyRequired());
    const slot = keySlot(prefixKey(this.#setup.keyPrefix, key));
    return this.acquireLease({ ...options, route: routeOf(slot, 'write') });
  }

  /** `execute(use)`, as node-redis' pool has it; told apart where it costs commands nothing. */
  protected override executeOther(work: unknown): Promise<unknown> {
    return typeof work === 'function'
      ? this.withLease(work as () => unknown)
      : super.executeOther(work);
  }

  override close(options?: CloseOptions): Promise<void> {
    this.feed.noteClosing();
    const closing = super.close(options);
    void closing.then(() => stopCredentials(this.options));
    return closing;
  }

  createLeaseClient(lease: ConnectionLease): Client {
    return createLeaseClient(lease, this, this.#setup);
  }

  protected override createLease(
    owner: LeaseOwner,
    entry: Entry,
    now: number,
    origin: Error | undefined,
  ): ConnectionLease {
    return new ClientLease(this, owner, entry, now, origin);
  }
}

function keyRequired(): PoolError {
  const text =
    'acquire(): in a cluster a lease is a connection to one server: name a key of it, as in ' +
    "acquire({ key: 'user:1' }) or withLease(use, { key: 'user:1' })";
  return new PoolError('INVALID_ARGUMENT', text, { sent: false });
}
