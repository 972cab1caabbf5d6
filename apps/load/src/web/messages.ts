// What the tester tells the page, as JSON in server-sent events, and what the page asks for. The page
// imports these types alone, so that both sides are compiled against the same words.
//
//   on connecting, and when a phase begins:  state   everything, so that a reload loses nothing
//   each second of a run:                    second  the newest figures and tables
//   while nothing happens:                   beat    only that the tester is there
//   at the end of the tester:                end

import type { ThresholdVerdict } from '../thresholds.js';

export type Phase = 'ready' | 'starting' | 'spawning' | 'running' | 'stopping' | 'ended';

/** What the form for the next run is filled with; all as it is typed. */
export interface StartForm {
  host: string;
  users: number;
  spawnRate: number;
  /** `''`: until it is stopped. */
  runTime: string;
}

/** One line of the charts for each key; all are of the same length. */
export interface Samples {
  timeMs: number[];
  users: number[];
  rps: number[];
  failuresPerS: number[];
  p50: number[];
  p95: number[];
  p99: number[];
  generatorCpuPercent: number[];
}

export const SAMPLE_KEYS = [
  'timeMs',
  'users',
  'rps',
  'failuresPerS',
  'p50',
  'p95',
  'p99',
  'generatorCpuPercent',
] as const satisfies readonly (keyof Samples)[];

/** Times in ms; rates and percentiles over the whole run so far. */
export interface RequestRow {
  method: string;
  name: string;
  count: number;
  failures: number;
  p50: number;
  p95: number;
  p99: number;
  mean: number;
  min: number;
  max: number;
  meanBytes: number;
  rps: number;
  failuresPerS: number;
}

export interface FailureRow {
  method: string;
  name: string;
  error: string;
  occurrences: number;
}

export interface ExceptionRow {
  message: string;
  traceback: string;
  count: number;
}

export interface Tables {
  rows: RequestRow[];
  aggregated: RequestRow;
  failures: FailureRow[];
  exceptions: ExceptionRow[];
  /** What the tables leave out, and the files have: rows, failures, exceptions. */
  unlisted: { rows: number; failures: number; exceptions: number };
}

/** The newest figures; rates and percentiles of the last ten seconds. */
export interface Figures {
  elapsedMs: number;
  users: number;
  targetUsers: number;
  requests: number;
  failures: number;
  rps: number;
  failuresPerS: number;
  p50: number;
  p95: number;
  p99: number;
  generatorCpuPercent: number;
}

export interface SecondMessage {
  phase: Phase;
  figures: Figures;
  /** The sample of this second, a value for each key; null where the second had none. */
  sample: Record<(typeof SAMPLE_KEYS)[number], number> | null;
  tables: Tables;
}

export interface Result {
  passed: boolean;
  endReason: string;
  thresholds: ThresholdVerdict[];
  /** Failures and exceptions that no threshold judges. */
  unjudgedErrors: number;
  /** What the reader must know, a sentence each. */
  notes: string[];
}

export interface RunView {
  startMs: number;
  figures: Figures | null;
  samples: Samples;
  tables: Tables;
  /** Null until the end. */
  result: Result | null;
}

export interface StateMessage {
  phase: Phase;
  userClasses: string;
  /** What the latest run was or is against, or the next one is. */
  host: string;
  form: StartForm;
  /** Why the number of users can't be chosen; null when it can. */
  fixedUsers: string | null;
  /** Why it can't be changed while a run lasts; null when it can. */
  fixedWhileRunning: string | null;
  /** The latest run; null before the first one. */
  run: RunView | null;
  /** Why the latest run broke off; null when it didn't. */
  problem: string | null;
}

/** Body of `POST /api/users`. */
export interface ChangeWish {
  users: number;
  spawnRate: number;
}

/** Body of an answer that isn't one of success. */
export interface Refusal {
  code: string;
  message: string;
}
