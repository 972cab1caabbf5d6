// What the page sees of a session: pure, from the books to messages. What could grow without end is
// bounded here; the files have the rest.

import { formatDuration } from '../duration.js';
import type { LoadProgress, LoadReport } from '../options.js';
import type { Ledger, SecondSample } from '../stats/ledger.js';
import type { RowSummary } from '../stats/summary.js';
import {
  type Figures,
  type Phase,
  type RequestRow,
  type Result,
  type RunView,
  SAMPLE_KEYS,
  type Samples,
  type SecondMessage,
  type StateMessage,
  type Tables,
} from './messages.js';
import type { RunRecord, RunSession } from './run-session.js';

/** An hour of seconds; in a longer run a point stands for several, and shows the largest. */
const MAX_POINTS = 3600;
const MAX_LISTED_ROWS = 500;
const MAX_LISTED_FAILURES = 200;
const MAX_LISTED_EXCEPTIONS = 50;

/** What doesn't change between runs. */
export interface Subject {
  readonly userClasses: string;
  readonly fixedUsers: string | null;
  readonly fixedWhileRunning: string | null;
}

export function stateMessage(session: RunSession, subject: Subject): StateMessage {
  const { phase, record, problem, wish } = session;
  const { host, users, spawnRate, runTimeMs } = wish;
  return {
    ...subject,
    phase,
    host,
    form: {
      host,
      users,
      spawnRate,
      runTime: runTimeMs === undefined ? '' : `${runTimeMs / 1000}s`,
    },
    run: record === undefined ? null : runView(record),
    problem: problem ?? null,
  };
}

/** Of a run that has had a second. */
export function secondMessage(phase: Phase, { live, progress }: RunRecord): SecondMessage {
  const { ledger } = live;
  const sample = ledger.samples.at(-1);
  // The rest after the last second has no sample of its own.
  const isNew = sample !== undefined && sample.timeMs === ledger.closedMs;
  return {
    phase,
    figures: figuresOf(progress!),
    sample: isNew ? pointOf([sample]) : null,
    tables: tablesOf(ledger),
  };
}

function runView({ live, progress, report }: RunRecord): RunView {
  return {
    startMs: live.startMs,
    figures: progress === undefined ? null : figuresOf(progress),
    samples: samplesOf(live.ledger.samples),
    tables: tablesOf(live.ledger),
    result: report === undefined ? null : resultOf(report),
  };
}

function figuresOf(progress: LoadProgress): Figures {
  const { phase: _, poolUtilizationPercent: __, ...figures } = progress;
  return figures;
}

export function samplesOf(seconds: readonly SecondSample[], maxPoints = MAX_POINTS): Samples {
  const size = Math.max(1, Math.ceil(seconds.length / maxPoints));
  const points: Record<keyof Samples, number>[] = [];
  for (let start = 0; start < seconds.length; start += size) {
    points.push(pointOf(seconds.slice(start, start + size)));
  }
  const columns = SAMPLE_KEYS.map((key) => [key, points.map((point) => point[key])]);
  return Object.fromEntries(columns) as Samples;
}

/** The largest of each, so that no peak is lost. */
function pointOf(seconds: readonly SecondSample[]): Record<keyof Samples, number> {
  const largest = SAMPLE_KEYS.map((key) => [key, Math.max(...seconds.map((one) => one[key]))]);
  return Object.fromEntries(largest) as Record<keyof Samples, number>;
}

function tablesOf(ledger: Ledger): Tables {
  const { rows, aggregated } = ledger.totals(ledger.closedMs);
  const failures = ledger.failures();
  const exceptions = ledger.exceptions();
  const beyond = (list: readonly unknown[], limit: number) => Math.max(0, list.length - limit);
  return {
    rows: rows.slice(0, MAX_LISTED_ROWS).map(rowOf),
    aggregated: rowOf(aggregated),
    failures: failures.slice(0, MAX_LISTED_FAILURES),
    exceptions: exceptions
      .slice(0, MAX_LISTED_EXCEPTIONS)
      .map(({ message, traceback, count }) => ({ message, traceback, count })),
    unlisted: {
      rows: beyond(rows, MAX_LISTED_ROWS),
      failures: beyond(failures, MAX_LISTED_FAILURES),
      exceptions: beyond(exceptions, MAX_LISTED_EXCEPTIONS),
    },
  };
}

function rowOf(row: RowSummary): RequestRow {
  const { method, name, count, failures, p50, p95, p99, mean, min, max } = row;
  const { meanBytes, rps, failuresPerS } = row;
  return {
    method,
    name,
    count,
    failures,
    p50,
    p95,
    p99,
    mean,
    min,
    max,
    meanBytes,
    rps,
    failuresPerS,
  };
}

const END_REASONS: Readonly<Record<LoadReport['endReason'], string>> = {
  'run-time': 'The run time was over',
  iterations: 'All iterations were done',
  stopped: 'It was stopped',
  'generator-crashed': 'A generator process crashed',
};

function resultOf(report: LoadReport): Result {
  const { passed, endReason, thresholds, unjudgedErrors, notes, generator } = report;
  const took = formatDuration(report.endMs - report.startMs);
  return {
    passed,
    endReason: `${END_REASONS[endReason]} after ${took}.`,
    thresholds,
    unjudgedErrors,
    notes: [...notes, ...generator.reasons.map((one) => `The load tester was the limit: ${one}`)],
  };
}
