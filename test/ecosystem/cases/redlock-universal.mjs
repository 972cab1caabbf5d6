// Locks on one server and on several.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createLock,
  createRedlock,
  LockAcquisitionError,
  NodeRedisAdapter,
} from 'redlock-universal';

const lockOn = (client, options = {}) =>
  createLock({ adapter: new NodeRedisAdapter(client), key: 'lock', ttl: 5_000, ...options });

export default {
  packages: ['redlock-universal'],
  use: 'createLock({ adapter: new NodeRedisAdapter(pool.client), key })',
  notes: [
    '`redis-semaphore` and `redlock` ask for the API of ioredis and take no client of node-redis, so this lock ' +
      'stands for its kind.',
  ],
  checks: {
    'one of two holds a lock, and the other after it': async (world) => {
      const [mine, theirs] = [
        lockOn(world.client),
        lockOn(await world.open(), { retryAttempts: 0 }),
      ];
      const handle = await mine.acquire();
      await assert.rejects(theirs.acquire(), LockAcquisitionError);
      assert.equal(await mine.release(handle), true);
      const next = await theirs.acquire();
      assert.equal(await mine.release(handle), false);
      assert.equal(await theirs.release(next), true);
    },
    'of 20 callers one at a time is inside': async ({ client }) => {
      let inside = 0;
      let most = 0;
      const enter = () =>
        lockOn(client, { retryAttempts: 1_000, retryDelay: 5 }).using(async () => {
          inside++;
          most = Math.max(most, inside);
          await sleep(1);
          inside--;
        });
      await Promise.all(Array.from({ length: 20 }, enter));
      assert.equal(most, 1);
    },
    'using() extends a lock for as long as it takes': async ({ client }) => {
      const lock = lockOn(client, { ttl: 1_000 });
      await lock.using(async (signal) => {
        await sleep(1_500);
        assert.equal(signal.aborted, false);
        assert.ok((await client.pTTL('lock')) > 0);
      });
      assert.equal(await client.exists('lock'), 0);
    },
    'using() tells of a lock that was lost': async ({ client }) => {
      const lock = lockOn(client, { ttl: 500 });
      await lock.using(async (signal) => {
        await client.set('lock', 'somebody else');
        await sleep(700);
        assert.equal(signal.aborted, true);
      });
      assert.equal(await client.get('lock'), 'somebody else');
    },
    'a lock over three servers survives the loss of one': async (world) => {
      const servers = await Promise.all([1, 2, 3].map(() => world.startServer()));
      const clients = await Promise.all(servers.map((server) => world.open({}, server)));
      const adapters = clients.map((client) => new NodeRedisAdapter(client, { timeout: 500 }));
      const options = { adapters, key: 'lock', ttl: 10_000, quorum: 2, retryAttempts: 0 };
      const handle = await createRedlock(options).acquire();
      await assert.rejects(createRedlock(options).acquire(), LockAcquisitionError);
      await servers[0].kill();
      assert.equal(await createRedlock(options).release(handle), true);
      const next = await createRedlock(options).acquire();
      assert.equal(await createRedlock(options).release(next), true);
    },
  },
};
