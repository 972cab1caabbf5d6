// The search for the rate that a service can bear, and what is made of it; on services that are made
// up, with a knee that is known.

import os from 'node:os';
import { describe, expect, test } from 'vitest';
import { judgeCapacity } from '../../scripts/validation/capacity.js';
import { holdsRate, limitOf } from '../../scripts/validation/capacity-step.js';
import { databaseOf, withDatabase } from '../../scripts/validation/own-store.js';
import {
  parseProcessTimes,
  readProcessTimes,
  treeCpuMs,
} from '../../scripts/validation/process-cpu.js';
import { findKnee, HIGHEST_RATE, LOWEST_RATE, PRECISION } from '../../scripts/validation/search.js';

/** Searches a service that bears up to `knee`. */
async function search(knee: number, first: number, maxTrials = 100) {
  const rates: number[] = [];
  const found = await findKnee({
    first,
    mayTry: () => rates.length < maxTrials,
    holds: async (rate) => {
      rates.push(rate);
      return rate <= knee;
    },
  });
  return { ...found, rates };
}

describe('the search for the knee', () => {
  test.each([
    [9_000, 4_000],
    [9_000, 20_000],
    [60, 4_000],
    [4_000, 4_000],
    [3_999, 4_000],
    [77_777, 100],
  ])('finds %d requests/s from %d to 5 %%, in few trials', async (knee, first) => {
    const { held, broke, isExact, rates } = await search(knee, first);
    expect(isExact).toBe(true);
    expect(held).toBeLessThanOrEqual(knee);
    expect(broke).toBeGreaterThan(knee);
    expect(broke! / held!).toBeLessThanOrEqual(PRECISION);
    expect(rates.length).toBeLessThan(18);
  });

  test('from half of what is known takes seven trials, and one more to be sure of the first end', async () => {
    expect((await search(9_000, 4_500)).rates.length).toBeLessThanOrEqual(8);
  });

  test('ends at the bounds of what is looked for', async () => {
    expect(await search(1e9, 4_000)).toMatchObject({ broke: undefined, isExact: false });
    expect(await search(0, 4_000)).toMatchObject({ held: undefined, isExact: false });
    const { rates } = await search(1e9, 4_000);
    expect(Math.max(...rates)).toBeLessThanOrEqual(HIGHEST_RATE);
    expect(Math.min(...(await search(0, 4_000)).rates)).toBeGreaterThanOrEqual(LOWEST_RATE);
  });

  test('says what it knows when time is up', async () => {
    const { held, broke, isExact } = await search(9_000, 4_000, 4);
    expect({ held, broke, isExact }).toEqual({ held: 8_000, broke: 16_000, isExact: false });
  });

  test('is not misled by one bad moment on the way up', async () => {
    let isFirst = true;
    const { held } = await findKnee({
      first: 4_000,
      mayTry: () => true,
      holds: async (rate) => {
        const isBadMoment = isFirst;
        isFirst = false;
        return !isBadMoment && rate <= 9_000;
      },
    });
    expect(held).toBeGreaterThan(8_000);
  });
});

describe('a rate', () => {
  const good = { rate: 1_000, answered: 995, p99Ms: 20, failures: 0 };

  test('holds when all of it is answered in time and nothing fails', () => {
    expect(holdsRate(good)).toBe(true);
    expect(holdsRate({ ...good, p99Ms: 50 })).toBe(false);
    expect(holdsRate({ ...good, failures: 1 })).toBe(false);
    expect(holdsRate({ ...good, answered: 890 })).toBe(false);
    expect(holdsRate({ ...good, answered: Number.NaN, p99Ms: Number.NaN })).toBe(false);
  });
});

describe('what ended it', () => {
  const load = (busyPercent: number) => ({ busyPercent, stolenPercent: 0 });
  const all = os.cpus().length * 100;
  /** All that is busy is ours, but for so much of a core. */
  const shares = (busyPercent: number, tester: number, others: number) => ({
    service: (busyPercent * all) / 100 - others - tester,
    redis: 0,
    tester,
  });

  test.each([
    ['the load tester, where its processes are at their end', 98, 180, 5, true, 'tester'],
    ['the CPUs, where all are taken and everybody is late', 98, 80, 5, true, 'CPUs'],
    ['other programs, where they take the CPUs', 98, 80, 60, true, 'other programs'],
    ['the load tester, where it is late although there are CPUs', 50, 60, 0, true, 'tester'],
    ['the service, else', 50, 60, 0, false, 'service'],
  ] as const)('is %s', (_, busyPercent, tester, others, isLate, expected) => {
    const cpu = shares(busyPercent, tester, others);
    expect(limitOf({ isLate, processes: 2 }, load(busyPercent), cpu)).toBe(expected);
  });

  test('is not the CPUs where the system does not tell how busy they were', () => {
    expect(limitOf({ isLate: false, processes: 2 }, undefined, undefined)).toBe('service');
    expect(limitOf({ isLate: true, processes: 2 }, undefined, undefined)).toBe('tester');
  });
});

describe('the verdict of a capacity run', () => {
  const of = (driver: 'plimsoll' | 'redis' | 'ioredis', held: number | undefined) => ({
    driver,
    knee: { held, broke: undefined, isExact: true },
  });
  const failed = (...capacities: ReturnType<typeof of>[]) =>
    judgeCapacity(capacities, 1)
      .filter(({ passed }) => !passed)
      .map(({ what }) => what);

  test('asks for 9,000 requests/s, and for no less than the best of the others', () => {
    expect(failed(of('plimsoll', 9_000), of('redis', 9_100), of('ioredis', undefined))).toEqual([]);
    expect(failed(of('plimsoll', 8_999))).toEqual(['highest rate that holds, on Plimsoll']);
    expect(failed(of('plimsoll', undefined))).toEqual(['highest rate that holds, on Plimsoll']);
    expect(failed(of('plimsoll', 9_000), of('redis', 9_600))).toEqual([
      'against the best other driver',
    ]);
  });

  test('judges no other driver', () => {
    expect(judgeCapacity([of('redis', 5)], 1)).toEqual([]);
  });
});

describe('the CPU of processes', () => {
  const stat = '77 (a (b) c) S 5 77 77 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 100';

  test('is read from a line of the system, whatever the command is called', () => {
    expect(parseProcessTimes(stat)).toEqual({ pid: 77, parent: 5, cpuMs: 2_000 });
  });

  test('is that of a process and of all that it started, but for some', () => {
    const one = (pid: number, parent: number, cpuMs: number) => ({ pid, parent, cpuMs });
    const all = [one(1, 0, 1), one(2, 1, 10), one(3, 2, 100), one(4, 1, 1_000), one(9, 0, 5)];
    expect(treeCpuMs(all, 1)).toBe(1_111);
    expect(treeCpuMs(all, 1, new Set([2]))).toBe(1_001);
    expect(treeCpuMs(all, 8)).toBe(0);
  });

  test.runIf(process.platform === 'linux')('is known of this process', () => {
    expect(treeCpuMs(readProcessTimes()!, process.pid)).toBeGreaterThan(0);
  });
});

test('workers without a shared store have a database each', () => {
  expect([1, 2, 3, 4].map(databaseOf)).toEqual([1, 2, 3, 4]);
  expect([15, 16].map(databaseOf)).toEqual([15, 1]);
  expect(withDatabase('redis://:secret@127.0.0.1:6379/0', 3)).toBe(
    'redis://:secret@127.0.0.1:6379/3',
  );
});
