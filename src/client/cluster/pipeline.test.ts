import { describe, expect, test } from 'vitest';
import { A, B, C, commandsIn, useFakeCluster } from '../../../test/support/fake-cluster.js';
import { keySlot } from '../../base/key-slot.js';
import { PoolError } from '../../errors.js';
import { defineScript, ErrorReply } from '../../wire/protocol.js';

describe('a transaction', () => {
  test('has the route of its keys', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = (words) => (words[0] === 'EXEC' ? [['1', '2']] : 'QUEUED');
    cluster.onCommand = ([name]) =>
      name === 'EXEC' ? ['OK', null] : name === 'MULTI' ? 'OK' : 'QUEUED';
    await redis.multi().set(`{${A}}1`, 'x').get(`{${A}}2`).exec();
    expect(cluster.commands[0]?.route).toEqual({ slot: keySlot(A), access: 'write' });
    await redis.multi().get(`{${A}}1`).get(`{${A}}2`).exec();
    expect(cluster.commands[1]?.route).toEqual({ slot: keySlot(A), access: 'read' });
  });

  test('is sent elsewhere as a whole', async () => {
    const { cluster, redis } = useFakeCluster();
    const moved = `MOVED ${keySlot(A)} b:2`;
    cluster.onCommand = ([name], endpointId) => {
      if (endpointId === 'b:2') return name === 'EXEC' ? ['OK'] : 'QUEUED';
      if (name === 'MULTI') return 'OK';
      if (name !== 'EXEC') return new ErrorReply(moved);
      return new ErrorReply('EXECABORT Transaction discarded because of previous errors.');
    };
    await expect(redis.multi().set(A, 'x').exec()).resolves.toEqual(['OK']);
    expect(cluster.executions.map(({ endpointId, words }) => `${endpointId} ${words[0]}`)).toEqual([
      `${cluster.ownerOf(A)} MULTI`,
      `${cluster.ownerOf(A)} SET`,
      `${cluster.ownerOf(A)} EXEC`,
      'b:2 MULTI',
      'b:2 SET',
      'b:2 EXEC',
    ]);
  });
});

describe('a pipeline', () => {
  test('goes out by slot, each in its order, and comes back in the caller’s', async () => {
    const { cluster, redis } = useFakeCluster();
    const replies = await redis
      .multi()
      .set(A, '1')
      .set(B, '2')
      .get(A)
      .mGet([A, B, C])
      .set(A, '3')
      .get(B)
      .get(A)
      .exists([A, B, C])
      .execAsPipeline();
    expect(replies).toEqual(['OK', 'OK', '1', ['1', '2', null], 'OK', '2', '3', 2]);
    expect(cluster.commands).toHaveLength(3);
    const ofA = cluster.commands.find(({ route }) => route?.slot === keySlot(A))!;
    expect(commandsIn(ofA)).toEqual([
      ['SET', A, '1'],
      ['GET', A],
      ['MGET', A],
      ['SET', A, '3'],
      ['GET', A],
      ['EXISTS', A],
    ]);
  });

  test('takes what is for all servers, and what has no key', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.set(A, 'x');
    const replies = await redis
      .multi()
      .get(A)
      .dbSize()
      .publish('x', 'y')
      .scan('0')
      .execAsPipeline();
    expect(replies).toEqual([
      'x',
      1,
      'OK',
      { cursor: expect.any(String), keys: expect.any(Array) },
    ]);
  });

  test('is followed to where its slot has moved, once for all', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.set(A, 'x');
    cluster.moveSlot(keySlot(A), 'b:2', false);
    await expect(redis.multi().get(A).set(A, 'y').get(A).execAsPipeline()).resolves.toEqual([
      'x',
      'OK',
      'y',
    ]);
    expect(cluster.commands).toHaveLength(1);
    expect(cluster.executions).toHaveLength(6);
  });

  test('repeats of a group only what was sent away', async () => {
    const { cluster, redis } = useFakeCluster();
    let asked = 0;
    cluster.onCommand = ([name]) => {
      asked++;
      if (asked === 3) cluster.moveSlot(keySlot(A), 'b:2', false);
      return name === 'INCR' ? asked : undefined;
    };
    const replies = await redis
      .multi()
      .set(A, '1')
      .get(A)
      .get(A)
      .set(A, '2')
      .get(A)
      .execAsPipeline();
    expect(replies).toEqual(['OK', '1', '1', 'OK', '2']);
    const sets = cluster.executions.filter(({ words }) => words[0] === 'SET' && words[2] === '1');
    expect(sets).toHaveLength(1);
  });

  test('asks one by one where each needs ASKING for itself', async () => {
    const { cluster, redis } = useFakeCluster();
    const owner = cluster.ownerOf(A);
    const ask = `ASK ${keySlot(A)} b:2`;
    cluster.onCommand = ([name], endpointId) => {
      if (endpointId === owner) return new ErrorReply(ask);
      return `${name} there`;
    };
    await expect(redis.multi().get(A).get(`{${A}}2`).execAsPipeline()).resolves.toEqual([
      'GET there',
      'GET there',
    ]);
    // One group, and two alone.
    expect(cluster.commands.map(({ replyCount }) => replyCount)).toEqual([2, 1, 1]);
  });

  test('believes a script no redirect of its own', async () => {
    const { cluster, redis } = useFakeCluster();
    const text = `MOVED ${keySlot(A)} b:2`;
    cluster.onCommand = ([name]) => (name === 'EVAL' ? new ErrorReply(text) : undefined);
    const made = redis
      .multi()
      .eval('x', { keys: [A] })
      .set(A, 'x')
      .execAsPipeline();
    await expect(made).rejects.toThrow(text);
    expect(cluster.executions.filter(({ words }) => words[0] === 'EVAL')).toHaveLength(1);
  });

  test('follows a script where its server sends all of its keys away', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.moveSlot(keySlot(A), 'b:2', false);
    cluster.onCommand = ([name], id) => {
      if (name !== 'EVAL') return undefined;
      return id === 'b:2' ? 'ran' : new ErrorReply(`MOVED ${keySlot(A)} b:2`);
    };
    const replies = redis
      .multi()
      .eval('x', { keys: [A] })
      .set(A, 'x')
      .execAsPipeline();
    await expect(replies).resolves.toEqual(['ran', 'OK']);
  });

  test('brings a script’s text to each server', async () => {
    const script = defineScript({
      SCRIPT: 'return 1',
      NUMBER_OF_KEYS: 1,
      parseCommand: (parser: { pushKey(key: string): void }, key: string) => parser.pushKey(key),
      transformReply: (reply: unknown) => reply,
    } as never);
    const { cluster, redis } = useFakeCluster({ scripts: { run: script } });
    const multi = redis.multi() as unknown as {
      run(key: string): typeof multi;
      execAsPipeline(): Promise<unknown>;
    };
    await multi.run(A).run(B).run(A).execAsPipeline();
    const names = cluster.executions.map(({ words }) => words[0]);
    expect(names.filter((name) => name !== 'EXISTS')).toEqual(['EVAL', 'EVAL', 'EVAL']);
  });

  test('rejects with the first error that came, as on one server', async () => {
    const { cluster, redis } = useFakeCluster();
    cluster.onCommand = ([, key]) => (key === B ? new ErrorReply('WRONGTYPE x') : undefined);
    await expect(redis.multi().set(A, 'x').get(B).execAsPipeline()).rejects.toThrow('WRONGTYPE x');
  });

  test('of which a part was lost says which', async () => {
    const { cluster, redis } = useFakeCluster();
    const lost = new PoolError('OUTCOME_UNKNOWN', 'lost', { sent: true });
    cluster.onCommand = ([, key]) => {
      if (key === B) throw lost;
      return undefined;
    };
    const error = await redis
      .multi()
      .set(A, 'x')
      .set(B, 'y')
      .execAsPipeline()
      .catch((e) => e);
    expect(error).toMatchObject({ code: 'PARTLY_DONE', cause: lost });
    expect(error.failed).toEqual([{ keys: [B], error: lost }]);
    cluster.onCommand = ([, key]) => {
      if (key === B) throw new PoolError('CONNECTION_LOST', 'lost', { sent: true });
      return undefined;
    };
    await expect(redis.multi().get(A).get(B).execAsPipeline()).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
    });
  });
});
