import { describe, expect, test } from 'vitest';
import { Staffing } from './staffing.js';

const LOOK_MS = 1_000;
const TERMS = { minWorkers: 2, maxWorkers: 3, scaleUpSeconds: 60, scaleDownSeconds: 120 };

/** Lets time pass with that load of each worker; what is decided, a word each. */
function run(staffing: Staffing, size: number, load: number, from: number, seconds: number) {
  const told: string[] = [];
  let workers = size;
  for (let second = from; second < from + seconds; second++) {
    const ids = Array.from({ length: workers }, (_, id) => id);
    for (const id of ids) staffing.heard(id, load);
    const decision = staffing.look(ids, workers, second * LOOK_MS);
    if (decision === undefined) continue;
    workers = decision.to;
    told.push(`${second}: ${decision.action} to ${decision.to}, ${decision.reason}`);
  }
  return told;
}

describe('how many workers there are', () => {
  test('grows with busy event loops up to the most, and says once that it may grow no more', () => {
    const staffing = new Staffing(TERMS, 0);
    expect(run(staffing, 2, 0.9, 1, 400)).toEqual([
      '60: grow to 3, utilization',
      '120: hold to 3, ceiling',
    ]);
  });

  test('shrinks to the least once one less would do', () => {
    const staffing = new Staffing(TERMS, 0);
    expect(run(staffing, 3, 0.4, 1, 400)).toEqual([]);
    expect(run(staffing, 3, 0.3, 401, 400)).toEqual(['522: shrink to 2, utilization']);
  });

  test('a worker that has gone counts no more', () => {
    const staffing = new Staffing(TERMS, 0);
    staffing.heard(1, 1);
    staffing.heard(2, 1);
    staffing.look([1, 2], 2, LOOK_MS);
    expect(staffing.utilizationPercent).toBe(100);
    staffing.look([2], 2, 2 * LOOK_MS);
    expect(staffing.utilizationPercent).toBe(50);
  });

  test('without terms nothing changes, and how busy they are is known all the same', () => {
    const staffing = new Staffing(undefined, 0);
    expect(run(staffing, 2, 1, 1, 1_000)).toEqual([]);
    expect(staffing.utilizationPercent).toBe(100);
  });
});
