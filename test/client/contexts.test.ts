// What a caller keeps in an AsyncLocalStorage is seen by his own continuations, whatever connection
// they came over, and by no listener.

import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool } from './pools.js';

describeEachPrivateServer('the context of a caller', (server) => {
  test('is seen by what he awaits, and by nobody else who uses the same connection', async () => {
    const storage = new AsyncLocalStorage<number>();
    const pool = openPool(server(), { maxConnections: 2 });
    const callers = Array.from({ length: 100 }, (_, id) =>
      storage.run(id, async () => {
        for (let round = 0; round < 5; round++) {
          await pool.client.get(newKey());
          expect(storage.getStore()).toBe(id);
        }
        await pool.client.multi().get('a').exec();
        expect(storage.getStore()).toBe(id);
        await pool.withLease((leased) => leased.ping());
        expect(storage.getStore()).toBe(id);
      }),
    );
    await Promise.all(callers);
    await pool.close();
  });

  test('is seen by no listener that his call brought about', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: [string, string | undefined][] = [];
    const note = (name: string) => () => {
      seen.push([name, storage.getStore()]);
    };
    const names = () => new Set(seen.map(([name]) => name));
    // The caller makes the pool dial, wait, leak and lose connections, and subscribes.
    const pool = openPool(server(), { maxConnections: 6, leakThresholdMs: 300 });
    for (const event of ['open', 'evict', 'leak', 'exhausted', 'alert', 'close'] as const) {
      pool.on(event, note(event));
    }
    for (const event of ['error', 'reconnecting', 'end'] as const)
      pool.client.on(event, note(event));
    await storage.run('caller', async () => {
      await pool.client.subscribe('context', note('message'));
      await pool.client.monitor(note('line'));
      const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
      const waiting = pool.acquire();
      await until(() => names().has('leak') && names().has('exhausted'));
      for (const lease of leases) lease.destroy();
      (await waiting).release();
      await pool.client.publish('context', 'x');
      await pool.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
      await until(async () => (await pool.client.publish('context', 'y')) === 1);
      await until(() => seen.filter(([name]) => name === 'message').length === 2);
      expect(storage.getStore()).toBe('caller');
      await pool.close();
    });
    const expected = [
      'open',
      'evict',
      'leak',
      'exhausted',
      'close',
      'error',
      'reconnecting',
      'end',
    ];
    for (const name of [...expected, 'message', 'line']) expect(names()).toContain(name);
    expect(seen.filter(([, context]) => context !== undefined)).toEqual([]);
  });
});
