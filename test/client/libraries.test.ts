// Libraries that take a node-redis client work with pool.client as it is.

import type { AddressInfo } from 'node:net';
import KeyvRedis from '@keyv/redis';
import { RedisStore as SessionStore } from 'connect-redis';
import express from 'express';
import rateLimit from 'express-rate-limit';
import session from 'express-session';
import { Keyv } from 'keyv';
import { RedisStore as LimitStore } from 'rate-limit-redis';
import { expect, test } from 'vitest';
import { describeEachServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool, usePool } from './pools.js';

describeEachServer('a library', (server) => {
  const pool = usePool(server);

  test('connect-redis keeps Express sessions', async () => {
    const prefix = newKey('session:');
    const store = new SessionStore({ client: pool().client, prefix, ttl: 60 });
    const app = express();
    app.use(session({ store, secret: 'test', resave: false, saveUninitialized: false }));
    app.get('/', (request, response) => {
      const visitor = request.session as typeof request.session & { visits?: number };
      visitor.visits = (visitor.visits ?? 0) + 1;
      response.json(visitor.visits);
    });
    await withServer(app, async (url) => {
      const first = await fetch(url);
      const cookie = first.headers.get('set-cookie') as string;
      expect(await first.json()).toBe(1);
      const second = await fetch(url, { headers: { cookie } });
      expect(await second.json()).toBe(2);
      expect(await (await fetch(url)).json()).toBe(1);
    });
    expect(await store.length()).toBe(2);
    expect((await store.all()).map(({ visits }: { visits: number }) => visits).sort()).toEqual([
      1, 2,
    ]);
    const [id] = await store.ids();
    await store.touch(id, { cookie: { originalMaxAge: null } } as never);
    expect(await pool().client.ttl(prefix + id)).toBeGreaterThan(0);
    await store.destroy(id);
    await store.clear();
    expect(await store.length()).toBe(0);
  });

  test('rate-limit-redis counts requests', async () => {
    const sendCommand = (...args: string[]) => pool().client.sendCommand(args) as Promise<never>;
    const store = new LimitStore({ sendCommand, prefix: newKey('limit:') });
    const app = express();
    app.use(rateLimit({ windowMs: 60_000, limit: 2, store, validate: false }));
    app.get('/', (_, response) => {
      response.send('served');
    });
    await withServer(app, async (url) => {
      const answers = [];
      for (let request = 0; request < 3; request++) answers.push((await fetch(url)).status);
      expect(answers).toEqual([200, 200, 429]);
    });
  });

  test('@keyv/redis stores values, many at once, with a time to live', async () => {
    const adapter = new KeyvRedis(pool().client as never);
    const errors: unknown[] = [];
    // Keyv takes the namespace off a key up to the first colon.
    const namespace = newKey('keyv').replaceAll(':', '-');
    const keyv = new Keyv({ store: adapter, namespace });
    keyv.on('error', (error) => errors.push(error));
    await keyv.set('a', { deep: [1, 2] });
    expect(await keyv.get('a')).toEqual({ deep: [1, 2] });
    await keyv.setMany([
      { key: 'b', value: 1 },
      { key: 'c', value: 2 },
    ]);
    expect(await keyv.get(['b', 'c', 'absent'])).toEqual([1, 2, undefined]);
    expect(await keyv.has('b')).toBe(true);
    expect(await keyv.hasMany(['b', 'absent'])).toEqual([true, false]);
    const pairs: unknown[] = [];
    for await (const [key] of keyv.iterator!(keyv.namespace) as AsyncIterable<[string]>) {
      pairs.push(key);
    }
    expect(pairs).toEqual(expect.arrayContaining(['a', 'b', 'c']));
    expect(await keyv.delete(['b', 'c'])).toBe(true);
    // Only now: a key that expires between the iterator's SCAN and its MGET is an error of Keyv's.
    await keyv.set('short', 'x', 20);
    await until(async () => (await keyv.get('short')) === undefined);
    await keyv.clear();
    expect(await keyv.get('a')).toBeUndefined();
    expect(errors).toEqual([]);
  });

  test('@keyv/redis closes the pool with itself', async () => {
    const own = openPool(server());
    const keyv = new Keyv({ store: new KeyvRedis(own.client as never) });
    await keyv.set('a', 1);
    await keyv.disconnect();
    expect(own.client.isOpen).toBe(false);
  });
});

async function withServer(
  app: express.Express,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const http = app.listen(0);
  await new Promise((resolve) => http.once('listening', resolve));
  try {
    await use(`http://127.0.0.1:${(http.address() as AddressInfo).port}/`);
  } finally {
    http.closeAllConnections();
    http.close();
  }
}
