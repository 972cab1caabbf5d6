import { expect, it } from 'vitest';
import type { SecondSample } from '../stats/ledger.js';
import { samplesOf } from './views.js';

const SECOND = { users: 1, failuresPerS: 0, p50: 1, p95: 1, p99: 1, max: 1, backlog: 0, rps: 1 };

it('a long run is thinned out, and no peak is lost', () => {
  const seconds: SecondSample[] = Array.from({ length: 1000 }, (_, second) => ({
    ...SECOND,
    timeMs: second * 1000,
    generatorCpuPercent: 1,
    p99: second === 501 ? 900 : 1,
  }));
  const samples = samplesOf(seconds, 100);
  expect(samples.timeMs).toHaveLength(100);
  expect(samples.timeMs.at(-1)).toBe(999_000);
  expect(Math.max(...samples.p99)).toBe(900);
  expect(samplesOf(seconds.slice(0, 5), 100).timeMs).toEqual([0, 1000, 2000, 3000, 4000]);
  expect(samplesOf([]).rps).toEqual([]);
});
