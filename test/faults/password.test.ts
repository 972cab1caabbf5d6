// The password changes on the server while the pool runs, as a rotation does.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';

import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import type { PoolError } from '../../src/errors.js';
import type { ConnectionPool } from '../../src/pool/pool.js';
import { CoreClient, openPool } from '../support/core-client.js';
import { outcomeOf } from '../support/outcome.js';
import { foundServers } from '../support/servers.js';
import { until } from '../support/until.js';

/** Connections of all users but this one, hence not our own, are closed by the server. */
const KILL_OTHERS = ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'];

describe.each(foundServers)('a changed password ($kind $version)', (found) => {
  const pools: ConnectionPool[] = [];
  const servers: PrivateServer[] = [];
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
    for (const server of servers.splice(0)) await server.stop();
  });
  async function start(options: Parameters<typeof startPrivateServer>[0] = {}) {
    const server = await startPrivateServer({ server: found, ...options });
    servers.push(server);
    return server;
  }
  function open(options: Parameters<typeof openPool>[0]) {
    const pool = openPool(options);
    pools.push(pool);
    return { pool, redis: new CoreClient(pool) };
  }

  test('does not touch open connections; lost ones say AUTH_FAILED at once', async () => {
    const server = await start({ password: 'first' });
    const { host, port } = server;
    const { pool, redis } = open({ host, port, password: 'first', maxConnections: 3 });
    expect(await redis.read('PING')).toBe('PONG');
    await redis.write('CONFIG', 'SET', 'requirepass', 'second');
    expect(await redis.read('PING')).toBe('PONG');

    const admin = open({ host, port, password: 'second', maxConnections: 1 });
    const lost = new Promise((resolve) => pool.once('evict', resolve));
    await admin.redis.write(...KILL_OTHERS);
    await lost;
    const { code, error, tookMs } = await outcomeOf(redis.read('PING'));
    expect(code).toBe('BREAKER_OPEN');
    expect(error?.cause).toMatchObject({ code: 'AUTH_FAILED' });
    expect(tookMs).toBeLessThan(300);
    // From now on at once, without a connect for each caller.
    const next = await outcomeOf(redis.write('SET', 'key', 'value'));
    expect([next.code, (next.error?.cause as PoolError | undefined)?.code]).toEqual([
      'BREAKER_OPEN',
      'AUTH_FAILED',
    ]);
    expect(next.tookMs).toBeLessThan(20);
    for (const shown of [error?.message, String(error?.cause), JSON.stringify(pool.status())]) {
      expect(shown).not.toMatch(/first|second/);
    }

    // The old password back: the pool finds out by itself.
    await admin.redis.write('CONFIG', 'SET', 'requirepass', 'first');
    const changedAt = performance.now();
    await until(async () => (await outcomeOf(redis.read('PING'))).code === 'ok', 1_000);
    console.log(`served again after ${(performance.now() - changedAt).toFixed(0)} ms`);
  });

  test('is picked up from a password function, and no read is lost', async () => {
    const server = await start({ password: 'first' });
    const { host, port } = server;
    let current = 'first';
    let asked = 0;
    const password = async () => {
      asked++;
      await sleep(2);
      return current;
    };
    const { pool, redis } = open({ host, port, password, maxConnections: 3 });
    await redis.write('SET', 'key', 'value');
    const admin = open({ host, port, password: 'first', maxConnections: 1 });
    await admin.redis.write('CONFIG', 'SET', 'requirepass', 'second');
    current = 'second';
    await admin.redis.write(...KILL_OTHERS);
    expect(await redis.read('GET', 'key')).toBe('value');
    expect(asked).toBeGreaterThan(1);
    expect(pool.status().lastConnectError).toBeUndefined();
  });

  test('given late by the password function delays the pool no longer than a second', async () => {
    const server = await start({ password: 'first' });
    const { host, port } = server;
    let current = 'first';
    const { pool, redis } = open({ host, port, password: () => current, maxConnections: 3 });
    expect(await redis.read('PING')).toBe('PONG');
    const admin = open({ host, port, password: 'first', maxConnections: 1 });
    await admin.redis.write('CONFIG', 'SET', 'requirepass', 'second');
    await admin.redis.write(...KILL_OTHERS);
    await until(() => pool.status().state === 'down');
    await sleep(1_000);
    current = 'second';
    await until(async () => (await outcomeOf(redis.read('PING'))).code === 'ok', 1_000);
  });

  test('a password function that fails is named as the cause, its secrets are not', async () => {
    const { host, port } = await start({ password: 'first' });
    const password = () => Promise.reject(new Error('vault is sealed'));
    const { redis } = open({ host, port, password });
    const { code, error } = await outcomeOf(redis.read('PING'));
    expect(code).toBe('BREAKER_OPEN');
    expect(error?.cause).toMatchObject({ code: 'AUTH_FAILED' });
  });

  test('of an ACL user, whose connections the server closes, says AUTH_FAILED at once', async () => {
    const { host, port } = await start();
    const admin = open({ host, port, maxConnections: 1 });
    const rules = ['on', '~*', '+@all'];
    await admin.redis.write('ACL', 'SETUSER', 'worker', ...rules, '>first');
    const { pool, redis } = open({ host, port, username: 'worker', password: 'first' });
    expect(await redis.read('PING')).toBe('PONG');
    const lost = new Promise((resolve) => pool.once('evict', resolve));
    await admin.redis.write('ACL', 'DELUSER', 'worker');
    await lost;
    const { error, tookMs } = await outcomeOf(redis.read('PING'));
    expect(error).toMatchObject({ code: 'BREAKER_OPEN', cause: { code: 'AUTH_FAILED' } });
    expect(tookMs).toBeLessThan(300);
    await admin.redis.write('ACL', 'SETUSER', 'worker', ...rules, '>first');
    await until(async () => (await outcomeOf(redis.read('PING'))).code === 'ok', 1_000);
  });
});
