// Who is dead and who is slow, on simulated connections: the server's words are the test's.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '../../test/support/outcome.js';
import {
  openSimulatedPool,
  type SimulatedConnection,
  SimulatedSource,
  settle,
} from '../../test/support/simulated-connection.js';
import { PoolError } from '../errors.js';
import { ErrorReply } from '../wire/protocol.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A server that answers on all connections but those in `dead`, and knows no CLIENT LIST. */
function sourceWith(dead: Set<SimulatedConnection>, pong: unknown = 'PONG', clients?: string) {
  const source = new SimulatedSource();
  source.answer = (name, connection) => {
    if (dead.has(connection)) return undefined;
    if (name === 'CLIENT') return clients ?? new ErrorReply('ERR unknown command');
    return name === 'PING' ? pong : 'value';
  };
  return source;
}

describe('a lane that owes a reply and is silent', () => {
  test('is dead 1 s later, where another connection is answered and the server does not work for it', async () => {
    const dead = new Set<SimulatedConnection>();
    const source = sourceWith(dead, 'PONG', 'id=7 flags=N idle=20 qbuf=0 cmd=get\n');
    const { pool, redis, connection } = await openSimulatedPool({ minConnections: 2 }, source);
    const first = connection();
    first.serverClientId = 7;
    dead.add(first);
    const read = redis.read('GET');
    const write = outcomeOf(redis.write('SET'));
    await settle(980);
    expect(first.endError).toBeUndefined();
    await settle(60);
    expect(first.endError).toMatchObject({ code: 'CONNECTION_LOST' });
    await settle(10);
    expect(await read).toBe('value');
    expect((await write).code).toBe('OUTCOME_UNKNOWN');
    expect(pool.status().counters.evictions.unhealthy).toBe(1);
  });

  test.each([
    ['the only one', { maxConnections: 1 }],
    ['one of a pool that may grow', { maxConnections: 4 }],
  ])('is found out where it is %s: one more connection is dialed for that', async (_, options) => {
    const dead = new Set<SimulatedConnection>();
    const source = sourceWith(dead, 'PONG', '');
    const { pool, redis, connection } = await openSimulatedPool(options, source);
    connection().serverClientId = 7;
    dead.add(connection());
    const read = redis.read('GET');
    await settle(1_100);
    expect(await read).toBe('value');
    expect(pool.status().counters).toMatchObject({ opened: 2, evictions: { unhealthy: 1 } });
    expect(pool.status().connections.open).toBe(1);
  });

  test('is dead 1 s later, though another one was found out a moment before', async () => {
    const dead = new Set<SimulatedConnection>();
    const options = { minConnections: 3, laneDepth: 1 };
    const { redis, connection } = await openSimulatedPool(options, sourceWith(dead, 'PONG', ''));
    const [first, second] = [connection(0), connection(1)];
    for (const [index, entry] of [first, second].entries()) {
      entry.serverClientId = 7 + index;
      dead.add(entry);
    }
    const reads = [redis.read('GET')];
    await settle(300);
    reads.push(redis.read('GET'));
    await settle(760);
    expect([first.endError, second.endError]).toEqual([expect.any(PoolError), undefined]);
    await settle(300);
    expect(second.endError).toMatchObject({ code: 'CONNECTION_LOST' });
    expect(await Promise.all(reads)).toEqual(['value', 'value']);
  });

  test('gets no further command meanwhile, and gets some again when it has answered', async () => {
    const dead = new Set<SimulatedConnection>();
    const { redis, connection } = await openSimulatedPool({ minConnections: 2 }, sourceWith(dead));
    dead.add(connection());
    const slow = redis.read('SLOW');
    await settle(700);
    expect(await redis.read('GET')).toBe('value');
    expect(connection(1).sentNames).toContain('GET');
    connection().reply('at last');
    dead.clear();
    await settle(40);
    expect(await slow).toBe('at last');
    await redis.read('LATER');
    expect(connection().sentNames).toEqual(['SLOW', 'LATER']);
  });

  test.each([
    ['is held back by CLIENT PAUSE or a module', 'PONG', 'id=7 flags=b idle=9 qbuf=0\n'],
    ['sends a giant that the server still receives', 'PONG', 'id=7 flags=N idle=0 qbuf=999\n'],
    ['may be the one whose script makes the server busy', new ErrorReply('BUSY script'), ''],
  ])('is left alone as long as it %s', async (_, pong, clients) => {
    const dead = new Set<SimulatedConnection>();
    const source = sourceWith(dead, pong, clients);
    const { pool, redis, connection } = await openSimulatedPool({ minConnections: 2 }, source);
    connection().serverClientId = 7;
    dead.add(connection());
    const outcome = outcomeOf(redis.with({ timeout: 0 }).write('SET'));
    await settle(120_000);
    expect(connection().endError).toBeUndefined();
    connection().reply('OK');
    expect((await outcome).value).toBe('OK');
    expect(pool.status().counters.evictions.unhealthy).toBe(0);
  });

  test('is dead after 5 s where the server can not be asked what it does for it', async () => {
    const dead = new Set<SimulatedConnection>();
    const { redis, connection } = await openSimulatedPool({ minConnections: 2 }, sourceWith(dead));
    const first = connection();
    dead.add(first);
    void outcomeOf(redis.read('GET'));
    await settle(4_900);
    expect(first.endError).toBeUndefined();
    await settle(700);
    expect(first.endError).toBeDefined();
  });
});

describe('a server that answers nobody', () => {
  test.each([0, 60_000])(
    'keeps its connections: a command ends by its own deadline alone (%d ms)',
    async (timeout) => {
      const options = { minConnections: 3, commandTimeoutMs: 100 };
      const { redis, source } = await openSimulatedPool(options);
      source.onDial = 'hold';
      const outcome = outcomeOf(redis.with({ timeout }).write('SET'));
      void outcomeOf(redis.write('HASTY'));
      await settle(59_000);
      expect(source.connections.map(({ endError }) => endError)).toEqual(Array(3).fill(undefined));
      source.connections[0]!.reply('OK');
      expect((await outcome).value).toBe('OK');
    },
  );

  test('is not met by more than one dial at a time', async () => {
    const { redis, source } = await openSimulatedPool({ maxConnections: 10 });
    source.onDial = 'hold';
    for (let second = 0; second < 10; second++) {
      void outcomeOf(redis.read('GET'));
      await settle(1_000);
    }
    expect(source.dials).toBe(2);
  });
});

test('a lane that died during a pause between dials is found when the pause is over', async () => {
  const dead = new Set<SimulatedConnection>();
  const source = sourceWith(dead, 'PONG', '');
  const { redis, connection } = await openSimulatedPool({ laneDepth: 1 }, source);
  const first = connection();
  first.serverClientId = 7;
  source.onDial = new PoolError('AUTH_FAILED', 'simulated:6379 refused: WRONGPASS');
  // Growth is refused, with ever longer pauses, of 4 s in the end.
  for (let round = 0; round < 6; round++) {
    await Promise.all([redis.read('GET'), redis.read('GET'), redis.read('GET')]);
    await settle(520);
  }
  source.onDial = 'accept';
  dead.add(first);
  const read = redis.read('GET');
  await settle(4_600);
  expect(first.endError).toBeDefined();
  expect(await read).toBe('value');
});

test('after a freeze of the process all connections that died meanwhile are found within 1.6 s', async () => {
  const dead = new Set<SimulatedConnection>();
  const source = sourceWith(dead, 'PONG', '');
  const { pool, redis } = await openSimulatedPool({ minConnections: 4 }, source);
  for (const [index, connection] of source.open.entries()) {
    connection.serverClientId = index;
    dead.add(connection);
  }
  await settle(20_000);
  const read = redis.read('GET');
  await settle(1_100);
  expect(await read).toBe('value');
  await settle(500);
  expect(pool.status().counters.evictions.unhealthy).toBe(4);
  expect(await redis.read('GET')).toBe('value');
});

test('where the spare connection died too, one that nobody waits for gives way to another', async () => {
  const dead = new Set<SimulatedConnection>();
  const source = sourceWith(dead, 'PONG', '');
  const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 }, source);
  const brief = redis.with({ timeout: 400 });
  connection().serverClientId = 1;
  dead.add(connection());
  void outcomeOf(brief.read('GET'));
  source.onDial = 'hold';
  await settle(620);
  const spare = source.heldDials[0]!.accept();
  spare.serverClientId = 2;
  dead.add(spare);
  source.onDial = 'accept';
  await settle(10);
  void outcomeOf(brief.read('GET'));
  await settle(2_000);
  expect(await redis.read('GET')).toBe('value');
  await settle(1_500);
  expect(source.open).toHaveLength(1);
  expect(pool.status().counters.evictions.unhealthy).toBe(2);
});

test('a lane on its way out that nobody waits for any more needs no proof', async () => {
  const dead = new Set<SimulatedConnection>();
  const source = sourceWith(dead);
  const { redis, connection } = await openSimulatedPool({ maxConnections: 1 }, source);
  const first = connection();
  dead.add(first);
  void outcomeOf(redis.with({ timeout: 1_200 }).read('GET'));
  source.onDial = 'hold';
  source.onMoved?.();
  await settle(1_180);
  expect(first.endError).toBeUndefined();
  await settle(60);
  expect(first.endError).toMatchObject({ code: 'CONNECTION_LOST' });
});

test('a lease that blocks is never asked', async () => {
  const { pool, redis, source } = await openSimulatedPool({ leakThresholdMs: 0 });
  source.answer = (name) => (name === 'BLPOP' ? undefined : 'PONG');
  const lease = await pool.acquireLease();
  const command = redis.with({ timeout: 0 }).command('write', ['BLPOP', 'key', '0']);
  command.isBlocking = true;
  void outcomeOf(lease.execute(command));
  await settle(60_000);
  expect(lease.lostError).toBeUndefined();
});
