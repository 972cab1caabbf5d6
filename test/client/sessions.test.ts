// A duplicate that is used as a connection has one: for its name, SELECT, WATCH and what blocks, until
// it is closed. What libraries built on node-redis rely on: events, `isOpen`, a name that comes back.

import { expect, test } from 'vitest';
import type { PlimsollClient, Pool } from '../../src/index.js';
import { WatchError } from '../../src/index.js';
import { outcomeOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool, usePool } from './pools.js';

const EVENTS = ['connect', 'ready', 'error', 'reconnecting', 'end'] as const;
const PROMPT_MS = 300;

function heardBy(client: PlimsollClient): string[] {
  const heard: string[] = [];
  for (const name of EVENTS) client.on(name, () => heard.push(name));
  return heard;
}

async function namesSeenBy(pool: Pool): Promise<string[]> {
  const list = String(await pool.client.sendCommand(['CLIENT', 'LIST']));
  return [...list.matchAll(/ name=(\S+)/g)].map((match) => match[1] as string);
}

async function killOwn(pool: Pool, name: string): Promise<void> {
  const list = String(await pool.client.sendCommand(['CLIENT', 'LIST']));
  const line = list.split('\n').find((one) => one.includes(` name=${name} `));
  const id = /^id=(\d+)/.exec(line ?? '')?.[1] ?? 'nobody';
  await pool.client.sendCommand(['CLIENT', 'KILL', 'ID', id]);
}

describeEachPrivateServer('a duplicate with a session', (server) => {
  const pool = usePool(server);
  const leased = () => pool().status().connections.leased;

  test('is open from connect() on, is ready when that resolves, and says so', async () => {
    const client = pool().client.duplicate();
    const heard = heardBy(client);
    expect([client.isOpen, client.isReady]).toEqual([false, false]);
    const connecting = client.connect();
    expect([client.isOpen, client.isReady]).toEqual([true, false]);
    await connecting;
    expect([client.isOpen, client.isReady]).toEqual([true, true]);
    await client.quit();
    expect([client.isOpen, client.isReady]).toEqual([false, false]);
    await client.connect();
    client.destroy();
    expect(heard).toEqual(['connect', 'ready', 'end', 'connect', 'ready', 'end']);
  });

  test('is seen under its name until it is closed, and again after connect()', async () => {
    const client = pool().client.duplicate({ name: 'from-options' });
    await client.connect();
    await until(async () => (await namesSeenBy(pool())).includes('from-options'));
    expect(await client.clientSetName('from-a-call')).toBe('OK');
    expect(await client.clientGetName()).toBe('from-a-call');
    expect(leased()).toBe(1);
    client.destroy();
    expect(leased()).toBe(0);
    await until(async () => !(await namesSeenBy(pool())).includes('from-a-call'));
    await client.connect();
    await until(async () => (await namesSeenBy(pool())).includes('from-a-call'));
    await client.close();
    expect(leased()).toBe(0);
    expect(() => pool().client.duplicate({ name: 'two words' })).toThrow(/name/);
  });

  test('whose connection is lost has another one by itself, with its name and database', async () => {
    const client = pool().client.duplicate({ name: 'kept' });
    const heard = heardBy(client);
    const key = newKey();
    await client.connect();
    await client.select(1);
    await client.set(key, 'in 1');
    for (let round = 0; round < 2; round++) {
      heard.length = 0;
      await killOwn(pool(), 'kept');
      await until(() => heard.includes('ready'));
      expect(heard).toEqual(['error', 'reconnecting', 'connect', 'ready']);
      expect(await client.get(key)).toBe('in 1');
      expect(await namesSeenBy(pool())).toContain('kept');
    }
    expect(await pool().client.get(key)).toBeNull();
    client.destroy();
    await client.connect();
    expect(await client.get(key)).toBe('in 1');
    await client.reset();
    expect(await client.get(key)).toBeNull();
    await client.close();
  });

  test('sends what follows a SELECT to that database, though nobody waits for it', async () => {
    const client = pool().client.duplicate();
    const key = newKey();
    const [, , read, replies] = await Promise.all([
      client.select(2),
      client.set(key, 'here'),
      client.get(key),
      client.multi().get(key).exec(),
    ]);
    expect([read, replies]).toEqual(['here', ['here']]);
    expect(await pool().client.get(key)).toBeNull();
    await expect(client.select(99)).rejects.toThrow(/DB index/);
    expect(await client.get(key)).toBe('here');
    await client.select(0);
    expect(await client.get(key)).toBeNull();
    await client.close();
    expect(leased()).toBe(0);
  });

  test('watches keys, and its transaction is void where they changed or might have', async () => {
    const client = pool().client.duplicate({ name: 'watching' });
    const key = newKey();
    await client.connect();
    await client.watch(key);
    expect([client.isWatching, client.isDirtyWatch]).toEqual([true, false]);
    expect(await client.multi().set(key, '1').exec()).toEqual(['OK']);
    expect(client.isWatching).toBe(false);
    await client.watch(key);
    await pool().client.set(key, 'theirs');
    await expect(client.multi().set(key, 'mine').exec()).rejects.toThrow(WatchError);
    await client.watch(key);
    const back = new Promise((resolve) => client.once('ready', resolve));
    await killOwn(pool(), 'watching');
    await back;
    expect(client.isDirtyWatch).toBe(true);
    await expect(client.multi().set(key, 'mine').exec()).rejects.toThrow(
      'Client reconnected after WATCH',
    );
    expect(await client.multi().get(key).exec()).toEqual(['theirs']);
    await client.close();
  });

  test('blocks on one connection, and answers beside it', async () => {
    const client = pool().client.duplicate();
    const [first, second] = [newKey('first'), newKey('second')];
    const blocked = client.blPop(first, 0);
    const beside = client.blPop(second, 0);
    await until(() => leased() === 2);
    expect(await client.ping()).toBe('PONG');
    await pool().client.rPush(second, 'b');
    await pool().client.rPush(first, 'a');
    expect([(await blocked)?.element, (await beside)?.element]).toEqual(['a', 'b']);
    const { opened } = pool().status().connections as { opened?: number };
    for (let round = 0; round < 3; round++) expect(await client.blPop(first, 0.01)).toBeNull();
    expect(leased()).toBe(1);
    expect((pool().status().connections as { opened?: number }).opened).toBe(opened);
    const again = outcomeOf(client.blPop(first, 0));
    await pool().client.ping();
    client.destroy();
    expect((await again).tookMs).toBeLessThan(PROMPT_MS);
    expect(leased()).toBe(0);
  });

  test('says which commands still need a lease', async () => {
    const client = pool().client.duplicate();
    for (const call of [
      client.wait(1, 1),
      client.multi().addCommand(['SELECT', '1']).exec(),
      pool().client.select(1),
    ]) {
      expect((await outcomeOf<unknown>(call)).code).toBe('LEASE_REQUIRED');
    }
    await client.close();
  });

  test('a subscriber says when it is there again', async () => {
    const client = pool().client.duplicate();
    await client.connect();
    const messages: string[] = [];
    await client.subscribe('news', (message) => messages.push(message));
    const heard = heardBy(client);
    await pool().client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
    await until(() => heard.includes('ready'));
    expect(heard).toEqual(['error', 'reconnecting', 'connect', 'ready']);
    expect(await pool().client.publish('news', 'x')).toBe(1);
    await client.close();
  });
});

describeEachPrivateServer('pool.client, ended by one library', (server) => {
  test.each(['quit', 'close', 'disconnect'] as const)(
    'with %s() leaves duplicates and the pool to others, and connect() opens it again',
    async (end) => {
      await using pool = openPool(server());
      const redis = pool.client;
      const other = redis.duplicate();
      await Promise.all([redis.connect(), other.connect()]);
      const key = newKey();
      const popped = outcomeOf(redis.blPop(key, 0));
      const theirs = other.blPop(key, 0);
      await until(() => pool.status().connections.leased === 2);
      await other.ping();
      await redis[end]();
      expect(['POOL_CLOSED', 'OUTCOME_UNKNOWN']).toContain((await popped).code);
      await expect(redis.get(key)).rejects.toMatchObject({ code: 'POOL_CLOSED' });
      await expect(redis.blPop(key, 0)).rejects.toMatchObject({ code: 'POOL_CLOSED' });
      expect(redis.isOpen).toBe(false);
      await pool.withLease((lease) => lease.rPush(key, 'job'));
      expect(await theirs).toEqual({ key, element: 'job' });
      await redis.connect();
      expect([redis.isOpen, await redis.ping()]).toEqual([true, 'PONG']);
    },
  );

  test('as the last one that is open lets all connections go, until somebody comes', async () => {
    await using pool = openPool(server(), { minConnections: 2 });
    const redis = pool.client;
    const other = redis.duplicate();
    await Promise.all([redis.connect(), other.connect()]);
    await redis.quit();
    expect(await other.ping()).toBe('PONG');
    await other.close();
    await until(() => pool.status().connections.open === 0);
    expect(await pool.withLease((lease) => lease.ping())).toBe('PONG');
    await redis.connect();
    await until(() => pool.status().connections.open === 2);
    expect(await redis.ping()).toBe('PONG');
  });
});
