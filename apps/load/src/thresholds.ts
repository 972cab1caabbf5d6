// Thresholds: what a run must reach to count as passed, e.g. `p95<500`, `fail%<1` or
// `GET /auth/verify:p99<=800`. Without a name a threshold speaks of all requests together.
// A threshold on rows that don't exist is missed: silence is no success.

import { LoadError } from './errors.js';
import type { RowSummary } from './stats/summary.js';

const MEASURES = ['p50', 'p95', 'p99', 'p999', 'max', 'mean', 'rps', 'fail%'] as const;
const GRAMMAR =
  /^(?:(.+):)?\s*(p50|p95|p99|p999|max|mean|rps|fail%)\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)$/;

type Measure = (typeof MEASURES)[number];
type Comparison = '<' | '<=' | '>' | '>=';

export interface Threshold {
  readonly text: string;
  /** The row's name, alone or after its method; undefined for all requests together. */
  readonly name: string | undefined;
  readonly measure: Measure;
  readonly comparison: Comparison;
  readonly bound: number;
}

export interface ThresholdVerdict {
  text: string;
  passed: boolean;
  /** ms, requests/s or percent; null when there were no such requests. */
  actual: number | null;
}

/** Throws `INVALID_THRESHOLD`. */
export function parseThreshold(text: string): Threshold {
  const match = GRAMMAR.exec(text.trim());
  if (match === null) {
    throw new LoadError(
      'INVALID_THRESHOLD',
      `The threshold '${text}' can't be read: write [Name:]${MEASURES.join('|')}, ` +
        'then <, <=, > or >=, then a number, e.g. p95<500.',
    );
  }
  return {
    text: text.trim(),
    name: match[1]?.trim(),
    measure: match[2] as Measure,
    comparison: match[3] as Comparison,
    bound: Number(match[4]),
  };
}

export function judge(
  threshold: Threshold,
  rows: readonly RowSummary[],
  aggregated: RowSummary,
): ThresholdVerdict {
  const row = threshold.name === undefined ? aggregated : rowNamed(threshold.name, rows);
  if (row === undefined || row.count === 0) {
    return { text: threshold.text, passed: false, actual: null };
  }
  const actual = measureOf(row, threshold.measure);
  return { text: threshold.text, passed: compare(actual, threshold), actual };
}

function rowNamed(name: string, rows: readonly RowSummary[]): RowSummary | undefined {
  return rows.find((row) => row.name === name || `${row.method} ${row.name}` === name);
}

function measureOf(row: RowSummary, measure: Measure): number {
  return measure === 'fail%' ? (100 * row.failures) / row.count : row[measure];
}

function compare(actual: number, { comparison, bound }: Threshold): boolean {
  if (comparison === '<') return actual < bound;
  if (comparison === '<=') return actual <= bound;
  return comparison === '>' ? actual > bound : actual >= bound;
}
