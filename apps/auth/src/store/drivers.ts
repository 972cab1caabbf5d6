// The clients that the store can run on. Plimsoll is the service's own; the others are there to be
// compared with it, each as its documentation recommends, and none with a queue for commands that
// wait until Redis is back: the service must refuse at once then.

import type { ConnectionOptions } from 'node:tls';
import { createClient, createClientPool, type RedisClientOptions } from '@redis/client';
import { Redis } from 'ioredis';
import type { Pool, ResolvedOptions } from 'plimsoll';
import { evaluate, type RedisCommands } from './commands.js';
import { isSharded, Shards } from './shards.js';

/** Connections of the checkout pool in the comparison. */
const POOL_CONNECTIONS = 100;

/** What Plimsoll's client and node-redis' have in common here. */
interface NodeRedisCommands {
  get(key: string): Promise<string | null>;
  exists(key: string): Promise<number>;
  set(
    key: string,
    value: string,
    options: { condition: 'NX'; expiration?: { type: 'EX'; value: number } },
  ): Promise<unknown>;
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(source: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  ping(): Promise<unknown>;
}

export function plimsollCommands(pool: Pool, shards = new Shards(pool)): RedisCommands {
  const client = pool.client as unknown as NodeRedisCommands;
  const commands = nodeRedisCommands(client, () => pool.close());
  return isSharded(pool) ? { ...commands, ping: () => askAny(client, shards) } : commands;
}

/** Who reaches a part of a cluster serves that part; PING would ask for all of them. */
async function askAny(client: NodeRedisCommands, shards: Shards): Promise<void> {
  const all = await shards.all();
  await Promise.any(all.map(({ key }) => client.exists(key)));
}

/**
 * Connects as the pool would, by the same checked target: with TLS where it has TLS, and with its
 * password, database, family or socket path.
 * @param driver One that isn't Plimsoll.
 */
export async function peerCommands(
  driver: 'redis-pool' | 'redis' | 'ioredis',
  target: ResolvedOptions['target'],
): Promise<RedisCommands> {
  const login = await loginOf(target);
  const tls = target.tls?.reveal();
  if (driver === 'ioredis') {
    const { host, port, path, family, database: db } = target;
    const client = new Redis({
      ...(path === undefined ? { host, port, family } : { path }),
      ...(tls === undefined ? {} : { tls }),
      ...login,
      db,
      enableAutoPipelining: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      lazyConnect: true,
    });
    client.on('error', () => undefined);
    await client.connect();
    return ioredisCommands(client);
  }
  const options = {
    ...login,
    socket: socketOf(target, tls),
    database: target.database,
    disableOfflineQueue: true,
  };
  if (driver === 'redis') {
    const client = createClient(options);
    client.on('error', () => undefined);
    await client.connect();
    return nodeRedisCommands(client as unknown as NodeRedisCommands, () => client.close());
  }
  const pool = createClientPool(options, { minimum: 1, maximum: POOL_CONNECTIONS });
  pool.on('error', () => undefined);
  await pool.connect();
  return nodeRedisCommands(pool as unknown as NodeRedisCommands, () => pool.close());
}

async function loginOf({ username, password }: ResolvedOptions['target']) {
  const source = password?.reveal();
  return {
    ...(username === undefined ? {} : { username }),
    ...(source === undefined
      ? {}
      : { password: typeof source === 'function' ? await source() : source }),
  };
}

function socketOf(
  { host, port, path, family }: ResolvedOptions['target'],
  tls: ConnectionOptions | undefined,
): NonNullable<RedisClientOptions['socket']> {
  if (path !== undefined) return { path, tls: false };
  const address = { host, port, family };
  return tls === undefined ? address : { ...tls, ...address, tls: true };
}

function nodeRedisCommands(
  client: NodeRedisCommands,
  close: () => Promise<unknown>,
): RedisCommands {
  return {
    close,
    get: (key) => client.get(key),
    exists: async (key) => (await client.exists(key)) === 1,
    async setIfAbsent(key, value, lifeSeconds) {
      const expiration = { type: 'EX', value: lifeSeconds } as const;
      const options = lifeSeconds === 0 ? {} : { expiration };
      return (await client.set(key, value, { condition: 'NX', ...options })) !== null;
    },
    run(script, keys, args) {
      const options = { keys, arguments: args };
      return evaluate(
        () => client.evalSha(script.sha1, options),
        () => client.eval(script.source, options),
      );
    },
    ping: () => client.ping(),
  };
}

function ioredisCommands(client: Redis): RedisCommands {
  return {
    close: async () => client.disconnect(),
    get: (key) => client.get(key),
    exists: async (key) => (await client.exists(key)) === 1,
    async setIfAbsent(key, value, lifeSeconds) {
      const answer =
        lifeSeconds === 0
          ? client.set(key, value, 'NX')
          : client.set(key, value, 'EX', lifeSeconds, 'NX');
      return (await answer) === 'OK';
    },
    run: (script, keys, args) =>
      evaluate(
        () => client.evalsha(script.sha1, keys.length, ...keys, ...args),
        () => client.eval(script.source, keys.length, ...keys, ...args),
      ),
    ping: () => client.ping(),
  };
}
