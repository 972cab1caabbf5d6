// Connections that break one at a time, while the server lives: reset, half-open, killed by the
// server, and replies that come in pieces. The others go on serving, the broken one is replaced.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';

import type { ConnectionPool } from '../../src/pool/pool.js';
import { CoreClient, openPool } from '../support/core-client.js';
import { countCodes, outcomeOf, outcomesOf, slowest } from '../support/outcome.js';
import { seededRandom } from '../support/seeded-random.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const TOLERANCE_MS = 300;

describeEachPrivateServer('a connection that breaks', (server) => {
  const pools: ConnectionPool[] = [];
  const proxies: TcpProxy[] = [];
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.stop();
    for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
  });

  async function throughProxy(options: Parameters<typeof openPool>[0] = {}) {
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    proxies.push(proxy);
    const pool = openPool({ url: proxy.url, ...options });
    pools.push(pool);
    return { proxy, pool, redis: new CoreClient(pool) };
  }

  test('by a reset is replaced; reads are answered, sent writes say that they are uncertain', async () => {
    const { proxy, pool, redis } = await throughProxy({ maxConnections: 4, laneDepth: 10 });
    await Promise.all(range(60).map((id) => redis.write('SET', `reset:${id}`, `${id}`)));
    await redis.write('SET', 'reset:counter', '0');
    proxy.hold('replies');
    const reads = range(60).map((id) => redis.read('GET', `reset:${id}`));
    const writes = range(20).map(() => redis.write('INCR', 'reset:counter'));
    await sleep(50);
    proxy.resetAll();
    proxy.resume();
    const [readOutcomes, writeOutcomes] = await Promise.all([
      outcomesOf(reads),
      outcomesOf(writes),
    ]);
    expect(readOutcomes.map(({ value }) => value)).toEqual(range(60).map(String));
    expect(countCodes(writeOutcomes)).toEqual({ OUTCOME_UNKNOWN: 20 });
    expect(writeOutcomes.every(({ error }) => error?.sent)).toBe(true);
    expect(await redis.read('GET', 'reset:counter')).toBe('20');
    expect(pool.status().counters.evictions.lost).toBeGreaterThan(0);
  });

  test('after a write was executed and before its reply does not run it twice', async () => {
    const { proxy, redis } = await throughProxy({ maxConnections: 1 });
    await redis.write('SET', 'cut:counter', '0');
    const cut = proxy.closeAfter({ from: 'server', bytes: 0 });
    const outcome = await outcomeOf(redis.write('INCR', 'cut:counter'));
    await cut;
    expect(outcome.code).toBe('OUTCOME_UNKNOWN');
    expect(await redis.read('GET', 'cut:counter')).toBe('1');
    // Who asks for it gets a second execution.
    const again = proxy.closeAfter({ from: 'server', bytes: 0 });
    const insisting = redis.with({ retryWrites: 'always' });
    expect(await insisting.write('INCR', 'cut:counter')).toBe(3);
    await again;
  });

  test('in the middle of a reply does not mix it with the next one', async () => {
    const { proxy, redis } = await throughProxy({ maxConnections: 1 });
    const long = 'x'.repeat(10_000);
    await redis.write('SET', 'long', long);
    for (const bytes of [1, 5, 100, 5_000]) {
      const cut = proxy.closeAfter({ from: 'server', bytes });
      expect(await redis.read('GET', 'long')).toBe(long);
      await cut;
    }
  });

  test('half-open is evicted as unhealthy, and others are served meanwhile', async () => {
    const commandTimeoutMs = 500;
    const { proxy, pool } = await throughProxy({
      maxConnections: 3,
      laneDepth: 1,
      commandTimeoutMs,
    });
    const redis = new CoreClient(pool, { timeout: commandTimeoutMs });
    await redis.read('PING');
    const reasons: string[] = [];
    pool.on('evict', ({ reason }) => reasons.push(reason));
    proxy.swallow();
    const lost = outcomesOf(range(5).map((id) => redis.write('SET', `half:${id}`, 'x')));
    await sleep(50);
    // The connections that lost something stay silent; new ones pass.
    proxy.resume();
    const outcomes = await lost;
    expect(countCodes(outcomes)).toEqual({ COMMAND_TIMEOUT: 5 });
    expect(slowest(outcomes)).toBeLessThan(commandTimeoutMs + TOLERANCE_MS);
    // The others are heard of a second after their silence began.
    await until(async () => (await outcomeOf(redis.read('PING'))).value === 'PONG', 1_500);
    await until(() => reasons.includes('unhealthy'));
    expect(reasons.every((reason) => reason === 'unhealthy')).toBe(true);
  });

  test('half-open while idle is found by the health check', async () => {
    const { proxy, pool, redis } = await throughProxy({
      minConnections: 2,
      maxConnections: 3,
      healthCheckIntervalMs: 300,
      connectTimeoutMs: 400,
    });
    await until(() => pool.status().connections.open === 2);
    expect(await redis.read('PING')).toBe('PONG');
    proxy.swallow();
    await until(() => pool.status().counters.healthCheckFailures >= 2);
    proxy.resume();
    await until(async () => (await outcomeOf(redis.read('PING'))).value === 'PONG', 1_500);
    await until(() => pool.status().connections.open === 2);
    expect(pool.status().counters.evictions.unhealthy).toBeGreaterThanOrEqual(2);
    expect((await pool.healthCheck()).healthy).toBe(true);
  });

  test('half-open is found by an active health check', async () => {
    const { proxy, pool, redis } = await throughProxy({ connectTimeoutMs: 300 });
    expect(await redis.read('PING')).toBe('PONG');
    proxy.swallow();
    const report = await pool.healthCheck();
    expect(report).toMatchObject({ healthy: false, failedConnections: 1 });
    proxy.resume();
    await until(async () => (await pool.healthCheck()).healthy);
  });

  test('replies that come byte by byte are read whole', async () => {
    const { proxy, redis } = await throughProxy({ maxConnections: 3, laneDepth: 20 });
    const random = seededRandom();
    console.log(`seed ${random.seed}`);
    const values = range(60).map((id) => `${id}:${'é€𝄞\r\n$-1'.repeat(random.integer(0, 12))}`);
    await Promise.all(values.map((value, id) => redis.write('SET', `slice:${id}`, value)));
    proxy.sliceReplies({ bytes: 1 });
    const replies = await Promise.all([
      ...values.map((_, id) => redis.read('GET', `slice:${id}`)),
      redis.read('MGET', 'slice:1', 'nothing', 'slice:3'),
      redis.read('HGETALL', 'nothing'),
      outcomeOf(redis.read('LLEN', 'slice:1')),
    ]);
    expect(replies.slice(0, 60)).toEqual(values);
    expect(replies[60]).toEqual([values[1], null, values[3]]);
    expect(replies[61]).toEqual({});
    expect(replies[62]).toMatchObject({ code: 'WRONGTYPE' });
  });

  test('requests that arrive byte by byte are answered', async () => {
    const { proxy, redis } = await throughProxy({ maxConnections: 2 });
    proxy.sliceRequests({ bytes: 1 });
    const replies = await Promise.all(range(50).map((id) => redis.read('ECHO', `${id}`)));
    expect(replies).toEqual(range(50).map(String));
  });

  test('CLIENT KILL of all lanes under load costs no read and doubles no write', async () => {
    const pool = openPool({ url: server().url, maxConnections: 4, laneDepth: 8, name: 'victim' });
    const killer = openPool({ url: server().url, maxConnections: 1, name: 'killer' });
    pools.push(pool, killer);
    const redis = new CoreClient(pool);
    const admin = new CoreClient(killer);
    const tally = { acknowledged: 0, uncertain: 0 };
    let isOver = false;
    const caller = async (id: number) => {
      while (!isOver) {
        expect(await redis.read('ECHO', `${id}`)).toBe(`${id}`);
        const { code } = await outcomeOf(redis.write('INCR', 'kill:counter'));
        if (code === 'ok') tally.acknowledged++;
        else if (code === 'OUTCOME_UNKNOWN') tally.uncertain++;
        else expect.fail(code);
      }
    };
    const callers = range(30).map(caller);
    let killed = 0;
    for (let round = 0; round < 10; round++) {
      await sleep(50);
      killed += await admin.write<number>('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }
    isOver = true;
    await Promise.all(callers);
    const counter = Number(await redis.read('GET', 'kill:counter'));
    console.log(`${killed} connections killed, counter ${counter}`, tally);
    expect(killed).toBeGreaterThan(9);
    expect(counter).toBeGreaterThanOrEqual(tally.acknowledged);
    expect(counter).toBeLessThanOrEqual(tally.acknowledged + tally.uncertain);
  });

  test('CLIENT KILL of a leased connection tells the borrower, and only the borrower', async () => {
    const pool = openPool({ url: server().url, maxConnections: 2 });
    pools.push(pool);
    const redis = new CoreClient(pool);
    await redis.read('PING');
    const lease = await pool.acquireLease();
    const own = new CoreClient(lease);
    await own.write('WATCH', 'watched');
    expect(await redis.write('CLIENT', 'KILL', 'ID', `${lease.serverClientId}`)).toBe(1);
    await until(() => lease.lostError !== undefined);
    // Not even a read is repeated: the transaction that it belonged to is gone.
    expect((await outcomeOf(own.read('GET', 'watched'))).code).toBe('CONNECTION_LOST');
    expect(await redis.read('PING')).toBe('PONG');
    lease.release();
    expect((await outcomeOf(async () => lease.release())).code).toBe('LEASE_RELEASED');
    const next = await pool.acquireLease();
    expect(await new CoreClient(next).read('PING')).toBe('PONG');
    next.release();
    expect(pool.status().connections.leased).toBe(0);
  });

  test('a blocked BLPOP whose connection is killed rejects, and the pool serves on', async () => {
    const pool = openPool({ url: server().url, maxConnections: 2 });
    pools.push(pool);
    const redis = new CoreClient(pool);
    await redis.read('PING');
    const blocking = redis.with({ timeout: 0 }).command('write', ['BLPOP', 'nothing', '0']);
    blocking.isBlocking = true;
    const popped = outcomeOf(pool.executeExclusive(blocking));
    await until(async () => /cmd=blpop/.test(await redis.read<string>('CLIENT', 'LIST')));
    const list = await redis.read<string>('CLIENT', 'LIST');
    const id = /id=(\d+)[^\n]*cmd=blpop/.exec(list)?.[1] as string;
    await redis.write('CLIENT', 'KILL', 'ID', id);
    expect((await popped).code).toBe('OUTCOME_UNKNOWN');
    expect(await redis.read('PING')).toBe('PONG');
  });
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
