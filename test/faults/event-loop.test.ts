// Our own event loop stands still for 3 s while the server answers: that is nobody's time-out, no
// connection is given up for it and no health check fails.

import { afterEach, expect, test } from 'vitest';

import type { ConnectionPool } from '../../src/pool/pool.js';
import { CoreClient, openPool } from '../support/core-client.js';
import { countCodes, outcomesOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';

/** All blocks but the longest are three deadlines, too. */
const DEADLINE_MS = 400;

function blockEventLoop(blockMs = 3 * DEADLINE_MS): void {
  const end = performance.now() + blockMs;
  while (performance.now() < end);
}

describeEachPrivateServer('an event loop that is blocked for 3 s', (server) => {
  const pools: ConnectionPool[] = [];
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
  });
  async function open(deadlineMs = DEADLINE_MS) {
    const pool = openPool({
      url: server().url,
      minConnections: 4,
      maxConnections: 4,
      laneDepth: 50,
      commandTimeoutMs: deadlineMs,
      acquireTimeoutMs: deadlineMs,
      connectTimeoutMs: deadlineMs,
      healthCheckIntervalMs: 300,
    });
    pools.push(pool);
    await until(() => pool.status().connections.open === 4);
    return { pool, redis: new CoreClient(pool, { timeout: deadlineMs }) };
  }
  function expectNoHarm(pool: ConnectionPool): void {
    const { counters, connections } = pool.status();
    const { timeouts, healthCheckFailures, connectionErrors, evictions } = counters;
    expect({ timeouts, healthCheckFailures, connectionErrors }).toEqual({
      timeouts: 0,
      healthCheckFailures: 0,
      connectionErrors: 0,
    });
    expect(Object.values(evictions).every((count) => count === 0)).toBe(true);
    expect(connections.open).toBe(4);
  }

  test('with replies waiting in the sockets costs no caller its reply', async () => {
    const { pool, redis } = await open(1_000);
    const value = 'x'.repeat(10_000);
    await redis.write('SET', 'long', value);
    const outcomes = outcomesOf(
      Array.from({ length: 400 }, (_, id) =>
        id % 20 === 0 ? redis.read('GET', 'long') : redis.read('ECHO', `${id}`),
      ),
    );
    // Sent, but nothing is read yet.
    await new Promise((resolve) => process.nextTick(resolve));
    blockEventLoop(3_000);
    expect(countCodes(await outcomes)).toEqual({ ok: 400 });
    expectNoHarm(pool);
  });

  test('before what was asked could even be sent costs no caller his reply', async () => {
    const { pool, redis } = await open();
    const outcomes = outcomesOf(
      Array.from({ length: 100 }, (_, id) => redis.read('ECHO', `${id}`)),
    );
    blockEventLoop();
    const later = outcomesOf(Array.from({ length: 100 }, (_, id) => redis.read('ECHO', `${id}`)));
    expect(countCodes([...(await outcomes), ...(await later)])).toEqual({ ok: 200 });
    expectNoHarm(pool);
  });

  test('while idle connections are due for a health check fails none of them', async () => {
    const { pool, redis } = await open();
    // A check is under way when the loop stops.
    const report = pool.healthCheck();
    await new Promise((resolve) => setImmediate(resolve));
    blockEventLoop();
    expect((await report).healthy).toBe(true);
    expect(await redis.read('PING')).toBe('PONG');
    expectNoHarm(pool);
  });

  test('while callers wait for a connection does not time them out', async () => {
    const { pool } = await open();
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquireLease()));
    const waiting = outcomesOf([1, 2, 3].map(() => pool.acquireLease()));
    const replies = outcomesOf(leases.map((lease) => new CoreClient(lease).read('PING')));
    await new Promise((resolve) => process.nextTick(resolve));
    blockEventLoop();
    // The borrowers were only kept from giving their leases back.
    expect(countCodes(await replies)).toEqual({ ok: 3 });
    for (const lease of leases) lease.release();
    expect(countCodes(await waiting)).toEqual({ ok: 3 });
    expectNoHarm(pool);
  });
});
