// Callers who give up: by AbortSignal or because their deadline passed, while they wait for a
// connection or for the reply. Whoever comes after them gets a connection and replies of his own.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';

import type { ConnectionPool } from '../../src/pool/pool.js';
import { CoreClient, openPool } from '../support/core-client.js';
import { countCodes, outcomeOf, outcomesOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const TOLERANCE_MS = 300;

describeEachPrivateServer('a caller who gives up', (server) => {
  const pools: ConnectionPool[] = [];
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
  });
  function open(options: Parameters<typeof openPool>[0] = {}) {
    const pool = openPool({ url: server().url, ...options });
    pools.push(pool);
    return { pool, redis: new CoreClient(pool) };
  }

  test('waiting for a lease rejects with ABORTED or ACQUIRE_TIMEOUT in time, and costs no place', async () => {
    const { pool } = open({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const abort = new AbortController();
    const aborted = outcomeOf(pool.acquireLease({ signal: abort.signal }));
    const late = outcomeOf(pool.acquireLease({ timeoutMs: 150 }));
    const patient = pool.acquireLease({ timeoutMs: 2_000 });
    await sleep(20);
    abort.abort(new Error('changed my mind'));
    const { error, code, tookMs } = await aborted;
    expect([code, error?.name]).toEqual(['ABORTED', 'AbortError']);
    expect((error as Error).cause).toMatchObject({ message: 'changed my mind' });
    expect(tookMs).toBeLessThan(20 + TOLERANCE_MS);
    const timedOut = await late;
    expect(timedOut.code).toBe('ACQUIRE_TIMEOUT');
    expect(timedOut.error?.message).toMatch(/open=1, in use=1, idle=0, max=1/);
    expect(timedOut.tookMs).toBeGreaterThan(130);
    expect(timedOut.tookMs).toBeLessThan(150 + TOLERANCE_MS);
    lease.release();
    (await patient).release();
    expect(pool.status().waiting).toBe(0);
  });

  test('with a signal that was aborted before is refused without touching a connection', async () => {
    const { pool, redis } = open();
    const signal = AbortSignal.abort();
    const { code, error } = await outcomeOf(redis.with({ signal }).write('SET', 'never', '1'));
    expect([code, error?.sent]).toEqual(['ABORTED', false]);
    expect((await outcomeOf(pool.acquireLease({ signal }))).code).toBe('ABORTED');
    expect(await redis.read('GET', 'never')).toBeNull();
  });

  test('waiting for a lease leaves the lanes to commands', async () => {
    const { pool, redis } = open({ maxConnections: 1 });
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const slow = open({ maxConnections: 1, url: proxy.url });
    await slow.redis.read('PING');
    proxy.hold('replies');
    const first = slow.redis.read('ECHO', 'first');
    const abort = new AbortController();
    const lease = outcomeOf(slow.pool.acquireLease({ signal: abort.signal }));
    // The only lane is kept for the lease, so this one waits behind it.
    const second = outcomeOf(slow.redis.read('ECHO', 'second'));
    await sleep(20);
    abort.abort();
    const third = outcomeOf(slow.redis.read('ECHO', 'third'));
    proxy.resume();
    expect((await lease).code).toBe('ABORTED');
    expect(await first).toBe('first');
    const [two, three] = await Promise.all([second, third]);
    expect([two.value, three.value]).toEqual(['second', 'third']);
    expect(Math.max(two.tookMs, three.tookMs)).toBeLessThan(1_000);
    await proxy.stop();
    expect(await redis.read('PING')).toBe('PONG');
    expect(pool.status().waiting).toBe(0);
  });

  test('waiting for a lease in vain leaves the lanes to commands', async () => {
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const { pool, redis } = open({ maxConnections: 1, url: proxy.url });
    await redis.read('PING');
    proxy.hold('replies');
    const first = redis.read('ECHO', 'first');
    const lease = outcomeOf(pool.acquireLease({ timeoutMs: 100 }));
    const second = outcomeOf(redis.read('ECHO', 'second'));
    expect((await lease).code).toBe('ACQUIRE_TIMEOUT');
    proxy.resume();
    expect(await first).toBe('first');
    expect(await second).toMatchObject({ value: 'second' });
    await proxy.stop();
  });

  test('waiting for room on a lane rejects in time, and the rest are served in order', async () => {
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const { redis } = open({ maxConnections: 1, maxInFlight: 1, url: proxy.url });
    await redis.read('PING');
    proxy.hold('replies');
    const abort = new AbortController();
    const first = redis.read('ECHO', 'first');
    const aborted = outcomeOf(redis.with({ signal: abort.signal }).write('SET', 'gone', '1'));
    const late = outcomeOf(redis.with({ timeout: 100 }).write('SET', 'gone', '1'));
    const rest = ['a', 'b', 'c'].map((text) => redis.read('ECHO', text));
    abort.abort();
    expect((await aborted).code).toBe('ABORTED');
    const { code, error, tookMs } = await late;
    expect([code, error?.sent]).toEqual(['ACQUIRE_TIMEOUT', false]);
    expect(tookMs).toBeLessThan(100 + TOLERANCE_MS);
    proxy.resume();
    expect(await Promise.all([first, ...rest])).toEqual(['first', 'a', 'b', 'c']);
    // Neither was ever sent.
    expect(await redis.read('GET', 'gone')).toBeNull();
    await proxy.stop();
  });

  test('in flight by signal does not disturb the replies around it', async () => {
    const { redis } = open({ maxConnections: 1 });
    const aborts = Array.from({ length: 300 }, () => new AbortController());
    const outcomes = outcomesOf(
      aborts.map(({ signal }, id) => redis.with({ signal }).read('ECHO', `${id}`)),
    );
    await new Promise((resolve) => process.nextTick(resolve));
    for (const [id, abort] of aborts.entries()) if (id % 3 === 0) abort.abort();
    for (const [id, { code, value }] of (await outcomes).entries()) {
      expect([code, value]).toEqual(id % 3 === 0 ? ['ABORTED', undefined] : ['ok', `${id}`]);
    }
  });

  test('a BLPOP does not pass its connection, with the reply to come, to the next borrower', async () => {
    const { pool, redis } = open({ maxConnections: 3 });
    const abort = new AbortController();
    const command = redis.with({ timeout: 0 }).command('write', ['BLPOP', 'queue', '0']);
    command.isBlocking = true;
    const popped = outcomeOf(pool.executeExclusive(command, abort.signal));
    await until(async () => /cmd=blpop/.test(await redis.read<string>('CLIENT', 'LIST')));
    abort.abort();
    expect((await popped).code).toBe('ABORTED');
    const leases = await Promise.all([pool.acquireLease(), pool.acquireLease()]);
    const echoes = leases.map((lease, id) => new CoreClient(lease).read('ECHO', `borrower ${id}`));
    expect(await Promise.all(echoes)).toEqual(['borrower 0', 'borrower 1']);
    for (const lease of leases) lease.release();
    // The server has noticed that nobody waits any more: the element stays in the list.
    await until(async () => !/cmd=blpop/.test(await redis.read<string>('CLIENT', 'LIST')));
    await redis.write('RPUSH', 'queue', 'element');
    expect(await redis.read('LLEN', 'queue')).toBe(1);
    expect(pool.status().counters.evictions.unclean).toBe(1);
  });

  test('a BLPOP with a deadline keeps it, also while it waits for a connection', async () => {
    const { pool, redis } = open({ maxConnections: 1, acquireTimeoutMs: 3_000 });
    const blPop = () => {
      const command = redis.with({ timeout: 200 }).command('write', ['BLPOP', 'nothing', '0']);
      command.isBlocking = true;
      return outcomeOf(pool.executeExclusive(command));
    };
    const sent = await blPop();
    expect(sent.code).toBe('COMMAND_TIMEOUT');
    expect(sent.tookMs).toBeLessThan(200 + TOLERANCE_MS);
    const lease = await pool.acquireLease();
    const waited = await blPop();
    expect(waited.code).toBe('ACQUIRE_TIMEOUT');
    expect(waited.tookMs).toBeLessThan(200 + TOLERANCE_MS);
    lease.release();
    expect(await redis.read('PING')).toBe('PONG');
  });

  test('late replies reach nobody, whichever the order of give-up and reply', async () => {
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const { pool, redis } = open({ maxConnections: 1, url: proxy.url });
    await redis.read('PING');
    for (let round = 0; round < 5; round++) {
      proxy.hold('replies');
      const hasty = redis.with({ timeout: 60 });
      const lost = outcomesOf(range(20).map((id) => hasty.read('ECHO', `lost ${round} ${id}`)));
      const kept = range(20).map((id) => redis.read('ECHO', `kept ${round} ${id}`));
      expect(countCodes(await lost)).toEqual({ COMMAND_TIMEOUT: 20 });
      proxy.resume();
      expect(await Promise.all(kept)).toEqual(range(20).map((id) => `kept ${round} ${id}`));
    }
    expect(pool.status().counters.opened).toBe(1);
    await proxy.stop();
  });

  test('makes room for others in a full queue, and a full queue refuses at little cost', async () => {
    const maxWaiters = 20_000;
    const { pool, redis } = open({ maxConnections: 1, maxInFlight: 1, maxWaiters });
    const lease = await pool.acquireLease();
    const abort = new AbortController();
    const leaving = redis.with({ signal: abort.signal });
    const waiting = range(maxWaiters).map((id) => (id % 2 === 0 ? redis : leaving).read('PING'));
    const outcomes = outcomesOf(waiting);
    const startedAt = performance.now();
    const refused = await outcomesOf(range(2_000).map(() => redis.read('PING')));
    expect(performance.now() - startedAt).toBeLessThan(400);
    expect(countCodes(refused)).toEqual({ QUEUE_FULL: 2_000 });
    abort.abort();
    await sleep(30);
    const newcomer = redis.read('ECHO', 'newcomer');
    lease.release();
    expect(await newcomer).toBe('newcomer');
    expect(countCodes(await outcomes)).toEqual({ ok: maxWaiters / 2, ABORTED: maxWaiters / 2 });
  });

  test('more callers than may wait are refused at once', async () => {
    const { pool, redis } = open({ maxConnections: 1, maxInFlight: 1, maxWaiters: 10 });
    const lease = await pool.acquireLease();
    const outcomes = outcomesOf(range(25).map((id) => redis.read('ECHO', `${id}`)));
    const refused = await outcomeOf(redis.read('PING'));
    expect(refused.code).toBe('QUEUE_FULL');
    expect(refused.tookMs).toBeLessThan(50);
    lease.release();
    expect(countCodes(await outcomes)).toEqual({ ok: 10, QUEUE_FULL: 15 });
  });
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
