// pool.client on real servers: commands, types of replies, options, iterators, blocking, closing.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type ErrorReply, PoolError, RESP_TYPES, WatchError } from '../../src/index.js';
import { describeEachServer } from '../support/servers.js';
import { newKey, openPool, usePool } from './pools.js';

describeEachServer('pool.client', (server) => {
  const pool = usePool(server);

  test('runs commands of all kinds of replies', async () => {
    const redis = pool().client;
    const [text, hash, list, set, ranks] = ['t', 'h', 'l', 's', 'z'].map((name) => newKey(name));
    expect(await redis.set(text!, 'ahoy', { EX: 60 })).toBe('OK');
    expect(await redis.get(text!)).toBe('ahoy');
    expect(await redis.get(newKey('absent'))).toBeNull();
    expect(await redis.hSet(hash!, { a: '1', b: '2' })).toBe(2);
    expect(await redis.hGetAll(hash!)).toEqual({ a: '1', b: '2' });
    expect(await redis.rPush(list!, ['x', 'y'])).toBe(2);
    expect(await redis.lRange(list!, 0, -1)).toEqual(['x', 'y']);
    expect(await redis.sAdd(set!, 'member')).toBe(1);
    expect(await redis.sMembers(set!)).toEqual(['member']);
    await redis.zAdd(ranks!, { score: 1.5, value: 'first' });
    expect(await redis.zScore(ranks!, 'first')).toBe(1.5);
    expect(await redis.expire(text!, 100)).toBe(1);
    expect(await redis.del([text!, hash!, list!, set!, ranks!])).toBe(5);
  });

  test('takes and gives binary data untouched', async () => {
    const redis = pool().client;
    const key = newKey();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await redis.set(key, bytes);
    const asBuffers = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    expect(await asBuffers.get(key)).toEqual(bytes);
    expect(await redis.set(newKey('ключ'), 'значение')).toBe('OK');
  });

  test('decodes replies as the type mapping says', async () => {
    const redis = pool().client;
    const key = newKey();
    await redis.hSet(key, { a: '1' });
    const mapped = redis.withTypeMapping({ [RESP_TYPES.MAP]: Map, [RESP_TYPES.NUMBER]: String });
    expect(await mapped.hGetAll(key)).toEqual(new Map([['a', '1']]));
    expect(await mapped.hLen(key)).toBe('1');
    expect(await redis.hLen(key)).toBe(1);
  });

  test('rejects with the error that the server answers', async () => {
    const redis = pool().client;
    const key = newKey();
    await redis.set(key, 'text');
    await expect(redis.lPush(key, 'x')).rejects.toThrow(/^WRONGTYPE/);
    await expect(redis.sendCommand(['NO-SUCH-COMMAND'])).rejects.toSatisfy((error: ErrorReply) =>
      error.message.startsWith('ERR unknown command'),
    );
  });

  test('sends raw commands in any case, of text and Buffers', async () => {
    const redis = pool().client;
    const key = newKey();
    expect(await redis.sendCommand(['set', key, Buffer.from('raw')])).toBe('OK');
    expect(await redis.sendCommand(['GET', Buffer.from(key)])).toBe('raw');
    for (const wrong of [[], 'GET', [5]]) {
      await expect(redis.sendCommand(wrong as never)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    }
  });

  test('a blocking read leaves ordinary traffic alone', async () => {
    const redis = pool().client;
    const queue = newKey('queue');
    const popped = redis.blPop(queue, 5);
    const values = await Promise.all(Array.from({ length: 100 }, () => redis.incr(newKey())));
    expect(values).toEqual(new Array(100).fill(1));
    await redis.rPush(queue, 'job');
    expect(await popped).toEqual({ key: queue, element: 'job' });
    expect(pool().status().connections.leased).toBe(0);
    expect(await redis.blPop(queue, 0.05)).toBeNull();
  });

  test('a blocking read ends with its AbortSignal, and its connection goes', async () => {
    const abort = new AbortController();
    const popped = pool().client.withAbortSignal(abort.signal).blPop(newKey('queue'), 0);
    await sleep(50);
    abort.abort();
    await expect(popped).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED' });
    expect(pool().status().connections.leased).toBe(0);
  });

  test('the iterators give every element once', async () => {
    const redis = pool().client;
    const [hash, set, ranks] = [newKey('h'), newKey('s'), newKey('z')];
    const names = Array.from({ length: 300 }, (_, index) => `member-${index}`);
    await redis.hSet(hash, Object.fromEntries(names.map((name) => [name, name.slice(7)])));
    await redis.sAdd(set, names);
    await redis.zAdd(
      ranks,
      names.map((value, score) => ({ value, score })),
    );
    const entries = await collect(redis.hScanIterator(hash, { COUNT: 50 }));
    expect(new Map(entries.map(({ field, value }) => [field, value])).size).toBe(300);
    expect(new Set(await collect(redis.hScanValuesIterator(hash))).size).toBe(300);
    expect(new Set(await collect(redis.sScanIterator(set, { COUNT: 50 })))).toEqual(new Set(names));
    expect(await collect(redis.zScanIterator(ranks))).toHaveLength(300);
    const keys = await collect(redis.scanIterator({ MATCH: `${hash}*`, COUNT: 1000 }));
    expect(new Set(keys)).toEqual(new Set([hash]));
    expect(
      await collect(
        redis
          .withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
          .scanIterator({ MATCH: `${hash}*`, COUNT: 1000 }),
      ),
    ).toEqual([Buffer.from(hash)]);
  });
});

describeEachServer('a client with a key prefix', (server) => {
  const prefix = newKey('prefix:');
  const pool = usePool(server, { keyPrefix: prefix });
  const plain = usePool(server);

  test('puts it before keys, also those of WATCH, but not before what comes back', async () => {
    const redis = pool().client;
    await redis.mSet({ a: '1', b: '2' });
    expect(await plain().client.get(`${prefix}a`)).toBe('1');
    expect(await collect(redis.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 }))).toContain(
      `${prefix}b`,
    );
    const outcome = pool().withLease(async (leased) => {
      await leased.watch(['a', 'b']);
      await plain().client.set(`${prefix}b`, 'changed');
      return leased.multi().set('a', 'never').exec();
    });
    await expect(outcome).rejects.toBeInstanceOf(WatchError);
    expect(await redis.get('a')).toBe('1');
  });

  test('of a duplicate is its own', async () => {
    const other = pool().client.duplicate({ keyPrefix: `${prefix}other:` });
    await other.set('a', 'of the other');
    expect(await plain().client.get(`${prefix}other:a`)).toBe('of the other');
    expect(() => other.duplicate({ database: 3 })).toThrow(PoolError);
    await other.close();
    await expect(other.get('a')).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    expect(other.isOpen).toBe(false);
    await other.connect();
    expect(await other.get('a')).toBe('of the other');
    await other.close();
  });
});

describeEachServer('a client that asks for RESP2', (server) => {
  const pool = usePool(server, { RESP: 2 });

  test('has replies in the shape of RESP2', async () => {
    const redis = pool().client;
    const key = newKey();
    await redis.hSet(key, { a: '1' });
    expect(await redis.hGetAll(key)).toEqual({ a: '1' });
    expect(await redis.multi().hGetAll(key).ping().exec()).toEqual([{ a: '1' }, 'PONG']);
  });
});

describeEachServer('the life of a client', (server) => {
  test('shows in its properties and events', async () => {
    const own = openPool(server());
    const redis = own.client;
    const events: string[] = [];
    for (const event of ['connect', 'ready', 'end']) redis.on(event, () => events.push(event));
    expect(redis.isOpen).toBe(true);
    expect(await redis.connect()).toBe(redis);
    expect(redis.isReady).toBe(true);
    expect(await redis.quit()).toBe('OK');
    expect(events).toEqual(['connect', 'ready', 'end']);
    expect(redis).toMatchObject({ isOpen: false, isReady: false });
    await expect(redis.get('key')).rejects.toMatchObject({ code: 'POOL_CLOSED' });
  });

  test('options hold no secret', () => {
    const own = openPool(server(), { password: 'hunter2', username: 'default', maxConnections: 1 });
    own.client.on('error', () => undefined);
    expect(JSON.stringify(own.client.options)).not.toContain('hunter2');
    own.client.destroy();
  });
});

describe('errors of connecting', () => {
  test('reach listeners of the client, and nobody else', async () => {
    const own = openPool({ url: 'redis://127.0.0.1:1', host: '127.0.0.1', port: 1 });
    await expect(own.client.get('key')).rejects.toMatchObject({ code: expect.any(String) });
    const heard = new Promise((resolve) => own.client.once('error', resolve));
    expect(await heard).toMatchObject({ code: 'CONNECT_FAILED' });
    await own.close({ timeoutMs: 0 });
  });
});

async function collect<T>(pages: AsyncIterable<T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const page of pages) all.push(...page);
  return all;
}
