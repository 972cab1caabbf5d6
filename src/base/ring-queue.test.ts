import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../test/support/seeded-random.js';
import { RingQueue } from './ring-queue.js';

/** A queue whose head stands at slot `offset`, so that a few items wrap around its end. */
function wrappedQueue(offset: number, items: readonly number[]): RingQueue<number> {
  const queue = new RingQueue<number>();
  for (let pushed = 0; pushed < offset; pushed++) queue.push(-1);
  for (let shifted = 0; shifted < offset; shifted++) queue.shift();
  for (const item of items) queue.push(item);
  return queue;
}

function contents<T>(queue: RingQueue<T>): (T | undefined)[] {
  return Array.from({ length: queue.length }, (_, index) => queue.at(index));
}

describe('a ring queue', () => {
  test('that is empty has nothing to give', () => {
    const queue = new RingQueue<number>();
    expect([queue.length, queue.peek(), queue.shift(), queue.at(0), queue.drain()]).toEqual([
      0,
      undefined,
      undefined,
      undefined,
      [],
    ]);
    expect(queue.length).toBe(0);
  });

  test('gives first what was put in first, across the end of its slots', () => {
    const queue = wrappedQueue(14, [1, 2, 3, 4, 5]);
    expect([queue.length, queue.peek(), queue.at(4), queue.at(5)]).toEqual([5, 1, 5, undefined]);
    expect([1, 2, 3, 4, 5, 6].map(() => queue.shift())).toEqual([1, 2, 3, 4, 5, undefined]);
  });

  test('keeps its order when it grows while wrapped', () => {
    const items = Array.from({ length: 100 }, (_, index) => index);
    for (const offset of [0, 1, 15, 16, 17]) {
      expect(contents(wrappedQueue(offset, items))).toEqual(items);
    }
  });

  test('drained, is empty and gives its items oldest first', () => {
    const queue = wrappedQueue(15, [1, 2, 3]);
    expect(queue.drain()).toEqual([1, 2, 3]);
    expect([queue.length, queue.peek()]).toEqual([0, undefined]);
    queue.push(4);
    expect(contents(queue)).toEqual([4]);
  });

  test('loses where asked, and the others keep their order', () => {
    const queue = wrappedQueue(13, [1, 2, 3, 4, 5, 6]);
    const asked: number[] = [];
    queue.removeWhere((item) => {
      asked.push(item);
      return item % 2 === 0;
    });
    expect(asked).toEqual([1, 2, 3, 4, 5, 6]);
    expect(contents(queue)).toEqual([1, 3, 5]);
    queue.removeWhere(() => false);
    expect(contents(queue)).toEqual([1, 3, 5]);
    queue.removeWhere(() => true);
    expect(queue.length).toBe(0);
  });

  test('that had grown large gives its memory back once, and goes on', () => {
    const queue = new RingQueue<number>();
    for (let round = 0; round < 3; round++) {
      for (let item = 0; item < 10_000; item++) queue.push(item);
      for (let item = 0; item < 10_000; item++) {
        if (queue.shift() !== item) expect.fail(`not ${item} in round ${round}`);
      }
      expect([queue.length, queue.peek()]).toEqual([0, undefined]);
    }
  });

  test('removes while it is large and nearly empty', () => {
    const queue = new RingQueue<number>();
    for (let item = 0; item < 10_000; item++) queue.push(item);
    queue.removeWhere((item) => item !== 9_999);
    expect(queue.drain()).toEqual([9_999]);
    // The only item leaves and comes back: the queue is empty for a moment.
    for (let item = 0; item < 5_000; item++) queue.push(item);
    queue.removeWhere((item) => item > 0);
    queue.removeWhere(() => false);
    expect(queue.drain()).toEqual([0]);
  });

  test('does with random acts what an array does', () => {
    const random = seededRandom();
    console.log(`ring queue: TEST_SEED=${random.seed}`);
    const queue = new RingQueue<number>();
    let model: number[] = [];
    for (let act = 0; act < 20_000; act++) {
      const drawn = random.next();
      if (drawn < 0.52) {
        queue.push(act);
        model.push(act);
      } else if (drawn < 0.996) {
        expect(queue.shift()).toBe(model.shift());
      } else if (drawn < 0.999) {
        const divisor = random.integer(2, 5);
        queue.removeWhere((item) => item % divisor === 0);
        model = model.filter((item) => item % divisor !== 0);
        expect(contents(queue)).toEqual(model);
      } else {
        expect(queue.drain()).toEqual(model.splice(0));
      }
      expect(queue.length).toBe(model.length);
      expect(queue.peek()).toBe(model[0]);
    }
  });
});
