// Sessions of Express.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { until, withHttp } from '../world.mjs';

const SESSIONS = 250;
const COOKIE = { originalMaxAge: null };

function visits(store) {
  const app = express();
  app.use(session({ store, secret: 'test', resave: false, saveUninitialized: false }));
  app.get('/', (request, response) => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    response.json(request.session.visits);
  });
  return app;
}

async function filledStore(client) {
  const store = new RedisStore({ client, prefix: 'session:', scanCount: 20 });
  const ids = Array.from({ length: SESSIONS }, (_, index) => `id-${index}`);
  await Promise.all(ids.map((id, visit) => store.set(id, { visit, cookie: COOKIE })));
  return { store, ids };
}

export default {
  packages: ['connect-redis', 'express-session', 'express'],
  use: 'new RedisStore({ client: pool.client })',
  checks: {
    'a visitor is known by the cookie': async ({ client }) => {
      const store = new RedisStore({ client, prefix: 'session:', ttl: 60 });
      await withHttp(visits(store), async (url) => {
        const first = await fetch(url);
        const headers = { cookie: first.headers.get('set-cookie') };
        assert.equal(await first.json(), 1);
        assert.equal(await (await fetch(url, { headers })).json(), 2);
        assert.equal(await (await fetch(url)).json(), 1);
      });
      assert.equal(await store.length(), 2);
    },
    [`${SESSIONS} sessions are counted, listed and cleared by SCAN`]: async ({ client }) => {
      const { store, ids } = await filledStore(client);
      await client.set('other', 'stays');
      assert.equal(await store.length(), SESSIONS);
      assert.deepEqual((await store.ids()).sort(), ids.sort());
      const all = await store.all();
      assert.equal(
        all.reduce((sum, { visit }) => sum + visit, 0),
        (SESSIONS * (SESSIONS - 1)) / 2,
      );
      await store.clear();
      assert.equal(await store.length(), 0);
      assert.equal(await client.get('other'), 'stays');
    },
    'touch() moves the end of a session, destroy() ends it': async ({ client }) => {
      const store = new RedisStore({ client, ttl: 60 });
      await store.set('id', { cookie: COOKIE });
      await client.expire('sess:id', 5);
      await store.touch('id', { cookie: COOKIE });
      assert.ok((await client.ttl('sess:id')) > 5);
      await store.destroy('id');
      assert.equal(await store.get('id'), null);
    },
    'a session expires with its cookie': async ({ client }) => {
      const store = new RedisStore({ client });
      const expires = new Date(Date.now() + 1_000);
      await store.set('id', { cookie: { originalMaxAge: 1_000, expires } });
      assert.ok(await store.get('id'));
      await until(async () => (await store.get('id')) === null);
    },
    'a request waits while Redis restarts': async ({ client, server }) => {
      const store = new RedisStore({ client });
      await withHttp(visits(store), async (url) => {
        await server.kill();
        const answer = fetch(url);
        await sleep(200);
        await server.restart();
        assert.equal(await (await answer).json(), 1);
      });
    },
  },
};
