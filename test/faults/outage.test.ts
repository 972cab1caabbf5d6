// While a server is away: a short outage costs time, not errors; a long one is told at once, in a
// way that leaves the process its turns; and what can't be cured by dialing isn't dialed for ever.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

import { freePort } from '../../scripts/free-port.js';
import { startPrivateServer } from '../../scripts/redis-server.js';
import type { Pool } from '../../src/index.js';
import { startFakeServer, staysSilent } from '../support/fake-server.js';
import { countCodes, outcomeOf, outcomesOf, slowest } from '../support/outcome.js';
import { usePools } from '../support/pools.js';
import { describeEachPrivateServer, foundServers } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const open = usePools();

describeEachPrivateServer('a server that is away for a second', (server) => {
  test('costs its callers time, and errors only where the outcome is unknown', async () => {
    const pool = open({ url: server().url });
    const { client } = pool;
    await client.ping();
    const calls: ReturnType<typeof outcomeOf>[] = [];
    let isOver = false;
    const load = (async () => {
      for (let id = 0; !isOver; id++) {
        calls.push(outcomeOf(client.get(`key:${id}`)));
        calls.push(outcomeOf(client.set(`key:${id}`, 'x')));
        calls.push(outcomeOf(client.incr('counter')));
        await sleep(5);
      }
    })();
    await sleep(200);
    await server().kill();
    await sleep(1_000);
    await server().restart();
    await sleep(300);
    isOver = true;
    await load;
    const outcomes = await Promise.all(calls);
    const { ok, OUTCOME_UNKNOWN = 0, ...others } = countCodes(outcomes);
    expect(others).toEqual({});
    // Those of one turn of the event loop, at most.
    expect(OUTCOME_UNKNOWN).toBeLessThanOrEqual(4);
    expect(ok).toBeGreaterThan(500);
    expect(slowest(outcomes)).toBeLessThan(2_000);
  });

  test('is waited for by those who come before it was ever there', async () => {
    await server().kill();
    const pool = open({ url: server().url });
    const outcomes = outcomesOf<unknown>([
      pool.client.ping(),
      pool.client.set('first', 'x'),
      pool.withLease((redis) => redis.ping()),
      pool.client.multi().ping().exec(),
    ]);
    await sleep(800);
    await server().restart();
    expect(countCodes(await outcomes)).toEqual({ ok: 4 });
  });

  test('is waited for within bounds: maxWaiters, maxQueuedBytes and the own deadline', async () => {
    await server().kill();
    const pool = open({ url: server().url, maxWaiters: 3, maxQueuedBytes: 1_000 });
    const { client } = pool;
    const hasty = outcomeOf(client.withCommandOptions({ timeout: 100 }).ping());
    const big = client.set('big', 'x'.repeat(900));
    const bytes = await outcomeOf(client.set('big', 'y'.repeat(900)));
    expect(bytes.code).toBe('QUEUE_FULL');
    expect(bytes.error?.message).toMatch(/maxQueuedBytes/);
    const small = client.ping();
    const callers = await outcomeOf(client.ping());
    expect(callers.code).toBe('QUEUE_FULL');
    expect(callers.error?.message).toMatch(/maxWaiters/);
    expect(await hasty).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    await server().restart();
    expect(await Promise.all([big, small])).toEqual(['OK', 'PONG']);
  });
});

describe('a server that stays away', () => {
  test('is told of once the outage is older than patienceMs, and at once from then on', async () => {
    const pool = open({ port: await freePort(), breaker: { patienceMs: 600 } });
    const first = await outcomeOf(pool.client.ping());
    expect(first.code).toBe('BREAKER_OPEN');
    // Counted from the first dial, which is a moment older.
    expect(first.tookMs).toBeGreaterThanOrEqual(500);
    expect(first.tookMs).toBeLessThan(900);
    const later = await outcomeOf(pool.client.ping());
    expect(later.code).toBe('BREAKER_OPEN');
    expect(later.tookMs).toBeLessThan(60);
  });

  test('that does not answer the first dial in time is no reason to turn anybody away', async () => {
    let connections = 0;
    await using server = await startPrivateServer();
    await using slow = await startFakeServer((socket) => {
      // As a slow name service or a busy thread pool would make it.
      if (++connections === 1) return staysSilent(socket);
      return undefined;
    });
    await using proxy = await startTcpProxy({ host: slow.host, port: slow.port });
    const { host, port } = proxy;
    const pool = open({ host, port, connectTimeoutMs: 300, breaker: { patienceMs: 100 } });
    const reply = outcomeOf(pool.client.ping());
    await until(() => connections === 1);
    proxy.target = { host: server.host, port: server.port };
    expect((await reply).value).toBe('PONG');
  });

  test('is dialed ever more rarely where it refuses the password, and status() says so', async () => {
    await using server = await startPrivateServer({ password: 'right' });
    const { host, port } = server;
    const pool = open({ host, port, password: 'wrong' });
    let dials = 0;
    pool.on('connectError', () => dials++);
    const { code, error, tookMs } = await outcomeOf(pool.client.ping());
    expect(code).toBe('BREAKER_OPEN');
    expect(error?.cause).toMatchObject({ code: 'AUTH_FAILED' });
    expect(tookMs).toBeLessThan(500);
    await sleep(3_000);
    // 8, 32, 128, 512 ms and 2 s apart, with jitter; then 8 s.
    expect(dials).toBeLessThanOrEqual(7);
    expect(pool.status()).toMatchObject({
      state: 'down',
      lastConnectError: { code: 'AUTH_FAILED' },
      nextConnectInMs: expect.any(Number),
    });
  });
});

describe('a caller who tries again at once on any error', () => {
  /** Loops without a pause; what they meet must leave timers and sockets their turn. */
  async function expectTurns(attempt: () => Promise<unknown>): Promise<number> {
    let isOver = false;
    let rounds = 0;
    const loop = (async () => {
      while (!isOver) {
        rounds++;
        await attempt().catch(() => undefined);
      }
    })();
    let mostLagMs = 0;
    for (let tick = 0; tick < 20; tick++) {
      const startedAt = performance.now();
      await sleep(10);
      mostLagMs = Math.max(mostLagMs, performance.now() - startedAt - 10);
    }
    isOver = true;
    await loop;
    expect(mostLagMs).toBeLessThan(100);
    return rounds;
  }

  /** At most one round in 10 ms, over the 0.2 to 0.3 s that the loop runs. */
  const MOST_ROUNDS = 60;

  test.each<[string, (pool: Pool) => Promise<unknown>]>([
    ['a read', ({ client }) => client.get('key')],
    ['a write', ({ client }) => client.set('key', 'x')],
    ['a blocking command', ({ client }) => client.blMove('a', 'b', 'LEFT', 'RIGHT', 0)],
    ['a transaction', ({ client }) => client.multi().incr('key').exec()],
    ['a pipeline', ({ client }) => client.multi().incr('key').execAsPipeline()],
    ['a script', ({ client }) => client.eval('return 1')],
    ['a lease', (pool) => pool.withLease((redis) => redis.ping())],
  ])('does not starve the process by %s, while the server is away', async (_, attempt) => {
    const pool = open({ port: await freePort(), breaker: { patienceMs: 0 } });
    await outcomeOf(pool.client.ping());
    expect(await expectTurns(() => attempt(pool))).toBeLessThan(MOST_ROUNDS);
  });

  test('does not starve the process by reads that a fallback answers', async () => {
    const pool = open({ port: await freePort(), breaker: { patienceMs: 0 }, fallback: () => 'x' });
    await outcomeOf(pool.client.ping());
    expect(await expectTurns(() => pool.client.get('key'))).toBeLessThan(MOST_ROUNDS);
  });

  test('does not starve the process when the pool, a duplicate or the signal has ended', async () => {
    await using server = await startPrivateServer();
    const pool = open({ url: server.url });
    const duplicate = pool.client.duplicate();
    await duplicate.connect();
    duplicate.destroy();
    expect(await expectTurns(() => duplicate.ping())).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => duplicate.blPop('key', 0))).toBeLessThan(MOST_ROUNDS);
    const aborted = pool.client.withAbortSignal(AbortSignal.abort());
    expect(await expectTurns(() => aborted.ping())).toBeLessThan(MOST_ROUNDS);
    const lease = await pool.acquire();
    lease.release();
    expect(await expectTurns(() => lease.client.ping())).toBeLessThan(MOST_ROUNDS);
    await pool.close();
    expect(await expectTurns(() => pool.client.ping())).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => pool.client.blPop('key', 0))).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => pool.acquire())).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => pool.client.connect())).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => pool.client.subscribe('x', () => {}))).toBeLessThan(MOST_ROUNDS);
  });

  test('does not starve the process by what is refused for what it is', async () => {
    await using server = await startPrivateServer();
    const pool = open({ url: server.url, maxConnections: 1, maxWaiters: 0 });
    const { client } = pool;
    await until(() => pool.status().connections.open === 1);
    const wrong = 5 as unknown as string;
    expect(await expectTurns(() => client.get(wrong))).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => client.sendCommand([]))).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => client.watch('key'))).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => client.subscribe([], () => {}))).toBeLessThan(MOST_ROUNDS);
    const multi = () => client.multi().addCommand(['WATCH', 'key']).exec();
    expect(await expectTurns(multi)).toBeLessThan(MOST_ROUNDS);
    const lease = await pool.acquire();
    expect(await expectTurns(() => client.ping())).toBeLessThan(MOST_ROUNDS);
    expect(await expectTurns(() => pool.acquire())).toBeLessThan(MOST_ROUNDS);
    lease.release();
  });

  test('is served again when the server is back', async () => {
    await using server = await startPrivateServer();
    const pool = open({ url: server.url, breaker: { patienceMs: 200 } });
    const moved: unknown[] = [];
    let isOver = false;
    const consume = (async () => {
      while (!isOver) {
        try {
          const element = await pool.client.blMove('from', 'to', 'LEFT', 'RIGHT', 1);
          if (element !== null) moved.push(element);
        } catch {}
      }
    })();
    await sleep(100);
    await server.kill();
    await until(() => pool.status().state === 'down');
    await sleep(300);
    await server.restart();
    await until(async () => (await outcomeOf(pool.client.rPush('from', 'job'))).code === 'ok');
    await until(() => moved.length === 1, 3_000);
    isOver = true;
    await consume;
  });
});

describe.each(foundServers)('a planned failover behind one address ($kind $version)', (found) => {
  test('takes all connections to the new primary: no stale read, no write twice', async () => {
    await using old = await startPrivateServer({ server: found });
    await using young = await startPrivateServer({ server: found });
    await using proxy = await startTcpProxy({ host: old.host, port: old.port });
    const pool = open({ url: proxy.url, minConnections: 8 });
    const admin = [open({ url: old.url }).client, open({ url: young.url }).client] as const;
    await until(() => pool.status().connections.open === 8);
    await admin[1].sendCommand(['REPLICAOF', old.host, `${old.port}`]);
    await pool.client.set('era', 'old');
    await until(async () => (await admin[1].get('era')) === 'old', 10_000);
    await admin[1].sendCommand(['REPLICAOF', 'NO', 'ONE']);
    await admin[0].sendCommand(['REPLICAOF', young.host, `${young.port}`]);
    proxy.target = { host: young.host, port: young.port };
    const writes = await outcomesOf(Array.from({ length: 50 }, () => pool.client.incr('count')));
    expect(countCodes(writes)).toEqual({ ok: 50 });
    expect(await admin[1].get('count')).toBe('50');
    await admin[1].set('era', 'new');
    const reads = await outcomesOf(Array.from({ length: 2_000 }, () => pool.client.get('era')));
    expect(new Set(reads.map(({ value }) => value))).toEqual(new Set(['new']));
    expect(pool.status().counters.evictions.failover).toBe(8);
  });

  test('towards a server that stays read-only is not tried by each write anew', async () => {
    await using primary = await startPrivateServer({ server: found });
    await using replica = await startPrivateServer({ server: found });
    const admin = open({ url: replica.url }).client;
    await admin.sendCommand(['REPLICAOF', primary.host, `${primary.port}`]);
    const pool = open({ url: replica.url, minConnections: 2 });
    const startedAt = performance.now();
    const codes = new Set<string>();
    while (performance.now() - startedAt < 2_000) {
      codes.add((await outcomeOf(pool.client.set('key', 'x'))).code);
      codes.add((await outcomeOf(pool.client.get('key'))).code);
    }
    expect(codes).toEqual(new Set(['READONLY', 'ok']));
    // At 0, 32, 160 and 672 ms, two each time.
    expect(pool.status().counters.opened).toBeLessThanOrEqual(10);
  });
});
