// What users see of a pool and of a lease; everything else of them is the library's own.

import type { EventEmitter } from 'node:events';
import type { ResolvedOptions } from '../config/options.js';
import type { AcquireOptions } from '../node/lease-request.js';
import type { PoolEvents } from '../pool/events.js';
import type { CloseOptions, HealthReport } from '../pool/pool.js';
import type { ConnectionStatus, LatencyTotals, PoolStatus } from '../pool/snapshot.js';
import type { SwitchOptions } from '../topology/failover.js';
import type {
  None,
  PlimsollClient,
  RedisFunctions,
  RedisModules,
  RedisScripts,
  RespVersions,
  TypeMapping,
} from './types.js';

/** Made by `createPool()`. Its events are those of `docs/status.md`. */
export interface Pool<
  M extends RedisModules = None,
  F extends RedisFunctions = None,
  S extends RedisScripts = None,
  RESP extends RespVersions = 3,
  TM extends TypeMapping = None,
> extends EventEmitter<PoolEvents> {
  /** What the pool was made with: options, environment and presets put together. */
  readonly options: ResolvedOptions;
  /** Same API as a node-redis client; its commands share the pool's connections. */
  readonly client: PlimsollClient<M, F, S, RESP, TM>;
  /**
   * Lends a connection; give it back with `release()`, or declare it with `await using`. In a
   * cluster it is one to the server of `key`, without which it is refused (INVALID_ARGUMENT).
   * @throws PoolError ACQUIRE_TIMEOUT, ABORTED, QUEUE_FULL, BREAKER_OPEN, POOL_CLOSED
   */
  acquire(options?: AcquireOptions): Promise<Lease<M, F, S, RESP, TM>>;
  /** Lends a connection for the time that `use` takes, and gives back what `use` gives. */
  withLease<T>(
    use: (
      client: PlimsollClient<M, F, S, RESP, TM>,
      lease: Lease<M, F, S, RESP, TM>,
    ) => T | Promise<T>,
    options?: AcquireOptions,
  ): Promise<T>;
  /** As `withLease(use)`, under the name that it has in node-redis' pool. */
  execute<T>(
    use: (client: PlimsollClient<M, F, S, RESP, TM>) => T | Promise<T>,
  ): Promise<Awaited<T>>;
  /** A snapshot of the pool; cheap. */
  status(): PoolStatus;
  /** Each open connection, and what it carries; costs more than `status()` where there are many. */
  connections(): ConnectionStatus[];
  /** Latencies since the pool was made, in buckets: what a scrape wants beside `status()`. */
  latencyTotals(): LatencyTotals;
  /**
   * An active probe: a PING on each connection that nobody leases. Healthy is a pool of which a
   * connection answers, whatever the answer is; one that is merely late stays open.
   */
  healthCheck(): Promise<HealthReport>;
  /**
   * Uses another one of the option `endpoints`, by its id: what was not sent goes there, what is in
   * flight is answered where it is. Better ones are not gone back to before it fails, or `forMs` is
   * over. Resolves once it is used.
   * @throws PoolError INVALID_ARGUMENT: there is no such endpoint; CONNECT_FAILED: it fails its
   * health check, and `force` was not given; POOL_CLOSED.
   */
  switchTo(id: string, options?: SwitchOptions): Promise<void>;
  /**
   * Changes how many connections this process may open, at once and without loss.
   * @throws PoolError INVALID_ARGUMENT unless it is an integer of at least `minConnections` and 1.
   */
  resize(maxConnections: number): void;
  /** New callers wait from now on; what is in flight goes on. */
  suspend(): void;
  resume(): void;
  /**
   * Takes no more commands, waits for those it has and for leases, then closes all connections.
   * Who waits for a connection of his own, or blocks, is told POOL_CLOSED at once. A further call
   * may shorten the wait: `close({ timeoutMs: 0 })` ends it.
   */
  close(options?: CloseOptions): Promise<void>;
  /** Whether open connections, and callers who wait, keep the process alive; see `unref()`. */
  readonly keepsAlive: boolean;
  /** Undoes `unref()`. */
  ref(): void;
  /** Lets the process end though connections are open and replies are awaited. */
  unref(): void;
  /** Closes as `close()` does. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A connection for its borrower alone. */
export interface Lease<
  M extends RedisModules = None,
  F extends RedisFunctions = None,
  S extends RedisScripts = None,
  RESP extends RespVersions = 3,
  TM extends TypeMapping = None,
> {
  /** A client on this connection alone: it may WATCH, SELECT and block. */
  readonly client: PlimsollClient<M, F, S, RESP, TM>;
  readonly isReleased: boolean;
  /** Why the connection ended under the borrower's hands; `undefined` while it lives. */
  readonly lostError: Error | undefined;
  /** The server's number for the connection (CLIENT ID), where it is known. */
  readonly serverClientId: number | undefined;
  /**
   * Gives the connection back.
   * @throws PoolError LEASE_RELEASED when it was given back before.
   */
  release(): void;
  /** Closes the connection instead of giving it back: for a borrower that left it in disorder. */
  destroy(reason?: Error): void;
  /** Releases, unless that was done. */
  [Symbol.dispose](): void;
  /** Releases, unless that was done. */
  [Symbol.asyncDispose](): Promise<void>;
}
