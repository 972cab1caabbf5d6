import { describe, expect, it } from 'vitest';
import { Breaker } from './breaker.js';

const options = { failures: 4, maxPauseMs: 512 };
const refused = { error: new Error('ECONNREFUSED'), fatal: false, connectionsLeft: 0 };

/** Chance at its top, so that pauses come out in full. */
const atMost = () => 1;

function failing(times: number, breaker = new Breaker(options, atMost)): Breaker {
  for (let i = 0; i < times; i += 1) breaker.recordFailure(refused);
  return breaker;
}

describe('Breaker', () => {
  it('stays closed below the limit and opens at it', () => {
    const breaker = failing(3);
    expect(breaker.isOpen).toBe(false);
    expect(breaker.recordFailure(refused)).toBe(true);
    expect(breaker.isOpen).toBe(true);
    expect(breaker.lastError).toBe(refused.error);
  });

  it('says only once that it opened', () => {
    expect(failing(4).recordFailure(refused)).toBe(false);
  });

  it('opens at once for a failure that would only repeat itself', () => {
    const breaker = new Breaker(options, atMost);
    expect(breaker.recordFailure({ ...refused, fatal: true })).toBe(true);
  });

  it('stays closed while a connection still serves, whatever fails', () => {
    const breaker = new Breaker(options, atMost);
    for (let i = 0; i < 10; i += 1) {
      breaker.recordFailure({ ...refused, fatal: true, connectionsLeft: 1 });
    }
    expect(breaker.isOpen).toBe(false);
    expect(breaker.recordFailure(refused)).toBe(true);
  });

  it('closes at the first success and counts from the start again', () => {
    const breaker = failing(4);
    expect(breaker.recordSuccess()).toBe(true);
    expect(breaker.isOpen).toBe(false);
    expect(breaker.lastError).toBeUndefined();
    expect(breaker.pauseMs()).toBe(0);
    expect(failing(3, breaker).isOpen).toBe(false);
    expect(breaker.recordSuccess()).toBe(false);
  });

  it('pauses 8, 32, 128 and then 512 ms', () => {
    const breaker = new Breaker(options, atMost);
    expect(breaker.pauseMs()).toBe(0);
    const pauses = [1, 2, 3, 4, 5, 6].map(() => failing(1, breaker).pauseMs());
    expect(pauses).toEqual([8, 32, 128, 512, 512, 512]);
    expect(failing(2_000, breaker).pauseMs()).toBe(512);
  });

  it('takes at least half of a pause, and keeps to it until the next failure', () => {
    const draws = [0, 0.5];
    const breaker = new Breaker(options, () => draws.shift() ?? 1);
    failing(1, breaker);
    expect([breaker.pauseMs(), breaker.pauseMs()]).toEqual([4, 4]);
    expect(failing(1, breaker).pauseMs()).toBe(24);
  });
});
