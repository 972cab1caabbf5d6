// What libraries match on: node-redis' classes and words, beside our codes. And no refusal settles so
// that a caller who tries again at once takes the whole process.

import {
  AbortError,
  ClientClosedError,
  DisconnectsClientError,
  ErrorReply,
  MultiErrorReply,
  SocketClosedUnexpectedlyError,
  TimeoutError,
} from '@redis/client';
import { describe, expect, test } from 'vitest';
import { PartlyDoneError, PoolError } from '../../src/index.js';
import { outcomeOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool, usePool } from './pools.js';

const SPIN_MS = 200;
/** A refusal each 10 ms. */
const MOST_ROUNDS = 60;

describe('errors of pools', () => {
  test('are told from others, and from each other', () => {
    const closed = new PoolError('POOL_CLOSED', 'closed');
    expect(closed).toBeInstanceOf(PoolError);
    expect(closed).not.toBeInstanceOf(PartlyDoneError);
    expect(new PartlyDoneError('DEL', [], [])).toBeInstanceOf(PoolError);
    for (const other of [new ClientClosedError(), new Error('closed'), undefined, 'closed']) {
      expect(other instanceof PoolError).toBe(false);
    }
  });
});

describeEachPrivateServer('an error is of node-redis class too', (server) => {
  const pool = usePool(server);

  test('where the client is closed', async () => {
    const closed = openPool(server());
    await closed.close();
    const duplicate = pool().client.duplicate();
    duplicate.destroy();
    for (const client of [closed.client, duplicate]) {
      for (const call of [
        client.get('key'),
        client.blPop('key', 0),
        client.multi().get('key').exec(),
        client.subscribe('channel', () => undefined),
        client.sendCommand(['GET', 'key']),
      ]) {
        const { error } = await outcomeOf<unknown>(call);
        expect(error).toBeInstanceOf(ClientClosedError);
        expect(error).toBeInstanceOf(PoolError);
        expect(error).toMatchObject({ code: 'POOL_CLOSED', message: 'The client is closed' });
      }
    }
  });

  test.each(['destroy', 'close'] as const)('where it is ended by %s()', async (end) => {
    const duplicate = pool().client.duplicate();
    const popped = outcomeOf(duplicate.blPop(newKey(), 0));
    await until(() => pool().status().connections.leased === 1);
    await pool().client.ping();
    await duplicate[end]();
    const { error } = await popped;
    expect(error).toBeInstanceOf(DisconnectsClientError);
    expect(error).toMatchObject({ message: 'Disconnects client', name: 'PoolError' });
  });

  test('where the connection is lost', async () => {
    const popped = outcomeOf(pool().client.blPop(newKey(), 0));
    await until(() => pool().status().connections.leased === 1);
    await pool().client.ping();
    await pool().client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
    const { error, code } = await popped;
    expect(code).toBe('OUTCOME_UNKNOWN');
    expect(error).toBeInstanceOf(SocketClosedUnexpectedlyError);
    expect(error?.message).toMatch(/^Socket closed unexpectedly: BLPOP/);
  });

  test('where it was given up or took too long', async () => {
    const redis = pool().client;
    const { error: aborted } = await outcomeOf(
      redis.withAbortSignal(AbortSignal.abort()).get('key'),
    );
    expect(aborted).toBeInstanceOf(AbortError);
    expect(aborted).toMatchObject({ code: 'ABORTED', name: 'AbortError' });
    server().pause();
    const { error: late } = await outcomeOf(redis.withCommandOptions({ timeout: 30 }).get('key'));
    server().resume();
    expect(late).toBeInstanceOf(TimeoutError);
    expect(late).toMatchObject({ code: 'COMMAND_TIMEOUT' });
  });

  test('where the server refuses', async () => {
    const redis = pool().client;
    const key = newKey();
    await redis.set(key, 'text');
    expect((await outcomeOf(redis.lPop(key))).error).toBeInstanceOf(ErrorReply);
    const { error } = await outcomeOf(redis.multi().lPop(key).get(key).exec());
    expect(error).toBeInstanceOf(MultiErrorReply);
  });
});

describeEachPrivateServer('a caller who tries again at once', (server) => {
  test('leaves the process its turns, whatever he is refused', async () => {
    await using pool = openPool(server(), { maxConnections: 2 });
    const closed = pool.client.duplicate();
    closed.destroy();
    const nothing = () => undefined;
    const calls: Record<string, () => Promise<unknown>> = {
      get: () => closed.get('key'),
      blPop: () => closed.blPop('key', 0),
      exec: () => closed.multi().get('key').exec(),
      select: () => closed.select(1),
      setName: () => closed.clientSetName('worker'),
      subscribe: () => closed.subscribe('a', nothing),
      monitor: () => closed.monitor(nothing),
      shared: () => pool.client.select(1),
    };
    await pool.client.ping();
    for (const [name, call] of Object.entries(calls)) {
      let rounds = 0;
      const until = performance.now() + SPIN_MS / 2;
      while (performance.now() < until) {
        await call().catch(nothing);
        rounds++;
      }
      expect(rounds, name).toBeLessThan(MOST_ROUNDS / 2);
    }
  });
});
