// Every client in its best documented settings, behind the same few methods. `note` is what the
// report says about them. A client without a method is left out of the workload that needs it.

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { openFloor } from './floor.mjs';

const POOL_SIZE = 40;
/** Without the install script, a text stands in the place of Bun. */
const LEAST_PROGRAM_BYTES = 1024 * 1024;

/** Errors of the background go to the run's output; those of commands are counted. */
const tell = (error) => console.error(error);

/**
 * Bun as npm brings it: in the package of this system, or moved from there by the install script.
 * `undefined` where there is none.
 */
function bunProgram() {
  const system = `bun-${process.platform}-${process.arch === 'arm64' ? 'aarch64' : process.arch}`;
  const places = [`@oven/${system}/bin/bun`, 'bun/bin/bun.exe'];
  return places
    .map((place) => path.join(import.meta.dirname, 'node_modules', place))
    .find((file) => existsSync(file) && statSync(file).size > LEAST_PROGRAM_BYTES);
}

/** What a node-redis shaped client offers. */
function nodeRedisShape(redis) {
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    mGet: (keys) => redis.mGet(keys),
    hGetAll: (key) => redis.hGetAll(key),
    multi: (keys) => {
      const multi = redis.multi();
      for (const key of keys) multi.get(key);
      return multi.exec();
    },
  };
}

function ioredisShape(redis) {
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    mGet: (keys) => redis.mget(keys),
    hGetAll: (key) => redis.hgetall(key),
    multi: (keys) => ioredisMulti(redis, keys),
  };
}

function ioredisMulti(redis, keys) {
  const multi = redis.multi();
  for (const key of keys) multi.get(key);
  return multi.exec();
}

async function nodeRedisClient(port, commandOptions) {
  const { createClient } = await import('redis');
  const redis = createClient({
    socket: { host: '127.0.0.1', port },
    ...(commandOptions && { commandOptions }),
  });
  redis.on('error', tell);
  await redis.connect();
  return { ...nodeRedisShape(redis), close: () => redis.close() };
}

async function nodeRedisCluster(port, commandOptions) {
  const { createCluster } = await import('redis');
  const cluster = createCluster({
    rootNodes: [{ socket: { host: '127.0.0.1', port } }],
    ...(commandOptions && { commandOptions }),
  });
  cluster.on('error', tell);
  await cluster.connect();
  return { get: (key) => cluster.get(key), close: () => cluster.close() };
}

async function nodeRedisPool(port, commandOptions) {
  const { createClientPool } = await import('redis');
  const pool = createClientPool(
    { socket: { host: '127.0.0.1', port }, ...(commandOptions && { commandOptions }) },
    // The default acquireTimeout of 3 s would turn 10,000 callers into errors on a slow machine.
    { minimum: POOL_SIZE, maximum: POOL_SIZE, acquireTimeout: 60_000 },
  );
  pool.on('error', tell);
  await pool.connect();
  return {
    ...nodeRedisShape(pool),
    cycles: async (count) => {
      for (let index = 0; index < count; index++) await pool.execute(() => undefined);
    },
    close: () => pool.close(),
  };
}

async function ioredisClient(port, options) {
  const { Redis } = await import('ioredis');
  const redis = new Redis({ host: '127.0.0.1', port, ...options });
  redis.on('error', tell);
  await redis.ping();
  return { ...ioredisShape(redis), close: () => redis.quit() };
}

async function ioredisCluster(port, options) {
  const { Cluster } = await import('ioredis');
  const cluster = new Cluster([{ host: '127.0.0.1', port }], options);
  cluster.on('error', tell);
  await cluster.get('key:0');
  return { get: (key) => cluster.get(key), close: () => cluster.quit() };
}

async function plimsollCluster(port) {
  const { createPool } = await import('../dist/index.js');
  const pool = createPool({
    cluster: { nodes: [{ host: '127.0.0.1', port }] },
    environment: 'production',
  });
  await pool.client.get('key:0');
  return { get: (key) => pool.client.get(key), close: () => pool.close() };
}

async function plimsollPool(port, options) {
  const { createPool } = await import('../dist/index.js');
  const pool = createPool({
    url: `redis://127.0.0.1:${port}`,
    environment: 'production',
    ...options,
  });
  await pool.client.ping();
  return {
    ...nodeRedisShape(pool.client),
    cycles: async (count) => {
      for (let index = 0; index < count; index++) {
        const lease = await pool.acquire();
        lease.release();
      }
    },
    close: () => pool.close(),
  };
}

export const CLIENTS = {
  floor: {
    title: 'bare pipelined socket (floor)',
    note: 'openFloor(port) of bench/floor.mjs: one connection, no deadline, no retry, no statistics',
    isPeer: false,
    async open(port) {
      const floor = openFloor(port);
      await floor.send(['PING']);
      return {
        get: (key) => floor.send(['GET', key]),
        set: (key, value) => floor.send(['SET', key, value]),
        mGet: (keys) => floor.send(['MGET', ...keys]),
        hGetAll: (key) => floor.send(['HGETALL', key]),
        multi: (keys) => {
          floor.send(['MULTI']);
          for (const key of keys) floor.send(['GET', key]);
          return floor.send(['EXEC']);
        },
        close: () => floor.close(),
      };
    },
  },
  plimsoll: {
    title: 'Plimsoll',
    note: "createPool({ url, environment: 'production' }): all defaults on",
    isPeer: false,
    open: (port) => plimsollPool(port, {}),
    openCluster: plimsollCluster,
  },
  'plimsoll-checkout': {
    title: `Plimsoll, maxInFlight 1 (${POOL_SIZE})`,
    note: `createPool({ maxInFlight: 1, maxConnections: ${POOL_SIZE} }): a classic checkout pool`,
    isPeer: false,
    open: (port) => plimsollPool(port, { maxInFlight: 1, maxConnections: POOL_SIZE }),
  },
  'node-redis': {
    title: 'node-redis client',
    note: 'createClient(), defaults: a time-out of 5 s for each command',
    isPeer: true,
    open: (port) => nodeRedisClient(port, undefined),
    openCluster: (port) => nodeRedisCluster(port, undefined),
  },
  'node-redis-untimed': {
    title: 'node-redis client, time-out off',
    note: 'createClient({ commandOptions: { timeout: undefined } })',
    isPeer: true,
    open: (port) => nodeRedisClient(port, { timeout: undefined }),
    openCluster: (port) => nodeRedisCluster(port, { timeout: undefined }),
  },
  'node-redis-pool': {
    title: `node-redis createClientPool (${POOL_SIZE})`,
    note: `createClientPool({}, { minimum: ${POOL_SIZE}, maximum: ${POOL_SIZE}, acquireTimeout: 60_000 })`,
    isPeer: true,
    open: (port) => nodeRedisPool(port, undefined),
  },
  'node-redis-pool-untimed': {
    title: `node-redis createClientPool (${POOL_SIZE}), time-out off`,
    note: `createClientPool({ commandOptions: { timeout: undefined } }, ...), the rest as above`,
    isPeer: true,
    open: (port) => nodeRedisPool(port, { timeout: undefined }),
  },
  ioredis: {
    title: 'ioredis',
    note: 'new Redis(), defaults',
    isPeer: true,
    open: (port) => ioredisClient(port, {}),
    openCluster: (port) => ioredisCluster(port, {}),
  },
  'ioredis-auto': {
    title: 'ioredis, auto-pipelining',
    note: 'new Redis({ enableAutoPipelining: true })',
    isPeer: true,
    open: (port) => ioredisClient(port, { enableAutoPipelining: true }),
    openCluster: (port) => ioredisCluster(port, { enableAutoPipelining: true }),
  },
  glide: {
    title: 'GLIDE',
    note: 'GlideClient.createClient({ requestTimeout: 60_000, inflightRequestsLimit: 20_000 }), one multiplexed client, as its documentation advises',
    isPeer: true,
    async open(port) {
      const { Batch, GlideClient } = await import('@valkey/valkey-glide');
      const glide = await GlideClient.createClient({
        addresses: [{ host: '127.0.0.1', port }],
        // The defaults of 250 ms and 1,000 would turn 10,000 callers into errors.
        requestTimeout: 60_000,
        inflightRequestsLimit: 20_000,
      });
      return {
        get: (key) => glide.get(key),
        set: (key, value) => glide.set(key, value),
        mGet: (keys) => glide.mget(keys),
        hGetAll: (key) => glide.hgetall(key),
        multi: (keys) => {
          const batch = new Batch(true);
          for (const key of keys) batch.get(key);
          return glide.exec(batch, true);
        },
        close: () => glide.close(),
      };
    },
    async openCluster(port) {
      const { GlideClusterClient } = await import('@valkey/valkey-glide');
      const glide = await GlideClusterClient.createClient({
        addresses: [{ host: '127.0.0.1', port }],
        requestTimeout: 60_000,
        inflightRequestsLimit: 20_000,
      });
      return { get: (key) => glide.get(key), close: () => glide.close() };
    },
  },
  bun: {
    title: "Bun's RedisClient",
    note: 'new RedisClient(url) in a process of Bun, defaults: it pipelines by itself',
    isPeer: true,
    program: bunProgram(),
    async open(port) {
      const { RedisClient } = await import('bun');
      const redis = new RedisClient(`redis://127.0.0.1:${port}`);
      await redis.connect();
      return {
        get: (key) => redis.get(key),
        set: (key, value) => redis.set(key, value),
        close: () => redis.close(),
      };
    },
  },
  'generic-pool': {
    title: `generic-pool + ioredis (${POOL_SIZE})`,
    note: `createPool(factory, { min: ${POOL_SIZE}, max: ${POOL_SIZE} }), commands by pool.use()`,
    isPeer: true,
    async open(port) {
      const [{ createPool }, { Redis }] = await Promise.all([
        import('generic-pool').then((module) => module.default),
        import('ioredis'),
      ]);
      const factory = {
        create: async () => {
          const redis = new Redis({ host: '127.0.0.1', port });
          redis.on('error', tell);
          await redis.ping();
          return redis;
        },
        destroy: async (redis) => redis.disconnect(),
      };
      const pool = createPool(factory, { min: POOL_SIZE, max: POOL_SIZE });
      await pool.ready();
      return {
        get: (key) => pool.use((redis) => redis.get(key)),
        set: (key, value) => pool.use((redis) => redis.set(key, value)),
        mGet: (keys) => pool.use((redis) => redis.mget(keys)),
        hGetAll: (key) => pool.use((redis) => redis.hgetall(key)),
        multi: (keys) => pool.use((redis) => ioredisMulti(redis, keys)),
        cycles: async (count) => {
          for (let index = 0; index < count; index++) {
            const redis = await pool.acquire();
            pool.release(redis);
          }
        },
        close: () => pool.drain().then(() => pool.clear()),
      };
    },
  },
  tarn: {
    title: 'tarn',
    note: `new Pool({ min: 1, max: ${POOL_SIZE} }) of empty objects: the bookkeeping alone`,
    isPeer: true,
    async open() {
      const { Pool } = (await import('tarn')).default;
      const pool = new Pool({
        create: async () => ({}),
        destroy: () => {},
        min: 1,
        max: POOL_SIZE,
      });
      return {
        cycles: async (count) => {
          for (let index = 0; index < count; index++) {
            const resource = await pool.acquire().promise;
            pool.release(resource);
          }
        },
        close: () => pool.destroy(),
      };
    },
  },
};
