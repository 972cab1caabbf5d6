import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { afterFairWait, afterPolling } from './event-loop.js';

/** The two turns of the event loop that `afterPolling` takes, in fake time. */
const POLLING_MS = 2;

const clock = { now: () => Date.now() };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** The event loop stands still: time passes, and no timer fires until it goes on. */
function block(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

describe('a fair wait', () => {
  test('ends after its time where nothing was blocked', async () => {
    const ended = vi.fn();
    afterFairWait(200, clock, ended);
    await vi.advanceTimersByTimeAsync(199);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1 + POLLING_MS);
    expect(ended).toHaveBeenCalledOnce();
  });

  test('gives back the time of a block, once and up to its own length', async () => {
    const ended = vi.fn();
    afterFairWait(200, clock, ended);
    await vi.advanceTimersByTimeAsync(100);
    block(3_000);
    await vi.advanceTimersByTimeAsync(299);
    expect(ended).not.toHaveBeenCalled();
    block(3_000);
    await vi.advanceTimersByTimeAsync(1 + POLLING_MS);
    expect(ended).toHaveBeenCalledOnce();
  });

  test('cancelled, calls nobody', async () => {
    const ended = vi.fn();
    const [cancel, cancelLater] = [
      afterFairWait(200, clock, ended),
      afterFairWait(200, clock, ended),
    ];
    cancel();
    await vi.advanceTimersByTimeAsync(100);
    block(1_000);
    await vi.advanceTimersByTimeAsync(150);
    cancelLater();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ended).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('afterPolling() waits for a whole turn of the event loop', async () => {
  vi.useRealTimers();
  const order: string[] = [];
  const polled = new Promise<void>((resolve) => {
    afterPolling(() => {
      order.push('after polling');
      resolve();
    });
  });
  setImmediate(() => order.push('this turn'));
  await polled;
  expect(order).toEqual(['this turn', 'after polling']);
});
