import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CoreClient } from '../../test/support/core-client.js';
import { outcomeOf, outcomesOf } from '../../test/support/outcome.js';
import {
  openSimulatedPool,
  SimulatedSource,
  settle,
  soon,
  soonAll,
} from '../../test/support/simulated-connection.js';
import { PoolError } from '../errors.js';
import { ErrorReply } from '../wire/protocol.js';

const REFUSED = new PoolError('CONNECT_FAILED', 'Cannot connect to simulated:6379: ECONNREFUSED');

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('whoever waits for a connection', () => {
  test('is told ACQUIRE_TIMEOUT with the figures of the pool', async () => {
    const { pool, redis } = await openSimulatedPool({ maxConnections: 1, acquireTimeoutMs: 200 });
    await pool.acquireLease();
    const outcomes = outcomesOf([
      redis.with({ timeout: 200 }).read('GET', 'key'),
      pool.acquireLease(),
    ]);
    await settle(240);
    const [command, lease] = await outcomes;
    for (const [outcome, what] of [
      [command, 'GET'],
      [lease, 'acquire()'],
    ] as const) {
      expect([outcome?.code, outcome?.error?.sent]).toEqual(['ACQUIRE_TIMEOUT', false]);
      expect(outcome?.tookMs).toBeGreaterThanOrEqual(200);
      expect(outcome?.error?.message).toContain(`${what} waited 2`);
      expect(outcome?.error?.message).toMatch(
        /waited 2\d\d ms for a connection \(open=1, in use=1, idle=0, max=1, waiting=\d\)$/,
      );
    }
    expect(pool.status().counters.timeouts).toBe(2);
  });

  test('is told the last connect error too', async () => {
    const source = new SimulatedSource();
    source.onDial = REFUSED;
    const { redis } = await openSimulatedPool({ breaker: { failures: 1_000 } }, source);
    const outcome = outcomeOf(redis.with({ timeout: 30 }).read('GET', 'key'));
    await settle(60);
    const { code, error } = await outcome;
    expect([code, error?.cause]).toEqual(['ACQUIRE_TIMEOUT', REFUSED]);
    expect(error?.message).toMatch(/; last connect error: Cannot connect to simulated:6379/);
  });

  test('waits no longer than its own deadline, or than it asked for', async () => {
    const { pool, redis } = await openSimulatedPool({ maxConnections: 1 });
    await pool.acquireLease();
    const command = outcomeOf(redis.with({ timeout: 100 }).read('GET', 'key'));
    const lease = outcomeOf(pool.acquireLease({ timeoutMs: 300 }));
    await settle(130);
    expect((await command).code).toBe('ACQUIRE_TIMEOUT');
    await settle(210);
    expect((await lease).code).toBe('ACQUIRE_TIMEOUT');
  });

  test('is served in the order of arrival, whether command or lease', async () => {
    const { pool, redis, connection } = await openSimulatedPool({
      maxConnections: 1,
      maxInFlight: 1,
    });
    const first = await pool.acquireLease();
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    const commandA = redis.read('A').then(note('A'));
    await settle(1);
    const lease = pool.acquireLease();
    void lease.then(note('lease'));
    await settle(1);
    const commandB = redis.read('B').then(note('B'));
    first.release();
    expect(connection().sentNames).toEqual(['A']);
    connection().reply();
    await settle();
    expect(order).toEqual(['A', 'lease']);
    (await lease).release();
    connection().reply();
    await Promise.all([commandA, commandB]);
    expect(order).toEqual(['A', 'lease', 'B']);
  });

  test('for a lease gets a lane that would never be empty by itself', async () => {
    const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    const before = redis.read('A');
    const lease = pool.acquireLease();
    const after = redis.read('B');
    expect(connection().sentNames).toEqual(['A']);
    connection().reply('a');
    expect(await before).toBe('a');
    const granted = await lease;
    expect(connection().sentNames).toEqual(['A']);
    granted.release();
    await settle();
    connection().reply('b');
    expect(await after).toBe('b');
  });

  test('for a lease leaves the lanes to commands when he gives up', async () => {
    const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    void redis.read('A');
    const abort = new AbortController();
    const lease = outcomeOf(pool.acquireLease({ signal: abort.signal }));
    const late = outcomeOf(pool.acquireLease({ timeoutMs: 50 }));
    const after = redis.read('B');
    abort.abort(new Error('changed my mind'));
    const { code, error } = await lease;
    expect([code, (error?.cause as Error | undefined)?.message]).toEqual([
      'ABORTED',
      'changed my mind',
    ]);
    await settle();
    expect(connection().sentNames).toEqual(['A']);
    await settle(80);
    expect((await late).code).toBe('ACQUIRE_TIMEOUT');
    expect(connection().sentNames).toEqual(['A', 'B']);
    connection().reply();
    connection().reply('b');
    expect(await after).toBe('b');
  });

  test('is not disturbed by those before him who gave up', async () => {
    const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const abort = new AbortController();
    const { signal } = abort;
    const given = outcomesOf([redis.with({ signal }).read('A'), pool.acquireLease({ signal })]);
    const served = redis.read('B');
    abort.abort();
    expect((await given).map(({ code }) => code)).toEqual(['ABORTED', 'ABORTED']);
    lease.release();
    await settle();
    expect(connection().sentNames).toEqual(['B']);
    connection().reply('b');
    expect(await served).toBe('b');
    expect(pool.status().waiting).toBe(0);
  });

  test('may be none at all: who is turned away still brings a connection for the next', async () => {
    const { pool, redis, connection } = await openSimulatedPool({
      minConnections: 0,
      maxWaiters: 0,
    });
    expect(pool.status().connections.open).toBe(0);
    expect((await soon(redis.read('A'))).code).toBe('QUEUE_FULL');
    const served = redis.read('B');
    connection().reply('b');
    expect(await served).toBe('b');
    // The last lane is not lent, so that a lease needs a second one.
    expect((await soon(pool.acquireLease())).code).toBe('QUEUE_FULL');
    expect((await soon(pool.acquireLease())).code).toBe('ok');
  });

  test('is not more than maxWaiters: the next one is told QUEUE_FULL at once', async () => {
    const { pool, redis, connection } = await openSimulatedPool({
      maxConnections: 1,
      maxWaiters: 2,
    });
    const lease = await pool.acquireLease();
    const abort = new AbortController();
    const first = outcomeOf(redis.with({ signal: abort.signal }).read('A'));
    void pool.acquireLease();
    for (const outcome of await soonAll([redis.read('B'), pool.acquireLease()])) {
      expect([outcome.code, outcome.error?.sent]).toEqual(['QUEUE_FULL', false]);
    }
    // Somebody who gave up holds no place, at the latest a moment later.
    abort.abort();
    await first;
    await settle(100);
    const served = redis.read('C');
    expect((await soon(redis.read('D'))).code).toBe('QUEUE_FULL');
    expect(pool.status().waiting).toBe(2);
    lease.destroy();
    await settle(1);
    connection().lose();
    await settle(1);
    connection().reply('c');
    expect(await served).toBe('c');
  });
});

describe('acquire()', () => {
  test.each([
    ['timeoutMs', { timeoutMs: Number.NaN }],
    ['timeoutMs', { timeoutMs: -1 }],
    ['timeoutMs', { timeoutMs: '500' }],
    ['timeoutMs', { timeoutMs: null }],
    ['signal', { signal: {} }],
    ['signal', { signal: 'abort' }],
  ])('refuses a wrong %s with INVALID_ARGUMENT, and lends nothing', async (name, options) => {
    const { pool } = await openSimulatedPool({ minConnections: 2 });
    const { code, error } = await soon(pool.acquireLease(options as object));
    expect(code).toBe('INVALID_ARGUMENT');
    expect(error?.message).toContain(name);
    expect(pool.status().connections.leased).toBe(0);
  });

  test('waits without a limit where timeoutMs is 0', async () => {
    const { pool } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const patient = pool.acquireLease({ timeoutMs: 0 });
    await settle(60_000);
    lease.release();
    (await patient).release();
  });
});

describe('those who block or borrow', () => {
  test('leave a lane to all others, however many they are', async () => {
    const { pool, redis, source } = await openSimulatedPool({ maxConnections: 20 });
    source.answer = (name) => (name === 'RPUSH' ? 1 : undefined);
    const consumers = Array.from({ length: 40 }, () => {
      const command = redis.with({ timeout: 0 }).command('write', ['BLPOP', 'jobs', '0']);
      command.isBlocking = true;
      return outcomeOf(pool.executeExclusive(command));
    });
    await settle(10);
    expect(pool.status().connections).toMatchObject({ open: 20, leased: 19 });
    for (let job = 0; job < 100; job++) expect(await redis.write('RPUSH')).toBe(1);
    await settle(6_000);
    await pool.close({ timeoutMs: 0 });
    await Promise.all(consumers);
  });

  test('are served in the order in which they asked, however they did', async () => {
    const { pool, redis, source } = await openSimulatedPool({ maxConnections: 2 });
    source.answer = () => 'OK';
    const first = await pool.acquireLease();
    const borrow = async (name: string, options = {}) => {
      const lease = await pool.acquireLease(options);
      await new CoreClient(lease).write(name);
      lease.release();
    };
    const block = (name: string) => {
      const command = redis.command('write', [name, 'jobs', '0']);
      command.isBlocking = true;
      return pool.executeExclusive(command);
    };
    const all = [
      borrow('BORROW 1'),
      block('BLOCK 2'),
      borrow('BORROW 3', { isLongLived: true }),
      block('BLOCK 4'),
      borrow('BORROW 5', { timeoutMs: 4_000, signal: new AbortController().signal }),
    ];
    await settle(100);
    first.release();
    await settle(10);
    await Promise.all(all);
    const names = source.connections.flatMap(({ sentNames }) => sentNames);
    expect(names).toEqual(['BORROW 1', 'BLOCK 2', 'BORROW 3', 'BLOCK 4', 'BORROW 5']);
  });
});

describe('the event exhausted', () => {
  test('comes once until nobody waits any more', async () => {
    const { pool, redis } = await openSimulatedPool({ maxConnections: 1 });
    const events: unknown[] = [];
    pool.on('exhausted', (event) => events.push(event));
    const lease = await pool.acquireLease();
    void outcomesOf([redis.read('A'), redis.read('B'), pool.acquireLease()]);
    expect(events).toEqual([{ maxConnections: 1, waiting: 1 }]);
    lease.release();
    expect(pool.status().counters.exhausted).toBe(1);
  });

  test('comes again for the next time, and not while the pool is suspended', async () => {
    const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    for (let times = 1; times <= 2; times++) {
      const lease = await pool.acquireLease();
      const waiting = redis.read('A');
      lease.release();
      connection().reply();
      await waiting;
      expect(pool.status().counters.exhausted).toBe(times);
    }
    pool.suspend();
    void redis.read('A');
    expect(pool.status().counters.exhausted).toBe(2);
  });

  test('does not come while more connections may be opened', async () => {
    const { pool } = await openSimulatedPool({ maxConnections: 3 });
    await pool.acquireLease();
    await pool.acquireLease();
    expect(pool.status().counters.exhausted).toBe(0);
  });
});

describe('while no server can be reached', () => {
  async function openDownPool(options: Parameters<typeof openSimulatedPool>[0] = {}) {
    const opened = await openSimulatedPool(options);
    opened.source.onDial = REFUSED;
    opened.connection().lose();
    return opened;
  }

  test('whoever waits is told BREAKER_OPEN at once, with the connect error as the cause', async () => {
    const { pool, redis } = await openDownPool();
    const opened: PoolError[] = [];
    pool.on('breakerOpen', (error) => opened.push(error));
    const outcomes = outcomesOf([
      redis.read('GET', 'key'),
      redis.write('SET'),
      pool.acquireLease(),
    ]);
    await settle(200);
    for (const { code, error, tookMs } of await outcomes) {
      expect([code, error?.cause, error?.sent]).toEqual(['BREAKER_OPEN', REFUSED, false]);
      expect(error?.message).toContain('ECONNREFUSED');
      // Four dials with 8, 32 and 128 ms between them.
      expect(tookMs).toBeLessThan(170);
    }
    expect(opened).toEqual([REFUSED]);
    expect(pool.status()).toMatchObject({
      state: 'down',
      waiting: 0,
      lastConnectError: { code: 'CONNECT_FAILED' },
    });
  });

  test('a lease that lives is no reason to let commands wait', async () => {
    const { pool, redis, source } = await openSimulatedPool({ minConnections: 2 });
    const lease = await pool.acquireLease();
    source.onDial = REFUSED;
    source.open.find((connection) => connection !== lease.entry.connection)!.lose();
    const outcome = outcomeOf(redis.read('GET'));
    await settle(200);
    expect((await outcome).code).toBe('BREAKER_OPEN');
    expect(pool.status().state).toBe('down');
    source.onDial = 'accept';
    lease.release();
    expect(pool.status().state).toBe('ready');
  });

  test('whoever comes later is refused without waiting, and counted', async () => {
    const { pool, redis } = await openDownPool();
    await settle(200);
    const outcomes = await soonAll([redis.read('GET'), redis.write('SET'), pool.acquireLease()]);
    for (const { code, tookMs } of outcomes) {
      expect(code).toBe('BREAKER_OPEN');
      expect(tookMs).toBeLessThan(10);
    }
    expect(pool.status().counters.refusedByBreaker).toBe(3);
  });

  test('the pool goes on dialing, and serves again at the first success', async () => {
    const { pool, redis, source, connection } = await openDownPool();
    await settle(200);
    expect((await soon(redis.read('GET'))).code).toBe('BREAKER_OPEN');
    const events: string[] = [];
    pool.on('breakerClose', () => events.push('breakerClose'));
    source.onDial = 'accept';
    await settle(512);
    expect(events).toEqual(['breakerClose']);
    expect(pool.status()).toMatchObject({ state: 'ready', lastConnectError: undefined });
    const reply = redis.read('GET');
    connection().reply('value');
    expect(await reply).toBe('value');
  });

  test('the pool finds out that it is back, though it keeps no connection without callers', async () => {
    const { pool, redis, source } = await openSimulatedPool({ minConnections: 0 });
    source.onDial = REFUSED;
    void outcomeOf(redis.read('GET'));
    await settle(200);
    expect(pool.status().state).toBe('down');
    source.onDial = 'accept';
    await settle(512);
    expect(pool.status()).toMatchObject({ state: 'ready', connections: { open: 1 } });
  });

  test('a fallback answers reads, whether they waited or came later, and nothing else', async () => {
    const asked: unknown[] = [];
    const { redis } = await openDownPool({
      fallback: ({ command, args, error }) => {
        asked.push([command, args, (error as PoolError).code]);
        return 'from the fallback';
      },
    });
    const early = redis.read('GET', 'key', Buffer.from([255]));
    const write = outcomeOf(redis.write('SET', 'key', 'value'));
    await settle(200);
    expect(await early).toBe('from the fallback');
    expect((await soon(redis.read('GET', 'other'))).value).toBe('from the fallback');
    expect((await write).code).toBe('BREAKER_OPEN');
    expect(asked).toEqual([
      ['GET', ['key', Buffer.from([255])], 'BREAKER_OPEN'],
      ['GET', ['other'], 'BREAKER_OPEN'],
    ]);
  });

  test('a fallback that hangs ends at the deadline of its read, be the process idle or not', async () => {
    const { pool, redis } = await openDownPool({ fallback: () => new Promise(() => {}) });
    await settle(200);
    const outcome = outcomeOf(redis.with({ timeout: 300 }).read('GET', 'key'));
    await settle(290);
    expect(pool.status().counters.timeouts).toBe(0);
    await settle(40);
    const { code, error } = await outcome;
    expect([code, error?.sent]).toEqual(['COMMAND_TIMEOUT', false]);
    expect(pool.status().counters.timeouts).toBe(1);
  });

  test('a fallback that answers after the deadline answers nobody', async () => {
    const answers: ((value: string) => void)[] = [];
    const { redis } = await openDownPool({
      fallback: () => new Promise((resolve) => answers.push(resolve)),
    });
    await settle(200);
    const late = outcomeOf(redis.with({ timeout: 100 }).read('GET', 'key'));
    await settle(200);
    for (const answer of answers) answer('late');
    expect((await late).code).toBe('COMMAND_TIMEOUT');
  });

  test('a fallback that throws fails its read alone', async () => {
    const { redis } = await openDownPool({
      fallback: () => {
        throw new Error('not here either');
      },
    });
    await settle(200);
    expect((await soon(redis.read('GET'))).error?.message).toBe('not here either');
  });

  test('a fallback is not asked because the queue is full or the server answers an error', async () => {
    const asked: string[] = [];
    const { pool, redis, connection } = await openSimulatedPool({
      maxConnections: 1,
      maxWaiters: 0,
      fallback: ({ command }) => asked.push(command),
    });
    const failing = outcomeOf(redis.read('GET'));
    connection().reply(new ErrorReply('WRONGTYPE no'));
    expect((await failing).code).toBe('WRONGTYPE');
    await pool.acquireLease();
    expect((await soon(redis.read('GET'))).code).toBe('QUEUE_FULL');
    expect(asked).toEqual([]);
  });
});
