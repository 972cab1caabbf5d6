// A lease from the borrower's side, and what the pool does to have it back clean.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CoreClient } from '../../test/support/core-client.js';
import { outcomeOf } from '../../test/support/outcome.js';
import { openSimulatedPool, settle, soon } from '../../test/support/simulated-connection.js';
import { PoolError } from '../errors.js';
import type { ConnectionPool } from '../pool/pool.js';
import { ErrorReply } from '../wire/protocol.js';
import type { ConnectionLease } from './lease.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Runs on a lease what `names` say, each answered OK, and gives it back. */
async function borrow(pool: ConnectionPool, names: readonly string[]): Promise<ConnectionLease> {
  const lease = await pool.acquireLease();
  for (const name of names) await new CoreClient(lease).write(...name.split(' '));
  lease.release();
  return lease;
}

describe('a lease', () => {
  test('has its connection alone', async () => {
    const { pool, redis, source, connection } = await openSimulatedPool({ maxConnections: 2 });
    const lease = await pool.acquireLease();
    expect(source.open).toHaveLength(2);
    const reply = redis.read('GET');
    expect(connection(1).sentNames).toEqual([]);
    connection(0).reply('value');
    expect(await reply).toBe('value');
    expect(pool.status().connections).toMatchObject({ open: 2, leased: 1, inUse: 1, idle: 1 });
    lease.release();
    expect(pool.status().connections).toMatchObject({ leased: 0, inUse: 0, idle: 2 });
  });

  test('released twice throws LEASE_RELEASED, and harms nobody', async () => {
    const { pool } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    lease.release();
    const next = await pool.acquireLease();
    expect(() => lease.release()).toThrow(
      expect.objectContaining({ name: 'PoolError', code: 'LEASE_RELEASED' }),
    );
    lease.destroy();
    expect(next.isReleased).toBe(false);
    expect(pool.status().connections).toMatchObject({ open: 1, leased: 1 });
  });

  test('used after its release rejects with LEASE_RELEASED, and sends nothing', async () => {
    const { pool, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    lease.release();
    const { code, error } = await soon(new CoreClient(lease).read('GET', 'key'));
    expect([code, error?.sent]).toEqual(['LEASE_RELEASED', false]);
    expect(() => lease.sendUnanswered('SUBSCRIBE', '')).toThrow(
      expect.objectContaining({ code: 'LEASE_RELEASED' }),
    );
    expect(connection().sentNames).toEqual([]);
  });

  test('whose connection is lost tells its borrower, retries nothing and may be released', async () => {
    const { pool, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const client = new CoreClient(lease);
    const losses: Error[] = [];
    lease.onLost = (error) => losses.push(error);
    const outcomes = [
      outcomeOf(client.read('GET', 'key')),
      outcomeOf(client.write('SET', 'key', 'value')),
      outcomeOf(client.write('SET', 'key', 'unsent')),
    ];
    const cause = new PoolError('CONNECTION_LOST', 'reset by peer');
    connection().lose(1, cause);
    expect((await Promise.all(outcomes)).map(({ code, error }) => [code, error?.sent])).toEqual([
      ['CONNECTION_LOST', true],
      ['OUTCOME_UNKNOWN', true],
      ['CONNECTION_LOST', false],
    ]);
    expect(losses).toEqual([cause]);
    const later = await soon(client.read('GET', 'key'));
    expect([later.code, later.error?.cause]).toEqual(['CONNECTION_LOST', cause]);
    expect(() => lease.sendUnanswered('SUBSCRIBE', '')).toThrow(
      expect.objectContaining({ code: 'CONNECTION_LOST' }),
    );
    lease.release();
    await settle(100);
    expect(connection().sentNames).toEqual([]);
    expect(pool.status().connections).toMatchObject({ open: 1, leased: 0 });
  });

  test('gets error replies as they come, retries included', async () => {
    const { pool, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const outcome = outcomeOf(new CoreClient(lease).read('GET', 'key'));
    connection().reply(new ErrorReply('LOADING Redis is loading'));
    expect((await outcome).code).toBe('LOADING');
  });

  test('hands pushes to its borrower, and to nobody when there is none', async () => {
    const { pool, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const pushes: unknown[] = [];
    lease.onPush = (message) => pushes.push(message);
    connection().listener.onPush(['message', 'a']);
    lease.release();
    connection().listener.onPush(['message', 'b']);
    expect(pushes).toEqual([['message', 'a']]);
  });

  test('whose signal aborts cancels the command in flight, and not the next one', async () => {
    const { pool, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const abort = new AbortController();
    const client = new CoreClient(lease);
    const outcome = outcomeOf(client.with({ signal: abort.signal }).read('GET', 'a'));
    const next = client.read('GET', 'b');
    abort.abort();
    expect((await outcome).code).toBe('ABORTED');
    connection().reply('a');
    connection().reply('b');
    expect(await next).toBe('b');
  });
});

describe('a connection that comes back from a lease', () => {
  test.each([
    ['nothing changed', ['GET key', 'SET key value'], []],
    ['WATCH', ['WATCH key'], ['UNWATCH']],
    ['WATCH and UNWATCH', ['WATCH key', 'UNWATCH'], []],
    ['WATCH, MULTI and EXEC', ['WATCH key', 'MULTI', 'SET key value', 'EXEC'], []],
    ['an open MULTI', ['MULTI', 'SET key value'], ['DISCARD']],
    ['WATCH and an open MULTI', ['WATCH key', 'MULTI'], ['DISCARD']],
    ['SELECT', ['SELECT 3'], ['SELECT']],
    ['all of it', ['SELECT 3', 'WATCH key', 'MULTI'], ['DISCARD', 'SELECT']],
  ])('is restored after %s', async (_, names, restored) => {
    const { pool, source, connection } = await openSimulatedPool({
      database: 7,
      maxConnections: 1,
    });
    source.answer = () => 'OK';
    await borrow(pool, names);
    await settle();
    const kept = connection();
    expect(kept.sentNames.slice(names.length)).toEqual(restored);
    expect(source.connections).toHaveLength(1);
    // Nothing that it went through is remembered against its next borrower.
    const { length } = kept.sentNames;
    await borrow(pool, ['GET key']);
    expect(kept.sentNames.slice(length)).toEqual(['GET']);
  });

  test('is selected to the database of the pool', async () => {
    const { pool, source, connection } = await openSimulatedPool({
      database: 7,
      maxConnections: 1,
    });
    source.answer = (name) => (name === 'SELECT' ? undefined : 'OK');
    const lease = await pool.acquireLease();
    void new CoreClient(lease).write('SELECT', '3');
    connection().reply('OK');
    lease.release();
    expect(connection().commands[0]?.payload).toBe('*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n');
  });

  test('serves others after the restoring commands, without waiting for them', async () => {
    const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    void new CoreClient(lease).write('WATCH', 'key');
    const waiting = redis.read('GET', 'key');
    lease.release();
    expect(connection().sentNames).toEqual(['WATCH', 'UNWATCH', 'GET']);
    for (const reply of ['OK', 'OK', 'value']) connection().reply(reply);
    expect(await waiting).toBe('value');
  });

  test('serves nobody until it is back in the database of the pool', async () => {
    const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    void new CoreClient(lease).write('SELECT', '3');
    const waiting = redis.write('SET', 'key', 'value');
    lease.release();
    await settle();
    expect(pool.status().connections.leased).toBe(0);
    expect(connection().sentNames).toEqual(['SELECT', 'SELECT']);
    connection().reply('OK');
    connection().reply('OK');
    await settle();
    expect(connection().sentNames).toEqual(['SELECT', 'SELECT', 'SET']);
    connection().reply('OK');
    expect(await waiting).toBe('OK');
    await pool.close();
  });

  test('that is not taken back to the database of the pool is closed, and served nobody', async () => {
    const { pool, redis, source } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    void new CoreClient(lease).write('SELECT', '3');
    const [first] = source.connections;
    first?.reply('OK');
    lease.release();
    const waiting = redis.write('SET', 'key', 'value');
    first?.reply(new ErrorReply('BUSY Redis is busy running a script.'));
    await settle(12);
    expect(first?.sentNames).toEqual(['SELECT', 'SELECT']);
    expect(pool.status().counters.evictions.unclean).toBe(1);
    source.open[0]?.reply('OK');
    expect(await waiting).toBe('OK');
  });

  test('is closed once it is restored where it has to leave, or the pool is smaller now', async () => {
    for (const act of ['resize', 'moved'] as const) {
      const { pool, source } = await openSimulatedPool({ maxConnections: 3 });
      const lease = await pool.acquireLease();
      const other = await pool.acquireLease();
      void new CoreClient(lease).write('SELECT', '3');
      source.connections[1]?.reply('OK');
      lease.release();
      if (act === 'resize') pool.resize(1);
      else source.onMoved?.();
      source.connections[1]?.reply('OK');
      await settle();
      expect(source.connections[1]?.endError).toBeDefined();
      other.release();
      await pool.close();
    }
  });

  test('is closed when it can not be restored', async () => {
    const { pool, source } = await openSimulatedPool({ maxConnections: 1 });
    source.answer = (name) => (name === 'UNWATCH' ? new ErrorReply('ERR no') : 'OK');
    await borrow(pool, ['WATCH key']);
    await settle();
    expect(pool.status().counters.evictions.unclean).toBe(1);
    expect(source.connections[0]?.endError?.message).toBe('ERR no');
    // From then on nobody is asked to wait for what will be refused.
    await borrow(pool, ['WATCH key']);
    expect(pool.status().counters.evictions.unclean).toBe(2);
    expect(source.connections[1]?.sentNames).toEqual(['WATCH']);
    await borrow(pool, ['GET key']);
    expect(pool.status().counters.evictions.unclean).toBe(2);
  });

  test.each([
    'SUBSCRIBE',
    'PSUBSCRIBE',
    'SSUBSCRIBE',
    'MONITOR',
    'CLIENT REPLY',
    'CLIENT TRACKING',
    'AUTH',
    'HELLO',
    'RESET',
    'READONLY',
    'QUIT',
  ])('is closed after %s', async (name) => {
    const { pool, source } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    lease.sendUnanswered(name, name);
    lease.release();
    await settle();
    expect(pool.status().counters.evictions.unclean).toBe(1);
    expect(source.connections[0]?.endError).toBeDefined();
    expect(source.open).toHaveLength(1);
  });

  test('is closed when a blocking command is still in flight', async () => {
    const { pool, source } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const command = new CoreClient(lease).command('write', ['BLPOP', 'key', '0']);
    command.isBlocking = true;
    const outcome = outcomeOf(lease.execute(command));
    lease.release();
    expect((await outcome).code).toBe('OUTCOME_UNKNOWN');
    expect(pool.status().counters.evictions.unclean).toBe(1);
    await settle();
    expect(source.open).toHaveLength(1);
  });

  test('is kept when what is in flight does not block: the next one just follows', async () => {
    const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    const lease = await pool.acquireLease();
    const first = new CoreClient(lease).read('GET', 'a');
    lease.release();
    const second = redis.read('GET', 'b');
    connection().reply('a');
    connection().reply('b');
    expect(await Promise.all([first, second])).toEqual(['a', 'b']);
  });

  test('is closed when the borrower destroys it', async () => {
    const { pool, source } = await openSimulatedPool({ maxConnections: 1 });
    const evictions: unknown[] = [];
    pool.on('evict', (event) => evictions.push(event));
    const lease = await pool.acquireLease();
    const reason = new Error('left in disorder');
    lease.destroy(reason);
    const { address } = source;
    expect(evictions).toEqual([{ connectionId: 1, address, reason: 'destroyed', error: reason }]);
    expect(() => lease.release()).toThrow(expect.objectContaining({ code: 'LEASE_RELEASED' }));
    await settle();
    expect(source.open).toHaveLength(1);
  });
});

describe('a blocking command on the pool', () => {
  test('leases a connection for its duration, and gives it back', async () => {
    const { pool, redis, connection } = await openSimulatedPool({ maxConnections: 1 });
    const command = redis.with({ timeout: 0 }).command('write', ['BLPOP', 'key', '0']);
    command.isBlocking = true;
    const reply = pool.executeExclusive(command);
    await settle();
    expect(pool.status().connections.leased).toBe(1);
    connection().reply(['key', 'value']);
    expect(await reply).toEqual(['key', 'value']);
    expect(pool.status().connections).toMatchObject({ open: 1, leased: 0 });
  });

  test('that is cancelled closes its connection, as the server still blocks it', async () => {
    const { pool, redis, source } = await openSimulatedPool({ maxConnections: 1 });
    const command = redis.command('write', ['BLPOP', 'key', '0']);
    command.isBlocking = true;
    const abort = new AbortController();
    const outcome = outcomeOf(pool.executeExclusive(command, abort.signal));
    await settle();
    abort.abort();
    expect((await outcome).code).toBe('ABORTED');
    await settle();
    expect(pool.status().counters.evictions.unclean).toBe(1);
    expect(source.connections).toHaveLength(2);
  });

  test('waits for a connection no longer than its own deadline', async () => {
    const { pool, redis } = await openSimulatedPool({ maxConnections: 1 });
    await pool.acquireLease();
    const command = redis.with({ timeout: 100 }).command('write', ['BLPOP', 'key', '0']);
    const outcome = outcomeOf(pool.executeExclusive(command));
    await settle(130);
    expect((await outcome).code).toBe('ACQUIRE_TIMEOUT');
  });
});
