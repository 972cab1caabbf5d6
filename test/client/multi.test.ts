// multi(): transactions and pipelines, on the pool and on a lease.

import { expect, test } from 'vitest';
import { ErrorReply, MultiErrorReply, RESP_TYPES, WatchError } from '../../src/index.js';
import { describeEachServer } from '../support/servers.js';
import { newKey, usePool } from './pools.js';

describeEachServer('multi', (server) => {
  const pool = usePool(server);

  test('executes all commands and transforms each reply by its own command', async () => {
    const redis = pool().client;
    const key = newKey();
    const multi = redis.multi().hSet(key, { a: '1' }).hGetAll(key).zAdd(newKey(), []).exists(key);
    const refused = multi.exec();
    await expect(refused).rejects.toThrow(/wrong number of arguments/);
    const replies = await redis.multi().hSet(key, { a: '1' }).hGetAll(key).exists(key).exec();
    expect(replies).toEqual([1, { a: '1' }, 1]);
    expect(await redis.multi().exec()).toEqual([]);
  });

  test('of thousands of commands, text and binary, comes back in order', async () => {
    const redis = pool().client;
    const key = newKey();
    const multi = redis.multi();
    for (let index = 0; index < 3_000; index++) {
      multi.set(key, index % 2 === 0 ? Buffer.from(`${index}`) : `ä${index}`).get(key);
    }
    const replies = (await multi.exec()) as unknown[];
    expect(replies).toHaveLength(6_000);
    expect([replies[1], replies[3], replies[5_999]]).toEqual(['0', 'ä1', 'ä2999']);
  });

  test('is not torn by commands of others on the same lane', async () => {
    const redis = pool().client;
    const key = newKey();
    const results = await Promise.all(
      Array.from({ length: 500 }, async () => {
        const [reply] = await Promise.all([redis.multi().incr(key).decr(key).exec(), redis.ping()]);
        return reply as unknown as number[];
      }),
    );
    for (const [up, down] of results) expect([up, down]).toEqual([1, 0]);
  });

  test('rejects with MultiErrorReply when commands fail, and keeps what the others gave', async () => {
    const redis = pool().client;
    const key = newKey();
    const failed = redis.multi().set(key, 'text').lPush(key, 'x').get(key).exec();
    const error = await failed.then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(MultiErrorReply);
    expect(error.errorIndexes).toEqual([1]);
    expect(error.replies[0]).toBe('OK');
    expect(error.replies[1]).toBeInstanceOf(ErrorReply);
    expect(error.replies[2]).toBe('text');
  });

  test('rejects with the error of the command that could not be queued, and executes none', async () => {
    const redis = pool().client;
    const key = newKey();
    const failed = redis.multi().set(key, 'text').addCommand(['NO-SUCH-COMMAND']).exec();
    await expect(failed).rejects.toThrow(/^ERR unknown command/);
    expect(await redis.exists(key)).toBe(0);
  });

  test('decodes replies as the type mapping says', async () => {
    const key = newKey();
    const mapped = pool().client.withTypeMapping({
      [RESP_TYPES.BLOB_STRING]: Buffer,
      [RESP_TYPES.SIMPLE_STRING]: Buffer,
    });
    const replies = await mapped.multi().set(key, 'x').get(key).exec();
    expect(replies).toEqual([Buffer.from('OK'), Buffer.from('x')]);
  });

  test('as a pipeline answers each command, of one and of many', async () => {
    const redis = pool().client;
    const key = newKey();
    expect(await redis.multi().set(key, '1').execAsPipeline()).toEqual(['OK']);
    expect(await redis.multi().incr(key).incr(key).exec(true)).toEqual([2, 3]);
    expect(await redis.multi().execAsPipeline()).toEqual([]);
    const [typed] = await redis.multi().get(key).execTyped();
    expect(typed).toBe('3');
    const [piped] = await redis.multi().hGetAll(newKey()).execAsPipelineTyped();
    expect(piped).toEqual({});
  });

  test('as a pipeline rejects with the first error, though all are executed', async () => {
    const redis = pool().client;
    const key = newKey();
    const failed = redis.multi().set(key, 'text').lPush(key, 'x').append(key, '!').execAsPipeline();
    await expect(failed).rejects.toThrow(/^WRONGTYPE/);
    await expect(redis.multi().lPush(key, 'x').execAsPipeline()).rejects.toThrow(/^WRONGTYPE/);
    expect(await redis.get(key)).toBe('text!');
  });

  test('on a lease sees a change of a watched key', async () => {
    const key = newKey();
    const outcome = pool().withLease(async (leased) => {
      await leased.watch(key);
      expect(leased.isWatching).toBe(true);
      await pool().client.set(key, 'changed');
      return leased.multi().set(key, 'never').exec();
    });
    await expect(outcome).rejects.toBeInstanceOf(WatchError);
    await pool().withLease(async (leased) => {
      await leased.watch(key);
      expect(await leased.multi().set(key, 'mine').exec()).toEqual(['OK']);
      expect(leased.isWatching).toBe(false);
    });
  });

  test('with SELECT runs on a lease, whose connection comes back to its own database', async () => {
    const redis = pool().client;
    const key = newKey();
    await expect(redis.multi().select(9).ping().exec()).rejects.toMatchObject({
      code: 'LEASE_REQUIRED',
    });
    await pool().withLease((leased) => leased.multi().select(9).set(key, 'in 9').exec());
    const replies = await Promise.all(Array.from({ length: 50 }, () => redis.get(key)));
    expect(replies).toEqual(new Array(50).fill(null));
    await pool().withLease((leased) => leased.multi().select(9).del(key).execAsPipeline());
  });
});
