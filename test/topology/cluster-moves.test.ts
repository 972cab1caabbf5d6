// What callers notice while slots move: nothing. Transactions go as a whole, pipelines in part, blocking
// commands and channels follow their slot.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

import { keySlot } from '../../src/base/key-slot.js';
import type { Pool } from '../../src/index.js';
import { newKey } from '../client/pools.js';
import { keysOf, otherThan, range, type Scripted, usePoolOn } from '../support/cluster-pools.js';
import { useCluster } from '../support/clusters.js';
import { outcomeOf } from '../support/outcome.js';
import { until } from '../support/until.js';

/**
 * Between two moves, ms. Without it, on a quiet machine, a transaction has once begun its keys anew and
 * nodes did not agree: a node that imports a slot for the second time takes what was sent to it, with
 * ASKING, in the course of the first. That this was it, was concluded, not seen.
 */
const SETTLING_MS = 100;
/** How long callers work while slots move, ms. */
const WORK_MS = 1_500;

describe('while slots move', () => {
  const cluster = useCluster();
  const pool = usePoolOn(cluster);
  const redis = () => pool().client as Scripted;

  /** Moves the slots of these keys to and fro, one after the other. */
  async function moveWhile<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    let isOver = false;
    let moved = 0;
    const moves = (async () => {
      while (!isOver) {
        for (const slot of new Set(keys.map(keySlot))) {
          await cluster().moveSlot(slot, await otherThan(cluster(), slot));
          moved++;
          if (isOver) return;
          await sleep(SETTLING_MS);
        }
      }
    })();
    try {
      return await work();
    } finally {
      isOver = true;
      await moves;
      expect(moved).toBeGreaterThan(2);
    }
  }

  test('no command fails, is lost or runs twice', async () => {
    const keys = keysOf(newKey(), 8);
    const counts = await moveWhile(keys, async () => {
      const made = new Map<string, number>();
      const endsAt = performance.now() + WORK_MS;
      while (performance.now() < endsAt) {
        await Promise.all(
          keys.flatMap((key) => {
            made.set(key, (made.get(key) ?? 0) + 3);
            return [redis().incr(key), redis().raise(key, '1'), redis().incrBy(key, 1)];
          }),
        );
      }
      return made;
    });
    const values = await redis().mGet(keys);
    expect(values).toEqual(keys.map((key) => String(counts.get(key))));
  }, 40_000);

  test('no transaction fails, is torn or runs twice', async () => {
    const tags = keysOf(newKey(), 4);
    const rounds = await moveWhile(tags, async () => {
      let round = 0;
      const endsAt = performance.now() + WORK_MS;
      while (performance.now() < endsAt) {
        round++;
        const replies = await Promise.all(
          tags.map((tag) => redis().multi().incr(`{${tag}}a`).incr(`{${tag}}b`).exec()),
        );
        expect(replies).toEqual(tags.map(() => [round, round]));
      }
      return round;
    });
    expect(rounds).toBeGreaterThan(5);
  }, 40_000);

  test('no pipeline fails, or does what concerns a key out of order', async () => {
    const keys = keysOf(newKey(), 6);
    const expected = await moveWhile(keys, async () => {
      let text = '';
      const endsAt = performance.now() + WORK_MS;
      while (performance.now() < endsAt) {
        let multi = redis().multi();
        for (const digit of range(5)) {
          for (const key of keys) multi = multi.append(key, String(digit)) as never;
          text += digit;
        }
        for (const key of keys)
          multi = (multi as unknown as Scripted).raise(`{${key}}n`, '1') as never;
        const replies = await multi.mGet(keys).execAsPipeline();
        expect(replies.at(-1)).toEqual(keys.map(() => text));
      }
      return text;
    });
    expect(await redis().mGet(keys)).toEqual(keys.map(() => expected));
    expect(await redis().mGet(keys.map((key) => `{${key}}n`))).toEqual(
      keys.map(() => String(expected.length / 5)),
    );
  }, 40_000);

  test('MGET, MSET and DEL are served', async () => {
    const keys = keysOf(newKey(), 30);
    await moveWhile(keys.slice(0, 6), async () => {
      const endsAt = performance.now() + WORK_MS;
      for (let round = 0; performance.now() < endsAt; round++) {
        await redis().mSet(keys.flatMap((key) => [key, `${round}`]));
        expect(await redis().mGet(keys)).toEqual(keys.map(() => `${round}`));
        expect(await redis().exists(keys)).toBe(keys.length);
      }
      expect(await redis().del(keys)).toBe(keys.length);
    });
  }, 40_000);

  test('SCAN leaves nothing out', async () => {
    const name = newKey();
    const keys = keysOf(name, 300);
    await redis().mSet(keys.flatMap((key) => [key, 'x']));
    await moveWhile(keys.slice(0, 3), async () => {
      const endsAt = performance.now() + 1_000;
      while (performance.now() < endsAt) {
        const found = new Set<string>();
        for await (const some of redis().scanIterator({ MATCH: `${name}:*`, COUNT: 20 })) {
          for (const key of some) found.add(key);
        }
        // What moves to a server after that was looked through is Redis' own gap.
        expect(keys.slice(3).filter((key) => !found.has(key))).toEqual([]);
      }
    });
  }, 40_000);

  test('a frozen move serves what is here and what is there', async () => {
    const tag = newKey();
    const slot = keySlot(tag);
    const [here, there] = [`{${tag}}here`, `{${tag}}there`];
    await redis().mSet([here, '1', there, '2']);
    const to = await otherThan(cluster(), slot);
    const from = await cluster().beginMove(slot, to);
    await cluster().moveKeys(slot, from, to, [there]);
    expect(await redis().get(here)).toBe('1');
    expect(await redis().get(there)).toBe('2');
    expect(await redis().incr(`{${tag}}new`)).toBe(1);
    expect(await redis().multi().get(there).incr(there).exec()).toEqual(['2', 3]);
    expect(await redis().raise(there, '1')).toBe(4);
    const replies = await redis()
      .multi()
      .get(here)
      .get(there)
      .incr(here)
      .incr(there)
      .execAsPipeline();
    expect(replies).toEqual(['1', '4', 2, 5]);
    // Both at once are to be had again when the move is over.
    const both = redis().mGet([here, there]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await cluster().moveKeys(slot, from, to);
    await cluster().endMove(slot, to);
    expect(await both).toEqual(['2', '5']);
  }, 30_000);

  test('what blocks goes on blocking where its key goes', async () => {
    const key = newKey();
    const popped = outcomeOf(redis().blPop(key, 20));
    await redis().ping();
    await cluster().moveSlot(keySlot(key), await otherThan(cluster(), keySlot(key)));
    await redis().rPush(key, 'x');
    expect((await popped).value).toEqual({ key, element: 'x' });
  }, 30_000);
});

describe('after a failover while the old primary goes on', () => {
  const cluster = useCluster({ replicas: 1 });
  const pool = usePoolOn(cluster);
  const redis = () => pool().client as Scripted;

  test('transactions, pipelines and scripts go to the new one, and SCAN repeats nothing', async () => {
    const name = newKey();
    const keys = keysOf(name, 60);
    await redis().mSet(keys.flatMap((key) => [key, '1']));
    const [first] = await cluster().primaries();
    const [replica] = await cluster().replicasOf(first!);
    await cluster().failOver(replica!);
    const raised = await Promise.all(keys.map((key) => redis().multi().incr(key).get(key).exec()));
    expect(raised).toEqual(keys.map(() => [2, '2']));
    let pipeline = redis().multi();
    for (const key of keys) pipeline = pipeline.incr(key) as never;
    expect(await pipeline.execAsPipeline()).toEqual(keys.map(() => 3));
    expect(await Promise.all(keys.map((key) => redis().raise(key, '1')))).toEqual(
      keys.map(() => 4),
    );
    const found: string[] = [];
    for await (const some of redis().scanIterator({ MATCH: `${name}:*` })) found.push(...some);
    expect(found.sort()).toEqual([...keys].sort());
  }, 60_000);
});

describe('shard channels', () => {
  const cluster = useCluster({ replicas: 1 });
  const pool = usePoolOn(cluster);

  /** Publishes until all have heard something new. */
  async function allHear(of: Pool, channels: readonly string[], heard: Map<string, string>) {
    heard.clear();
    await until(async () => {
      for (const channel of channels) await of.client.sPublish(channel, 'x');
      return channels.every((channel) => heard.has(channel));
    }, 15_000);
  }

  async function listen(of: Pool, channels: string[]) {
    const heard = new Map<string, string>();
    const listener = (message: string, channel: string) => void heard.set(channel, message);
    await of.client.sSubscribe(channels, listener);
    return { heard, listener };
  }

  test('of all slots are had, and each from the server of its slot', async () => {
    const channels = keysOf(newKey('channel'), 40);
    const { heard } = await listen(pool(), channels);
    for (const channel of channels) {
      expect(await pool().client.sPublish(channel, `to ${channel}`)).toBe(1);
    }
    await until(() => heard.size === 40);
    expect([...heard].sort()).toEqual(channels.map((channel) => [channel, `to ${channel}`]).sort());
    for (const server of await cluster().primaries()) {
      const had = await cluster().ask<string[]>(server, 'PUBSUB', 'SHARDCHANNELS');
      expect(had.length).toBeGreaterThan(0);
      for (const channel of had) {
        expect((await cluster().ownerOf(keySlot(channel))).port).toBe(server.port);
      }
    }
    await pool().client.sUnsubscribe(channels);
    expect(await pool().client.sPublish(channels[0] as string, 'x')).toBe(0);
    expect(pool().client.isPubSubActive).toBe(false);
  });

  test('follow their slot, beside ordinary channels that stay', async () => {
    const channels = keysOf(newKey('channel'), 5);
    const ordinary: string[] = [];
    await pool().client.subscribe('ordinary', (message) => ordinary.push(message));
    const moved: string[] = [];
    pool().client.on('sharded-channel-moved', (channel: string) => moved.push(channel));
    const { heard } = await listen(pool(), channels);
    for (const channel of channels) {
      const slot = keySlot(channel);
      await cluster().moveSlot(slot, await otherThan(cluster(), slot));
      await allHear(pool(), channels, heard);
    }
    expect(moved.sort()).toEqual([...channels].sort());
    await pool().client.publish('ordinary', 'x');
    await until(() => ordinary.length === 1);
    await pool().client.sUnsubscribe();
    await pool().client.unsubscribe();
  }, 60_000);

  test('are had from the new primary after a failover, by command and by death', async () => {
    const channels = keysOf(newKey('channel'), 20);
    const { heard } = await listen(pool(), channels);
    const [first] = await cluster().primaries();
    const [replica] = await cluster().replicasOf(first!);
    await cluster().failOver(replica!);
    await allHear(pool(), channels, heard);
    await first!.kill();
    await allHear(pool(), channels, heard);
    await replica!.kill();
    await first!.restart();
    await pool().client.sUnsubscribe();
  }, 90_000);
});
