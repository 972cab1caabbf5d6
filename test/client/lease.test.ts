// Leases with a client, createPool's types and getPool on real servers.

import { afterEach, describe, expect, expectTypeOf, test } from 'vitest';
import {
  createPool,
  getPool,
  InvalidOptionsError,
  type Lease,
  type PlimsollClient,
  type Pool,
  RESP_TYPES,
  type RedisClientType,
} from '../../src/index.js';
import { describeEachServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, usePool } from './pools.js';

describeEachServer('a lease', (server) => {
  const pool = usePool(server, { maxConnections: 3 });

  test('has a client on one connection of its own', async () => {
    const ids = await pool().withLease(async (leased, lease) => {
      expect(leased).toBe(lease.client);
      expect(leased.isOpen).toBe(true);
      return Promise.all([
        leased.clientId(),
        leased.clientId(),
        leased.sendCommand(['CLIENT', 'ID']),
      ]);
    });
    expect(new Set(ids).size).toBe(1);
    expect(pool().status().connections.leased).toBe(0);
  });

  test('comes back when its user throws, and hands the error on', async () => {
    const failed = pool().withLease(async (leased) => {
      await leased.watch('key');
      throw new Error('of the user');
    });
    await expect(failed).rejects.toThrow('of the user');
    expect(pool().status().connections.leased).toBe(0);
  });

  test('takes its commands with it: none is sent again on a shared connection', async () => {
    const key = newKey();
    const lease = await pool().acquire();
    const unsent = lease.client.blPop(key, 0);
    lease.release();
    await expect(unsent).rejects.toMatchObject({ code: 'CONNECTION_LOST', sent: false });
    await pool().client.rPush(key, 'element');
    await expect(pool().client.lLen(key)).resolves.toBe(1);
  });

  test('is released by the end of its block, once', async () => {
    let kept: Lease;
    {
      await using lease = await pool().acquire();
      kept = lease;
      await lease.client.select(5);
      lease.release();
    }
    expect(kept.isReleased).toBe(true);
    expect(() => kept.release()).toThrow(/released before/);
    await expect(kept.client.ping()).rejects.toMatchObject({ code: 'LEASE_RELEASED' });
    {
      using lease = await pool().acquire();
      kept = lease;
    }
    expect(kept.client.isOpen).toBe(false);
  });

  test('runs blocking commands where it is, and its connection goes if one still blocks', async () => {
    const queue = newKey('queue');
    const lease = await pool().acquire();
    const popped = lease.client.blPop(queue, 0);
    await until(async () => (await pool().client.info('clients')).includes('blocked_clients:1'));
    lease.release();
    await expect(popped).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await pool().client.rPush(queue, 'kept')).toBe(1);
    await pool().client.del(queue);
  });

  test('takes a pipeline that blocks', async () => {
    const queue = newKey('queue');
    const replies = await pool().withLease((leased) =>
      leased.multi().rPush(queue, 'a').blPop(queue, 1).blPop(queue, 0.01).execAsPipeline(),
    );
    expect(replies).toEqual([1, { key: queue, element: 'a' }, null]);
  });

  test('is reset by its client to what it was', async () => {
    await pool().withLease(async (leased) => {
      await leased.select(7);
      await leased.watch('key');
      await leased.reset();
      expect(leased.isWatching).toBe(false);
      expect(await leased.clientInfo()).toMatchObject({ db: 0 });
    });
  });

  test('ends with close() and destroy() of its client', async () => {
    const [first, second] = await Promise.all([pool().acquire(), pool().acquire()]);
    await first.client.close();
    expect(first.isReleased).toBe(true);
    second.client.destroy();
    expect(second.isReleased).toBe(true);
    expect(pool().status().connections.leased).toBe(0);
  });
});

describe('the types', () => {
  test('are those of node-redis', () => {
    expectTypeOf<Pool['client']>().toEqualTypeOf<RedisClientType>();
    expectTypeOf<Lease['client']>().toEqualTypeOf<PlimsollClient>();
    expectTypeOf<ReturnType<typeof createPool>>().toEqualTypeOf<Pool>();
    expectTypeOf<PlimsollClient>().toExtend<RedisClientType>();
    const withBuffers = () =>
      createPool({ commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } } });
    expectTypeOf<
      ReturnType<ReturnType<typeof withBuffers>['client']['get']>
    >().resolves.toEqualTypeOf<Buffer | null>();
  });
});

describeEachServer('getPool', (server) => {
  afterEach(() => getPool().close());

  test('gives one pool, until it is closed', async () => {
    const options = { url: server().url };
    const pool = getPool(options);
    expect(getPool()).toBe(pool);
    expect(getPool({ ...options })).toBe(pool);
    expect(await pool.client.ping()).toBe('PONG');
    await pool.close();
    const next = getPool(options);
    expect(next).not.toBe(pool);
    expect(await next.client.ping()).toBe('PONG');
  });

  test('knows the same options written inline, functions too', () => {
    const inline = () =>
      getPool({ url: server().url, retry: { retries: 2 }, fallback: () => 'aground' });
    expect(inline()).toBe(inline());
    const other = { url: server().url, retry: { retries: 2 }, fallback: () => 'adrift' };
    expect(() => getPool(other)).toThrow(InvalidOptionsError);
  });

  test('refuses other options than those of the first call', () => {
    getPool({ url: server().url });
    expect(() => getPool({ url: server().url, maxConnections: 2 })).toThrow(InvalidOptionsError);
  });
});
