// The types that callers see: node-redis' own, so that whatever takes its client takes this one.

import type { CreateClientOptions } from '../config/create-client.js';
import type { CreateClusterOptions } from '../config/create-cluster.js';
import type { CreateSentinelOptions } from '../config/create-sentinel.js';
import type { ClientOptionsSubset, PoolOptions } from '../config/options.js';
import type {
  RedisArgument,
  RedisClientType,
  RedisFunctions,
  RedisModules,
  RedisScripts,
  RespVersions,
  TypeMapping,
} from '../wire/protocol.js';
import type { CommandOptions } from './context.js';

export type { RedisFunctions, RedisModules, RedisScripts, RespVersions, TypeMapping };

/** node-redis' default where no modules, scripts, ... are given. */
// biome-ignore lint/complexity/noBannedTypes: `object` lacks the index signature that is wanted.
export type None = {};

/**
 * node-redis' client type; `pool.client` and `lease.client` have it. That of `createClient()` of the
 * package `redis` has its modules besides, and is what a pool with the same `modules` gives.
 */
export type PlimsollClient<
  M extends RedisModules = None,
  F extends RedisFunctions = None,
  S extends RedisScripts = None,
  RESP extends RespVersions = 3,
  TM extends TypeMapping = None,
> = RedisClientType<M, F, S, RESP, TM>;

/** Options of `createPool()`: those of the pool, and those of a node-redis client's commands. */
export interface PlimsollOptions<
  M extends RedisModules = RedisModules,
  F extends RedisFunctions = RedisFunctions,
  S extends RedisScripts = RedisScripts,
  RESP extends RespVersions = RespVersions,
  TM extends TypeMapping = TypeMapping,
> extends PoolOptions,
    Pick<ClientOptionsSubset, 'clock'>,
    CreateClientOptions,
    CreateClusterOptions,
    CreateSentinelOptions {
  /** Protocol to ask the server for. Default 3. */
  RESP?: RESP;
  /** Modules' commands, as `@redis/json` and its kin export them: `{ json }`. */
  modules?: M;
  /** Function libraries by name. */
  functions?: F;
  /** Lua scripts, made by `defineScript()`. */
  scripts?: S;
  /** Put before every key that is sent; keys that come back keep it. */
  keyPrefix?: RedisArgument;
  /** For all commands; `withCommandOptions()` changes them for some. */
  commandOptions?: CommandOptions<TM>;
}
