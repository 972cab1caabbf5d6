// The pool is closed while there is work: everybody is told how his command ended, what was
// accepted is drained, and the deadline of `close()` holds whatever the server does.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { CoreClient, openPool } from '../support/core-client.js';
import { countCodes, type Outcome, outcomeOf, outcomesOf, slowest } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';

const TOLERANCE_MS = 300;
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

describeEachPrivateServer('a pool that is closed', (server) => {
  test('in the middle of 1,000 commands gives each its value', async () => {
    const pool = openPool({ url: server().url, maxConnections: 3, maxInFlight: 50, laneDepth: 10 });
    const redis = new CoreClient(pool);
    const outcomes = outcomesOf(range(1_000).map((id) => redis.read('ECHO', `${id}`)));
    await sleep(2);
    const closed = outcomeOf(pool.close());
    const refused = await outcomeOf(redis.read('PING'));
    expect([refused.code, refused.error?.sent]).toEqual(['POOL_CLOSED', false]);
    expect((await outcomeOf(pool.acquireLease())).code).toBe('POOL_CLOSED');
    expect((await outcomes).map(({ value }) => value)).toEqual(range(1_000).map(String));
    expect((await closed).code).toBe('ok');
    expect(pool.status().state).toBe('closed');
    expect(pool.status().connections.open).toBe(0);
    expect((await outcomeOf(redis.read('PING'))).code).toBe('POOL_CLOSED');
  });

  test('before its first connection serves those who wait already', async () => {
    const pool = openPool({ url: server().url });
    const redis = new CoreClient(pool);
    const outcomes = outcomesOf(range(10).map((id) => redis.read('ECHO', `${id}`)));
    await pool.close();
    expect(countCodes(await outcomes)).toEqual({ ok: 10 });
  });

  test('waits for leases and drains what their borrowers do', async () => {
    const pool = openPool({ url: server().url, maxConnections: 2 });
    const lease = await pool.acquireLease();
    const waiting = outcomesOf([pool.acquireLease(), pool.acquireLease()]);
    const closing = outcomeOf(pool.close());
    await sleep(50);
    expect(await new CoreClient(lease).write('SET', 'closing', '1')).toBe('OK');
    lease.release();
    for (const { value, code } of await waiting) {
      expect(code).toBe('ok');
      value?.release();
    }
    expect((await closing).code).toBe('ok');
  });

  test('with timeoutMs 0 ends at once and tells everybody', async () => {
    const pool = openPool({ url: server().url, maxConnections: 2, maxInFlight: 100 });
    const redis = new CoreClient(pool);
    await redis.read('PING');
    server().pause();
    try {
      const reads = outcomesOf(range(300).map((id) => redis.read('ECHO', `${id}`)));
      const writes = outcomesOf(range(300).map(() => redis.write('INCR', 'at once')));
      const lease = outcomeOf(pool.acquireLease());
      const blocking = redis.with({ timeout: 0 }).command('write', ['BLPOP', 'nothing', '0']);
      blocking.isBlocking = true;
      const popped = outcomeOf(pool.executeExclusive(blocking));
      await sleep(10);
      const closed = await outcomeOf(pool.close({ timeoutMs: 0 }));
      expect(closed.tookMs).toBeLessThan(50);
      let outcomes: Outcome[] = [];
      Promise.all([reads, writes, lease, popped]).then((settled) => {
        outcomes = settled.flat();
      });
      // Nobody is left for a timer or another attempt.
      await new Promise((resolve) => setImmediate(resolve));
      const counts = countCodes(outcomes);
      const { POOL_CLOSED = 0, OUTCOME_UNKNOWN = 0, CONNECTION_LOST = 0 } = counts;
      expect(POOL_CLOSED + OUTCOME_UNKNOWN + CONNECTION_LOST).toBe(602);
      for (const { code, error } of outcomes) {
        if (code === 'POOL_CLOSED') expect(error?.sent).toBe(false);
        else expect(error).toMatchObject({ sent: true, cause: { code: 'POOL_CLOSED' } });
      }
    } finally {
      server().resume();
    }
  });

  test('while the server is stopped ends at its deadline', async () => {
    const pool = openPool({ url: server().url, maxConnections: 4, laneDepth: 20 });
    const redis = new CoreClient(pool);
    await redis.read('PING');
    server().pause();
    try {
      const outcomes = outcomesOf(range(100).map(() => redis.write('INCR', 'stopped')));
      const closed = await outcomeOf(pool.close({ timeoutMs: 400 }));
      expect(closed.tookMs).toBeGreaterThan(380);
      expect(closed.tookMs).toBeLessThan(400 + TOLERANCE_MS);
      expect(slowest(await outcomes)).toBeLessThan(400 + TOLERANCE_MS);
    } finally {
      server().resume();
    }
  });

  test('while it dials a server that is gone ends at once', async () => {
    const pool = openPool({ host: '127.0.0.1', port: 1 });
    const redis = new CoreClient(pool);
    const waiting = outcomeOf(redis.read('PING'));
    await sleep(20);
    const closed = await outcomeOf(pool.close());
    expect((await waiting).error).toBeDefined();
    expect(closed.tookMs).toBeLessThan(TOLERANCE_MS);
  });

  test('twice is closed once, and `await using` closes too', async () => {
    let closes = 0;
    const pool = openPool({ url: server().url });
    pool.on('close', () => closes++);
    await Promise.all([pool.close(), pool.close({ timeoutMs: 0 }), pool[Symbol.asyncDispose]()]);
    await pool.close();
    expect(closes).toBe(1);
  });
});
