import { describe, expect, test } from 'vitest';
import { type Asker, FairTurns } from './fair-turns.js';

/** `a` is somebody at site a, `a/1` is known there as account 1. */
function askerOf(text: string): Asker {
  const [site = '', account] = text.split('/');
  return { site, account };
}

/** One turn at a time, whose work goes on until it is told to end. */
function openTurns(places: number, concurrency = 1) {
  const turns = new FairTurns(concurrency, places, () => new Error('full'));
  const served: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    served,
    refused,
    async ask(...askers: string[]) {
      for (const asker of askers) {
        turns
          .run(askerOf(asker), async () => {
            served.push(asker);
            await new Promise<void>((resolve) => ends.push(resolve));
          })
          .catch(() => void refused.push(asker));
        await settle();
      }
    },
    async finishAll() {
      while (ends.length > 0) {
        ends.shift()!();
        await settle();
      }
    },
    isRefused(asker: string) {
      try {
        turns.refuseWhenFull(askerOf(asker));
        return false;
      } catch {
        return true;
      }
    },
  };
}

describe('fair turns', () => {
  test('those of one asker are served in order', async () => {
    const turns = new FairTurns(1, 10, () => new Error('full'));
    const order: number[] = [];
    await Promise.all(
      [0, 1, 2, 3].map((turn) => turns.run(askerOf('a'), async () => order.push(turn))),
    );
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test('sites are served in rotation, however many requests one of them has', async () => {
    const { ask, finishAll, served } = openTurns(10);
    await ask('a', 'a', 'a', 'a', 'b', 'c', 'b');
    await finishAll();
    expect(served).toEqual(['a', 'a', 'b', 'c', 'a', 'b', 'a']);
  });

  test('within a site accounts are served in rotation', async () => {
    const { ask, finishAll, served } = openTurns(10);
    await ask('a', 'a', 'a', 'a/1', 'a/1', 'b', 'b');
    await finishAll();
    expect(served).toEqual(['a', 'a', 'b', 'a/1', 'b', 'a', 'a/1']);
  });

  test('as many run at once as may, and no more', async () => {
    const { ask, served, finishAll } = openTurns(10, 2);
    await ask('a', 'b', 'c', 'd');
    expect(served).toEqual(['a', 'b']);
    await finishAll();
    expect(served).toEqual(['a', 'b', 'c', 'd']);
  });

  test('who has most places loses the last one to who has fewer, and gets none of theirs', async () => {
    const { ask, finishAll, served, refused } = openTurns(4);
    await ask('a', 'a', 'a', 'a', 'a', 'a');
    expect(refused).toEqual(['a']);
    await ask('b', 'c', 'a', 'b');
    // b and c took a place each, a can't have one back, and with b's second a would have fewer.
    expect(refused).toEqual(['a', 'a', 'a', 'a', 'b']);
    await finishAll();
    expect(served).toEqual(['a', 'a', 'b', 'c', 'a']);
  });

  test('a site that floods in the name of many accounts has no more than any', async () => {
    const { ask, refused, isRefused } = openTurns(4);
    await ask('a', 'a/1', 'a/2', 'a/3', 'a/4');
    expect(refused).toEqual([]);
    await ask('b');
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(/^a/);
    await ask('b/1');
    expect(refused).toHaveLength(2);
    expect(isRefused('a/5')).toBe(true);
  });

  test('in a flood from the own site an account has its place', async () => {
    const { ask, refused, finishAll, served } = openTurns(3);
    await ask('a', 'a', 'a', 'a', 'a/1');
    expect(refused).toEqual(['a']);
    await finishAll();
    expect(served).toEqual(['a', 'a', 'a/1', 'a']);
  });

  test('many sites with a place each give way to the first account of a site', async () => {
    const { ask, refused, isRefused } = openTurns(3);
    await ask('a', 'a', 'b', 'c');
    expect(isRefused('d')).toBe(true);
    await ask('d/1');
    expect(refused).toHaveLength(1);
    expect([isRefused('d/2'), isRefused('d/1'), isRefused('e/1')]).toEqual([true, true, false]);
    await ask('e/1', 'f/1');
    // Known ones don't give way to each other.
    expect([isRefused('g/1'), isRefused('g')]).toEqual([true, true]);
  });

  test('refuseWhenFull changes nothing', async () => {
    const { ask, refused, isRefused } = openTurns(2);
    expect(isRefused('a')).toBe(false);
    await ask('a', 'a', 'a');
    expect([isRefused('a'), isRefused('b'), isRefused('c/1')]).toEqual([true, false, false]);
    expect(refused).toEqual([]);
  });

  test('work that fails ends its turn', async () => {
    const turns = new FairTurns(1, 1, () => new Error('full'));
    const asker = askerOf('a');
    await expect(turns.run(asker, () => Promise.reject(new Error('bad')))).rejects.toThrow('bad');
    expect(await turns.run(asker, async () => 'good')).toBe('good');
  });

  test('without places whoever comes while a turn is taken is refused', async () => {
    const { ask, refused } = openTurns(0);
    await ask('a', 'b', 'c/1');
    expect(refused).toEqual(['b', 'c/1']);
  });
});
