// What one client issues without waiting arrives in that order, over however many lanes, losses and
// retries; what needs no order is not held back by it.

import { expect, test } from 'vitest';
import type { PlimsollClient, Pool } from '../../src/index.js';
import { outcomeOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool } from './pools.js';

const MANY = 5_000;
/** So small that thousands of commands take all lanes. */
const SHALLOW = { laneDepth: 16, maxConnections: 5 };

/** Appends numbers without waiting, while others keep the lanes at different depths. */
async function appended(redis: PlimsollClient, pool: Pool): Promise<string[]> {
  const key = newKey('list');
  const noise = 'x'.repeat(2_000);
  const all: Promise<unknown>[] = [];
  for (let index = 0; index < MANY; index++) {
    all.push(redis.rPush(key, `${index}`));
    if (index % 3 === 0) all.push(pool.client.set('noise', noise));
    if (index % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(all);
  return pool.client.lRange(key, 0, -1);
}

const INDICES = Array.from({ length: MANY }, (_, index) => `${index}`);

describeEachPrivateServer('a client that keeps an order', (server) => {
  test('has its commands executed as it issued them, where others have not', async () => {
    await using pool = openPool(server(), SHALLOW);
    const ways: Record<string, PlimsollClient> = {
      duplicate: pool.client.duplicate(),
      derived: pool.client.withCommandOptions({ ordered: true }),
    };
    for (const [name, client] of Object.entries(ways)) {
      expect(await appended(client, pool), name).toEqual(INDICES);
    }
    await using whole = openPool(server(), { ...SHALLOW, commandOptions: { ordered: true } });
    expect(await appended(whole.client, whole)).toEqual(INDICES);
    const free = pool.client.duplicate().withCommandOptions({ ordered: false });
    const list = await appended(free, pool);
    expect([...list].sort()).toEqual([...INDICES].sort());
    expect(pool.status().connections.open).toBeGreaterThan(1);
  });

  test('goes on in order after its lane is lost, and overtakes nothing that is tried again', async () => {
    await using pool = openPool(server(), { ...SHALLOW, retryWrites: 'always' });
    const client = pool.client.duplicate();
    const key = newKey('list');
    await client.rPush(key, 'first');
    const all: Promise<unknown>[] = [];
    for (let index = 0; index < 400; index++) {
      all.push(client.set(key.concat(':last'), `${index}`));
      if (index === 200) {
        await new Promise((resolve) => setImmediate(resolve));
        await pool.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
      }
    }
    await Promise.all(all);
    expect(await client.get(`${key}:last`)).toBe('399');
  });

  test('that is ended tells what it held back; deadlines and signals reach it too', async () => {
    await using pool = openPool(server(), { maxConnections: 1, maxInFlight: 2 });
    const client = pool.client.duplicate();
    await client.ping();
    server().pause();
    const sent = [client.set('a', '1'), client.set('a', '2')].map((promise) => outcomeOf(promise));
    const late = outcomeOf(client.withCommandOptions({ timeout: 50 }).set('a', 'late'));
    const abort = new AbortController();
    const aborted = outcomeOf(client.withAbortSignal(abort.signal).set('a', 'aborted'));
    const held = outcomeOf(client.set('a', 'held'));
    abort.abort();
    expect([(await late).code, (await aborted).code]).toEqual(['COMMAND_TIMEOUT', 'ABORTED']);
    expect((await late).error?.sent).toBe(false);
    client.destroy();
    expect((await held).code).toBe('POOL_CLOSED');
    server().resume();
    await Promise.all(sent);
    await until(async () => (await pool.client.get('a')) === '2');
  });

  test('has all of it answered when it, or the pool, is closed', async () => {
    for (const end of ['client', 'pool'] as const) {
      const pool = openPool(server(), { maxConnections: 1, maxInFlight: 2 });
      const client = pool.client.duplicate();
      const key = newKey('list');
      const all = Array.from({ length: 50 }, (_, index) =>
        outcomeOf(client.rPush(key, `${index}`)),
      );
      await (end === 'client' ? client.close() : pool.close());
      expect((await Promise.all(all)).every(({ code }) => code === 'ok')).toBe(true);
      await pool.close();
    }
  });
});
