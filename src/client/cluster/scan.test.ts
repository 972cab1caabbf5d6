import { describe, expect, test } from 'vitest';
import { type FakeCluster, useFakeCluster } from '../../../test/support/fake-cluster.js';
import { keySlot } from '../../base/key-slot.js';
import type { PlimsollClient } from '../types.js';

describe('a scan', () => {
  const scanAll = async (redis: PlimsollClient, onPage: () => void = () => {}) => {
    const found: string[] = [];
    for await (const keys of redis.scanIterator({ COUNT: 7 })) {
      found.push(...keys);
      onPage();
    }
    return found;
  };
  const fill = (cluster: FakeCluster) => {
    const keys = Array.from({ length: 200 }, (_, index) => `key:${index}`);
    for (const key of keys) cluster.set(key, 'x');
    return keys;
  };

  test('goes over all primaries, and ends with 0', async () => {
    const { cluster, redis } = useFakeCluster();
    const keys = fill(cluster);
    expect((await scanAll(redis)).sort()).toEqual([...keys].sort());
  });

  test('asks no server twice, however its slots lie', async () => {
    const { cluster, redis } = useFakeCluster();
    const keys = fill(cluster);
    for (let slot = 0; slot < 16_384; slot += 100) cluster.moveSlot(slot, 'b:2');
    expect((await scanAll(redis)).sort()).toEqual([...keys].sort());
  });

  test('leaves nothing out where slots move meanwhile', async () => {
    for (let seed = 1; seed < 12; seed++) {
      const { cluster, redis } = useFakeCluster();
      const keys = fill(cluster);
      let page = 0;
      const found = await scanAll(redis, () => {
        page++;
        const slot = keySlot(`key:${(page * seed) % 200}`);
        const ids = cluster.endpointIds();
        // To a server that has not been looked through, or is now: Redis promises no more.
        if (slot > 10_923) cluster.moveSlot(slot, ids[seed % 2] as string);
      });
      const missing = keys.filter((key) => !found.includes(key));
      expect(missing, `seed ${seed}`).toEqual([]);
    }
  });

  test('begins a shard anew whose replica took over', async () => {
    const { cluster, redis } = useFakeCluster();
    const keys = fill(cluster);
    let page = 0;
    const found = await scanAll(redis, () => {
      page++;
      if (page === 3) cluster.replace('a:1', 'z:9');
      if (page === 14) cluster.replace('b:2', 'A:0');
    });
    expect([...new Set(found)].sort()).toEqual([...keys].sort());
    expect(found.length).toBeLessThan(keys.length * 3);
  });

  test('keeps to the caller’s types, and takes its own cursors alone', async () => {
    const { cluster, redis } = useFakeCluster();
    fill(cluster);
    const { cursor } = await redis.scan('0');
    expect(cursor).toMatch(/^\d{10,60}$/);
    for (const strange of ['1', '17', '-1', 'x', '0x10', '9'.repeat(60)]) {
      await expect(redis.scan(strange)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    await expect(redis.sendCommand(['SCAN', '0', 'COUNT', '1'])).resolves.toHaveLength(2);
  });
});
