// How many connections are open: the minimum is kept, growth is deserved, resize is obeyed.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '../../test/support/outcome.js';
import {
  openSimulatedPool,
  SimulatedSource,
  settle,
} from '../../test/support/simulated-connection.js';
import { PoolError } from '../errors.js';

const REFUSED = new PoolError('CONNECT_FAILED', 'refused');

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('minConnections', () => {
  test('are opened at the start, without a caller', async () => {
    const { pool, source } = await openSimulatedPool({ minConnections: 3 });
    expect(pool.status()).toMatchObject({
      state: 'ready',
      connections: { open: 3, idle: 3, min: 3 },
    });
    expect(source.dials).toBe(3);
  });

  test('of 0 opens none until somebody asks', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool({ minConnections: 0 });
    await settle(10_000);
    expect([source.dials, pool.status().connections.open]).toEqual([0, 0]);
    const reply = redis.read('GET');
    await settle();
    connection().reply('value');
    expect(await reply).toBe('value');
  });

  test('are filled up again when connections are lost', async () => {
    const { pool, source } = await openSimulatedPool({ minConnections: 3 });
    const events: string[] = [];
    pool.on('evict', ({ connectionId, reason }) => events.push(`${connectionId} ${reason}`));
    pool.on('open', ({ connectionId }) => events.push(`${connectionId} open`));
    for (const connection of source.open.slice(0, 2)) connection.lose();
    await settle();
    expect(events.toSorted()).toEqual(['1 lost', '2 lost', '4 open', '5 open']);
    expect(pool.status()).toMatchObject({
      connections: { open: 3 },
      counters: { opened: 5, connectionErrors: 2, evictions: { lost: 2 } },
    });
  });

  test('are filled up again when the server is back, without a caller', async () => {
    const { pool, source } = await openSimulatedPool({ minConnections: 2 });
    const errors: unknown[] = [];
    pool.on('connectError', (error) => errors.push(error));
    source.onDial = REFUSED;
    for (const connection of source.open) connection.lose();
    await settle(3_000);
    expect(pool.status()).toMatchObject({ state: 'down', connections: { open: 0 } });
    expect(errors.length).toBeGreaterThan(4);
    expect(pool.status().counters.connectionErrors).toBe(errors.length + 2);
    source.onDial = 'accept';
    await settle(512);
    expect(pool.status()).toMatchObject({ state: 'ready', connections: { open: 2 } });
  });
});

describe('more connections', () => {
  test('are opened one by one as lanes are crowded', async () => {
    const { pool, redis, source } = await openSimulatedPool({ laneDepth: 2, maxConnections: 3 });
    const send = (count: number) => {
      for (let sent = 0; sent < count; sent++) void outcomeOf(redis.read('GET'));
    };
    send(2);
    await settle();
    expect(source.open).toHaveLength(1);
    send(1);
    send(1);
    await settle();
    expect(source.open).toHaveLength(2);
    send(5);
    await settle();
    expect(source.open).toHaveLength(3);
    send(100);
    await settle();
    expect(source.dials).toBe(3);
    expect(pool.status().inFlight).toBe(109);
  });

  test('are not asked for while they can not be had', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool({ laneDepth: 1 });
    source.onDial = REFUSED;
    for (let sent = 0; sent < 50; sent++) void outcomeOf(redis.read('GET'));
    await settle(300);
    expect(pool.status().state).not.toBe('down');
    // The first at once, then after 8, 32, 128 ms.
    expect(source.dials).toBeLessThanOrEqual(6);
    expect(connection().inFlight).toBe(50);
  });

  test('are not asked for any more when the burst that wanted them is over', async () => {
    const { pool, redis, source } = await openSimulatedPool({ laneDepth: 1 });
    source.onDial = REFUSED;
    source.answer = () => 'value';
    await Promise.all(Array.from({ length: 50 }, () => redis.read('GET')));
    await settle(2_000);
    const { dials } = source;
    await settle(60_000);
    expect(source.dials).toBe(dials);
    expect(pool.status()).toMatchObject({ state: 'ready', connections: { open: 1 } });
  });

  test('are opened for leases that wait, up to the maximum', async () => {
    const { pool, source } = await openSimulatedPool({ maxConnections: 3 });
    const leases = [1, 2].map(() => pool.acquireLease());
    await Promise.all(leases);
    expect(source.open).toHaveLength(3);
    void outcomeOf(pool.acquireLease());
    await settle(1_000);
    expect(source.dials).toBe(3);
  });

  test('take waiting commands when they are ready', async () => {
    const source = new SimulatedSource();
    source.onDial = 'hold';
    const { pool, redis } = await openSimulatedPool({}, source);
    const replies = [redis.read('A'), redis.read('B')];
    expect(pool.status()).toMatchObject({ state: 'degraded', waiting: 2 });
    await settle(100);
    const connection = source.heldDials[0]!.accept();
    await settle();
    expect(connection.sentNames).toEqual(['A', 'B']);
    connection.reply(1);
    connection.reply(2);
    expect(await Promise.all(replies)).toEqual([1, 2]);
    expect(pool.status().waitLatency).toMatchObject({ count: 2, max: 100 });
  });
});

describe('resize()', () => {
  test('closes what is too much, from the highest, and lets commands finish', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool({ minConnections: 1 });
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquireLease()));
    for (const lease of leases) lease.release();
    const reply = redis.read('GET');
    const first = connection(0);
    pool.resize(1);
    expect(source.open).toEqual([first]);
    expect(pool.status()).toMatchObject({
      connections: { open: 1, max: 1 },
      counters: { evictions: { shrink: 3 } },
    });
    first.reply('value');
    expect(await reply).toBe('value');
  });

  test('waits for leases, which are closed when they come back', async () => {
    const { pool } = await openSimulatedPool();
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquireLease()));
    pool.resize(1);
    // The lane beside them goes at once.
    expect(pool.status().connections).toMatchObject({ open: 3, leased: 3, available: 0 });
    leases[0]!.release();
    leases[1]!.release();
    expect(pool.status().connections).toMatchObject({ open: 1, leased: 1, max: 1 });
    leases[2]!.release();
    await settle(1_000);
    expect(pool.status().connections).toMatchObject({ open: 1, idle: 1 });
    expect(pool.status().counters.evictions.shrink).toBe(3);
  });

  test('upwards serves those who wait', async () => {
    const { pool } = await openSimulatedPool({ maxConnections: 1 });
    await pool.acquireLease();
    const waiting = pool.acquireLease();
    pool.resize(3);
    await waiting;
    expect(pool.status().connections).toMatchObject({ open: 3, leased: 2, max: 3 });
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1])(
    'to %d below minConnections or no whole number is refused with INVALID_ARGUMENT',
    async (maximum) => {
      const { pool } = await openSimulatedPool({ minConnections: 2 });
      expect(() => pool.resize(maximum)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
      expect(pool.status().connections.max).toBe(4);
    },
  );
});

test('a node that moved has its connections replaced, without losing what is in flight', async () => {
  const { pool, redis, source, connection } = await openSimulatedPool({ minConnections: 2 });
  const reply = redis.read('GET');
  const [busy, idle] = [connection(0), connection(1)];
  source.onMoved?.();
  expect(idle.endError).toBeDefined();
  await settle();
  expect(source.open).toHaveLength(3);
  const next = redis.read('GET');
  busy.reply('old');
  connection().reply('new');
  expect(await Promise.all([reply, next])).toEqual(['old', 'new']);
  await settle();
  expect(source.open).toHaveLength(2);
  expect(pool.status().counters.evictions.failover).toBe(2);
});
