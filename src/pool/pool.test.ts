import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
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

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a command', () => {
  test('goes out at once, pipelined with others on one lane', async () => {
    const { pool, redis, connection } = await openSimulatedPool();
    const replies = ['a', 'b', 'c'].map((key) => redis.read('GET', key));
    expect(connection().inFlight).toBe(3);
    for (const value of [1, 2, 3]) connection().reply(value);
    expect(await Promise.all(replies)).toEqual([1, 2, 3]);
    expect(pool.status()).toMatchObject({ inFlight: 0, counters: { commands: 3 } });
  });

  test('shows in the list of connections, and so does who borrowed one', async () => {
    const { pool, redis } = await openSimulatedPool({ maxConnections: 2 });
    const borrowing = pool.acquireLease();
    await settle();
    const lease = await borrowing;
    void outcomeOf(redis.read('GET'));
    await vi.advanceTimersByTimeAsync(30);
    const seen = pool.connections().map(({ state, inFlight, heldMs }) => {
      return { state, inFlight, isHeld: heldMs !== undefined && heldMs >= 30 };
    });
    expect(seen).toContainEqual({ state: 'leased', inFlight: 0, isHeld: true });
    expect(seen).toContainEqual({ state: 'ready', inFlight: 1, isHeld: false });
    lease.release();
    expect(pool.connections().every(({ heldMs }) => heldMs === undefined)).toBe(true);
  });

  test('has its lane to itself where maxInFlight is 1', async () => {
    const { redis, source, connection } = await openSimulatedPool({
      maxInFlight: 1,
      maxConnections: 2,
    });
    const replies = ['A', 'B', 'C'].map((name) => redis.read(name));
    await settle();
    expect(source.open.map(({ sentNames }) => sentNames)).toEqual([['A'], ['B']]);
    connection(1).reply('b');
    connection(1).reply('c');
    connection(0).reply('a');
    expect(await Promise.all(replies)).toEqual(['a', 'b', 'c']);
  });

  test('that the only server sends elsewhere says that this is a node of a cluster', async () => {
    const { pool, redis, source } = await openSimulatedPool();
    const warnings: string[] = [];
    pool.on('warning', ({ code, message }) => warnings.push(`${code}: ${message}`));
    source.answer = () => new ErrorReply('MOVED 3999 10.0.0.2:6379');
    const blocking = redis.command('write', ['BLPOP', 'key', '0']);
    const sent = [redis.read('GET'), redis.write('SET'), pool.executeExclusive(blocking)];
    for (const { code, error } of await soonAll(sent)) {
      expect(code).toBe('MOVED');
      expect(error?.cause).toMatchObject({
        code: 'INVALID_OPTIONS',
        problems: [expect.stringMatching(/^cluster must be given .*simulated:6379 is a node/)],
      });
    }
    expect(warnings).toEqual([expect.stringMatching(/^CLUSTER_NODE: cluster must be given/)]);
  });

  test('does not go to a connection whose write buffer is full', async () => {
    const { redis, source, connection } = await openSimulatedPool({ maxConnections: 1 });
    connection().writable = false;
    const reply = redis.read('GET');
    expect(source.open[0]?.sentNames).toEqual([]);
    connection().writable = true;
    connection().listener.onProgress();
    connection().reply('value');
    expect(await reply).toBe('value');
  });

  test('does not overtake those that wait', async () => {
    const { redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    connection().writable = false;
    void outcomeOf(redis.read('FIRST'));
    connection().writable = true;
    void outcomeOf(redis.read('SECOND'));
    expect(connection().sentNames).toEqual([]);
    connection().listener.onProgress();
    expect(connection().sentNames).toEqual(['FIRST', 'SECOND']);
  });

  test('is cancelled by its signal, in flight; the late reply is dropped', async () => {
    const { redis, connection } = await openSimulatedPool();
    const abort = new AbortController();
    const reason = new Error('the user left');
    const outcome = outcomeOf(redis.with({ signal: abort.signal }).read('GET', 'a'));
    const next = redis.read('GET', 'b');
    abort.abort(reason);
    const { code, error } = await outcome;
    expect([code, error?.name, error?.cause]).toEqual(['ABORTED', 'AbortError', reason]);
    connection().reply('a');
    connection().reply('b');
    expect(await next).toBe('b');
  });

  test('is not sent when its signal had aborted before', async () => {
    const { redis, connection } = await openSimulatedPool();
    const outcome = await soon(redis.with({ signal: AbortSignal.abort() }).write('SET', 'a'));
    expect([outcome.code, outcome.error?.sent]).toEqual(['ABORTED', false]);
    expect(connection().sentNames).toEqual([]);
  });

  test('leaves nothing on the signal when it has its answer', async () => {
    const { redis, connection } = await openSimulatedPool();
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const reply = redis.with({ signal }).read('GET', 'a');
    connection().reply('a');
    await reply;
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
  });
});

describe('suspend()', () => {
  test('lets new callers wait and what is in flight go on, until resume()', async () => {
    const { pool, redis, connection } = await openSimulatedPool();
    const before = redis.read('BEFORE');
    pool.suspend();
    expect(pool.status().state).toBe('suspended');
    const during = redis.read('DURING');
    await settle(1);
    const lease = pool.acquireLease();
    connection().reply('before');
    expect(await before).toBe('before');
    await settle(1_000);
    expect(connection().sentNames).toEqual(['BEFORE']);
    expect(pool.status().waiting).toBe(2);
    pool.resume();
    await settle();
    connection(0).reply('during');
    expect(await during).toBe('during');
    (await lease).release();
    expect(pool.status()).toMatchObject({ state: 'ready', waiting: 0 });
  });

  test('does not suspend deadlines', async () => {
    const { pool, redis } = await openSimulatedPool({ acquireTimeoutMs: 500 });
    pool.suspend();
    const outcomes = outcomesOf([redis.with({ timeout: 500 }).read('GET'), pool.acquireLease()]);
    await settle(550);
    expect((await outcomes).map(({ code }) => code)).toEqual([
      'ACQUIRE_TIMEOUT',
      'ACQUIRE_TIMEOUT',
    ]);
  });

  test('holds back leases that are given back while it lasts', async () => {
    const { pool } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    pool.suspend();
    let granted = false;
    const next = pool.acquireLease().then((second) => {
      granted = true;
      return second;
    });
    lease.release();
    await settle(100);
    expect(granted).toBe(false);
    pool.resume();
    (await next).release();
  });
});

describe('close()', () => {
  test('waits for what is in flight, for leases and for commands that wait, not for who wants a lease', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool({
      maxConnections: 2,
      maxInFlight: 1,
    });
    let closed = false;
    const granted = await pool.acquireLease();
    const inFlight = redis.read('A');
    await settle();
    const refused = outcomeOf(pool.acquireLease());
    const waiting = redis.read('B');
    const closing = pool.close().then(() => {
      closed = true;
    });
    expect(pool.status().state).toBe('closing');
    expect((await refused).code).toBe('POOL_CLOSED');
    connection(0).reply('a');
    expect(await inFlight).toBe('a');
    await settle(100);
    expect(closed).toBe(false);
    granted.release();
    await settle(100);
    expect(closed).toBe(false);
    connection(0).reply('b');
    expect(await waiting).toBe('b');
    await closing;
    expect(source.open).toEqual([]);
    expect(pool.status()).toMatchObject({ state: 'closed', connections: { open: 0 } });
  });

  test('refuses whatever comes after it with POOL_CLOSED', async () => {
    const { pool, redis, connection } = await openSimulatedPool();
    void outcomeOf(redis.read('A'));
    const closing = pool.close();
    for (let times = 0; times < 2; times++) {
      const outcomes = await soonAll([redis.read('GET'), redis.write('SET'), pool.acquireLease()]);
      for (const { code, error } of outcomes) {
        expect([code, error?.sent]).toEqual(['POOL_CLOSED', false]);
      }
      if (times === 0) connection().reply('a');
      await closing;
    }
  });

  test('ends at its deadline, and tells everybody what became of his command', async () => {
    const { pool, redis, source } = await openSimulatedPool({ maxConnections: 1, maxInFlight: 2 });
    const read = outcomeOf(redis.read('GET'));
    const write = outcomeOf(redis.write('SET'));
    const waiting = outcomeOf(pool.acquireLease());
    const queued = outcomeOf(redis.write('SET'));
    const closing = outcomeOf(pool.close({ timeoutMs: 300 }));
    await settle(300);
    const { code, tookMs } = await closing;
    expect([code, tookMs]).toEqual(['ok', 300]);
    expect((await read).code).toBe('CONNECTION_LOST');
    expect((await read).error?.cause).toMatchObject({ code: 'POOL_CLOSED' });
    expect((await write).code).toBe('OUTCOME_UNKNOWN');
    expect((await waiting).code).toBe('POOL_CLOSED');
    expect([(await queued).code, (await queued).error?.sent]).toEqual(['POOL_CLOSED', false]);
    expect(source.open).toEqual([]);
    expect(pool.status().counters.evictions.shutdown).toBe(1);
  });

  test('ends at once where its deadline is 0', async () => {
    const { pool, redis, source } = await openSimulatedPool();
    const outcome = outcomeOf(redis.read('GET'));
    const closing = pool.close({ timeoutMs: 0 });
    await settle();
    await closing;
    expect((await outcome).code).toBe('CONNECTION_LOST');
    expect(source.open).toEqual([]);
  });

  test('serves a retry that is on its way', async () => {
    const { pool, redis, connection } = await openSimulatedPool();
    const reply = redis.read('GET');
    connection().lose();
    const closing = pool.close();
    await settle(20);
    connection().reply('value');
    expect(await reply).toBe('value');
    await closing;
  });

  test('does not wait for leases that are long-lived', async () => {
    const { pool } = await openSimulatedPool();
    const lease = await pool.acquireLease({ isLongLived: true });
    const losses: Error[] = [];
    lease.onLost = (error) => losses.push(error);
    await pool.close();
    expect(losses).toEqual([expect.objectContaining({ code: 'POOL_CLOSED' })]);
  });

  test('lets a lease that outlived it be given back without an error', async () => {
    const { pool } = await openSimulatedPool();
    const lease = await pool.acquireLease();
    const closing = pool.close({ timeoutMs: 10 });
    await settle(10);
    await closing;
    lease.release();
    expect(lease.lostError).toMatchObject({ code: 'POOL_CLOSED' });
  });

  test('of a suspended pool still serves those who wait', async () => {
    const { pool, redis, connection } = await openSimulatedPool();
    pool.suspend();
    const reply = redis.read('GET');
    const closing = pool.close();
    connection().reply('value');
    expect(await reply).toBe('value');
    await closing;
  });

  test('gives up dials and pauses, and leaves no timer behind', async () => {
    const source = new SimulatedSource();
    source.onDial = 'hold';
    const { pool } = await openSimulatedPool({ minConnections: 3 }, source);
    await pool.close();
    await settle();
    expect(source.heldDials).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    const down = await openSimulatedPool();
    down.source.onDial = new PoolError('CONNECT_FAILED', 'refused');
    down.connection().lose();
    await settle(20);
    await down.pool.close();
    const { dials } = down.source;
    await settle(60_000);
    expect([down.source.dials - dials, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test('called twice, closes once', async () => {
    const { pool } = await openSimulatedPool();
    let closes = 0;
    pool.on('close', () => closes++);
    await Promise.all([pool.close(), pool.close({ timeoutMs: 0 })]);
    await pool.close();
    expect(closes).toBe(1);
  });

  test("happens at the end of an 'await using' block", async () => {
    const { pool } = await openSimulatedPool();
    {
      await using used = pool;
      expect(used.status().state).toBe('ready');
    }
    expect(pool.status().state).toBe('closed');
  });
});

describe('an event listener that throws', () => {
  test('does not stop the pool in what it does', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool();
    const thrown: unknown[] = [];
    const microtasks = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
      try {
        task();
      } catch (error) {
        thrown.push(error);
      }
    });
    const mistake = new Error('a bug in the listener');
    pool.on('evict', () => {
      throw mistake;
    });
    const reply = redis.read('GET');
    connection().lose();
    expect(thrown).toEqual([mistake]);
    microtasks.mockRestore();
    await settle(20);
    expect(source.open).toHaveLength(1);
    connection().reply('value');
    expect(await reply).toBe('value');
  });
});

describe('status()', () => {
  test('counts connections, callers and commands', async () => {
    const { pool, redis, connection } = await openSimulatedPool({
      name: 'shop',
      minConnections: 2,
      maxConnections: 4,
    });
    await pool.acquireLease();
    void outcomesOf([redis.read('GET'), redis.read('GET')]);
    expect(pool.status()).toMatchObject({
      name: 'shop',
      state: 'ready',
      address: 'simulated:6379',
      utilizationPercent: 50,
      connections: {
        open: 2,
        inUse: 2,
        idle: 0,
        leased: 1,
        connecting: 0,
        available: 2,
        min: 2,
        max: 4,
      },
      inFlight: 2,
      waiting: 0,
      alert: false,
      counters: { leases: 1, opened: 2, commands: 0, timeouts: 0, retries: 0, exhausted: 0 },
      lastConnectError: undefined,
    });
    await settle(10);
    connection(0).reply();
    connection(0).reply();
    const { commandLatency, counters } = pool.status();
    expect(counters.commands).toBe(2);
    expect(commandLatency).toMatchObject({ count: 2, max: 10 });
    expect(commandLatency.p50).toBeCloseTo(10, 0);
  });

  test('is frozen and speaks of one moment', async () => {
    const { pool } = await openSimulatedPool();
    const before = pool.status();
    await pool.acquireLease();
    expect(before.connections.leased).toBe(0);
    for (const part of [before, before.connections, before.counters, before.counters.evictions]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('does not count the PING of a health check as use', async () => {
    const { pool } = await openSimulatedPool();
    void pool.healthCheck();
    await settle();
    expect(pool.status()).toMatchObject({ inFlight: 1, connections: { inUse: 0, idle: 1 } });
  });
});
