// A server that is slow loses no connection and cuts no command's deadline; a connection that died
// without a word is found within 1.5 s, though nobody tells. Both on real servers.

import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

import { startPrivateServer } from '../../scripts/redis-server.js';
import type { PlimsollOptions, Pool } from '../../src/index.js';
import { UNVERIFIED_DEAD_AFTER_MS } from '../../src/policy/silence.js';
import { countCodes, outcomeOf, outcomesOf, slowest } from '../support/outcome.js';
import { usePools } from '../support/pools.js';
import { describeEachPrivateServer, foundServers } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const THIN_LINE_BYTES = 64 * 1024;

const open = usePools();

/** Blocks the whole server for so long, from outside the pool. */
const BUSY_SCRIPT = `
  local t = redis.call('TIME'); local stop = t[1] * 1000 + t[2] / 1000 + ARGV[1]
  repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > stop
  return redis.call('INCR', KEYS[1])`;

function expectNoHarm({ counters }: ReturnType<Pool['status']>): void {
  expect(counters.evictions).toMatchObject({ unhealthy: 0, lost: 0 });
}

describeEachPrivateServer('a slow server', (server) => {
  test('cuts no command that has a longer deadline, or none, however short the others are', async () => {
    const pool = open({ url: server().url, minConnections: 3, commandTimeoutMs: 100 });
    await until(() => pool.status().connections.open === 3);
    const { client } = pool;
    server().pause();
    const outcomes = outcomesOf<unknown>([
      client.withCommandOptions({ timeout: 0 }).incr('slow:none'),
      client.withCommandOptions({ timeout: 60_000 }).incr('slow:long'),
      client.withCommandOptions({ timeout: 60_000 }).get('slow:none'),
      client.incr('slow:short'),
    ]);
    // Longer than any silence that makes a connection dead.
    await sleep(UNVERIFIED_DEAD_AFTER_MS + 500);
    server().resume();
    expect((await outcomes).map(({ code }) => code)).toEqual(['ok', 'ok', 'ok', 'COMMAND_TIMEOUT']);
    expect(await client.mGet(['slow:none', 'slow:long'])).toEqual(['1', '1']);
    expectNoHarm(pool.status());
  });

  test('runs a long script once, be it a read or a write, beside which all others wait', async () => {
    const pool = open({ url: server().url, commandTimeoutMs: 500 });
    const patient = pool.client.withCommandOptions({ timeout: 20_000 });
    const args = { keys: ['slow:script'], arguments: ['3000'] };
    const runs = outcomesOf([patient.eval(BUSY_SCRIPT, args), patient.ping()]);
    await sleep(100);
    const report = await pool.healthCheck();
    // It is late, and stays what it is.
    expect([report.healthy, report.failedConnections]).toEqual([false, report.checkedConnections]);
    expect((await runs).map(({ value }) => value)).toEqual([1, 'PONG']);
    expect((await pool.healthCheck()).healthy).toBe(true);
    expect(await pool.client.get('slow:script')).toBe('1');
    expectNoHarm(pool.status());
  });

  test('that is busy with a script answers so: it is healthy, and SCRIPT KILL gets through', async () => {
    const pool = open({ url: server().url, minConnections: 4, commandTimeoutMs: 1_000 });
    await until(() => pool.status().connections.open === 4);
    await pool.client.configSet('busy-reply-threshold', '100').catch(() => undefined);
    await pool.client.configSet('lua-time-limit', '100');
    const patient = pool.client.withCommandOptions({ timeout: 20_000 });
    const endless = outcomeOf(patient.eval('while true do end'));
    await until(async () => (await outcomeOf(pool.client.ping())).code === 'BUSY');
    await sleep(2_500);
    expect(await pool.healthCheck()).toMatchObject({ healthy: true });
    expectNoHarm(pool.status());
    expect(pool.status().state).toBe('ready');
    expect(await pool.client.scriptKill()).toBe('OK');
    expect((await endless).error?.message).toMatch(/script killed|Script killed/i);
    expect(await pool.client.ping()).toBe('PONG');
    await pool.client.configSet('lua-time-limit', '5000');
  });

  test('that holds writes back (CLIENT PAUSE WRITE) is no dead lane, though reads are served', async () => {
    const pool = open({ url: server().url, minConnections: 2 });
    await until(() => pool.status().connections.open === 2);
    const { client } = pool;
    const admin = open({ url: server().url });
    await admin.client.sendCommand(['CLIENT', 'PAUSE', '4000', 'WRITE']);
    const writes = outcomesOf([1, 2, 3].map((id) => client.incr(`paused:${id}`)));
    await sleep(700);
    expect(await client.get('nothing')).toBeNull();
    expect(countCodes(await writes)).toEqual({ ok: 3 });
    expect(await client.mGet(['paused:1', 'paused:2', 'paused:3'])).toEqual(['1', '1', '1']);
    expectNoHarm(pool.status());
  });

  test('that receives a giant through a thin line is not given up meanwhile', async () => {
    const line = await startThinLine(server().host, server().port);
    const port = (line.address() as AddressInfo).port;
    const pool = open({ port, commandTimeoutMs: 20_000, minConnections: 2 });
    await until(() => pool.status().connections.open === 2);
    const giant = outcomeOf(pool.client.set('giant', Buffer.alloc(16 * 1024 * 1024, 'x')));
    await sleep(700);
    expect(await pool.client.ping()).toBe('PONG');
    const { value, tookMs } = await giant;
    expect(value).toBe('OK');
    expect(tookMs).toBeGreaterThan(2_000);
    expectNoHarm(pool.status());
    await pool.close();
    line.close();
  });
});

/** Each connection of its own passes 64 KiB of requests each 10 ms, and replies as they come. */
async function startThinLine(host: string, port: number): Promise<Server> {
  const line = createServer(async (client) => {
    const upstream = connect(port, host);
    upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.on('close', () => upstream.destroy());
    for await (const chunk of client) {
      for (let start = 0; start < chunk.length; start += THIN_LINE_BYTES) {
        upstream.write(chunk.subarray(start, start + THIN_LINE_BYTES));
        if (chunk.length >= THIN_LINE_BYTES) await sleep(10);
      }
    }
  }).listen(0, host);
  await once(line, 'listening');
  return line;
}

describeEachPrivateServer('a connection that died without a word', (server) => {
  /** What is open now is dead from now on; what is dialed after it works. */
  async function freeze(options: PlimsollOptions) {
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const pool = open({ url: proxy.url, ...options });
    await until(() => pool.status().connections.open === (options.minConnections ?? 1));
    await pool.client.set('alive', 'yes');
    const wake = async () => {
      proxy.swallow();
      // Something has to be lost on each, or the proxy lets it live.
      const lost = outcomeOf(pool.client.withCommandOptions({ timeout: 1 }).ping());
      await lost;
      proxy.resume();
    };
    return { proxy, pool, wake };
  }

  test.each([
    ['the only one there may be', { maxConnections: 1 }],
    ['one of many', { minConnections: 4 }],
    ['the only one that is open', {}],
    ['spoken to in RESP2', { RESP: 2 as const }],
  ])('costs a read no more than 1.5 s where it is %s', async (_, options) => {
    const { proxy, pool, wake } = await freeze(options);
    await wake();
    const outcomes = await outcomesOf([pool.client.get('alive'), pool.client.get('alive')]);
    expect(outcomes.map(({ value }) => value)).toEqual(['yes', 'yes']);
    expect(slowest(outcomes)).toBeLessThan(1_500);
    await until(() => pool.status().counters.evictions.unhealthy >= 1, 1_500);
    const next = await outcomeOf(pool.client.get('alive'));
    expect(next.tookMs).toBeLessThan(100);
    await proxy.stop();
  });

  test('fails a write that was sent with OUTCOME_UNKNOWN within 1.5 s, and runs it no second time', async () => {
    const { proxy, pool, wake } = await freeze({});
    await wake();
    const lost = await outcomeOf(pool.client.incr('lost'));
    expect([lost.code, lost.error?.sent]).toEqual(['OUTCOME_UNKNOWN', true]);
    expect(lost.tookMs).toBeLessThan(1_500);
    expect(await pool.client.get('lost')).toBeNull();
    await proxy.stop();
  });
});

describe.each(foundServers)('a server whose disk is full ($kind $version)', (found) => {
  test('is used for reads, is healthy, and tells writers why it takes nothing', async () => {
    await using server = await startPrivateServer({ server: found, args: ['--save', '900 1'] });
    const pool = open({ url: server.url, healthCheckIntervalMs: 100, minConnections: 3 });
    const { client } = pool;
    await client.set('before', 'yes');
    const { dir } = await client.configGet('dir');
    await rm(dir as string, { recursive: true });
    await client.sendCommand(['BGSAVE']).catch(() => undefined);
    await until(async () => (await outcomeOf(client.set('x', 'y'))).code === 'MISCONF');
    await sleep(1_500);
    const reads = await outcomesOf([1, 2, 3].map(() => client.get('before')));
    expect(reads.map(({ value }) => value)).toEqual(['yes', 'yes', 'yes']);
    expect((await pool.healthCheck()).healthy).toBe(true);
    expect(await outcomeOf(client.set('x', 'y'))).toMatchObject({ code: 'MISCONF' });
    // New connections can be made too.
    const fresh = open({ url: server.url });
    expect(await fresh.client.get('before')).toBe('yes');
    expectNoHarm(pool.status());
  });
});
