// Where everything is put together: options are resolved, the source of connections is chosen, and
// the pool gets both. `getPool()` keeps the one pool of the process.

import { isDeepStrictEqual } from 'node:util';
import { type Clock, systemClock } from './base/clock.js';
import type { Pool } from './client/faces.js';
import { RedisPool } from './client/redis-pool.js';
import { clientSetup } from './client/setup.js';
import type {
  None,
  PlimsollOptions,
  RedisFunctions,
  RedisModules,
  RedisScripts,
  RespVersions,
  TypeMapping,
} from './client/types.js';
import type {
  ClientOptionsSubset,
  ConnectionTarget,
  PoolOptions,
  ResolvedOptions,
} from './config/options.js';
import { resolveOptions } from './config/resolve.js';
import { InvalidOptionsError, PoolError } from './errors.js';
import { ClusterTopology } from './topology/cluster/cluster.js';
import { EndpointsTopology } from './topology/endpoints/endpoints.js';
import { SentinelSource } from './topology/sentinel.js';
import { SentinelTopology } from './topology/sentinel-topology.js';
import { SingleTopology } from './topology/single.js';
import { StandaloneSource } from './topology/standalone.js';
import type { Topology } from './topology/topology.js';
import './wire/error-classes.js';

type PlainOptions = PlimsollOptions<None, None, None, 3, None>;

/**
 * Opens a pool; the environment decides what the options don't say. It connects at once, and
 * commands wait for that.
 * @param env Default `process.env`.
 * @throws InvalidOptionsError with all problems of options and environment.
 */
export function createPool<
  M extends RedisModules = None,
  F extends RedisFunctions = None,
  S extends RedisScripts = None,
  RESP extends RespVersions = 3,
  TM extends TypeMapping = None,
>(options?: PlimsollOptions<M, F, S, RESP, TM>, env?: NodeJS.ProcessEnv): Pool<M, F, S, RESP, TM>;
// The last overload is what `ReturnType<typeof createPool>` gives: the type of `createPool()`.
export function createPool(options?: PlainOptions, env?: NodeJS.ProcessEnv): Pool;
export function createPool(
  options: PlimsollOptions | PlainOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): Pool {
  refuseSecondOptions(env);
  const resolved = resolveOptions(options as PoolOptions & ClientOptionsSubset, env);
  const setup = setupOf(options);
  const clock = options.clock ?? systemClock;
  const topology = topologyOf(resolved, clock);
  // What it executes is a command for its clients, and a function for its users.
  const pool: unknown = new RedisPool(resolved, { topology, clock, random: Math.random }, setup);
  return pool as Pool;
}

/** Options of node-redis' createClientPool(), which stand in its second argument, by those of ours. */
const THEIR_POOL_OPTIONS: Readonly<Record<string, string>> = {
  minimum: 'minConnections',
  maximum: 'maxConnections',
  acquireTimeout: 'acquireTimeoutMs',
  cleanupDelay: 'idleTimeoutMs',
};

/** The second argument is the environment here, where such options would be passed over. */
function refuseSecondOptions(env: object): void {
  const found = Object.keys(THEIR_POOL_OPTIONS).filter((name) => name in env);
  if (found.length === 0) return;
  throw new InvalidOptionsError(
    found.map(
      (name) =>
        `${name} is not an option here: give ${THEIR_POOL_OPTIONS[name]}, in the first argument`,
    ),
  );
}

function topologyOf({ target, endpoints, failover }: ResolvedOptions, clock: Clock): Topology {
  if (endpoints.length === 0) return databaseOf(target, clock);
  const members = endpoints.map(({ id, weight, target: own }) => ({
    ...{ id, weight },
    topology: databaseOf(own, clock),
  }));
  return new EndpointsTopology(members, failover, clock);
}

/** One server, the primary behind sentinels, or a cluster. */
function databaseOf(target: ConnectionTarget, clock: Clock): Topology {
  const { cluster, sentinel } = target;
  if (cluster !== undefined) return new ClusterTopology(cluster, target, clock, Math.random);
  if (sentinel === undefined) return new SingleTopology(new StandaloneSource(target, clock));
  if (target.reads !== 'primary') return new SentinelTopology(sentinel, target, clock);
  return new SingleTopology(new SentinelSource(sentinel, target, clock));
}

function setupOf(options: object) {
  try {
    return clientSetup(options);
  } catch (error) {
    if (error instanceof PoolError) throw new InvalidOptionsError([error.message]);
    throw error;
  }
}

let shared: { readonly pool: Pool; readonly options: object } | undefined;

/**
 * The one pool of this process: made by the first call, with its options, and by the first call
 * after it was closed. Options may be written inline: functions in them are compared by their text.
 * @throws InvalidOptionsError where options differ from those that the pool was made with.
 */
export function getPool<
  M extends RedisModules = None,
  F extends RedisFunctions = None,
  S extends RedisScripts = None,
  RESP extends RespVersions = 3,
  TM extends TypeMapping = None,
>(options?: PlimsollOptions<M, F, S, RESP, TM>): Pool<M, F, S, RESP, TM>;
export function getPool(options?: PlainOptions): Pool;
export function getPool(options?: PlainOptions): Pool {
  if (shared === undefined || isEnding(shared.pool)) {
    shared = { pool: createPool(options), options: options ?? {} };
    return shared.pool;
  }
  if (options !== undefined && !isSame(options, shared.options)) {
    throw new InvalidOptionsError([
      'getPool() was called with other options before; close that pool first, or use createPool()',
    ]);
  }
  return shared.pool;
}

/** Functions written inline are the same where their text is. */
function isSame(one: unknown, other: unknown): boolean {
  if (isDeepStrictEqual(one, other)) return true;
  if (typeof one === 'function' && typeof other === 'function')
    return String(one) === String(other);
  if (!isPlain(one) || !isPlain(other)) return false;
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  const prototype = typeof value === 'object' && value !== null && Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}

function isEnding(pool: Pool): boolean {
  const { state } = pool.status();
  return state === 'closing' || state === 'closed';
}
