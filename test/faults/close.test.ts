// The pool is closed while there is work: everybody is told how his command ended, what was
// accepted is drained, and the deadline of `close()` holds whatever the server does.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { CoreClient, openPool } from '../support/core-client.js';
import { countCodes, type Outcome, outcomeOf, outcomesOf, slowest } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';

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
    const pool = openPool({ url: server().url, maxConnections: 3 });
    const lease = await pool.acquireLease();
    // One of them gets the other connection.
    const waiting = outcomesOf(range(3).map(() => pool.acquireLease()));
    await sleep(20);
    const closing = outcomeOf(pool.close());
    await sleep(50);
    expect(await new CoreClient(lease).write('SET', 'closing', '1')).toBe('OK');
    const outcomes = await waiting;
    expect(countCodes(outcomes)).toEqual({ ok: 1, POOL_CLOSED: 2 });
    for (const { value } of outcomes) value?.release();
    lease.release();
    expect((await closing).code).toBe('ok');
  });

  test('lets nobody who blocks hold it up, and tells them all at once', async () => {
    const pool = openPool({ url: server().url, maxConnections: 3 });
    const redis = new CoreClient(pool);
    // It keeps a lane open, over which the server is told to end what blocks.
    const lane = await pool.acquireLease();
    const pop = (timeoutS: string) => {
      const command = redis.with({ timeout: 0 }).command('write', ['BLPOP', 'nothing', timeoutS]);
      command.isBlocking = true;
      return command;
    };
    // Some block; those that wait for a connection would block too, had they one.
    const popped = outcomesOf(range(6).map(() => pool.executeExclusive(pop('0'))));
    await until(() => pool.status().connections.leased >= 2);
    await sleep(20);
    pool.suspend();
    lane.release();
    const ordinary = redis.read('ECHO', 'served');
    const closed = await outcomeOf(pool.close());
    expect(closed.tookMs).toBeLessThan(TOLERANCE_MS);
    expect(await ordinary).toBe('served');
    for (const { code, error } of await popped) {
      expect([code, error?.sent]).toEqual(['POOL_CLOSED', false]);
    }
  });

  test('ends what blocks without loss: an element that was taken is handed out', async () => {
    const producer = openPool({ url: server().url });
    const pushes = new CoreClient(producer);
    for (let round = 0; round < 40; round++) {
      const pool = openPool({ url: server().url, maxConnections: 3 });
      const command = new CoreClient(pool).command('write', ['BLPOP', `race:${round}`, '10']);
      command.isBlocking = true;
      const popped = outcomeOf(pool.executeExclusive(command));
      await until(() => pool.status().connections.leased === 1);
      // Sometimes the element is there first, sometimes the end.
      const pushed = sleep(round % 4).then(() => pushes.write('RPUSH', `race:${round}`, 'job'));
      await sleep(round % 3);
      await pool.close();
      await pushed;
      const left = Number(await pushes.read('LLEN', `race:${round}`));
      const { code, value } = await popped;
      expect([code, left]).toEqual(left === 0 ? ['ok', 0] : ['POOL_CLOSED', 1]);
      if (left === 0) expect(value).toEqual([`race:${round}`, 'job']);
    }
    await producer.close();
  });

  test('ends what blocks on a lease of somebody, who then gives it back', async () => {
    const pool = openPool({ url: server().url, maxConnections: 2 });
    const lease = await pool.acquireLease();
    const command = new CoreClient(pool).command('write', ['BLPOP', 'nothing', '0']);
    command.isBlocking = true;
    const popped = outcomeOf(lease.execute(command)).finally(() => lease.release());
    await sleep(20);
    const closed = await outcomeOf(pool.close());
    expect(closed.tookMs).toBeLessThan(TOLERANCE_MS);
    expect((await popped).code).toBe('POOL_CLOSED');
  });

  test('closes what blocks where the server gives no word for it', async () => {
    const admin = openPool({ url: server().url });
    const user = ['on', '>secret', '+@all', '-client|unblock', '~*', '&*'];
    await new CoreClient(admin).write('ACL', 'SETUSER', 'narrow', ...user);
    const pool = openPool({ url: server().url, username: 'narrow', password: 'secret' });
    const command = new CoreClient(pool).command('write', ['BLPOP', 'nothing', '0']);
    command.isBlocking = true;
    const popped = outcomeOf(pool.executeExclusive(command));
    await until(() => pool.status().connections.leased === 1);
    const closed = await outcomeOf(pool.close());
    expect(closed.tookMs).toBeLessThan(TOLERANCE_MS);
    expect((await popped).error).toMatchObject({ sent: true, cause: { code: 'POOL_CLOSED' } });
    await admin.close();
  });

  test('again with less time ends the closing that is under way', async () => {
    for (const timeoutMs of [0, 50]) {
      const pool = openPool({ url: server().url });
      await pool.acquireLease();
      const closing = outcomeOf(pool.close());
      await sleep(20);
      // Without a time of its own, a further call only waits with the first.
      void pool.close();
      const ended = await outcomeOf(pool.close({ timeoutMs }));
      expect(ended.tookMs).toBeLessThan(timeoutMs + TOLERANCE_MS);
      expect((await closing).code).toBe('ok');
    }
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

  test('while it dials a server that is gone ends when its patience does', async () => {
    const pool = openPool({ host: '127.0.0.1', port: 1, breaker: { patienceMs: 20 } });
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
