// Limits counted by a script, with transactions around it.

import assert from 'node:assert/strict';
import {
  BurstyRateLimiter,
  RateLimiterMemory,
  RateLimiterQueue,
  RateLimiterRedis,
  RateLimiterUnion,
} from 'rate-limiter-flexible';
import { until } from '../world.mjs';

const limiterOn = (storeClient, options = {}) =>
  new RateLimiterRedis({ storeClient, useRedisPackage: true, points: 3, duration: 60, ...options });

/** @returns What `consume()` rejected with. */
const refusalOf = (promise) =>
  promise.then(
    () => assert.fail('was let through'),
    (refusal) => {
      if (refusal instanceof Error) throw refusal;
      return refusal;
    },
  );

export default {
  packages: ['rate-limiter-flexible'],
  use: 'new RateLimiterRedis({ storeClient: pool.client, useRedisPackage: true })',
  notes: [
    'while Redis is away, a limiter with an `insuranceLimiter` turns to that one when the pool has given up ' +
      '(`breaker.patienceMs`, 2 s), and at once with every call after that; it comes back by itself ' +
      '(animir/node-rate-limiter-flexible#49, #184).',
  ],
  checks: {
    'consume() up to the limit': async ({ client }) => {
      const limiter = limiterOn(client);
      assert.equal((await limiter.consume('caller')).remainingPoints, 2);
      assert.equal((await limiter.consume('caller', 2)).remainingPoints, 0);
      const refusal = await refusalOf(limiter.consume('caller'));
      assert.equal(refusal.consumedPoints, 4);
      assert.ok(refusal.msBeforeNext > 0 && refusal.msBeforeNext <= 60_000);
    },
    'of 200 callers at once 50 pass': async ({ client }) => {
      const limiter = limiterOn(client, { points: 50 });
      const calls = Array.from({ length: 200 }, () => limiter.consume('all'));
      const settled = await Promise.allSettled(calls);
      assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 50);
    },
    'get, set, penalty, reward, block, delete': async ({ client }) => {
      const limiter = limiterOn(client);
      assert.equal(await limiter.get('caller'), null);
      await limiter.set('caller', 1, 30);
      assert.equal((await limiter.penalty('caller', 1)).consumedPoints, 2);
      assert.equal((await limiter.reward('caller', 1)).consumedPoints, 1);
      assert.equal((await limiter.get('caller')).remainingPoints, 2);
      await limiter.block('caller', 30);
      await refusalOf(limiter.consume('caller'));
      assert.equal(await limiter.delete('caller'), true);
      await limiter.consume('caller');
    },
    'points that never expire, and blocks after the limit': async ({ client }) => {
      const forever = limiterOn(client, { duration: 0, keyPrefix: 'forever' });
      await forever.consume('caller');
      assert.equal(await client.ttl('forever:caller'), -1);
      const strict = limiterOn(client, { points: 1, blockDuration: 30, keyPrefix: 'strict' });
      await strict.consume('caller');
      const { msBeforeNext } = await refusalOf(strict.consume('caller'));
      assert.ok(msBeforeNext > 25_000 && msBeforeNext <= 30_000, `${msBeforeNext}`);
    },
    'bursts, unions and queues of limiters': async ({ client }) => {
      const slow = limiterOn(client, { points: 1, duration: 1, keyPrefix: 'slow' });
      const burst = limiterOn(client, { points: 2, keyPrefix: 'burst' });
      const bursty = new BurstyRateLimiter(slow, burst);
      for (let call = 0; call < 3; call++) await bursty.consume('caller');
      await refusalOf(bursty.consume('caller'));
      const union = new RateLimiterUnion(
        limiterOn(client, { keyPrefix: 'a' }),
        limiterOn(client, { points: 1, keyPrefix: 'b' }),
      );
      await union.consume('caller');
      assert.ok('b' in (await refusalOf(union.consume('caller'))));
      const queue = new RateLimiterQueue(
        limiterOn(client, { points: 1, duration: 1, keyPrefix: 'queue' }),
      );
      const tokens = Promise.all([queue.removeTokens(1), queue.removeTokens(1)]);
      assert.equal((await tokens).length, 2);
    },
    'the insurance serves while Redis is away, and Redis afterwards': async (world) => {
      const { client, server } = world;
      const insuranceLimiter = new RateLimiterMemory({ points: 1, duration: 60 });
      const limiter = limiterOn(client, { insuranceLimiter, rejectIfRedisNotReady: true });
      await limiter.consume('caller');
      await server.kill();
      await until(() => !client.isReady);
      await limiter.consume('caller');
      await refusalOf(limiter.consume('caller'));
      await server.restart();
      await until(async () => (await client.ping().catch(() => '')) === 'PONG');
      await until(async () => {
        const used = await limiter.consume('other').catch(() => undefined);
        return used?.remainingPoints > 0;
      });
    },
  },
};
