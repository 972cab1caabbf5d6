// What connections, leases and probes must not do to each other at the edges: found once, kept out.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { outcomeOf } from '../../test/support/outcome.js';
import { openSimulatedPool, settle, soon } from '../../test/support/simulated-connection.js';
import { PoolError } from '../errors.js';
import { ErrorReply } from '../wire/protocol.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('an idle lane is used though all before it are full', async () => {
  const { pool, redis, source } = await openSimulatedPool({
    maxInFlight: 1,
    maxConnections: 3,
    minConnections: 3,
  });
  for (const name of ['A', 'B', 'C']) void outcomeOf(redis.read(name));
  expect(source.open.map(({ inFlight }) => inFlight)).toEqual([1, 1, 1]);
  void pool;
});

test('resize() below what is being dialed keeps to the new maximum', async () => {
  const { pool, source } = await openSimulatedPool({ maxConnections: 4 });
  source.onDial = 'hold';
  for (const _ of [1, 2, 3, 4]) void outcomeOf(pool.acquireLease());
  await settle();
  pool.resize(2);
  while (source.heldDials.length > 0) {
    source.heldDials[0]!.accept();
    await settle();
  }
  expect(pool.status().connections.leased).toBeLessThanOrEqual(2);
});

test('a blocking command that is answered READONLY takes its connection out of the pool', async () => {
  const { pool, redis, source } = await openSimulatedPool({ maxConnections: 1 });
  source.answer = () => new ErrorReply('READONLY no');
  const command = redis.command('write', ['BLPOP', 'key', '1']);
  command.isBlocking = true;
  const outcome = await soon(pool.executeExclusive(command));
  expect(outcome.code).toBe('READONLY');
  await settle(100);
  expect(source.demotions).toBe(1);
  expect(source.connections[0]!.endError).toBeDefined();
});

test('a connection leased while the node moved is not a lane afterwards', async () => {
  const { pool, source } = await openSimulatedPool({ maxConnections: 2 });
  const lease = await pool.acquireLease();
  source.onMoved?.();
  lease.release();
  await settle(1);
  expect(source.connections[0]!.endError).toBeDefined();
});

test('a lease gets its turn on a busy lane though no further connection can be made', async () => {
  const { pool, redis, source, connection } = await openSimulatedPool({ minConnections: 2 });
  source.onDial = new PoolError('MAX_CLIENTS', 'max number of clients reached');
  void outcomeOf(redis.read('A'));
  const lease = outcomeOf(pool.acquireLease({ timeoutMs: 1000 }));
  // steady load: one is always in flight
  for (let i = 0; i < 200; i++) {
    void outcomeOf(redis.read('B'));
    if (connection().inFlight > 0) connection().reply();
    await settle(10);
  }
  expect((await lease).code).toBe('ok');
});

test('PING of the health check is not retried on another connection', async () => {
  const { pool, source } = await openSimulatedPool({ minConnections: 2 });
  source.answer = (_n, c) => (c === source.connections[0] ? undefined : 'PONG');
  const report = pool.healthCheck();
  source.connections[0]!.lose(1);
  await settle(3000);
  expect((await report).failedConnections).toBe(1);
});

test('close() is quick while the breaker is open', async () => {
  const { pool, source, connection } = await openSimulatedPool();
  source.onDial = new PoolError('CONNECT_FAILED', 'x');
  connection().lose();
  await settle(300);
  const t = Date.now();
  await pool.close();
  expect(Date.now() - t).toBe(0);
});

test('close() fails who waits for a dial that hangs, at its deadline', async () => {
  const { pool, redis, source, connection } = await openSimulatedPool();
  source.onDial = 'hold';
  connection().lose();
  const out = outcomeOf(redis.read('GET'));
  const closing = outcomeOf(pool.close({ timeoutMs: 1000 }));
  await settle(1000);
  expect((await out).code).toBe('POOL_CLOSED');
  await closing;
});

test('a lease that waits for a lane which reaches its lifetime gets the new connection', async () => {
  const { pool, redis, source } = await openSimulatedPool({
    maxConnections: 1,
    maxLifetimeMs: 1000,
  });
  void outcomeOf(redis.read('A'));
  const lease = outcomeOf(pool.acquireLease());
  await settle(1600);
  source.connections[0]!.reply();
  await settle(10);
  expect((await lease).code).toBe('ok');
});

test('two health checks at once are no use of an idle connection', async () => {
  const { pool } = await openSimulatedPool();
  void pool.healthCheck();
  void pool.healthCheck();
  await settle();
  expect(pool.status().connections.inUse).toBe(0);
});

test('resume() serves a lease and then the command behind it', async () => {
  const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
  pool.suspend();
  const l = outcomeOf(pool.acquireLease());
  const c = outcomeOf(redis.read('X'));
  await settle(5);
  pool.resume();
  await settle(5);
  const lease = await l;
  expect(lease.code).toBe('ok');
  lease.value!.release();
  await settle(1);
  connection().reply();
  expect((await c).code).toBe('ok');
});

test('a command that waits is served when leases end after resize() made the pool smaller', async () => {
  const { pool, redis, source } = await openSimulatedPool({
    maxConnections: 4,
    minConnections: 1,
    idleTimeoutMs: 0,
  });
  const ls = await Promise.all([1, 2, 3].map(() => pool.acquireLease()));
  pool.resize(1);
  const c = outcomeOf(redis.read('X'));
  ls[0]!.release();
  ls[1]!.release();
  ls[2]!.release();
  await settle(10);
  for (const open of source.open) if (open.inFlight > 0) open.reply();
  expect((await c).code).toBe('ok');
});

test('150,000 that are lost at once are tried again, and told when the pool closes', async () => {
  const { pool, redis, connection } = await openSimulatedPool({
    maxInFlight: 1_000_000,
    maxConnections: 1,
    maxWaiters: 1_000_000,
  });
  const outcomes = Array.from({ length: 150_000 }, () => outcomeOf(redis.read('X')));
  connection().lose();
  // All of them wait for the same attempt.
  expect(pool.status().counters.retries).toBe(150_000);
  const closed = pool.close({ timeoutMs: 0 });
  await settle();
  await closed;
  expect(new Set((await Promise.all(outcomes)).map(({ code }) => code)).size).toBe(1);
});
