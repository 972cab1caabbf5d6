// connect() waits for a server that is away as node-redis' does, and for nothing that waiting does
// not cure.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { outcomeOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { uncaughtDuring } from '../support/uncaught.js';
import { newKey, openPool } from './pools.js';

/** Every time-out of the pool is shorter than the outage. */
const IMPATIENT = { acquireTimeoutMs: 100, commandTimeoutMs: 100, connectTimeoutMs: 100 };
const OUTAGE_MS = 1_000;
const PROMPT_MS = 1_000;
const PATIENCE_MS = 2_000;

describeEachPrivateServer('connect()', (server) => {
  test('waits until the server is there, at the start and later', async () => {
    await server().kill();
    await using pool = openPool(server(), IMPATIENT);
    const waiting = [
      outcomeOf(pool.client.connect()),
      outcomeOf(pool.client.duplicate().connect()),
    ];
    await sleep(OUTAGE_MS);
    await server().restart();
    for (const { code, tookMs } of await Promise.all(waiting)) {
      expect(code).toBe('ok');
      expect(tookMs).toBeGreaterThan(OUTAGE_MS - 50);
    }
    await server().kill();
    const again = outcomeOf(pool.client.connect());
    await sleep(OUTAGE_MS);
    await server().restart();
    expect((await again).code).toBe('ok');
    expect(await pool.client.get(newKey())).toBeNull();
  });

  test('waits for a server that accepts and is silent', async () => {
    await using pool = openPool(server(), IMPATIENT);
    server().pause();
    const waiting = outcomeOf(pool.client.connect());
    await sleep(OUTAGE_MS);
    server().resume();
    expect((await waiting).code).toBe('ok');
  });

  test('ends with POOL_CLOSED when the pool or its duplicate is closed, and with its signal', async () => {
    await server().kill();
    const pool = openPool(server());
    const duplicate = pool.client.duplicate();
    const abort = new AbortController();
    const waiting = {
      pool: outcomeOf(pool.client.connect()),
      duplicate: outcomeOf(duplicate.connect()),
      signal: outcomeOf(pool.client.withAbortSignal(abort.signal).connect()),
    };
    await sleep(300);
    duplicate.destroy();
    abort.abort();
    expect((await waiting.duplicate).code).toBe('POOL_CLOSED');
    expect((await waiting.signal).code).toBe('ABORTED');
    await pool.close();
    const { code, tookMs } = await waiting.pool;
    expect(code).toBe('POOL_CLOSED');
    // Its PING waits out a short outage, as what was accepted before close() does.
    expect(tookMs).toBeLessThan(PATIENCE_MS + PROMPT_MS);
    await server().restart();
  });

  test('and all that is given up while the server is away leave nothing unhandled', async () => {
    await server().kill();
    const uncaught = await uncaughtDuring(async () => {
      const pool = openPool(server(), IMPATIENT);
      const redis = pool.client.duplicate();
      const given = [
        redis.connect(),
        redis.subscribe('a', () => undefined),
        redis.monitor(() => undefined),
        redis.get('a'),
        redis.blPop('a', 0),
        redis.multi().get('a').exec(),
        pool.acquire(),
        pool.withLease((leased) => leased.ping()),
        pool.healthCheck(),
      ].map((promise) => outcomeOf(promise as Promise<unknown>));
      await sleep(300);
      redis.destroy();
      await pool.close({ timeoutMs: 0 });
      await Promise.all(given);
      await sleep(50);
    });
    expect(uncaught).toEqual([]);
    await server().restart();
  });
});

describeEachPrivateServer(
  'connect() to a server that wants something else',
  (server) => {
    test.each([
      ['AUTH_FAILED', 'a wrong password', { password: 'wrong' }],
      ['HANDSHAKE_FAILED', 'a database that it does not have', { database: 99 }],
      ['AUTH_FAILED', 'a password function that fails', { password: () => Promise.reject() }],
    ])('fails at once with %s for %s', async (code, _what, options) => {
      const { host, port } = server();
      const right = { host, port, password: 'right' };
      await using pool = openPool({} as never, { ...right, ...options });
      const outcome = await outcomeOf(pool.client.connect());
      expect(outcome.code).toBe(code);
      expect(outcome.tookMs).toBeLessThan(PROMPT_MS);
    });
  },
  { password: 'right' },
);
