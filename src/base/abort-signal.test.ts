import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';

import { onceAborted } from './abort-signal.js';

test('all who listen are called once, through one listener of the signal', () => {
  const abort = new AbortController();
  const called: number[] = [];
  for (let id = 0; id < 100; id++) onceAborted(abort.signal, () => called.push(id));
  expect(getEventListeners(abort.signal, 'abort').length).toBe(1);
  abort.abort();
  expect(called).toEqual(Array.from({ length: 100 }, (_, id) => id));
});

test('who left is not called, and the last takes the listener along', () => {
  const { signal } = new AbortController();
  const leave = [1, 2].map((id) => onceAborted(signal, () => expect.unreachable(`${id}`)));
  leave[0]?.();
  leave[0]?.();
  expect(getEventListeners(signal, 'abort').length).toBe(1);
  leave[1]?.();
  expect(getEventListeners(signal, 'abort').length).toBe(0);
  // The signal may be listened to anew.
  onceAborted(signal, () => undefined);
  expect(getEventListeners(signal, 'abort').length).toBe(1);
});

test('who leaves while others are called is not called any more', () => {
  const abort = new AbortController();
  const called: string[] = [];
  let leaveSecond: () => void = () => undefined;
  onceAborted(abort.signal, () => {
    called.push('first');
    leaveSecond();
  });
  leaveSecond = onceAborted(abort.signal, () => called.push('second'));
  onceAborted(abort.signal, () => called.push('third'));
  abort.abort();
  expect(called).toEqual(['first', 'third']);
});
