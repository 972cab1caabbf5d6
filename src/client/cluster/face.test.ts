import { describe, expect, test } from 'vitest';
import { A, B, C, useFakeCluster } from '../../../test/support/fake-cluster.js';
import { keySlot } from '../../base/key-slot.js';
import { clientClass } from '../client-class.js';
import { clientSetup } from '../setup.js';
import type { PlimsollClient } from '../types.js';
import type { ClusterFace } from './face.js';

type Faced = PlimsollClient & ClusterFace;

describe('what node-redis’ cluster client has besides', () => {
  test('tells the nodes, and who has which slot', () => {
    const { cluster, redis } = useFakeCluster();
    const faced = redis as Faced;
    expect(faced.masters).toEqual([
      { id: 'a:1', address: 'a:1', host: 'a', port: 1, readonly: false },
      { id: 'b:2', address: 'b:2', host: 'b', port: 2, readonly: false },
      { id: 'c:3', address: 'c:3', host: 'c', port: 3, readonly: false },
    ]);
    expect(faced.replicas).toEqual([]);
    expect(faced.nodeByAddress.get('b:2')).toEqual(faced.masters[1]);
    expect(faced.slots).toHaveLength(16_384);
    expect(faced.slots[keySlot(A)]?.master.id).toBe(cluster.ownerOf(A));
    expect(faced.getSlotMaster(keySlot(B)).id).toBe(cluster.ownerOf(B));
    expect(faced.masters).toContainEqual(faced.getRandomNode());
  });

  test('gives clients of one node, whose commands go nowhere else', async () => {
    const { cluster, redis } = useFakeCluster();
    for (const key of [A, B, C]) cluster.set(key, 'x');
    const faced = redis as Faced;
    const found: string[] = [];
    for (const master of faced.masters) {
      const client = (await faced.nodeClient(master)) as unknown as PlimsollClient;
      for await (const keys of client.scanIterator()) found.push(...keys);
      expect(await client.dbSize()).toBe(1);
      await client
        .multi()
        .get(A)
        .get(B)
        .execAsPipeline()
        .catch(() => {});
      expect(cluster.commands.at(-1)?.route?.endpointId).toBe(master.id);
    }
    expect(found.sort()).toEqual([A, B, C].sort());
    const ofKey = (await faced.getNodeClientForKey(A)) as unknown as PlimsollClient;
    expect(await ofKey.get(A)).toBe('x');
  });

  test('takes words with a key to go by', async () => {
    const { cluster, redis } = useFakeCluster();
    const cast = redis as unknown as {
      sendCommand(key: string | undefined, isReadonly: boolean, words: string[]): Promise<unknown>;
    };
    cluster.set(A, 'x');
    expect(await cast.sendCommand(A, true, ['GET', A])).toBe('x');
    await cast.sendCommand(A, false, ['PUBLISH', 'channel', 'text']);
    expect(cluster.commands.at(-1)?.route?.slot).toBe(keySlot(A));
    await cast.sendCommand(undefined, false, ['PUBLISH', 'channel', 'text']);
    expect(cluster.commands.at(-1)?.route?.slot).toBeUndefined();
    await expect(cast.sendCommand(A, false, [])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('is there in a cluster alone, and with derived clients too', () => {
    const { redis } = useFakeCluster();
    expect('masters' in redis.withTypeMapping({})).toBe(true);
    expect('masters' in clientClass(clientSetup({}).sets).prototype).toBe(false);
    expect('nodeClient' in clientClass(clientSetup({}).sets).prototype).toBe(false);
  });
});
