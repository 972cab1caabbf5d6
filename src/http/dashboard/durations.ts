// Durations of several processes put together: each tells how many of its own lie within fixed bounds,
// counts add up, and a percentile is read between two bounds. Pure.

import type { LatencyHistogram } from '../../base/latency-histogram.js';
import type { Percentiles } from './messages.js';

const FIRST_MS = 0.02;
const BOUNDS_PER_DECADE = 16;
const DECADES = 6.5;

/** From 20 µs to a minute, each 15 % above the one before. */
export const LATENCY_BOUNDS_MS: readonly number[] = Array.from(
  { length: BOUNDS_PER_DECADE * DECADES + 1 },
  (_, index) => FIRST_MS * 10 ** (index / BOUNDS_PER_DECADE),
);

/** How many there are within each bound, and at the end how many in all. */
export function countsOf(histogram: LatencyHistogram): number[] {
  return [...histogram.countsWithin(LATENCY_BOUNDS_MS), histogram.count];
}

/** What has come since `before`. */
export function countsSince(counts: readonly number[], before: readonly number[]): number[] {
  return counts.map((count, index) => Math.max(0, count - (before[index] ?? 0)));
}

export function addCounts(parts: readonly (readonly number[])[]): number[] {
  return [...LATENCY_BOUNDS_MS, 0].map((_, index) =>
    parts.reduce((sum, part) => sum + (part[index] ?? 0), 0),
  );
}

/** Cumulative counts, as `countsOf()` gives them. */
export function percentilesOf(counts: readonly number[]): Percentiles {
  const count = counts.at(-1) ?? 0;
  const at = (percent: number) => (count === 0 ? 0 : valueAt(counts, (count * percent) / 100));
  return { count, p50: at(50), p95: at(95), p99: at(99) };
}

function valueAt(counts: readonly number[], wanted: number): number {
  const index = counts.findIndex((count) => count >= wanted);
  const upper = LATENCY_BOUNDS_MS[index] ?? LATENCY_BOUNDS_MS.at(-1)!;
  const lower = index === 0 ? 0 : (LATENCY_BOUNDS_MS[index - 1] ?? upper);
  const before = index === 0 ? 0 : counts[index - 1]!;
  const share = (wanted - before) / Math.max(1, counts[index]! - before);
  return lower + (upper - lower) * share;
}
