// The connections that subscriptions and MONITOR keep: lost, silent, too old, and idle. They have
// to come back, to be replaced without a gap, and to cost an idle process nothing.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { Pool } from '../../src/index.js';
import { newKey, openPool } from '../client/pools.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const nothing = () => undefined;

async function subscriberIds(admin: Pool): Promise<string[]> {
  const list = String(await admin.client.sendCommand(['CLIENT', 'LIST', 'TYPE', 'pubsub']));
  return [...list.matchAll(/^id=(\d+)/gm)].map((match) => match[1] as string);
}

for (const RESP of [3, 2] as const) {
  describeEachPrivateServer(`a kept connection over RESP${RESP}`, (server) => {
    test('of MONITOR comes back when it is killed, and tells', async () => {
      await using pool = openPool(server(), { RESP });
      const redis = pool.client.duplicate();
      const told: string[] = [];
      redis.on('error', () => told.push('error'));
      redis.on('reconnecting', () => told.push('reconnecting'));
      const lines: string[] = [];
      const stop = (await redis.monitor((line) => lines.push(line))) as unknown as () => void;
      const clients = String(await pool.client.sendCommand(['CLIENT', 'LIST']));
      const id = /^id=(\d+) .* flags=O /m.exec(clients)?.[1] as string;
      await pool.client.sendCommand(['CLIENT', 'KILL', 'ID', id]);
      await until(() => told.length === 2);
      expect(told).toEqual(['error', 'reconnecting']);
      const key = newKey('monitored');
      await until(async () => {
        await pool.client.get(key);
        return lines.some((line) => line.includes(key));
      });
      stop();
      await sleep(50);
      const seen = lines.length;
      await pool.client.ping();
      await sleep(50);
      expect(lines).toHaveLength(seen);
      await until(() => pool.status().connections.leased === 0);
    });

    test('that is too old is replaced first and closed then: no message is lost', async () => {
      await using admin = openPool(server());
      await using pool = openPool(server(), { RESP, maxLifetimeMs: 600 });
      const redis = pool.client;
      const trouble: unknown[] = [];
      redis.on('error', (error) => trouble.push(error));
      const heard = new Set<string>();
      await redis.subscribe(['a', 'b'], (message) => heard.add(message));
      await redis.pSubscribe('c*', nothing);
      const lines: string[] = [];
      await redis.monitor((line) => lines.push(line));
      const first = await subscriberIds(admin);
      let published = 0;
      let replaced = 0;
      let known = first;
      while (replaced < 3) {
        await admin.client.publish('b', `${published++}`);
        if (published % 20 !== 0) continue;
        await sleep(1);
        const now = await subscriberIds(admin);
        if (now.length === 1 && now[0] !== known[0]) {
          replaced++;
          known = now;
        }
      }
      await until(() => heard.size === published);
      expect(trouble).toEqual([]);
      expect(pool.status().counters.evictions.lost).toBe(0);
      expect(lines.length).toBeGreaterThan(published / 2);
      await redis.unsubscribe();
      await redis.pUnsubscribe();
      expect(await subscriberIds(admin)).toEqual([]);
    });

    test('that dies without a word is found by its pulse', async () => {
      const { host, port } = server();
      await using proxy = await startTcpProxy({ host, port });
      await using pool = openPool({ url: `redis://${proxy.host}:${proxy.port}` } as never, {
        RESP,
        healthCheckIntervalMs: 200,
        connectTimeoutMs: 300,
      });
      await using admin = openPool(server());
      const trouble: Error[] = [];
      pool.client.on('error', (error) => trouble.push(error));
      await pool.client.subscribe('pulse', nothing);
      // Signs of life don't trouble anybody.
      await sleep(900);
      expect(trouble).toEqual([]);
      proxy.hold('replies');
      await until(() => trouble.length > 0, 3_000);
      expect(trouble[0]).toMatchObject({
        message: 'Socket closed unexpectedly',
        cause: { message: expect.stringContaining('no sign of life') },
      });
      proxy.resume();
      await until(async () => (await admin.client.publish('pulse', 'x')) >= 1);
    });
  });
}

describeEachPrivateServer(
  'a rotated password',
  (server) => {
    test('is used by subscriptions and MONITOR within their lifetime', async () => {
      const { host, port } = server();
      let password = 'first';
      await using pool = openPool({ url: `redis://${host}:${port}` } as never, {
        password: () => password,
        maxLifetimeMs: 600,
      });
      await pool.client.subscribe('rotated', nothing);
      await pool.client.monitor(nothing);
      const old = await subscriberIds(pool);
      password = 'second';
      await pool.client.configSet('requirepass', password);
      await until(async () => {
        const now = await subscriberIds(pool);
        return now.length === 1 && now[0] !== old[0];
      });
      expect(await pool.client.publish('rotated', 'x')).toBe(1);
    });
  },
  { password: 'first' },
);

describeEachPrivateServer('an idle process', (server) => {
  test('with subscriptions, MONITOR and blocked consumers ticks no faster than without', async () => {
    await using pool = openPool(server(), { healthCheckIntervalMs: 60_000 });
    const redis = pool.client;
    await redis.subscribe('idle', nothing);
    await redis.monitor(nothing);
    const popped = redis.blPop('idle:jobs', 0).catch(nothing);
    await sleep(200);
    const timers = vi.spyOn(globalThis, 'setTimeout');
    await sleep(1_500);
    const started = timers.mock.calls.length;
    timers.mockRestore();
    // One tick each 500 ms, and the sleep of this test.
    expect(started).toBeLessThan(7);
    await pool.close();
    await popped;
  });

  test('gives up no second connection that it can not have', async () => {
    await using pool = openPool(server(), {
      maxConnections: 1,
      maxLifetimeMs: 600,
      acquireTimeoutMs: 300,
    });
    const redis = pool.client;
    const heard: string[] = [];
    await redis.subscribe('alone', (message) => heard.push(message));
    await using admin = openPool(server());
    const [first] = await subscriberIds(admin);
    await until(async () => {
      const [now] = await subscriberIds(admin);
      return now !== undefined && now !== first;
    });
    await until(async () => (await admin.client.publish('alone', 'x')) === 1);
    await until(() => heard.length > 0);
  });
});
