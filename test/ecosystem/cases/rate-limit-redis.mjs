// Limits of Express, counted by scripts that are sent as words.

import assert from 'node:assert/strict';
import express from 'express';
import rateLimit from 'express-rate-limit';
import { RedisStore } from 'rate-limit-redis';
import { until, withHttp } from '../world.mjs';

const storeOf = (client) =>
  new RedisStore({ sendCommand: (...words) => client.sendCommand(words) });

function limited(store, options = {}) {
  const app = express();
  app.use(rateLimit({ windowMs: 60_000, limit: 2, store, validate: false, ...options }));
  app.get('/', (request, response) => response.sendStatus(request.query.fails ? 500 : 200));
  return app;
}

const statusOf = async (url) => (await fetch(url)).status;

export default {
  packages: ['rate-limit-redis', 'express-rate-limit', 'express'],
  use: 'new RedisStore({ sendCommand: (...words) => pool.client.sendCommand(words) })',
  notes: [
    'its scripts are loaded anew after a restart of Redis, which callers of other clients reported missing ' +
      '(express-rate-limit/rate-limit-redis#71, #144).',
  ],
  checks: {
    'the third request of a window is refused, until resetKey()': async ({ client }) => {
      const store = storeOf(client);
      await withHttp(limited(store, { keyGenerator: () => 'caller' }), async (url) => {
        const statuses = [];
        for (let request = 0; request < 3; request++) statuses.push(await statusOf(url));
        assert.deepEqual(statuses, [200, 200, 429]);
        assert.equal((await store.get('caller')).totalHits, 3);
        await store.resetKey('caller');
        assert.equal(await statusOf(url), 200);
      });
    },
    '100 requests at once are counted one by one': async ({ client }) => {
      await withHttp(limited(storeOf(client), { limit: 40 }), async (url) => {
        const all = await Promise.all(Array.from({ length: 100 }, () => statusOf(url)));
        assert.equal(all.filter((status) => status === 200).length, 40);
      });
    },
    'failed requests are taken back': async ({ client }) => {
      const app = limited(storeOf(client), { skipFailedRequests: true });
      await withHttp(app, async (url) => {
        for (let request = 0; request < 4; request++) {
          assert.equal(await statusOf(`${url}?fails=1`), 500);
        }
        await until(async () => (await statusOf(url)) === 200);
      });
    },
    'a window ends': async ({ client }) => {
      await withHttp(limited(storeOf(client), { limit: 1, windowMs: 300 }), async (url) => {
        assert.equal(await statusOf(url), 200);
        assert.equal(await statusOf(url), 429);
        await until(async () => (await statusOf(url)) === 200);
      });
    },
    'two processes share a limit': async (world) => {
      const [here, there] = [storeOf(world.client), storeOf(await world.open())];
      const options = { keyGenerator: () => 'caller' };
      await withHttp(limited(here, options), (url) =>
        withHttp(limited(there, options), async (otherUrl) => {
          assert.equal(await statusOf(url), 200);
          assert.equal(await statusOf(otherUrl), 200);
          assert.equal(await statusOf(url), 429);
          assert.equal(await statusOf(otherUrl), 429);
        }),
      );
    },
    'it counts on after a restart of Redis, which forgets scripts': async ({ client, server }) => {
      await withHttp(limited(storeOf(client)), async (url) => {
        assert.equal(await statusOf(url), 200);
        await server.restart();
        assert.equal(await statusOf(url), 200);
        assert.equal(await statusOf(url), 200);
        assert.equal(await statusOf(url), 429);
      });
    },
  },
};
