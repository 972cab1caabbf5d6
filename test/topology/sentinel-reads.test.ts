// Reads served by the replicas behind real sentinels: who gets them, and what becomes of them when a
// replica is lost, or becomes the primary.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { PrivateServer } from '../../scripts/redis-server.js';
import { createPool, type PlimsollOptions } from '../../src/index.js';
import { outcomeOf } from '../support/outcome.js';
import { PRIMARY_NAME, type SentinelSetup, useSentinels } from '../support/sentinels.js';
import { until } from '../support/until.js';

/** A failed election is repeated after 4 s. */
const FAILOVER_MS = 15_000;

type Pool = ReturnType<typeof createPool>;

function openPool(setup: SentinelSetup, options: Partial<PlimsollOptions> = {}): Pool {
  const sentinel = { name: PRIMARY_NAME, nodes: setup.nodes };
  return createPool({ sentinel, reads: 'prefer-replica', ...options } as object, {});
}

const replicasOf = (pool: Pool) =>
  pool
    .status()
    .endpoints.filter(({ role }) => role === 'replica')
    .map(({ address }) => address);

/** Settles once so many replicas are known. */
const knows = (pool: Pool, count: number, timeoutMs = FAILOVER_MS) =>
  until(() => replicasOf(pool).length === count, timeoutMs);

/** How often each server has run a command since `forget()`. */
async function callsOf(setup: SentinelSetup, name: string): Promise<number[]> {
  return Promise.all(
    setup.servers.map(async (server) => {
      const info = await setup.ask<string>(server, 'INFO', 'commandstats').catch(() => '');
      return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
    }),
  );
}

async function forget(setup: SentinelSetup): Promise<void> {
  for (const server of setup.servers) {
    if (server.running) await setup.ask(server, 'CONFIG', 'RESETSTAT');
  }
}

/** Reads without a pause until `stop()`, which tells what went wrong, and the longest wait. */
function readWithoutPause(pool: Pool, key: string) {
  const failed: string[] = [];
  const seen = new Set<string | null>();
  let [count, longestMs, isOver] = [0, 0, false];
  const work = (async () => {
    while (!isOver) {
      const { code, value, tookMs } = await outcomeOf(pool.client.get(key));
      count++;
      longestMs = Math.max(longestMs, tookMs);
      if (code === 'ok') seen.add(value as string | null);
      else failed.push(code);
      await sleep(1);
    }
  })();
  return {
    seen,
    stop: async () => {
      isOver = true;
      await work;
      return { count, failed, longestMs };
    },
  };
}

describe('reads behind sentinels', () => {
  const setup = useSentinels({ sentinels: 3, replicas: 2 });

  test('go to the replicas in turn, writes and all the rest to the primary', async () => {
    await using pool = openPool(setup());
    await knows(pool, 2);
    await forget(setup());
    await Promise.all(Array.from({ length: 100 }, (_, index) => pool.client.set(`k${index}`, 'v')));
    for (let index = 0; index < 100; index++) await pool.client.get(`k${index}`);
    await pool.client.multi().get('k1').get('k2').exec();
    await pool.client.multi().get('k1').strLen('k2').execAsPipeline();
    await pool.client.multi().get('k1').set('k2', 'v').execAsPipeline();
    await pool.withLease(async (redis) => redis.get('k1'));
    expect(await callsOf(setup(), 'set')).toEqual([101, 101, 101]);
    const gets = await callsOf(setup(), 'get');
    expect(gets[0]).toBe(4);
    expect(gets.slice(1).sort((one, other) => one - other)).toEqual([50, 51]);
    const lengths = await callsOf(setup(), 'strlen');
    expect(lengths[0]).toBe(0);
  });

  test('that follow a cursor, speak of the server or may write are the primary’s', async () => {
    await using pool = openPool(setup());
    await knows(pool, 2);
    const fields = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`field-${n}`, 'v']));
    await pool.client.hSet('chart', fields);
    const found = new Set<string>();
    for await (const page of pool.client.hScanIterator('chart', { COUNT: 50 })) {
      for (const { field } of page) found.add(field);
    }
    expect(found.size).toBe(2_000);
    await forget(setup());
    expect(await pool.client.info('replication')).toContain('role:master');
    await pool.client.eval("return redis.call('GET', KEYS[1])", { keys: ['k'], arguments: [] });
    await pool.client.scan('0');
    await outcomeOf(pool.client.blPop('nothing', 0.1));
    const digest = await pool.client.scriptLoad("return redis.call('GET', KEYS[1])");
    expect(await pool.client.sendCommand(['EVALSHA_RO', digest, '1', 'k1'])).toBe('v');
    await pool.client.evalRo("return redis.call('STRLEN', KEYS[1])", {
      ...{ keys: ['k1'], arguments: [] },
    });
    for (const name of ['eval', 'evalsha_ro', 'scan', 'blpop']) {
      expect(await callsOf(setup(), name), name).toEqual([1, 0, 0]);
    }
    expect((await callsOf(setup(), 'eval_ro'))[0]).toBe(0);
  });

  test('by URL, and of duplicates and typed clients, likewise', async () => {
    const hosts = setup().nodes.map(({ host, port }) => `${host}:${port}`);
    const url = `redis-sentinel://${hosts.join(',')}/${PRIMARY_NAME}?reads=prefer-replica`;
    await using pool = createPool({ url }, {});
    await knows(pool, 2);
    await forget(setup());
    await pool.client.duplicate().get('k1');
    await pool.client.withCommandOptions({ timeout: 500 }).get('k1');
    expect((await callsOf(setup(), 'get'))[0]).toBe(0);
    await using plain = openPool(setup(), { reads: 'primary' });
    await plain.client.get('k1');
    expect((await callsOf(setup(), 'get'))[0]).toBe(1);
    expect(plain.status().endpoints).toHaveLength(1);
  });

  test('of a killed replica are others’ at once, though no sentinel has noticed', async () => {
    await using pool = openPool(setup());
    await knows(pool, 2);
    await pool.client.set('tide', 'in');
    await until(() => setup().isInStep(), FAILOVER_MS);
    const reader = readWithoutPause(pool, 'tide');
    await sleep(50);
    const replica = setup().servers[2] as PrivateServer;
    await replica.kill();
    await until(() => !replicasOf(pool).join().includes(`${replica.port}`));
    await sleep(300);
    const { failed, longestMs } = await reader.stop();
    expect(failed).toEqual([]);
    expect(longestMs).toBeLessThan(1_000);
    await replica.restart();
    await knows(pool, 2);
  });

  test('of a hanging replica go elsewhere once the sentinels say so', async () => {
    await using pool = openPool(setup());
    await knows(pool, 2);
    const replica = setup().servers[2] as PrivateServer;
    for (let count = 0; count < 4; count++) await pool.client.get('tide');
    replica.pause();
    const reader = readWithoutPause(pool, 'tide');
    await knows(pool, 1);
    await sleep(1_500);
    const { failed, longestMs } = await reader.stop();
    replica.resume();
    expect(failed).toEqual([]);
    expect(longestMs).toBeLessThan(4_000);
    await knows(pool, 2);
  });

  test('are the primary’s where no replica is left, and go back to one that returns', async () => {
    await using pool = openPool(setup());
    await knows(pool, 2);
    const replicas = setup().servers.slice(1);
    for (const replica of replicas) await replica.kill();
    await knows(pool, 0);
    await forget(setup());
    for (let count = 0; count < 5; count++) await pool.client.get('tide');
    expect((await callsOf(setup(), 'get'))[0]).toBe(5);
    for (const replica of replicas) await replica.restart();
    await knows(pool, 2);
    await pool.client.get('tide');
    expect((await callsOf(setup(), 'get'))[0]).toBe(5);
  });

  test('leave a replica that has lost its primary', async () => {
    await using pool = openPool(setup());
    await knows(pool, 2);
    const replica = setup().servers[1] as PrivateServer;
    const primary = setup().servers[0] as PrivateServer;
    await setup().ask(replica, 'CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    // It can't log in any more, and its link is cut.
    await setup().ask(replica, 'CONFIG', 'SET', 'masterauth', 'wrong-word');
    await setup().ask(replica, 'CONFIG', 'SET', 'masteruser', 'nobody');
    await setup().ask(replica, 'CLIENT', 'KILL', 'TYPE', 'master');
    const reader = readWithoutPause(pool, 'tide');
    await knows(pool, 1);
    await sleep(200);
    expect((await reader.stop()).failed).toEqual([]);
    expect(replicasOf(pool).join()).not.toContain(`${replica.port}`);
    await setup().ask(replica, 'CONFIG', 'SET', 'masterauth', '');
    await setup().ask(replica, 'CONFIG', 'SET', 'masteruser', '');
    await setup().ask(replica, 'CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
    await knows(pool, 2);
    expect(primary.running).toBe(true);
  });
});

describe('reads through a failover', () => {
  const setup = useSentinels({ sentinels: 3, replicas: 2 });

  test('go on, planned, and the roles change places', async () => {
    await using pool = openPool(setup());
    await knows(pool, 2);
    await pool.client.set('tide', 'before');
    await pool.withLease((redis) => redis.wait(2, 1_000));
    const reader = readWithoutPause(pool, 'tide');
    const before = (await setup().findPrimary()) as PrivateServer;
    const after = await setup().failOver();
    await until(
      async () => (await outcomeOf(pool.client.set('tide', 'after'))).code === 'ok',
      FAILOVER_MS,
    );
    expect(await setup().ask(after, 'GET', 'tide')).toBe('after');
    await until(
      () => replicasOf(pool).length === 2 && replicasOf(pool).join().includes(`${before.port}`),
      FAILOVER_MS,
    );
    expect(replicasOf(pool).join()).not.toContain(`${after.port}`);
    await until(async () => (await pool.client.get('tide')) === 'after');
    const { failed, longestMs, count } = await reader.stop();
    console.log(`planned: ${count} reads, the longest ${Math.round(longestMs)} ms`);
    expect(failed).toEqual([]);
    expect([...reader.seen].sort()).toEqual(['after', 'before']);
    await forget(setup());
    for (let index = 0; index < 20; index++) await pool.client.get('tide');
    const gets = await callsOf(setup(), 'get');
    expect(gets.toSorted((one, other) => one - other)).toEqual([0, 10, 10]);
    expect(gets[setup().servers.indexOf(after)]).toBe(0);
  });

  test('go on while there is no primary', async () => {
    await using pool = openPool(setup(), { breaker: { patienceMs: 200 } });
    await knows(pool, 2);
    await until(() => setup().isInStep(), FAILOVER_MS);
    await pool.client.set('tide', 'kept');
    await pool.withLease((redis) => redis.wait(2, 1_000));
    const before = (await setup().findPrimary()) as PrivateServer;
    const reader = readWithoutPause(pool, 'tide');
    await before.kill();
    await until(
      async () => (await outcomeOf(pool.client.set('since', '1'))).code === 'ok',
      FAILOVER_MS,
    );
    await sleep(300);
    const { failed, longestMs, count } = await reader.stop();
    console.log(`killed: ${count} reads, the longest ${Math.round(longestMs)} ms`);
    expect(failed).toEqual([]);
    expect([...reader.seen]).toEqual(['kept']);
    await before.restart();
    await knows(pool, 2);
  });
});
