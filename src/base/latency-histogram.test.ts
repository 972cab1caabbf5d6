import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../test/support/seeded-random.js';
import { LatencyHistogram, RecentLatency } from './latency-histogram.js';

/** The value that so many per cent of the sorted ones don't exceed. */
function exactPercentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(1, Math.ceil((sorted.length * percent) / 100)) - 1] as number;
}

describe('a histogram', () => {
  test('that has counted nothing has a summary of zeros', () => {
    expect(new LatencyHistogram().summary()).toEqual({
      count: 0,
      mean: 0,
      p50: 0,
      p95: 0,
      p99: 0,
      max: 0,
    });
  });

  test('has percentiles within 3 % of those of the sorted values, from 1 µs to an hour', () => {
    const random = seededRandom();
    console.log(`histogram: TEST_SEED=${random.seed}`);
    for (const [low, high] of [
      [0.001, 0.1],
      [0.05, 5],
      [0.001, 3_600_000],
      [900, 1_100],
    ] as const) {
      const histogram = new LatencyHistogram();
      // Even on a logarithmic scale, as latencies are.
      const values = Array.from({ length: 3_000 }, () => low * (high / low) ** random.next());
      for (const value of values) histogram.record(value);
      values.sort((a, b) => a - b);
      for (const percent of [0, 1, 25, 50, 90, 95, 99, 99.9, 100]) {
        const exact = exactPercentile(values, percent);
        const counted = histogram.percentile(percent);
        // A microsecond is the finest that is told apart.
        const tolerated = Math.max(exact * 0.0313, 0.001);
        expect(Math.abs(counted - exact), `${percent} % of ${low}..${high}`).toBeLessThan(
          tolerated,
        );
      }
      const { count, mean, max } = histogram.summary();
      expect([count, max]).toEqual([values.length, values.at(-1)]);
      expect(mean).toBeCloseTo(values.reduce((sum, value) => sum + value) / values.length, 6);
    }
  });

  test('counts a value several times', () => {
    const histogram = new LatencyHistogram();
    histogram.record(1, 98);
    histogram.record(100, 2);
    expect(histogram.count).toBe(100);
    expect(histogram.summary()).toMatchObject({ count: 100, mean: 2.98, max: 100, p99: 100 });
    expect(histogram.percentile(98)).toBeCloseTo(1, 1);
  });

  test('takes 0, negative and absurd values without losing a record', () => {
    const histogram = new LatencyHistogram();
    for (const value of [0, -5, 1e-9, 1e12]) histogram.record(value);
    expect(histogram.count).toBe(4);
    expect(histogram.percentile(75)).toBeLessThanOrEqual(0.001);
    expect(histogram.summary().max).toBe(1e12);
  });

  test('never answers more than the largest value', () => {
    const histogram = new LatencyHistogram();
    histogram.record(1_000);
    expect(histogram.summary()).toMatchObject({ p50: 1_000, p99: 1_000, max: 1_000 });
  });

  test('takes in another one, and forgets all on reset', () => {
    const [a, b] = [new LatencyHistogram(), new LatencyHistogram()];
    a.record(1);
    b.record(3, 2);
    a.add(b);
    expect(a.summary()).toMatchObject({ count: 3, max: 3, mean: 7 / 3 });
    a.reset();
    expect(a.summary()).toEqual(new LatencyHistogram().summary());
    expect(b.count).toBe(2);
  });
});

describe('counts within bounds', () => {
  test('are cumulative, and a record on a bound is within it', () => {
    const histogram = new LatencyHistogram();
    for (const ms of [0.1, 1, 1, 5, 250, 60_000]) histogram.record(ms);
    expect(histogram.countsWithin([0.1, 0.5, 1, 5, 100, 250, 10_000])).toEqual([
      1, 1, 3, 4, 4, 5, 5,
    ]);
    expect(histogram.sumMs).toBeCloseTo(60_257.1);
  });
});

describe('recent latency', () => {
  test('holds the last one to two windows', () => {
    const recent = new RecentLatency(1_000);
    recent.rotate(5_000);
    recent.record(1);
    recent.rotate(5_999);
    expect(recent.summary().count).toBe(1);
    recent.rotate(6_000);
    recent.record(2);
    expect(recent.summary()).toMatchObject({ count: 2, max: 2 });
    recent.rotate(7_000);
    expect(recent.summary()).toMatchObject({ count: 1, max: 2 });
    recent.rotate(8_000);
    expect(recent.summary().count).toBe(0);
    expect(recent.total().summary()).toMatchObject({ count: 2, max: 2 });
  });

  test('forgets all after a pause of two windows', () => {
    const recent = new RecentLatency(1_000);
    recent.rotate(5_000);
    recent.record(1);
    recent.rotate(6_000);
    recent.record(2);
    recent.rotate(8_000);
    expect(recent.summary().count).toBe(0);
    expect(recent.total().count).toBe(2);
  });
});
