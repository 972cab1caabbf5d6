// What becomes of commands whose connection is lost or whose server can't serve, seen from the
// caller: by class of the command, by what is known of the attempt, and by policy.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '../../test/support/outcome.js';
import { openSimulatedPool, settle } from '../../test/support/simulated-connection.js';
import { PoolError } from '../errors.js';
import { ErrorReply } from '../wire/protocol.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a command whose connection is lost', () => {
  test('is sent again after 8 ms when it only reads', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool();
    const reply = redis.read('GET', 'key');
    connection().lose();
    await settle(7);
    expect(source.open[0]?.sentNames ?? []).toEqual([]);
    await settle(5);
    expect(connection().sentNames).toEqual(['GET']);
    connection().reply('value');
    expect(await reply).toBe('value');
    expect(pool.status().counters.retries).toBe(1);
  });

  test('rejects with OUTCOME_UNKNOWN when it is a write that was sent', async () => {
    const { redis, source, connection } = await openSimulatedPool();
    for (const retryClass of ['write', 'unknown'] as const) {
      const outcome = outcomeOf(redis.run(retryClass, 'INCR', 'key'));
      const cause = new PoolError('CONNECTION_LOST', 'reset by peer');
      connection().lose(0, cause);
      const { code, error } = await outcome;
      expect([code, error?.sent, error?.cause]).toEqual(['OUTCOME_UNKNOWN', true, cause]);
      await settle(1_000);
      expect(connection().sentNames).toEqual([]);
    }
    expect(source.dials).toBe(3);
  });

  test('is sent again when it is a write that never left', async () => {
    const { redis, connection } = await openSimulatedPool();
    const sent = outcomeOf(redis.write('INCR', 'sent'));
    const unsent = redis.write('INCR', 'unsent');
    connection().lose(1);
    expect((await sent).code).toBe('OUTCOME_UNKNOWN');
    await settle(12);
    expect(connection().sentNames).toEqual(['INCR']);
    connection().reply(1);
    expect(await unsent).toBe(1);
  });

  test("is sent again whatever it is under retryWrites 'always', if only for this command", async () => {
    const { redis, connection } = await openSimulatedPool();
    const reply = redis.with({ retryWrites: 'always' }).write('INCR', 'key');
    const other = outcomeOf(redis.write('INCR', 'key'));
    connection().lose();
    expect((await other).code).toBe('OUTCOME_UNKNOWN');
    await settle(12);
    connection().reply(2);
    expect(await reply).toBe(2);
  });

  test("is not sent again under retryWrites 'never', even where it never left", async () => {
    const { redis, connection } = await openSimulatedPool({ retryWrites: 'never' });
    const sent = outcomeOf(redis.write('INCR', 'key'));
    const unsent = outcomeOf(redis.write('INCR', 'key'));
    const read = redis.read('GET', 'key');
    connection().lose(2);
    expect((await sent).code).toBe('OUTCOME_UNKNOWN');
    const { code, error } = await unsent;
    expect([code, error?.sent]).toEqual(['CONNECTION_LOST', false]);
    await settle(12);
    connection().reply('value');
    expect(await read).toBe('value');
  });

  test('rejects with CONNECTION_LOST after 3 retries of 8, 32 and 128 ms', async () => {
    const { redis, source, connection } = await openSimulatedPool();
    const startedAt = Date.now();
    const outcome = outcomeOf(redis.read('GET', 'key'));
    const attempts: number[] = [];
    for (let dials = 1; dials <= 4; dials++) {
      while (source.open[0]?.inFlight !== 1) await settle(1);
      attempts.push(Date.now() - startedAt);
      connection().lose();
    }
    const { code, error } = await outcome;
    expect([code, error?.sent]).toEqual(['CONNECTION_LOST', true]);
    const waits = attempts.slice(1).map((at, index) => at - (attempts[index] as number));
    for (const [index, expected] of [8, 32, 128].entries()) {
      // Those due within 4 ms share a timer.
      expect(waits[index]).toBeGreaterThanOrEqual(expected);
      expect(waits[index]).toBeLessThanOrEqual(expected + 5);
    }
  });

  test('is not retried beyond its deadline', async () => {
    const { redis, connection } = await openSimulatedPool();
    const outcome = outcomeOf(redis.with({ timeout: 8 }).read('GET', 'key'));
    connection().lose();
    expect((await outcome).code).toBe('CONNECTION_LOST');
  });

  test('says OUTCOME_UNKNOWN when the attempt that may have run can have no successor', async () => {
    const { redis, source, connection } = await openSimulatedPool();
    const outcome = outcomeOf(redis.with({ retryWrites: 'always' }).write('INCR', 'key'));
    source.onDial = new PoolError('AUTH_FAILED', 'WRONGPASS');
    connection().lose();
    await settle(100);
    const { code, error } = await outcome;
    expect([code, error?.sent]).toEqual(['OUTCOME_UNKNOWN', true]);
  });

  test('is forgotten when its caller gave up meanwhile', async () => {
    const { redis, connection } = await openSimulatedPool();
    const abort = new AbortController();
    const outcome = outcomeOf(redis.with({ signal: abort.signal }).read('GET', 'key'));
    connection().lose();
    abort.abort();
    expect((await outcome).code).toBe('ABORTED');
    await settle(1_000);
    expect(connection().sentNames).toEqual([]);
  });

  test('forgets the replies of MULTI that came already', async () => {
    const { pool, redis, connection } = await openSimulatedPool();
    const command = redis.with({ retryWrites: 'always' }).command('write', ['MULTI']);
    command.replyCount = 2;
    command.replies = ['OK'];
    const reply = pool.execute(command);
    connection().lose();
    await settle(12);
    expect(command.replies).toBeUndefined();
    connection().reply(['whole']);
    expect(await reply).toEqual(['whole']);
  });
});

describe('a command that the server did not execute', () => {
  test.each(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN'])(
    'because of %s is sent again, be it a write',
    async (kind) => {
      const { redis, connection } = await openSimulatedPool();
      const reply = redis.write('SET', 'key', 'value');
      connection().reply(new ErrorReply(`${kind} in a moment`));
      await settle(12);
      expect(connection().sentNames).toEqual(['SET', 'SET']);
      connection().reply('OK');
      expect(await reply).toBe('OK');
    },
  );

  test('because of LOADING gets that error once the retries are used up', async () => {
    const { redis, source } = await openSimulatedPool();
    source.answer = () => new ErrorReply('LOADING Redis is loading the dataset in memory');
    const outcome = outcomeOf(redis.write('SET', 'key', 'value'));
    await settle(1_000);
    const { error } = await outcome;
    expect(error).toBeInstanceOf(ErrorReply);
    expect(error?.message).toMatch(/^LOADING/);
    expect(source.connections[0]?.sentNames).toHaveLength(4);
  });

  test('because of READONLY goes to a new connection; the old one leaves with failover', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool();
    const reasons: string[] = [];
    pool.on('evict', ({ reason }) => reasons.push(reason));
    const reply = redis.write('SET', 'key', 'value');
    const other = redis.read('GET', 'key');
    connection().reply(new ErrorReply("READONLY You can't write against a read only replica."));
    expect(source.demotions).toBe(1);
    // What is in flight on the old one is still answered there.
    expect(reasons).toEqual([]);
    source.connections[0]?.reply('old');
    expect(await other).toBe('old');
    expect(reasons).toEqual(['failover']);
    await settle(12);
    expect(source.open).not.toContain(source.connections[0]);
    connection().reply('OK');
    expect(await reply).toBe('OK');
  });

  test('and whose caller gave up meanwhile shows all the same that the server is a replica', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool();
    const abort = new AbortController();
    const outcome = outcomeOf(redis.with({ signal: abort.signal }).write('SET', 'key', 'value'));
    abort.abort();
    connection().reply(new ErrorReply("READONLY You can't write against a read only replica."));
    expect((await outcome).code).toBe('ABORTED');
    expect(source.demotions).toBe(1);
    await settle(1_000);
    expect(pool.status().counters.retries).toBe(0);
  });

  test('because of NOAUTH goes to a new connection', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool();
    const reply = redis.write('SET', 'key', 'value');
    connection().reply(new ErrorReply('NOAUTH Authentication required.'));
    await settle(12);
    expect(pool.status().counters.evictions.unhealthy).toBe(1);
    expect(source.connections).toHaveLength(2);
    connection().reply('OK');
    expect(await reply).toBe('OK');
  });

  test('because of itself gets the error as it came', async () => {
    const { redis, connection } = await openSimulatedPool();
    const outcome = outcomeOf(redis.write('INCR', 'key'));
    const error = new ErrorReply('WRONGTYPE Operation against a key');
    connection().reply(error);
    expect((await outcome).error).toBe(error);
    await settle(1_000);
    expect(connection().sentNames).toEqual(['INCR']);
  });

  test("is not sent again under retryWrites 'never'", async () => {
    const { redis, connection } = await openSimulatedPool({ retryWrites: 'never' });
    const outcome = outcomeOf(redis.write('SET', 'key', 'value'));
    connection().reply(new ErrorReply('LOADING Redis is loading'));
    expect((await outcome).code).toBe('LOADING');
  });
});

test('thousands of lost commands come back in their order, with few timers', async () => {
  const { redis, connection } = await openSimulatedPool({ maxConnections: 1 });
  const replies = Array.from({ length: 2_000 }, (_, index) => redis.read('GET', String(index)));
  connection().lose();
  await settle();
  expect(vi.getTimerCount()).toBeLessThan(6);
  await settle(12);
  for (let index = 0; index < 2_000; index++) connection().reply(index);
  expect(await Promise.all(replies)).toEqual(replies.map((_, index) => index));
});
