import { describe, expect, test } from 'vitest';
import { FairTurns } from './fair-turns.js';

/** One turn at a time, whose work goes on until it is told to end. */
function openTurns(places: number, concurrency = 1) {
  const turns = new FairTurns(concurrency, places, () => new Error('full'));
  const served: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  const ask = (id: string, isKnown = false) => {
    turns
      .run({ id, isKnown }, async () => {
        served.push(id);
        await new Promise<void>((resolve) => ends.push(resolve));
      })
      .catch(() => void refused.push(id));
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    turns,
    served,
    refused,
    ask,
    settle,
    async finishAll() {
      await settle();
      while (ends.length > 0) {
        ends.shift()!();
        await settle();
      }
    },
  };
}

describe('fair turns', () => {
  test('those of one asker are served in order', async () => {
    const turns = new FairTurns(1, 10, () => new Error('full'));
    const order: number[] = [];
    const asker = { id: 'a', isKnown: false };
    await Promise.all([0, 1, 2, 3].map((turn) => turns.run(asker, async () => order.push(turn))));
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test('askers are served in rotation, however many requests one of them has', async () => {
    const { ask, finishAll, served } = openTurns(10);
    for (const id of ['a', 'a', 'a', 'a', 'b', 'c', 'b']) ask(id);
    await finishAll();
    expect(served).toEqual(['a', 'a', 'b', 'c', 'a', 'b', 'a']);
  });

  test('as many run at once as may, and no more', async () => {
    const { ask, settle, served, finishAll } = openTurns(10, 2);
    for (const id of ['a', 'b', 'c', 'd']) ask(id);
    await settle();
    expect(served).toEqual(['a', 'b']);
    await finishAll();
    expect(served).toEqual(['a', 'b', 'c', 'd']);
  });

  test('who has most places loses the last of them to who has fewer, and gets none of theirs', async () => {
    const { ask, finishAll, served, refused, settle } = openTurns(4);
    for (const id of ['a', 'a', 'a', 'a', 'a', 'a']) ask(id);
    await settle();
    expect(refused).toEqual(['a']);
    for (const id of ['b', 'c', 'a', 'b']) ask(id);
    await settle();
    // b and c each took a place; a has as many as he can; b's second would leave a with fewer.
    expect(refused.sort()).toEqual(['a', 'a', 'a', 'a', 'b']);
    await finishAll();
    expect(served).toEqual(['a', 'a', 'b', 'c', 'a']);
  });

  test('unknown askers give way to known ones, and known ones only to each other', async () => {
    const { ask, refused, settle, finishAll, served } = openTurns(2);
    for (const id of ['x', 'x', 'y']) ask(id);
    ask('known', true);
    ask('known', true);
    await settle();
    expect(refused).toHaveLength(2);
    ask('x');
    ask('known', true);
    await settle();
    expect(refused).toHaveLength(4);
    ask('other', true);
    await finishAll();
    expect(served).toEqual(['x', 'known', 'other']);
  });

  test('refuseWhenFull says what a turn would come to, and changes nothing', async () => {
    const { ask, refused, settle, turns } = openTurns(2);
    const isRefused = (id: string, isKnown = false) => {
      try {
        turns.refuseWhenFull({ id, isKnown });
        return false;
      } catch {
        return true;
      }
    };
    expect(isRefused('a')).toBe(false);
    for (const id of ['a', 'a', 'a']) ask(id);
    await settle();
    expect([isRefused('a'), isRefused('b'), isRefused('c', true)]).toEqual([true, false, false]);
    expect(refused).toEqual([]);
  });

  test('work that fails ends its turn', async () => {
    const turns = new FairTurns(1, 1, () => new Error('full'));
    const asker = { id: 'a', isKnown: false };
    await expect(turns.run(asker, () => Promise.reject(new Error('bad')))).rejects.toThrow('bad');
    expect(await turns.run(asker, async () => 'good')).toBe('good');
  });

  test('without places whoever comes while a turn is taken is refused', async () => {
    const { ask, refused, settle } = openTurns(0);
    ask('a');
    ask('b');
    ask('c', true);
    await settle();
    expect(refused).toEqual(['b', 'c']);
  });
});
