// Thresholds: what a run must reach to count as passed, e.g. `p95<500`, `fail%<1` or
// `GET /auth/verify:p99<=800`. Without a name a threshold speaks of all requests together.
// It is judged twice, over the whole run and over the steady state, and met when both meet it: a bad
// start doesn't disappear in a long run, and a bad end not behind a good start.
// A threshold on rows that don't exist is missed: silence is no success.

import { LoadError } from './errors.js';
import type { Figures } from './stats/ledger.js';
import type { RowSummary } from './stats/summary.js';

const MEASURES = ['p50', 'p95', 'p99', 'p999', 'max', 'mean', 'rps', 'fail%'] as const;
/** Counts that no request has; they take no name. */
const RUN_MEASURES = ['exceptions'] as const;
const NAME = '(?:(.+):)?\\s*';
const COMPARISON = '\\s*(<=|>=|<|>)\\s*(\\d+(?:\\.\\d+)?)';
const GRAMMAR = new RegExp(
  `^(?:${NAME}(${MEASURES.join('|')})|(${RUN_MEASURES.join('|')}))${COMPARISON}$`,
);

type Measure = (typeof MEASURES)[number] | (typeof RUN_MEASURES)[number];
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
  /** Over the whole run and over the steady state. */
  passed: boolean;
  /** Over the whole run: ms, requests/s, percent or a number; null without such requests. */
  actual: number | null;
  /** Over the whole run alone. */
  wholePassed: boolean;
  /** Over the steady state; null without one, or without such requests in it. */
  steadyActual: number | null;
  /** Over the steady state alone; null where there is nothing to judge. */
  steadyPassed: boolean | null;
}

/** Throws `INVALID_THRESHOLD`. */
export function parseThreshold(text: string): Threshold {
  const match = GRAMMAR.exec(text.trim());
  if (match === null) {
    throw new LoadError(
      'INVALID_THRESHOLD',
      `The threshold '${text}' can't be read: write [Name:]${MEASURES.join('|')} or ` +
        `${RUN_MEASURES.join('|')}, then <, <=, > or >=, then a number, e.g. p95<500.`,
    );
  }
  return {
    text: text.trim(),
    name: match[1]?.trim(),
    measure: (match[2] ?? match[3]) as Measure,
    comparison: match[4] as Comparison,
    bound: Number(match[5]),
  };
}

export function judge(
  threshold: Threshold,
  whole: Figures,
  steady: Figures | undefined,
): ThresholdVerdict {
  const actual = actualOf(threshold, whole);
  const steadyActual = steady === undefined ? null : actualOf(threshold, steady);
  const wholePassed = actual !== null && compare(actual, threshold);
  // A name may be too rare for the steady state; that nothing at all ended there is a miss.
  const isUnjudged =
    steadyActual === null && (steady === undefined || threshold.name !== undefined);
  const steadyPassed = isUnjudged
    ? null
    : steadyActual !== null && compare(steadyActual, threshold);
  const passed = wholePassed && steadyPassed !== false;
  return { text: threshold.text, passed, actual, wholePassed, steadyActual, steadyPassed };
}

function actualOf({ name, measure }: Threshold, figures: Figures): number | null {
  if (measure === 'exceptions') return figures.exceptions;
  const row = name === undefined ? figures.aggregated : rowNamed(name, figures.rows);
  if (row === undefined || row.count === 0) return null;
  return measure === 'fail%' ? (100 * row.failures) / row.count : row[measure];
}

function rowNamed(name: string, rows: readonly RowSummary[]): RowSummary | undefined {
  return rows.find((row) => row.name === name || `${row.method} ${row.name}` === name);
}

function compare(actual: number, { comparison, bound }: Threshold): boolean {
  if (comparison === '<') return actual < bound;
  if (comparison === '<=') return actual <= bound;
  return comparison === '>' ? actual > bound : actual >= bound;
}
