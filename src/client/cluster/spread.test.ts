import { describe, expect, test } from 'vitest';
import { A, B, C, useFakeCluster } from '../../../test/support/fake-cluster.js';
import { keySlot } from '../../base/key-slot.js';
import { PartlyDoneError, PoolError } from '../../errors.js';
import { ErrorReply } from '../../wire/protocol.js';
import { clientClass } from '../client-class.js';
import { CommandContext } from '../context.js';
import type { ClientHost } from '../host.js';
import { clientSetup } from '../setup.js';
import type { PlimsollClient } from '../types.js';

test('the keys of these tests are three servers’', () => {
  const { cluster } = useFakeCluster();
  expect(new Set([A, B, C].map((key) => cluster.ownerOf(key))).size).toBe(3);
});

describe('the route of a command', () => {
  test('has the slot of its keys, and says whether a replica may run it', async () => {
    const { cluster, redis } = useFakeCluster();
    await redis.get(A);
    expect(cluster.commands.at(-1)?.route).toEqual({ slot: keySlot(A), access: 'read' });
    await redis.set(A, 'x');
    expect(cluster.commands.at(-1)?.route).toEqual({ slot: keySlot(A), access: 'write' });
    await redis.sendCommand(['object', 'encoding', A]);
    expect(cluster.commands.at(-1)?.route?.slot).toBe(keySlot(A));
    await redis.sendCommand(['SOMETHING.NEW', A, B]);
    expect(cluster.commands.at(-1)?.route).toEqual({ slot: keySlot(A), access: 'write' });
  });

  test('is that of the key as it is sent', async () => {
    const { cluster, redis } = useFakeCluster({ keyPrefix: 'app:' });
    await redis.get(A);
    expect(cluster.commands.at(-1)?.route?.slot).toBe(keySlot(`app:${A}`));
    cluster.onCommand = () => 'OK';
    await redis.set(Buffer.from([0xff, 0x7b]), 'x');
    const key = Buffer.concat([Buffer.from('app:'), Buffer.from([0xff, 0x7b])]);
    expect(cluster.commands.at(-1)?.route?.slot).toBe(keySlot(key));
  });

  test('has no slot where there is no key', async () => {
    const { cluster, redis } = useFakeCluster();
    await redis.publish('channel', 'x');
    expect(cluster.commands.at(-1)?.route).toEqual({ slot: undefined, access: 'write' });
    await redis.echo('x');
    expect(cluster.commands.at(-1)?.route?.slot).toBeUndefined();
  });

  test('of what a replica takes but must not get is that of a write', async () => {
    const { cluster, redis } = useFakeCluster();
    await redis.sPublish('channel', 'x');
    expect(cluster.commands.at(-1)?.route).toEqual({ slot: keySlot('channel'), access: 'write' });
    await redis.eval('return 1', { keys: [A] });
    expect(cluster.commands.at(-1)?.route?.access).toBe('write');
    await redis.evalRo('return 1', { keys: [A] });
    expect(cluster.commands.at(-1)?.route?.access).toBe('read');
  });

  test('goes with a blocking command', async () => {
    const { cluster, redis } = useFakeCluster();
    await redis.blPop(A, 1);
    expect(cluster.exclusive[0]?.route).toEqual({ slot: keySlot(A), access: 'write' });
  });

  test('of a read that blocks is the primary’s; the same read without BLOCK may be a replica’s', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = () => null;
    await redis.xRead({ key: A, id: '$' }, { BLOCK: 5 });
    expect(cluster.exclusive[0]?.route).toEqual({ slot: keySlot(A), access: 'write' });
    await redis.xRead({ key: A, id: '0' });
    expect(cluster.commands.at(-1)?.route).toEqual({ slot: keySlot(A), access: 'read' });
  });

  test('of a search with a cursor is that of its index, so that the cursor is found there', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = () => 'OK';
    const routeOf = async (...words: string[]) => {
      await redis.sendCommand(words);
      return cluster.commands.at(-1)?.route;
    };
    const home = { slot: keySlot('idx'), access: 'write' };
    expect(await routeOf('FT.AGGREGATE', 'idx', '*', 'withcursor', 'COUNT', '5')).toEqual(home);
    expect(await routeOf('FT.CURSOR', 'READ', 'idx', '7')).toEqual(home);
    expect(await routeOf('FT.CURSOR', 'DEL', 'idx', '7')).toEqual(home);
    expect((await routeOf('FT.AGGREGATE', 'idx', '*'))?.slot).toBeUndefined();
  });

  test('of a script has a probe that tells the server’s word from a made up one', async () => {
    const { cluster, redis } = useFakeCluster();
    await redis.eval('return 1', { keys: [A, `{${A}}2`], arguments: ['x'] });
    const probe = cluster.commands.at(-1)?.probe;
    expect(probe).toBe(`*3\r\n$6\r\nEXISTS\r\n$1\r\n${A}\r\n$4\r\n{${A}}2\r\n`);
    await redis.set(A, 'x');
    expect(cluster.commands.at(-1)?.probe).toBeUndefined();
  });
});

describe('keys of several slots', () => {
  test('reject with CROSS_SLOT before anything is sent, where the command is one', async () => {
    const { cluster, redis } = useFakeCluster();
    const refused = [
      redis.sInter([A, B]),
      redis.mSetNX({ [A]: '1', [B]: '2' }),
      redis.rename(A, B),
      redis.eval('return 1', { keys: [A, B] }),
      redis.blPop([A, B], 1),
      redis.sendCommand(['SUNION', A, B]),
      redis.multi().get(A).get(B).exec(),
      redis.multi().mGet([A, B]).exec(),
      redis.multi().get(A).rename(A, B).execAsPipeline(),
    ];
    for (const reply of refused) {
      await expect(reply).rejects.toMatchObject({ code: 'CROSS_SLOT', sent: false });
    }
    expect(cluster.executions).toEqual([]);
    expect(cluster.exclusive).toEqual([]);
  });

  test('are no trouble in one slot', async () => {
    const { cluster, redis } = useFakeCluster();
    await redis.sInter([`{${A}}1`, `{${A}}2`]);
    expect(cluster.commands).toHaveLength(1);
    await redis.mGet([`{${A}}1`, `{${A}}2`]);
    expect(cluster.commands).toHaveLength(2);
  });

  test('are cut by slot for MGET, and come back in the caller’s order', async () => {
    const { cluster, redis } = useFakeCluster();
    for (const key of [A, B, C]) cluster.set(key, `value of ${key}`);
    const keys = [A, 'nothing', B, `{${A}}2`, C, A];
    cluster.set(`{${A}}2`, 'second');
    await expect(redis.mGet(keys)).resolves.toEqual([
      `value of ${A}`,
      null,
      `value of ${B}`,
      'second',
      `value of ${C}`,
      `value of ${A}`,
    ]);
    const slots = new Set(keys.map(keySlot));
    expect(cluster.commands.map(({ route }) => route?.slot).sort()).toEqual([...slots].sort());
  });

  test('are cut for MSET and DEL and EXISTS, as words too', async () => {
    const { cluster, redis } = useFakeCluster();
    await expect(redis.mSet({ [A]: '1', [B]: '2', [C]: '3' })).resolves.toBe('OK');
    await expect(redis.mGet([A, B, C])).resolves.toEqual(['1', '2', '3']);
    await expect(redis.exists([A, B, C, 'nothing'])).resolves.toBe(3);
    await expect(redis.sendCommand(['del', A, B, 'nothing'])).resolves.toBe(2);
    await expect(redis.del([C])).resolves.toBe(1);
    expect(cluster.data.get(cluster.ownerOf(C))?.size).toBe(0);
  });

  test('of an MSET without its last value are refused by a server as a whole', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = () => new ErrorReply("ERR wrong number of arguments for 'mset' command");
    await expect(redis.sendCommand(['MSET', A, '1', B])).rejects.toThrow('wrong number');
    expect(cluster.executions).toHaveLength(1);
  });

  test('of a read of which a part fails reject with its error', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = (words) => (words.includes(B) ? new ErrorReply('ERR no') : undefined);
    await expect(redis.mGet([A, B])).rejects.toThrow(/^ERR no$/);
  });

  test('of a write of which a part fails are named, done and failed', async () => {
    const { cluster, redis } = useFakeCluster();
    const cause = new ErrorReply('OOM command not allowed');
    cluster.onCommand = (words) => (words.includes(B) ? cause : undefined);
    const error = await redis.mSet({ [A]: 'secret', [B]: 'secret', [C]: 'secret' }).catch((e) => e);
    expect(error).toBeInstanceOf(PartlyDoneError);
    expect(error).toMatchObject({ code: 'PARTLY_DONE', sent: true, cause });
    expect(error.message).toBe(`MSET: 1 of 3 parts failed, those of "${B}"`);
    expect(error.done.map(({ keys }: { keys: string[] }) => keys)).toEqual([[A], [C]]);
    expect(error.failed).toEqual([{ keys: [B], endpoint: undefined, error: cause }]);
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  test('of a write of which nothing was done reject with the error that says most', async () => {
    const { cluster, redis } = useFakeCluster();
    const lost = new PoolError('OUTCOME_UNKNOWN', 'lost', { sent: true });
    cluster.onCommand = (words) => {
      throw words.includes(A) ? new PoolError('CONNECTION_LOST', 'no', { sent: false }) : lost;
    };
    await expect(redis.del([A, B])).rejects.toBe(lost);
  });

  test('count as one error of one caller', async () => {
    const { cluster, redis } = useFakeCluster();
    const counted: unknown[] = [];
    Object.assign(cluster, { onError: (error: unknown) => counted.push(error) });
    const context = new CommandContext({ pool: cluster }, undefined, 5_000, {});
    const Class = clientClass(clientSetup({}).sets);
    const client = new Class({} as ClientHost, context) as unknown as PlimsollClient;
    cluster.onCommand = () => new ErrorReply('ERR no');
    await expect(client.del([A, B, C])).rejects.toThrow('ERR no');
    expect(counted).toHaveLength(1);
    void redis;
  });
});

describe('a command for all servers', () => {
  test('adds up, merges, or takes any reply', async () => {
    const { cluster, redis } = useFakeCluster();
    for (const key of [A, B, C, 'another']) cluster.set(key, 'x');
    await expect(redis.dbSize()).resolves.toBe(4);
    expect((await redis.keys('*')).sort()).toEqual([A, B, C, 'another'].sort());
    await expect(redis.randomKey()).resolves.toEqual(expect.any(String));
    await expect(redis.flushAll()).resolves.toBe('OK');
    const asked = cluster.executions.filter(({ words }) => words[0] === 'FLUSHALL');
    expect(asked.map(({ endpointId }) => endpointId)).toEqual(['a:1', 'b:2', 'c:3']);
  });

  test('folds element by element', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = (_words, endpointId) => (endpointId === 'b:2' ? [1, 0] : [1, 1]);
    await expect(redis.scriptExists(['f1', 'f2'])).resolves.toEqual([1, 0]);
  });

  test('gives numbers as the caller wants them', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = () => '2';
    const text = redis.withTypeMapping({ 58: String });
    await expect(text.dbSize()).resolves.toBe('6');
  });

  test('of which one has to succeed does, where one does', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = (_words, endpointId) =>
      endpointId === 'b:2' ? 'OK' : new ErrorReply('NOTBUSY No scripts in execution right now.');
    await expect(redis.sendCommand(['SCRIPT', 'KILL'])).resolves.toBe('OK');
    cluster.onCommand = () => new ErrorReply('NOTBUSY No scripts in execution right now.');
    await expect(redis.sendCommand(['SCRIPT', 'KILL'])).rejects.toThrow('NOTBUSY');
  });

  test('that reads is asked anew where a server is replaced in the middle', async () => {
    const { cluster, redis } = useFakeCluster();
    for (const key of [A, B, C]) cluster.set(key, 'x');
    const gone = new PoolError('CONNECTION_LOST', 'gone', { sent: false });
    cluster.onCommand = (_words, endpointId) => {
      if (endpointId !== 'b:2') return undefined;
      cluster.replace('b:2', 'd:4');
      throw gone;
    };
    await expect(redis.dbSize()).resolves.toBe(3);
    cluster.onCommand = () => {
      throw gone;
    };
    await expect(redis.dbSize()).rejects.toBe(gone);
  });

  test('that fails at some of them names these', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = (_words, id) => (id === 'c:3' ? new ErrorReply('ERR no') : undefined);
    const error = await redis.flushAll().catch((e) => e);
    expect(error).toMatchObject({ code: 'PARTLY_DONE' });
    expect(error.failed).toMatchObject([{ keys: [], endpoint: 'c:3' }]);
    expect(error.message).toContain('"c:3"');
  });
});
