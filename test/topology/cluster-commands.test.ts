// Commands of a client on a real cluster: by the slot of their keys, cut by slot, sent to all, scanned,
// in transactions, pipelines and scripts, on leases; and all of it while slots move.

import { describe, expect, test } from 'vitest';

import { keySlot } from '../../src/base/key-slot.js';
import type { ClusterFace } from '../../src/client/cluster/face.js';
import { newKey } from '../client/pools.js';
import { keysOf, range, type Scripted, usePoolOn } from '../support/cluster-pools.js';
import { useCluster } from '../support/clusters.js';
import { outcomeOf } from '../support/outcome.js';
import { until } from '../support/until.js';

describe('on a cluster', () => {
  const cluster = useCluster();
  const pool = usePoolOn(cluster);
  const redis = () => pool().client as Scripted;

  test('each command goes to the server of its key', async () => {
    const keys = keysOf(newKey(), 300);
    await Promise.all(keys.map((key) => redis().set(key, key)));
    const values = await Promise.all(keys.map((key) => redis().get(key)));
    expect(values).toEqual(keys);
    const words = await Promise.all(keys.map((key) => redis().sendCommand(['STRLEN', key])));
    expect(words).toEqual(keys.map(({ length }) => length));
    for (const server of cluster().servers) {
      expect(await cluster().ask<number>(server, 'DBSIZE')).toBeGreaterThan(50);
    }
  });

  test('keys that are bytes have the slots of bytes', async () => {
    const keys = range(100).map((index) => Buffer.from([0xff, 0x7b, index, 0x7d, index + 1, 0xc3]));
    await Promise.all(keys.map((key) => redis().set(key, 'x')));
    expect(await redis().exists(keys)).toBe(100);
  });

  test('MSET, MGET, EXISTS, TOUCH, DEL and UNLINK take keys of all servers', async () => {
    const keys = keysOf(newKey(), 1_000);
    await expect(redis().mSet(keys.flatMap((key) => [key, key]))).resolves.toBe('OK');
    await expect(redis().mGet([...keys, 'nothing'])).resolves.toEqual([...keys, null]);
    await expect(redis().exists([...keys, keys[0] as string])).resolves.toBe(1_001);
    await expect(redis().touch(keys)).resolves.toBe(1_000);
    await expect(redis().unlink(keys.slice(0, 500))).resolves.toBe(500);
    await expect(redis().del(keys)).resolves.toBe(500);
  });

  test('a part of MSET that its server refuses names its keys', async () => {
    const keys = keysOf(newKey(), 60);
    const full = await cluster().ownerOf(keySlot(keys[0] as string));
    await cluster().ask(full, 'CONFIG', 'SET', 'maxmemory', '1');
    try {
      const error = await redis()
        .mSet(keys.flatMap((key) => [key, 'x']))
        .catch((refused) => refused);
      expect(error).toMatchObject({ code: 'PARTLY_DONE', sent: true });
      expect(error.cause.message).toMatch(/^OOM /);
      const failed = error.failed.flatMap((part: { keys: string[] }) => part.keys);
      const done = error.done.flatMap((part: { keys: string[] }) => part.keys);
      expect([...failed, ...done].sort()).toEqual([...keys].sort());
      await expect(redis().exists(done)).resolves.toBe(done.length);
      await expect(redis().exists(failed)).resolves.toBe(0);
    } finally {
      await cluster().ask(full, 'CONFIG', 'SET', 'maxmemory', '0');
    }
  });

  test('what is for all servers reaches all, and comes back as one', async () => {
    const keys = keysOf(newKey(), 50);
    await redis().mSet(keys.flatMap((key) => [key, 'x']));
    const total = await redis().dbSize();
    expect(await redis().keys('*')).toHaveLength(total);
    expect(await redis().randomKey()).toEqual(expect.any(String));
    expect(await redis().ping()).toBe('PONG');
    const digest = await redis().scriptLoad('return 5');
    expect(await redis().scriptExists([digest, 'f'.repeat(40)])).toEqual([1, 0]);
    await redis().configSet('slowlog-max-len', '77');
    for (const server of cluster().servers) {
      expect(await cluster().ask(server, 'CONFIG', 'GET', 'slowlog-max-len')).toMatchObject({
        'slowlog-max-len': '77',
      });
    }
    await redis().scriptFlush();
    expect(await redis().scriptExists(digest)).toEqual([0]);
    expect((await outcomeOf(redis().sendCommand(['SCRIPT', 'KILL']))).code).toBe('NOTBUSY');
    await redis().flushAll();
    expect(await redis().dbSize()).toBe(0);
  });

  test('keys of several slots are refused before anything is sent', async () => {
    const [a, b] = ['one', 'two'];
    const refused: Promise<unknown>[] = [
      redis().rename(a, b),
      redis().mSetNX({ [a]: '1', [b]: '2' }),
      redis().multi().set(a, 'x').set(b, 'y').exec(),
      redis().eval('return 1', { keys: [a, b] }),
      redis().blPop([a, b], 1),
    ];
    for (const call of refused) {
      expect((await outcomeOf(call)).code).toBe('CROSS_SLOT');
    }
    expect(await redis().exists([a, b])).toBe(0);
  });

  test('a transaction has one slot, and runs as one', async () => {
    const key = newKey();
    const replies = await redis()
      .multi()
      .set(`{${key}}:a`, '1')
      .incr(`{${key}}:a`)
      .mGet([`{${key}}:a`, `{${key}}:b`])
      .exec();
    expect(replies).toEqual(['OK', 2, ['2', null]]);
  });

  test('a script is brought to each server that lacks it', async () => {
    await redis().scriptFlush();
    const keys = keysOf(newKey(), 20);
    const run = redis();
    for (const key of keys) expect(await run.raise(key, '2')).toBe(2);
    await redis().scriptFlush();
    const raised = await Promise.all(keys.map((key) => run.raise(key, '3')));
    expect(raised).toEqual(keys.map(() => 5));
    await redis().scriptFlush();
    const multi = keys.reduce(
      (all, key) => (all as unknown as Scripted).raise(key, '1') as never,
      redis().multi(),
    );
    expect(await multi.execAsPipeline()).toEqual(keys.map(() => 6));
  });

  test('a redirect that a script made up is its answer', async () => {
    const key = newKey();
    const text = `MOVED ${keySlot(key)} 127.0.0.1:1`;
    const lua = "redis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])";
    const call = redis().eval(lua, { keys: [key], arguments: [text] });
    expect((await outcomeOf(call)).code).toBe('MOVED');
    expect(await redis().get(key)).toBe('1');
  });

  test('a pipeline keeps the order of each key, and brings all replies in order', async () => {
    const keys = keysOf(newKey(), 40);
    let multi = redis().multi();
    for (const round of range(10)) {
      for (const key of keys) multi = multi.append(key, String(round)) as never;
    }
    multi = multi.mGet(keys).del(keys).dbSize() as never;
    const replies = (await multi.execAsPipeline()) as unknown[];
    expect(replies.slice(0, 400)).toEqual(range(400).map((index) => Math.floor(index / 40) + 1));
    expect(replies[400]).toEqual(keys.map(() => '0123456789'));
    expect(replies[401]).toBe(40);
    expect(replies[402]).toEqual(expect.any(Number));
  });

  test('a lease is of the server of its key, and of none without one', async () => {
    expect((await outcomeOf(pool().acquire())).code).toBe('INVALID_ARGUMENT');
    expect((await outcomeOf(pool().acquire({ key: 5 as never }))).code).toBe('INVALID_ARGUMENT');
    for (const key of keysOf(newKey(), 10)) {
      const replies = await pool().withLease(
        async (own) => {
          await own.watch(key);
          return own.multi().set(key, 'x').get(key).exec();
        },
        { key },
      );
      expect(replies).toEqual(['OK', 'x']);
    }
  });

  test('what blocks waits at the server of its key', async () => {
    const keys = keysOf(newKey(), 6);
    const popped = keys.map((key) => redis().blPop(key, 5));
    await Promise.all(keys.map((key) => redis().rPush(key, `for ${key}`)));
    expect(await Promise.all(popped)).toEqual(keys.map((key) => ({ key, element: `for ${key}` })));
  });

  test('SCAN goes over all servers, by method, words and iterator', async () => {
    const name = newKey();
    const keys = keysOf(name, 700);
    await redis().mSet(keys.flatMap((key) => [key, 'x']));
    const found = new Set<string>();
    let pages = 0;
    for await (const some of redis().scanIterator({ MATCH: `${name}:*`, COUNT: 50 })) {
      pages++;
      for (const key of some) found.add(key);
    }
    expect(found.size).toBe(700);
    expect(pages).toBeLessThan(200);
    const [cursor] = (await redis().sendCommand([
      'SCAN',
      '0',
      'COUNT',
      '10',
    ])) as unknown as string[];
    expect(cursor).toMatch(/^\d+$/);
    expect((await outcomeOf(redis().scan('17'))).code).toBe('INVALID_ARGUMENT');
  });

  test('MONITOR tells what all primaries execute, of a client of one node what that one does', async () => {
    const keys = keysOf(newKey(), 30);
    const face = redis() as unknown as ClusterFace;
    const node = face.getSlotMaster(keySlot(keys[0] as string));
    const [all, some]: [string[], string[]] = [[], []];
    const ends = [
      await redis().monitor((line) => all.push(line)),
      await (await face.nodeClient(node)).monitor((line) => some.push(line)),
    ];
    await Promise.all(keys.map((key) => redis().set(key, 'x')));
    const isIn = (lines: readonly string[]) => (key: string) =>
      lines.some((line) => line.includes(`"${key}"`));
    const own = keys.filter((key) => face.getSlotMaster(keySlot(key)).id === node.id);
    await until(() => keys.every(isIn(all)) && own.every(isIn(some)), 2_000);
    expect(keys.filter(isIn(some))).toEqual(own);
    for (const end of ends as unknown as (() => void)[]) end();
    await until(() => pool().status().connections.leased === 0, 2_000);
  });

  test('libraries that ask for nodes get clients of them', async () => {
    await redis().flushAll();
    const keys = keysOf(newKey(), 90);
    await redis().mSet(keys.flatMap((key) => [key, 'x']));
    const face = redis() as unknown as ClusterFace;
    expect(face.masters).toHaveLength(3);
    const found = await Promise.all(
      face.masters.map(async (master) => {
        const client = (await face.nodeClient(master)) as unknown as typeof face & Scripted;
        const some: string[] = [];
        for await (const page of client.scanIterator()) some.push(...page);
        expect(some).toHaveLength(await client.dbSize());
        const elsewhere = keys.find((key) => !some.includes(key)) as string;
        expect((await outcomeOf(client.get(elsewhere))).code).toBe('MOVED');
        return some;
      }),
    );
    expect(found.flat().sort()).toEqual([...keys].sort());
  });
});
