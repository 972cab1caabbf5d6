// The end of a duplicate, which has no connection of its own: what was issued through it ends with
// it, what others issued does not notice.

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { PlimsollClient } from '../../src/index.js';
import { outcomeOf, outcomesOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool, usePool } from './pools.js';

const ENDS = {
  destroy: async (redis: PlimsollClient) => redis.destroy(),
  disconnect: (redis: PlimsollClient) => redis.disconnect(),
  close: (redis: PlimsollClient) => redis.close(),
  quit: (redis: PlimsollClient) => redis.quit(),
} as const;
const LOSSLESS: readonly string[] = ['close', 'quit'];
const PROMPT_MS = 300;

for (const RESP of [3, 2] as const) {
  describeEachPrivateServer(`a duplicate that ends, over RESP${RESP}`, (server) => {
    const pool = usePool(server, { RESP });
    const blockedClients = async () =>
      Number(/blocked_clients:(\d+)/.exec(await pool().client.info('clients'))?.[1]);

    for (const [name, end] of Object.entries(ENDS)) {
      test(`by ${name}() ends what it blocks, so that the next element is not popped into nothing`, async () => {
        const redis = pool().client;
        const [key, other] = [newKey('jobs'), newKey('others')];
        const duplicate = redis.duplicate();
        const popped = outcomeOf(duplicate.blPop(key, 0));
        const moved = outcomeOf(duplicate.blMove(key, newKey(), 'LEFT', 'RIGHT', 0));
        const kept = redis.duplicate().blPop(other, 0);
        await until(async () => (await blockedClients()) === 3);
        await end(duplicate);
        for (const { code, error } of [await popped, await moved]) {
          const isCertain = LOSSLESS.includes(name);
          expect(code).toBe(isCertain ? 'POOL_CLOSED' : 'OUTCOME_UNKNOWN');
          if (!isCertain) expect(error?.cause).toMatchObject({ code: 'POOL_CLOSED' });
        }
        expect(await redis.rPush(key, 'job')).toBe(1);
        await sleep(20);
        expect(await redis.lLen(key)).toBe(1);
        await redis.rPush(other, 'theirs');
        expect(await kept).toEqual({ key: other, element: 'theirs' });
        await expect(duplicate.get(key)).rejects.toMatchObject({ code: 'POOL_CLOSED' });
      });

      test(`by ${name}() in the turn of its call never lets that block`, async () => {
        const duplicate = pool().client.duplicate();
        const key = newKey('jobs');
        const popped = outcomeOf(duplicate.blPop(key, 0));
        await end(duplicate);
        expect((await popped).error).toBeDefined();
        await pool().client.rPush(key, 'job');
        await sleep(20);
        expect(await pool().client.lLen(key)).toBe(1);
      });
    }
  });
}

describeEachPrivateServer('a duplicate among others', (server) => {
  test('that is destroyed takes back what waits, and nothing of it goes out later', async () => {
    await using pool = openPool(server(), { maxConnections: 1, maxInFlight: 2 });
    const redis = pool.client;
    const duplicate = redis.duplicate();
    await redis.ping();
    server().pause();
    const neighbour = redis.set('neighbour', 'served');
    const sent = outcomeOf(duplicate.set('sent', '1'));
    const waiting = outcomesOf<unknown>([
      duplicate.set('waiting', '1'),
      duplicate.multi().set('waiting', '1').exec(),
      duplicate.sendCommand(['SET', 'waiting', '1']),
      duplicate.blPop('waiting', 0),
    ]);
    const patient = redis.get('neighbour');
    duplicate.destroy();
    expect((await sent).code).toBe('OUTCOME_UNKNOWN');
    for (const { code, error, tookMs } of await waiting) {
      expect([code, error?.sent]).toEqual(['POOL_CLOSED', false]);
      expect(tookMs).toBeLessThan(PROMPT_MS);
    }
    server().resume();
    expect(await neighbour).toBe('OK');
    expect(await patient).toBe('served');
    expect(await redis.exists('waiting')).toBe(0);
  });

  test('that is closed finishes what it has, waits for it, and takes nothing more', async () => {
    await using pool = openPool(server(), { maxConnections: 1, maxInFlight: 10 });
    const duplicate = pool.client.duplicate();
    await pool.client.ping();
    server().pause();
    const writes = outcomesOf(
      Array.from({ length: 100 }, (_, index) => duplicate.set(`closing:${index}`, 'x')),
    );
    let isClosed = false;
    const closing = duplicate.close().then(() => {
      isClosed = true;
    });
    await expect(duplicate.get('key')).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await sleep(50);
    expect(isClosed).toBe(false);
    server().resume();
    await closing;
    expect((await writes).every(({ code }) => code === 'ok')).toBe(true);
    expect(await pool.client.exists('closing:99')).toBe(1);
  });

  test('whose closing takes too long is ended by destroy()', async () => {
    await using pool = openPool(server());
    const duplicate = pool.client.duplicate();
    await pool.client.ping();
    server().pause();
    const read = outcomeOf(duplicate.get('key'));
    const closing = outcomeOf(duplicate.close());
    await sleep(20);
    duplicate.destroy();
    expect((await closing).tookMs).toBeLessThan(PROMPT_MS);
    expect((await read).error?.cause).toMatchObject({ code: 'POOL_CLOSED' });
    server().resume();
  });

  test('that is opened again by connect() serves again', async () => {
    await using pool = openPool(server());
    const duplicate = pool.client.duplicate();
    duplicate.destroy();
    await duplicate.connect();
    expect(await duplicate.ping()).toBe('PONG');
  });
});

describeEachPrivateServer('a blocked caller who gives up', (server) => {
  const pool = usePool(server);

  test('by his signal or at his deadline loses no element that comes later', async () => {
    const redis = pool().client;
    const key = newKey('jobs');
    const abort = new AbortController();
    const aborted = outcomeOf(redis.withAbortSignal(abort.signal).blPop(key, 0));
    const late = outcomeOf(redis.withCommandOptions({ timeout: 50 }).blPop(key, 0.01));
    await sleep(100);
    abort.abort();
    expect((await aborted).code).toBe('ABORTED');
    await late;
    expect(await redis.rPush(key, 'job')).toBe(1);
    await sleep(20);
    expect(await redis.lLen(key)).toBe(1);
  });

  test('while the server is silent leaves nothing that would pop later', async () => {
    const redis = pool().client;
    const key = newKey('jobs');
    // A connection beside the lane is there already.
    await redis.blPop(key, 0.01);
    server().pause();
    const late = outcomeOf(redis.withCommandOptions({ timeout: 100 }).blPop(key, 0.1));
    expect((await late).code).toBe('COMMAND_TIMEOUT');
    server().resume();
    await sleep(50);
    expect(await redis.rPush(key, 'job')).toBe(1);
    await sleep(20);
    expect(await redis.lLen(key)).toBe(1);
  });

  /**
   * A server that sees the end and the push at once serves the push first. Before it was told of
   * the end by CLIENT UNBLOCK, 27 of 1,500 elements were popped for nobody.
   */
  test.each(['destroy', 'signal', 'lease'] as const)(
    'by %s loses not even the element that is pushed in the same moment',
    async (way) => {
      const redis = pool().client;
      for (let round = 0; round < 300; round++) {
        const key = newKey('jobs');
        const abort = new AbortController();
        const lease = way === 'lease' ? await pool().acquire() : undefined;
        const client = lease?.client ?? redis.duplicate().withAbortSignal(abort.signal);
        const popped = outcomeOf(client.blPop(key, 0));
        await until(() => pool().status().connections.leased === 1);
        await redis.ping();
        if (way === 'destroy') client.destroy();
        else if (way === 'signal') abort.abort();
        else lease?.release();
        expect((await popped).error).toBeDefined();
        await redis.rPush(key, 'job');
        expect(await redis.lLen(key)).toBe(1);
        // The connection that it has blocked on is its own until then.
        if (way === 'signal') client.destroy();
      }
    },
  );

  test('by his signal gets the element that was on its way to him', async () => {
    const redis = pool().client;
    let delivered = 0;
    for (let round = 0; round < 300; round++) {
      const key = newKey('jobs');
      const abort = new AbortController();
      const popped = outcomeOf(redis.withAbortSignal(abort.signal).blPop(key, 0));
      await until(() => pool().status().connections.leased === 1);
      await redis.ping();
      const pushed = redis.rPush(key, 'job');
      // The push is written at the end of this turn, its answer and the element come later.
      for (let turn = 0; turn < round % 3; turn++) await nextTurn();
      abort.abort();
      await pushed;
      const { code } = await popped;
      expect(['ok', 'ABORTED']).toContain(code);
      expect(await redis.lLen(key)).toBe(code === 'ok' ? 0 : 1);
      if (code === 'ok') delivered++;
    }
    expect(delivered).toBeGreaterThan(0);
  });

  test('on a lease may go on with it', async () => {
    await pool().withLease(async (lease) => {
      const abort = new AbortController();
      const popped = outcomeOf(lease.withAbortSignal(abort.signal).blPop(newKey('jobs'), 0));
      await pool().client.ping();
      abort.abort();
      expect((await popped).code).toBe('ABORTED');
      expect(await lease.ping()).toBe('PONG');
    });
  });

  test('by his signal is told in time where the server says nothing', async () => {
    const abort = new AbortController();
    const popped = outcomeOf(pool().client.withAbortSignal(abort.signal).blPop(newKey('jobs'), 0));
    await until(() => pool().status().connections.leased === 1);
    await pool().client.ping();
    server().pause();
    abort.abort();
    const abortedAt = performance.now();
    expect((await popped).code).toBe('ABORTED');
    expect(performance.now() - abortedAt).toBeLessThan(2_000);
    server().resume();
  });
});
