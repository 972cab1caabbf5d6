// A cache of one or more tiers, the last of them in Redis.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import { Keyv } from 'keyv';
import { until } from '../world.mjs';

const inRedis = (client) => new Keyv({ store: new KeyvRedis(client), namespace: 'cache' });
const cacheOn = (client, options = {}) => createCache({ stores: [inRedis(client)], ...options });

export default {
  packages: ['cache-manager', '@keyv/redis', 'keyv'],
  use: 'createCache({ stores: [new Keyv({ store: new KeyvRedis(pool.client) })] })',
  checks: {
    'set, get, del, one and many': async ({ client }) => {
      const cache = cacheOn(client);
      await cache.set('a', { deep: [1] });
      await cache.mset([
        { key: 'b', value: 1 },
        { key: 'c', value: 2, ttl: 60_000 },
      ]);
      assert.deepEqual(await cache.get('a'), { deep: [1] });
      assert.deepEqual(await cache.mget(['b', 'c', 'absent']), [1, 2, undefined]);
      assert.ok((await cache.ttl('c')) > Date.now());
      await cache.mdel(['a', 'b']);
      assert.deepEqual(await cache.mget(['a', 'b', 'c']), [undefined, undefined, 2]);
      await cache.clear();
      assert.equal(await cache.get('c'), undefined);
    },
    'wrap() computes once for 100 callers at once': async ({ client }) => {
      const cache = cacheOn(client);
      let computed = 0;
      const compute = async () => {
        computed++;
        await sleep(20);
        return { made: 'once' };
      };
      const all = Array.from({ length: 100 }, () => cache.wrap('key', compute, 60_000));
      for (const value of await Promise.all(all)) assert.deepEqual(value, { made: 'once' });
      assert.equal(computed, 1);
      assert.deepEqual(await cache.wrap('key', compute), { made: 'once' });
      assert.equal(computed, 1);
    },
    'wrap() refreshes in the background what is about to expire': async ({ client }) => {
      const cache = cacheOn(client, { ttl: 2_000, refreshThreshold: 1_950 });
      let version = 0;
      const compute = async () => ++version;
      assert.equal(await cache.wrap('key', compute), 1);
      await sleep(100);
      assert.equal(await cache.wrap('key', compute), 1);
      await until(async () => (await cache.get('key')) === 2);
    },
    'a tier in memory is filled from Redis': async ({ client }) => {
      const memory = new Keyv();
      const cache = createCache({ stores: [memory, inRedis(client)] });
      await inRedis(client).set('key', 'from Redis');
      assert.equal(await cache.wrap('key', async () => 'computed'), 'from Redis');
      await until(async () => (await memory.get('key')) === 'from Redis');
    },
    'what expired is gone': async ({ client }) => {
      const cache = cacheOn(client, { ttl: 50 });
      await cache.set('key', 1);
      await until(async () => (await cache.get('key')) === undefined);
    },
    'a get() while Redis restarts is answered': async ({ client, server }) => {
      const cache = cacheOn(client);
      await cache.set('key', 1);
      await server.kill();
      const answer = cache.get('key');
      await sleep(200);
      await server.restart();
      await answer;
      await cache.set('key', 2);
      assert.equal(await cache.get('key'), 2);
    },
  },
};
