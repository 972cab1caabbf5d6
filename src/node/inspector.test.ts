import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '../../test/support/outcome.js';
import {
  openSimulatedPool,
  type SimulatedPool,
  settle,
  soon,
} from '../../test/support/simulated-connection.js';
import { PoolError } from '../errors.js';
import { ErrorReply } from '../wire/protocol.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Opens so many connections by leasing them all, and gives them back. */
async function openAll({ pool }: SimulatedPool, count: number): Promise<void> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquireLease()));
  for (const lease of leases) lease.release();
}

describe('a lease that is held too long', () => {
  test('is reported once, with the stack that took it', async () => {
    const { pool } = await openSimulatedPool({ leakThresholdMs: 1_000 });
    const leaks: { connectionId: number; heldMs: number; stack: string | undefined }[] = [];
    pool.on('leak', (leak) => leaks.push(leak));
    const lease = await (async function forgetful() {
      return await pool.acquireLease();
    })();
    await settle(900);
    expect(leaks).toEqual([]);
    await settle(10_000);
    expect(leaks).toHaveLength(1);
    expect(leaks[0]).toMatchObject({
      connectionId: 2,
      stack: expect.stringContaining('forgetful'),
    });
    expect(leaks[0]?.heldMs).toBeGreaterThanOrEqual(1_000);
    expect(leaks[0]?.heldMs).toBeLessThan(1_600);
    expect(pool.status().counters.leaks).toBe(1);
    lease.release();
  });

  test('is reported with its stack where it had to wait for the connection too', async () => {
    const { pool } = await openSimulatedPool({ leakThresholdMs: 1_000, maxConnections: 1 });
    const stacks: unknown[] = [];
    pool.on('leak', ({ stack }) => stacks.push(stack));
    const first = await pool.acquireLease();
    const second = (function queueing() {
      return pool.acquireLease();
    })();
    first.release();
    await second;
    await settle(2_000);
    expect(stacks).toEqual([expect.stringContaining('queueing')]);
  });

  test('is not reported when it is long-lived on purpose, or the threshold is 0', async () => {
    const { pool } = await openSimulatedPool({ leakThresholdMs: 100 });
    await pool.acquireLease({ isLongLived: true });
    const never = await openSimulatedPool({ leakThresholdMs: 0 });
    await never.pool.acquireLease();
    await settle(60_000);
    expect([pool, never.pool].map((each) => each.status().counters.leaks)).toEqual([0, 0]);
  });

  test('names its stack for 20 leases of a tick at most, as stacks are dear', async () => {
    const { pool } = await openSimulatedPool({ leakThresholdMs: 1_000, maxConnections: 50 });
    const stacks: unknown[] = [];
    pool.on('leak', ({ stack }) => stacks.push(stack));
    void Promise.all(Array.from({ length: 30 }, () => pool.acquireLease()));
    await settle(2_000);
    expect(stacks).toHaveLength(30);
    expect(stacks.filter((stack) => stack !== undefined)).toHaveLength(20);
  });
});

describe('the alert', () => {
  test('is raised once above 80 % and cleared once below 70 %', async () => {
    const { pool } = await openSimulatedPool({ maxConnections: 10 });
    const events: [string, number][] = [];
    pool.on('alert', ({ utilizationPercent }) => events.push(['alert', utilizationPercent]));
    pool.on('alertCleared', ({ utilizationPercent }) =>
      events.push(['cleared', utilizationPercent]),
    );
    const leases = await Promise.all(Array.from({ length: 8 }, () => pool.acquireLease()));
    await settle(2_000);
    expect([events, pool.status().alert, pool.status().state]).toEqual([[], false, 'ready']);
    leases.push(await pool.acquireLease());
    await settle(2_000);
    expect(events).toEqual([['alert', 90]]);
    expect([pool.status().alert, pool.status().state]).toEqual([true, 'degraded']);
    leases.pop()?.release();
    leases.pop()?.release();
    await settle(2_000);
    expect(events).toHaveLength(1);
    leases.pop()?.release();
    await settle(2_000);
    expect(events).toEqual([
      ['alert', 90],
      ['cleared', 60],
    ]);
    expect(pool.status().alert).toBe(false);
  });
});

describe('an idle connection', () => {
  test('is asked by PING every 30 s, and kept as long as it answers', async () => {
    const { pool, source, connection } = await openSimulatedPool({ maxLifetimeMs: 0 });
    source.answer = () => 'PONG';
    await settle(29_000);
    expect(connection().sentNames).toEqual([]);
    await settle(92_000);
    expect(connection().sentNames).toEqual(['PING', 'PING', 'PING', 'PING']);
    expect(source.connections).toHaveLength(1);
    expect(pool.status().counters.healthCheckFailures).toBe(0);
  });

  test('is not asked while it has traffic or is leased', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool({ maxLifetimeMs: 0 });
    source.answer = () => 'OK';
    for (let second = 0; second < 60; second += 20) {
      await redis.read('GET');
      await settle(20_000);
    }
    expect(connection().sentNames).toEqual(['GET', 'GET', 'GET']);
    pool.resize(1);
    await pool.acquireLease({ isLongLived: true });
    await settle(60_000);
    expect(connection().sentNames).toHaveLength(3);
  });

  test('is alive whatever it answers to the PING', async () => {
    const { pool, source } = await openSimulatedPool();
    source.answer = () => new ErrorReply('NOPERM no');
    await settle(100_000);
    expect(source.connections[0]?.sentNames).toEqual(['PING', 'PING', 'PING']);
    expect(pool.status().counters).toMatchObject({ healthCheckFailures: 0, opened: 1 });
  });

  test('beyond minConnections is closed after idleTimeoutMs; PINGs are no use', async () => {
    const opened = await openSimulatedPool({ minConnections: 1, healthCheckIntervalMs: 10_000 });
    const { pool, source } = opened;
    source.answer = () => 'PONG';
    await openAll(opened, 3);
    expect(pool.status().connections.open).toBe(4);
    await settle(58_000);
    expect(pool.status().connections.open).toBe(4);
    await settle(3_000);
    expect(pool.status().connections.open).toBe(1);
    expect(pool.status().counters.evictions.idle).toBe(3);
    await settle(300_000);
    expect(pool.status().connections.open).toBe(1);
  });

  test('stays for ever where idleTimeoutMs is 0', async () => {
    const opened = await openSimulatedPool({ idleTimeoutMs: 0, maxLifetimeMs: 0 });
    opened.source.answer = () => 'PONG';
    await openAll(opened, 3);
    await settle(3_600_000);
    expect(opened.pool.status().connections.open).toBe(4);
  });
});

describe('a connection that reaches its age', () => {
  test('is replaced, each at another time', async () => {
    const draws = [0, 0.5, 1];
    const opened = await openSimulatedPool(
      { minConnections: 3, maxLifetimeMs: 100_000 },
      undefined,
      () => draws.shift() ?? 0,
    );
    const { pool, source } = opened;
    source.answer = () => 'PONG';
    const closedAt: number[] = [];
    const startedAt = Date.now();
    pool.on('evict', ({ reason }) => {
      expect(reason).toBe('lifetime');
      closedAt.push(Date.now() - startedAt);
    });
    await settle(101_000);
    // 90, 95 and 100 s, looked at twice a second.
    expect(closedAt.map((ms) => Math.floor(ms / 1_000))).toEqual([90, 95, 100]);
    expect(pool.status().connections.open).toBe(3);
  });

  test('finishes what is in flight before it closes, and takes no more', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool({
      maxLifetimeMs: 1_000,
      maxConnections: 2,
    });
    await settle(900);
    const old = connection();
    const last = redis.read('LAST');
    await settle(600);
    expect(old.endError).toBeUndefined();
    const next = redis.read('NEXT');
    expect(old.sentNames).toEqual(['LAST']);
    connection(1).reply('next');
    expect(await next).toBe('next');
    old.reply('last');
    expect(await last).toBe('last');
    expect(old.endError).toBeDefined();
    expect([source.open.length, pool.status().counters.evictions.lifetime]).toEqual([1, 1]);
  });

  test.each([1, 4])(
    'is used until the one that replaces it is there (maxConnections: %d)',
    async (maxConnections) => {
      const { pool, redis, source } = await openSimulatedPool({
        maxLifetimeMs: 1_000,
        maxConnections,
      });
      source.answer = () => 'value';
      source.onDial = 'hold';
      await settle(3_000);
      expect([source.heldDials.length, source.open.length]).toEqual([1, 1]);
      expect(await redis.read('GET')).toBe('value');
      source.heldDials[0]!.refuse(new PoolError('CONNECT_FAILED', 'not now'));
      await settle(100);
      expect(await redis.read('GET')).toBe('value');
      source.heldDials[0]!.accept();
      await settle();
      expect([source.connections[0]?.endError !== undefined, source.open.length]).toEqual([
        true,
        1,
      ]);
      expect(pool.status().counters.evictions).toMatchObject({ lifetime: 1, shrink: 0 });
    },
  );

  test('closes only when its borrower has given it back', async () => {
    const { pool, source } = await openSimulatedPool({
      maxLifetimeMs: 1_000,
      leakThresholdMs: 0,
      maxConnections: 1,
    });
    const lease = await pool.acquireLease();
    await settle(5_000);
    expect(source.connections[0]?.endError).toBeUndefined();
    lease.release();
    await settle(1_000);
    expect(source.connections[0]?.endError).toBeDefined();
  });
});

describe('a server that owes a reply', () => {
  test('fails the command at its deadline with COMMAND_TIMEOUT, and drops the late reply', async () => {
    const { pool, redis, connection } = await openSimulatedPool();
    const late = outcomeOf(redis.with({ timeout: 100 }).read('GET', 'a'));
    const patient = redis.read('GET', 'b');
    await settle(125);
    const { code, error, tookMs } = await late;
    expect([code, error?.sent]).toEqual(['COMMAND_TIMEOUT', true]);
    expect(tookMs).toBeLessThanOrEqual(125);
    connection().reply('a');
    connection().reply('b');
    expect(await patient).toBe('b');
    expect(pool.status().counters).toMatchObject({ timeouts: 1, retries: 0 });
  });

  test('is not given up while it talks, or while a borrower lets it block', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool({
      commandTimeoutMs: 1_000,
      leakThresholdMs: 0,
    });
    for (let second = 0; second < 5; second++) void outcomeOf(redis.read('GET'));
    for (let second = 0; second < 5; second++) {
      await settle(900);
      connection().reply('slow');
    }
    const lease = await pool.acquireLease();
    const command = redis.with({ timeout: 0 }).command('write', ['BLPOP', 'key', '0']);
    command.isBlocking = true;
    void outcomeOf(lease.execute(command));
    await settle(60_000);
    expect(source.connections[0]?.endError).toBeUndefined();
  });
});

describe('healthCheck()', () => {
  test('of a pool that has been idle ends in time where nothing answers', async () => {
    const { pool } = await openSimulatedPool({ minConnections: 1, connectTimeoutMs: 200 });
    await settle(2_000);
    const report = outcomeOf(pool.healthCheck());
    await settle(250);
    expect((await report).value).toMatchObject({ healthy: false, failedConnections: 1 });
  });

  test('asks every connection that nobody leases, and says how it went', async () => {
    const opened = await openSimulatedPool({ minConnections: 3 });
    const { pool, source } = opened;
    await pool.acquireLease();
    source.answer = (name) => (name === 'PING' ? 'PONG' : undefined);
    const report = await pool.healthCheck();
    expect(report).toMatchObject({
      healthy: true,
      checkedConnections: 2,
      failedConnections: 0,
      latencyMs: expect.any(Number),
      error: undefined,
      status: { connections: { open: 3, leased: 1 } },
    });
    expect(source.open.map(({ sentNames }) => sentNames.length).toSorted()).toEqual([0, 1, 1]);
  });

  test('says that one did not answer, while the pool finds out whether it is dead', async () => {
    const { pool, source } = await openSimulatedPool({ minConnections: 2 });
    source.answer = (_, connection) => (connection === source.connections[0] ? undefined : 'PONG');
    const pending = pool.healthCheck();
    await settle(2_100);
    expect(await pending).toMatchObject({
      healthy: true,
      checkedConnections: 2,
      failedConnections: 1,
      latencyMs: expect.any(Number),
      error: { code: 'COMMAND_TIMEOUT' },
    });
    expect(pool.status().counters.healthCheckFailures).toBe(1);
  });

  test('leaves the connections of a slow server alone, and says that it is late', async () => {
    const { pool, source } = await openSimulatedPool({ minConnections: 2 });
    const pending = pool.healthCheck();
    await settle(2_100);
    expect(await pending).toMatchObject({ healthy: false, failedConnections: 2 });
    expect(source.connections.slice(0, 2).map(({ endError }) => endError)).toEqual([
      undefined,
      undefined,
    ]);
  });

  test.each(['BUSY script', 'MISCONF disk full', 'LOADING dataset', 'NOPERM no'])(
    'takes %s for an answer',
    async (text) => {
      const { pool, source } = await openSimulatedPool();
      source.answer = () => new ErrorReply(text);
      expect(await pool.healthCheck()).toMatchObject({ healthy: true, failedConnections: 0 });
      expect(source.open).toHaveLength(1);
    },
  );

  test('of a pool whose connections are all lent asks one more', async () => {
    const { pool, source } = await openSimulatedPool({ minConnections: 2 });
    source.answer = () => 'PONG';
    await Promise.all([pool.acquireLease(), pool.acquireLease(), pool.acquireLease()]);
    pool.resize(4);
    expect(await pool.healthCheck()).toMatchObject({ healthy: true, checkedConnections: 1 });
  });

  test('of a pool of one connection that is lent has nothing to ask, and no fault to find', async () => {
    const { pool } = await openSimulatedPool({ maxConnections: 1 });
    await pool.acquireLease();
    expect(await pool.healthCheck()).toMatchObject({ healthy: true, checkedConnections: 0 });
  });

  test('opens a connection where there is none, and says why where that fails', async () => {
    const { pool, source, connection } = await openSimulatedPool();
    source.answer = () => 'PONG';
    const refused = new PoolError('AUTH_FAILED', 'simulated:6379 refused: WRONGPASS');
    source.onDial = refused;
    connection().lose();
    await settle(10);
    expect((await soon(pool.healthCheck())).value).toMatchObject({
      healthy: false,
      checkedConnections: 0,
      error: { code: 'BREAKER_OPEN', cause: refused },
      status: { state: 'down' },
    });
    source.onDial = 'accept';
    await settle(1_000);
    expect(await pool.healthCheck()).toMatchObject({ healthy: true, checkedConnections: 1 });
  });

  test('of a closed pool is unhealthy with POOL_CLOSED', async () => {
    const { pool } = await openSimulatedPool();
    await pool.close();
    expect(await pool.healthCheck()).toMatchObject({
      healthy: false,
      error: { code: 'POOL_CLOSED' },
      status: { state: 'closed' },
    });
  });
});
