// The options of a pool as callers write them, and as the rest of the code reads them.
// `resolve.ts` turns the one into the other; nothing else reads the environment.

import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Clock } from '../base/clock.js';
import type { AutoscaleOptions } from '../policy/autoscale.js';
import type { BreakerOptions, ReconnectStrategy } from '../policy/breaker.js';
import type { FailoverOptions } from '../policy/failback.js';
import type { RetryOptions, RetryWrites } from '../policy/retry.js';
import type { Environment } from '../policy/sizing.js';
import type { CredentialsFeed, CredentialsProvider } from './credentials.js';
import type { Secret } from './secret.js';

export type {
  AutoscaleOptions,
  BreakerOptions,
  Environment,
  FailoverOptions,
  ReconnectStrategy,
  RetryOptions,
  RetryWrites,
};

/** Text, or a function asked at every connect, so that a rotated password is picked up. */
export type PasswordSource = string | (() => string | Promise<string>);

export type PoolWarningCode = 'URL_PARAMETER_IGNORED' | 'CLUSTER_NODE';

/**
 * Told by the event `warning`: something in the configuration has no effect, or does not fit what was
 * found at the address.
 */
export interface PoolWarning {
  readonly code: PoolWarningCode;
  readonly message: string;
}

/** Where a server is reached. */
export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** From where a server says it is to where it is reached from here, behind NAT or in a container. */
export type AddressMap =
  | Readonly<Record<string, NodeAddress>>
  | ((address: string) => NodeAddress | undefined);

/** The primary that Redis Sentinel watches, in place of a server's address. */
export interface SentinelOptions {
  /** The name that `sentinel monitor` gives to it. */
  name: string;
  /**
   * Sentinels to ask, 1 or more; further ones are found. These are kept for ever and their names
   * resolved anew, so that all of them may move. Default port 26379.
   */
  nodes: readonly { readonly host: string; readonly port?: number }[];
  /** ACL user of the sentinels; the server's own is never sent to them. */
  username?: string;
  /** Password of the sentinels. */
  password?: PasswordSource;
  /** TLS to the sentinels. Default false; `rediss-sentinel://`: true. */
  tls?: boolean | TlsOptions;
  /** By `host:port` as the sentinels say it, of servers and of sentinels. Default: as they say. */
  addressMap?: AddressMap;
}

/** A Redis Cluster, in place of a server's address. */
export interface ClusterOptions {
  /**
   * Nodes to ask for all the others, 1 or more. These are kept for ever and their names resolved
   * anew, so that all of them may move. Default port 6379.
   */
  nodes: readonly { readonly host: string; readonly port?: number }[];
  /** By `host:port` as the nodes say it. Default: as they say. */
  addressMap?: AddressMap;
}

/**
 * Who serves commands that only read: the primary; one of its replicas in turn; or those in the
 * zone of `zone` before others. Where no replica can, the primary does.
 */
export type Reads = 'primary' | 'prefer-replica' | 'nearest-zone';

/** Options that name a server, sentinels or a cluster, and log in there. */
export type ServerOptions = Pick<
  PoolOptions,
  | ('url' | 'host' | 'port' | 'family' | 'path' | 'sentinel' | 'cluster')
  | ('reads' | 'zone')
  | ('username' | 'password' | 'database' | 'tls')
>;

/** One of several endpoints with the same data. */
export interface EndpointOptions extends ServerOptions {
  /** Tells it from the others in `switchTo()`, events and status. Default: its address. */
  id?: string;
  /** The healthy one of highest weight is used; 0 to 1,000,000, also a fraction. Default 1. */
  weight?: number;
}

/** What is told on tracing channels, see docs/tracing.md; nothing is made while nobody listens. */
export interface TracingOptions {
  /** Also under the channel names of node-redis 6 and in its shapes. Default false. */
  readonly nodeRedisChannels: boolean;
  /**
   * What of a command's arguments: nothing, or its keys as they are and `?` in place of all other
   * arguments. Default `'none'`.
   */
  readonly arguments: 'none' | 'redacted';
}

/** A read that found the breaker open, as handed to `fallback`. */
export interface FallbackRequest {
  /** Command name in capitals, e.g. `GET`. */
  readonly command: string;
  /** Its arguments as sent, the name excluded. */
  readonly args: readonly (string | Buffer)[];
  /** Why the server can't be asked. */
  readonly error: Error;
}

export type Fallback = (request: FallbackRequest) => unknown;

/**
 * Options of `createPool()`. What is absent or `undefined` comes from the environment, then from
 * the preset; docs/configuration.md has the ranges. Numbers are whole unless said otherwise.
 */
export interface PoolOptions {
  /**
   * `redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://` address (`REDIS_URL`), or one of
   * sentinels or of a cluster, see docs/configuration.md; parts
   * given apart from it win over it. Where `url`, `host`, `port` or `path` names the server,
   * variables that say how to log in to another one are not read: see docs/configuration.md.
   */
  url?: string;
  /** Default `localhost` (`REDIS_HOST`). */
  host?: string;
  /** Default 6379 (`REDIS_PORT`). */
  port?: number;
  /** Which addresses of a host name are tried: 4 (IPv4), 6 (IPv6) or 0 (both). Default 0. */
  family?: 0 | 4 | 6;
  /** Unix socket path; excludes `host`, `port` and `tls`. */
  path?: string;
  /** The primary that sentinels name, in place of an address: excludes `url`, `host`, `path`. */
  sentinel?: SentinelOptions;
  /** A cluster, in place of an address: excludes `url`, `host`, `port`, `path` and `sentinel`. */
  cluster?: ClusterOptions;
  /** Who serves what only reads, where there are replicas. Default `'primary'`. */
  reads?: Reads;
  /** Availability zone of this process, for `reads: 'nearest-zone'`. */
  zone?: string;
  /**
   * Endpoints with the same data, of which the healthy one of highest weight is used, in place of an
   * address (`REDIS_ENDPOINTS`). What is given beside it is for all of them.
   */
  endpoints?: readonly EndpointOptions[];
  /** How it is found out which of the `endpoints` is used. */
  failover?: Partial<FailoverOptions>;
  /** ACL user (`REDIS_USERNAME`); needs a password, unless it is `default`. */
  username?: string;
  /**
   * `REDIS_PASSWORD`, or the content of the file named by `REDIS_PASSWORD_FILE`, which is read
   * again at every connect.
   */
  password?: PasswordSource;
  /**
   * In place of `username` and `password`: asked at every connect, or subscribed to; then open
   * connections log in anew when it has newer credentials. See docs/from-node-redis.md.
   */
  credentialsProvider?: CredentialsProvider;
  /** Database number, default 0 (`REDIS_DB`). */
  database?: number;
  /**
   * Says READONLY on each connection, so that a replica of a cluster, named as one server, serves
   * reads. Default false; sentinels and clusters have `reads`.
   */
  readonly?: boolean;
  /** `true`, or node:tls options: `ca`, `cert`, `key`, `servername`, ... (`REDIS_TLS`). */
  tls?: boolean | TlsOptions;
  /**
   * Name of the pool, and of its connections on the server (CLIENT SETNAME), which takes printable
   * ASCII without spaces. Default `plimsoll`.
   */
  name?: string;
  /** Leaves out CLIENT SETINFO, which tells name and version of the library. Default false. */
  disableClientInfo?: boolean;
  /** Shown by the server behind the library's name: `plimsoll(tag)`. Default: none. */
  clientInfoTag?: string;
  /** Default: `DEPLOYMENT_ENV`, then `NODE_ENV`, then `development`. */
  environment?: Environment;
  /** Processes that share the budget. Default: `WEB_CONCURRENCY`, `UVICORN_WORKERS`, the preset. */
  workers?: number;
  /** Connections this process keeps open when idle, `maxConnections` at most. Default 1. */
  minConnections?: number;
  /**
   * Connections of this process at most. Default: its share of `REDIS_MAX_CONNECTIONS` (a total
   * over all workers), of the preset, or 40 where no preset has as many workers.
   */
  maxConnections?: number;
  /** Lets the maximum follow utilisation, see docs/autoscale.md. Default: it stays as it is. */
  autoscale?: Partial<AutoscaleOptions>;
  /** Commands in flight on one connection at most. 1 makes every lane a checkout. Default 4096. */
  maxInFlight?: number;
  /**
   * Commands in flight on a lane before the next lane is used, `maxInFlight` at most. Default 512,
   * or `maxInFlight` where that is lower; docs/sizing.md says why.
   */
  laneDepth?: number;
  /** Callers that may wait for a connection, at each server. Default 50,000. */
  maxWaiters?: number;
  /**
   * Bytes of commands that may wait for a connection, at each server, 1 or more; one command alone may be larger.
   * Default 268,435,456 (256 MiB).
   */
  maxQueuedBytes?: number;
  /**
   * Longest wait for a connection of one's own (a lease, a blocking command), ms. Default 5,000.
   * Ordinary commands wait as long as their own deadline allows.
   */
  acquireTimeoutMs?: number;
  /** Longest time for dial, TLS and handshake together, ms. Default 2,000. */
  connectTimeoutMs?: number;
  /**
   * A reply of more bytes fails its command with REPLY_TOO_LARGE and is skipped; strings end at 512
   * MiB in Node. Default 536,870,912.
   */
  maxReplyBytes?: number;
  /** The one deadline of a command: waiting, sending, retries, reply; ms. Default 5,000; 0: none. */
  commandTimeoutMs?: number;
  /** A connection without traffic for this long is sent a PING, ms. Default 30,000. */
  healthCheckIntervalMs?: number;
  /** A connection above `minConnections` unused for this long is closed, ms. Default 60,000; 0: never. */
  idleTimeoutMs?: number;
  /** A connection is replaced at this age, less up to 10 % at random, ms. Default 1,800,000; 0: never. */
  maxLifetimeMs?: number;
  /** A lease held longer is reported by the event `leak`, ms. Default 30,000; 0: never. */
  leakThresholdMs?: number;
  /** TCP keepalive delay, ms; at least 1,000, as TCP counts whole seconds. Default 10,000. */
  keepAliveMs?: number;
  retry?: Partial<RetryOptions>;
  /** Default `'safe'`. */
  retryWrites?: RetryWrites;
  breaker?: Partial<BreakerOptions>;
  /**
   * Pause before the next connect attempt, in place of the breaker's own: ms, or a function of
   * failed attempts before this one and the error. Default: 8, 32, ... ms, with jitter.
   */
  reconnectStrategy?: ReconnectStrategy;
  /** Answers reads while the breaker is open. Default: none. */
  fallback?: Fallback;
  tracing?: Partial<TracingOptions>;
}

/**
 * What `createPool()` takes besides: options of a node-redis client that concern its commands.
 * `resolveOptions` checks them and leaves them to the client; only `RESP` also reaches the target.
 */
export interface ClientOptionsSubset {
  /** Protocol to ask the server for. Default 3; a server that knows only 2 is spoken to in 2. */
  RESP?: 2 | 3;
  modules?: object;
  scripts?: object;
  functions?: object;
  /** Put before every key that is sent. */
  keyPrefix?: string | Buffer;
  commandOptions?: object;
  /** Internal: simulated time in tests. */
  clock?: Clock;
}

/** How the sentinels are asked, and for whom. */
export interface SentinelTarget {
  readonly name: string;
  readonly nodes: readonly NodeAddress[];
  readonly username: string | undefined;
  readonly password: Secret<PasswordSource> | undefined;
  readonly tls: Secret<TlsOptions> | undefined;
  readonly addressMap: AddressMap | undefined;
}

/** Whom to ask for the nodes of a cluster. */
export interface ClusterTarget {
  readonly nodes: readonly NodeAddress[];
  readonly addressMap: AddressMap | undefined;
}

/** Where and how one connection is made. */
export interface ConnectionTarget {
  readonly host: string;
  readonly port: number;
  readonly family: 0 | 4 | 6;
  /** Unix socket path; when present, host, port and tls don't count. */
  readonly path: string | undefined;
  /** Who is asked for the address; when present, host, port and path don't count. */
  readonly sentinel: SentinelTarget | undefined;
  /** Who is asked for the nodes; when present, host, port and path don't count. */
  readonly cluster: ClusterTarget | undefined;
  readonly reads: Reads;
  /** Where this process runs, for `reads: 'nearest-zone'`. */
  readonly zone: string | undefined;
  readonly username: string | undefined;
  readonly password: Secret<PasswordSource> | undefined;
  /** In place of user and password; prints nothing. */
  readonly credentials: CredentialsFeed | undefined;
  readonly database: number;
  /** Whether connections say READONLY. */
  readonly readonly: boolean;
  /** A Secret because `key` and `passphrase` may be in it; `undefined`: plain TCP. */
  readonly tls: Secret<TlsOptions> | undefined;
  readonly name: string;
  readonly disableClientInfo: boolean;
  readonly clientInfoTag: string | undefined;
  readonly protocol: 2 | 3;
  readonly connectTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly maxReplyBytes: number;
}

/** One of several endpoints. */
export interface EndpointTarget {
  readonly id: string;
  readonly weight: number;
  readonly target: ConnectionTarget;
}

/** What the pool runs on: complete, validated, frozen, printable without secrets. */
export interface ResolvedOptions {
  readonly environment: Environment;
  readonly workers: number;
  /** Of several endpoints, that of the one of highest weight. */
  readonly target: ConnectionTarget;
  /** None where there is no choice. */
  readonly endpoints: readonly EndpointTarget[];
  readonly failover: FailoverOptions;
  readonly minConnections: number;
  readonly maxConnections: number;
  readonly autoscale: AutoscaleOptions;
  readonly maxInFlight: number;
  readonly laneDepth: number;
  readonly maxWaiters: number;
  readonly maxQueuedBytes: number;
  readonly acquireTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly healthCheckIntervalMs: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly leakThresholdMs: number;
  readonly retry: RetryOptions;
  readonly retryWrites: RetryWrites;
  readonly breaker: BreakerOptions;
  /** `undefined`: the breaker's own pauses. */
  readonly reconnectStrategy: ReconnectStrategy | undefined;
  readonly fallback: Fallback | undefined;
  readonly tracing: TracingOptions;
  /** What the event `warning` tells. */
  readonly warnings: readonly PoolWarning[];
}
