// The server takes no more clients: the pool goes on with the connections that it has, and says
// MAX_CLIENTS where it has none.

import { afterEach, describe, expect, test } from 'vitest';

import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import type { ConnectionPool } from '../../src/pool/pool.js';
import { CoreClient, openPool } from '../support/core-client.js';
import { countCodes, outcomeOf, outcomesOf } from '../support/outcome.js';
import { foundServers } from '../support/servers.js';
import { until } from '../support/until.js';

const MAX_CLIENTS = 5;

describe.each(foundServers)('a full server ($kind $version)', (found) => {
  const pools: ConnectionPool[] = [];
  let server: PrivateServer | undefined;
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
    await server?.stop();
    server = undefined;
  });
  async function open(options: Parameters<typeof openPool>[0] = {}) {
    server ??= await startPrivateServer({
      server: found,
      args: ['--maxclients', String(MAX_CLIENTS)],
    });
    const { host, port } = server;
    const pool = openPool({ host, port, ...options });
    pools.push(pool);
    return { pool, redis: new CoreClient(pool) };
  }

  test('is used over the connections that the pool has', async () => {
    const { pool, redis } = await open({ maxConnections: 20, maxInFlight: 4, laneDepth: 2 });
    const errors: string[] = [];
    pool.on('connectError', (error) => errors.push(error.code));
    const outcomes = await outcomesOf(
      Array.from({ length: 2_000 }, (_, id) => redis.read('ECHO', `${id}`)),
    );
    expect(countCodes(outcomes)).toEqual({ ok: 2_000 });
    expect(outcomes.every(({ value }, id) => value === `${id}`)).toBe(true);
    await until(() => errors.length > 0);
    expect(new Set(errors)).toEqual(new Set(['MAX_CLIENTS']));
    expect(pool.status().connections.open).toBe(MAX_CLIENTS);
    expect(pool.status().state).not.toBe('down');
  });

  test('is named in the time-out of a lease that finds none, while commands go on', async () => {
    const { pool, redis } = await open({ maxConnections: 20, acquireTimeoutMs: 300 });
    await redis.read('PING');
    const outcomes = await outcomesOf(
      Array.from({ length: MAX_CLIENTS + 2 }, () => pool.acquireLease()),
    );
    // One lane is left for commands.
    expect(countCodes(outcomes)).toEqual({ ok: MAX_CLIENTS - 1, ACQUIRE_TIMEOUT: 3 });
    const refused = outcomes.find(({ error }) => error !== undefined);
    expect(refused?.error?.message).toMatch(/max number of clients/);
    expect(refused?.error?.cause).toMatchObject({ code: 'MAX_CLIENTS' });
    for (const { value } of outcomes) value?.release();
    expect(await redis.read('PING')).toBe('PONG');
  });

  test('is reported at once by a pool that has no connection, and used when a place is free', async () => {
    const greedy = await open({ minConnections: MAX_CLIENTS, maxConnections: MAX_CLIENTS });
    await until(() => greedy.pool.status().connections.open === MAX_CLIENTS);
    for (let round = 0; round < 20; round++) {
      const { pool, redis } = await open({ maxConnections: 2, breaker: { patienceMs: 0 } });
      const { code, error, tookMs } = await outcomeOf(redis.read('PING'));
      expect([code, (error?.cause as { code?: string })?.code]).toEqual([
        'BREAKER_OPEN',
        'MAX_CLIENTS',
      ]);
      expect(tookMs).toBeLessThan(500);
      if (round < 19) await pool.close();
    }
    const waiting = pools.at(-1) as ConnectionPool;
    await greedy.pool.close();
    const redis = new CoreClient(waiting);
    await until(async () => (await outcomeOf(redis.read('PING'))).code === 'ok', 1_000);
  });
});
