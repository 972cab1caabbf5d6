// Servers that answer, but say that they can't serve just now: LOADING, READONLY, MASTERDOWN,
// NOAUTH. What they refused was not executed, so it is tried again, writes included.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

import type { Pool } from '../../src/index.js';
import { countCodes, outcomeOf, outcomesOf } from '../support/outcome.js';
import { usePools } from '../support/pools.js';
import { startScriptedServer } from '../support/scripted-server.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const open = usePools();

describe('a server that loads its data', () => {
  const LOADING = '-LOADING Redis is loading the dataset in memory\r\n';

  test('keeps callers waiting from the start, and is used as soon as it has loaded', async () => {
    let readyAt = 0;
    await using server = await startScriptedServer(([name]) => {
      if (name === 'HELLO') return '*2\r\n$2\r\nid\r\n:1\r\n';
      if (name === 'PING') {
        readyAt ||= performance.now() + 120;
        return performance.now() < readyAt ? LOADING : '+PONG\r\n';
      }
      return name === 'GET' ? '$5\r\nvalue\r\n' : '+OK\r\n';
    });
    const pool = open({ url: server.url, breaker: { failures: 10 } });
    expect(await pool.client.get('key')).toBe('value');
    expect(pool.status().counters.connectionErrors).toBeGreaterThan(0);
  });

  test('for long is the cause that callers are told of', async () => {
    await using server = await startScriptedServer(([name]) =>
      name === 'HELLO' ? '*2\r\n$2\r\nid\r\n:1\r\n' : LOADING,
    );
    const pool = open({ url: server.url, breaker: { patienceMs: 300 } });
    const { code, error, tookMs } = await outcomeOf(pool.client.get('key'));
    expect(code).toBe('BREAKER_OPEN');
    expect(error?.cause).toMatchObject({ code: 'SERVER_LOADING' });
    expect(tookMs).toBeGreaterThan(290);
    expect(tookMs).toBeLessThan(1_000);
  });

  test('while connections are open is asked again, for writes too', async () => {
    const seen: string[] = [];
    let refusals = 3;
    await using server = await startScriptedServer(([name]) => {
      if (name === 'HELLO') return '*2\r\n$2\r\nid\r\n:1\r\n';
      if (name !== 'INCR') return '+OK\r\n';
      seen.push(name);
      return refusals-- > 0 ? LOADING : ':1\r\n';
    });
    const pool = open({ url: server.url });
    expect(await pool.client.incr('counter')).toBe(1);
    expect(seen.length).toBe(4);
    expect(pool.status().counters.retries).toBe(3);
    expect(pool.status().counters.opened).toBe(1);
  });

  test('longer than the retries last answers LOADING; with retryWrites never at once', async () => {
    await using server = await startScriptedServer(([name]) => {
      if (name === 'HELLO') return '*2\r\n$2\r\nid\r\n:1\r\n';
      return name === 'INCR' ? LOADING : '+OK\r\n';
    });
    const pool = open({ url: server.url });
    const patient = await outcomeOf(pool.client.incr('counter'));
    expect(patient.code).toBe('LOADING');
    expect(patient.tookMs).toBeGreaterThan(8 + 32 + 128 - 10);
    const retryWrites = 'never' as const;
    const impatient = await outcomeOf(
      (pool.client.withCommandOptions({ retryWrites } as object) as Pool['client']).incr('counter'),
    );
    expect(impatient.code).toBe('LOADING');
    expect(pool.status().counters.retries).toBe(3);
  });
});

describeEachPrivateServer('a primary that becomes a replica', (server) => {
  test('answers READONLY: its connections are replaced, and writes go through once it is back', async () => {
    const pool = open({ url: server().url, maxConnections: 4 });
    const redis = pool.client;
    await redis.set('counter', '0');
    const reasons: string[] = [];
    pool.on('evict', ({ reason }) => reasons.push(reason));
    await redis.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    // Reads are still answered by a replica that serves stale data.
    expect(await redis.get('counter')).toBe('0');
    const refused = await outcomeOf(redis.incr('counter'));
    expect(refused.code).toBe('READONLY');
    await until(() => reasons.length > 0);
    expect(new Set(reasons)).toEqual(new Set(['failover']));

    // Promoted between two attempts: the caller does not notice.
    const patient = outcomesOf(Array.from({ length: 50 }, () => redis.incr('counter')));
    await sleep(30);
    await redis.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    expect(countCodes(await patient)).toEqual({ ok: 50 });
    expect(await redis.get('counter')).toBe('50');
  });

  test('answers READONLY to transactions and pipelines, which then go through once', async () => {
    const pool = open({ url: server().url, maxConnections: 4 });
    const redis = pool.client;
    await redis.set('pairs', '0');
    const increments = () => redis.multi().incr('pairs').incr('pairs');
    const reasons: string[] = [];
    pool.on('evict', ({ reason }) => reasons.push(reason));
    await redis.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    const batches = Array.from({ length: 25 }, () => [
      increments().exec(),
      increments().execAsPipeline(),
    ]);
    const patient = outcomesOf(batches.flat());
    await sleep(20);
    await redis.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    expect(countCodes(await patient)).toEqual({ ok: 50 });
    expect(await redis.get('pairs')).toBe('100');
    expect(new Set(reasons)).toEqual(new Set(['failover']));
  });

  test('answers a pipeline in part, which its caller is told of: none of it runs twice', async () => {
    const pool = open({ url: server().url, maxConnections: 1, retryWrites: 'always' });
    const redis = pool.client;
    await redis.set('once', '0');
    await redis.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    const mixed = outcomeOf(redis.multi().get('once').incr('once').execAsPipeline());
    expect((await mixed).code).toBe('READONLY');
    expect(pool.status().counters.retries).toBe(0);
    await until(() => pool.status().counters.evictions.failover === 1);
    await redis.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    expect(await redis.get('once')).toBe('0');
  });

  test('lets go of who blocks there: UNBLOCKED is told, and the connection replaced', async () => {
    const pool = open({ url: server().url, maxConnections: 2 });
    const popped = outcomeOf(pool.client.blPop('empty', 0));
    await until(() => pool.status().connections.leased === 1);
    await sleep(20);
    await pool.client.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    expect((await popped).code).toBe('UNBLOCKED');
    await until(() => pool.status().counters.evictions.failover > 0);
    await pool.client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    expect(pool.status().counters.retries).toBe(0);
  });

  test('answers READONLY to a transaction on a lease, which is never sent again', async () => {
    const pool = open({ url: server().url, maxConnections: 2 });
    await pool.client.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    const refused = pool.withLease((leased) => leased.multi().incr('leased').exec());
    expect((await outcomeOf(refused)).code).toBe('READONLY');
    await pool.client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    expect(pool.status().counters.retries).toBe(0);
    expect(await pool.client.exists('leased')).toBe(0);
  });

  test('that serves no stale data answers MASTERDOWN, which is waited out', async () => {
    const pool = open({ url: server().url, maxConnections: 2 });
    const redis = pool.client;
    await redis.set('stale', 'value');
    await redis.sendCommand(['CONFIG', 'SET', 'replica-serve-stale-data', 'no']);
    await redis.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    const read = redis.get('stale');
    const reads = [redis.multi().get('stale').ping(), redis.multi().get('stale').ping()] as const;
    const answers = Promise.all([reads[0].exec(), reads[1].execAsPipeline()]);
    await sleep(20);
    await redis.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    expect(await read).toBe('value');
    expect(await answers).toEqual([
      ['value', 'PONG'],
      ['value', 'PONG'],
    ]);
    await redis.sendCommand(['CONFIG', 'SET', 'replica-serve-stale-data', 'yes']);
    expect(pool.status().counters.opened).toBe(1);
  });
});

describeEachPrivateServer('a server that is busy with a script', (server) => {
  test('answers BUSY, which is waited out: reads, writes, transactions and pipelines', async () => {
    const admin = open({ url: server().url, maxConnections: 1 });
    await admin.client.sendCommand(['CONFIG', 'SET', 'lua-time-limit', '5']);
    const pool = open({ url: server().url, maxConnections: 2 });
    const redis = pool.client;
    await redis.set('busy', '0');
    const slow = outcomeOf(admin.client.eval('while true do end'));
    await sleep(40);
    const patient = outcomesOf([
      redis.get('busy'),
      redis.incr('busy'),
      redis.multi().incr('busy').incr('busy').exec(),
      redis.multi().incr('busy').incr('busy').execAsPipeline(),
      pool.client.sendCommand(['SCRIPT', 'KILL']),
    ] as Promise<unknown>[]);
    const outcomes = await patient;
    expect(outcomes.map(({ code }) => code)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect((await slow).code).not.toBe('ok');
    expect(await redis.get('busy')).toBe('5');
    expect(pool.status().counters.retries).toBeGreaterThan(0);
    expect(pool.status().counters.opened).toBeLessThanOrEqual(2);
  });
});

describe('a connection that lost its identity', () => {
  test('answers NOAUTH: it is replaced, and the command runs on another', async () => {
    let loggedIn = true;
    let hellos = 0;
    await using server = await startScriptedServer(([name]) => {
      if (name === 'HELLO') {
        loggedIn = true;
        hellos++;
        return '*2\r\n$2\r\nid\r\n:1\r\n';
      }
      if (name === 'PING' || name === 'CLIENT') return '+OK\r\n';
      return loggedIn ? ':7\r\n' : '-NOAUTH Authentication required.\r\n';
    });
    const pool = open({ url: server.url });
    expect(await pool.client.incr('counter')).toBe(7);
    loggedIn = false;
    expect(await pool.client.incr('counter')).toBe(7);
    expect(hellos).toBe(2);
  });
});

describeEachPrivateServer('a write that may run twice because its caller said so', (server) => {
  test('is never reported as one that did not run', async () => {
    await using proxy = await startTcpProxy({ host: server().host, port: server().port });
    const pool = open({ url: proxy.url, maxConnections: 1, retryWrites: 'always' });
    const direct = open({ url: server().url, maxConnections: 1 });
    await pool.client.set('twice', '0');
    const cut = proxy.closeAfter({ from: 'server', bytes: 0 });
    const outcome = outcomeOf(pool.client.incr('twice'));
    await cut;
    // It ran; the second attempt finds no server.
    proxy.refuseConnections();
    const { code, error } = await outcome;
    expect(await direct.client.get('twice')).toBe('1');
    expect([code, error?.sent]).toEqual(['OUTCOME_UNKNOWN', true]);
  });
});
