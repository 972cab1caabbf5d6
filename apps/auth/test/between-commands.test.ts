// What takes two commands, as its keys lie in two slots of a cluster, of which one server may be away:
// no session is lost by that, and no limit is opened.

import { createPool, type Pool } from 'plimsoll';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { Attempts } from '../src/attempts.js';
import { resolveConfig } from '../src/config.js';
import { openLog } from '../src/log.js';
import { SecurityEvents } from '../src/security-events.js';
import type { RedisCommands } from '../src/store/commands.js';
import { plimsollCommands } from '../src/store/drivers.js';
import { Store } from '../src/store/store.js';
import { newName } from './support/service.js';

const UNAVAILABLE = { code: 'STORE_UNAVAILABLE' };
const LIMIT = 5;

const server = useServer();
/** Names of the scripts whose server is away. */
const away = new Set<string>();
let pool: Pool;
let store: Store;
let attempts: Attempts;

beforeAll(async () => {
  pool = createPool({}, { REDIS_URL: server().url }) as Pool;
  const real = plimsollCommands(pool);
  const commands: RedisCommands = {
    ...real,
    run: async (script, keys, args) => {
      if (away.has(script.name)) throw new Error('away');
      return real.run(script, keys, args);
    },
  };
  const config = { ...resolveConfig({}), addressRefreshLimit: LIMIT, sessionRefreshLimit: 0 };
  store = new Store(commands, config);
  const events = new SecurityEvents({ log: openLog('silent'), registry: new Registry() });
  attempts = new Attempts(commands, { accountLimit: 2, addressLimit: LIMIT }, events);
});
afterAll(() => store?.close());
beforeEach(() => away.clear());

const open = async () => store.openSession(await store.createUser(newName(), 'a hash'));
const codeOf = (answer: Promise<unknown>) =>
  answer.then(
    () => 'none',
    ({ code }) => code,
  );

test('a refresh whose network cannot be counted is refused, and its session is as it was', async () => {
  const { refresh } = await open();
  away.add('count-refresh');
  await expect(store.refresh(refresh, 'one')).rejects.toMatchObject(UNAVAILABLE);
  away.clear();
  expect((await store.refresh(refresh, 'one')).outcome).toBe('rotated');
});

test('one that was counted and could not be carried out stays counted', async () => {
  const { refresh } = await open();
  away.add('refresh');
  for (let count = 0; count < LIMIT; count++) {
    await expect(store.refresh(refresh, 'two')).rejects.toMatchObject(UNAVAILABLE);
  }
  away.clear();
  // The first one of a session in a minute is let through, whatever its network does.
  const next = await store.refresh(refresh, 'two');
  expect(await codeOf(store.refresh(next.refresh, 'two'))).toBe('TOO_MANY_REFRESHES');
  expect((await store.refresh(next.refresh, 'three')).outcome).toBe('rotated');
});

test('one that was none is answered though it cannot be taken back', async () => {
  const { refresh } = await open();
  await store.refresh(refresh, 'four');
  away.add('forgive-refresh');
  expect((await store.refresh(refresh, 'four')).outcome).toBe('retried');
});

test('a network is not refused by refreshes that were none', async () => {
  const { refresh } = await open();
  const next = await store.refresh(refresh, 'five');
  for (let count = 0; count < 3 * LIMIT; count++) {
    expect((await store.refresh(refresh, 'five')).outcome).toBe('retried');
  }
  expect((await store.refresh(next.refresh, 'five')).outcome).toBe('rotated');
});

test('of many refreshes at once as many are let through as the network has left', async () => {
  const opened = await Promise.all(Array.from({ length: 4 * LIMIT }, open));
  // Their first in this minute, by way of other networks.
  const ready = await Promise.all(
    opened.map(({ refresh }, index) => store.refresh(refresh, `first of ${index}`)),
  );
  const codes = await Promise.all(
    ready.map(({ refresh }) => codeOf(store.refresh(refresh, 'six'))),
  );
  expect(codes.filter((code) => code === 'none').length).toBe(LIMIT);
});

test('a login whose account cannot be counted costs its network nothing', async () => {
  const from = { address: '192.0.2.1', network: '192.0.2.1', site: '192.0.2.1' };
  const name = newName();
  for (let count = 0; count < 2; count++) await attempts.login(name, from, undefined);
  // The account refuses, each time after the network was counted.
  for (let count = 0; count < 3 * LIMIT; count++) {
    expect(await codeOf(attempts.login(name, from, undefined))).toBe('TOO_MANY_ATTEMPTS');
  }
  const others = [];
  for (let count = 0; count < LIMIT; count++) {
    others.push(await codeOf(attempts.login(newName(), from, undefined)));
  }
  // Two were counted before.
  expect(others).toEqual([...new Array(3).fill('none'), ...new Array(2).fill('TOO_MANY_ATTEMPTS')]);
});

test('a network that may try no more adds nothing to any account', async () => {
  const from = { address: '192.0.2.2', network: '192.0.2.2', site: '192.0.2.2' };
  for (let count = 0; count < LIMIT; count++) await attempts.login(newName(), from, undefined);
  const name = newName();
  const keys = await pool.client.dbSize();
  for (let count = 0; count < 20; count++) {
    expect(await codeOf(attempts.login(name, from, undefined))).toBe('TOO_MANY_ATTEMPTS');
  }
  expect(await pool.client.dbSize()).toBe(keys);
});
