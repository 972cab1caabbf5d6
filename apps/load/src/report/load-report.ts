// The document that a run leaves behind: all that the pages, tables and files are made from.
// Times of day are Unix milliseconds, durations milliseconds, rates per second.

import type { ExceptionSummary, FailureSummary, Figures, SecondSample } from '../stats/ledger.js';
import type { RowSummary } from '../stats/summary.js';
import type { ThresholdVerdict } from '../thresholds.js';

/** How latencies were measured. */
export type LoadModel = 'closed' | 'open';

/** Why the run ended. */
export type EndReason = 'run-time' | 'iterations' | 'stopped' | 'generator-crashed';

export interface LoadSettings {
  /** Names, separated by commas. */
  userClass: string;
  host: string;
  users: number;
  spawnRate: number;
  /** By a load shape, in place of the spawn rate; `users` is then the most at a time. */
  shaped: boolean;
  runTimeMs: number | null;
  iterations: number | null;
  stopTimeoutMs: number;
  requestTimeoutMs: number;
  rate: number | null;
  processes: number;
  usersFile: string | null;
  metricsUrl: string | null;
  seed: number;
  waitScale: number;
  resetStats: boolean;
}

export interface TaskShare {
  userClass: string;
  name: string;
  weight: number;
  /** Of all tasks of its class, in percent. */
  sharePercent: number;
}

/** Requests that began in it and ended after it count too, but not for its rates. */
export interface SteadyState extends Figures {
  startMs: number;
  durationMs: number;
}

export interface GeneratorSummary {
  /** 99th percentile of the event loop's lag, of the worst process. */
  loopLagP99Ms: number;
  loopLagMaxMs: number;
  /** Mean CPU of the busiest process while the run lasted, percent of a core. */
  cpuPercent: number;
  /** CPU per request over all processes, µs. */
  cpuUsPerRequest: number;
  memoryBytes: number;
  /** Whether the load tester and not the service may have been the limit. */
  isLimit: boolean;
  /** Why, a sentence each. */
  reasons: string[];
}

/** One reading of the service's metrics; null where the metric was missing. */
export interface MetricsSample {
  timeMs: number;
  /** `redis_pool_utilization_percent`, the largest of all series. */
  poolUtilizationPercent: number | null;
  /** `process_resident_memory_bytes`, the sum of all series. */
  residentMemoryBytes: number | null;
}

export interface LoadReport {
  startMs: number;
  endMs: number;
  endReason: EndReason;
  settings: LoadSettings;
  model: LoadModel;
  /** Names, separated by commas. */
  userClassName: string;
  tasks: TaskShare[];
  rows: RowSummary[];
  aggregated: RowSummary;
  /** From when all users were up until the run's end; null when that took too long. */
  steady: SteadyState | null;
  failures: FailureSummary[];
  exceptions: ExceptionSummary[];
  thresholds: ThresholdVerdict[];
  /** Failures and exceptions that no threshold judges: `fail%` and `exceptions` do. */
  unjudgedErrors: number;
  /** Why not all files could be written; null when they were. */
  fileProblem: string | null;
  /** All thresholds met, no unjudged errors, no generator crashed, and all files were written. */
  passed: boolean;
  generator: GeneratorSummary;
  /** Requests that were still open when the run was over; they are among the failures. */
  aborted: number;
  /** Connections that the service closed and users opened again. */
  reconnects: number;
  samples: SecondSample[];
  metrics: MetricsSample[];
  /** What the reader must know: crashes, metrics that couldn't be read, unsent arrivals. */
  notes: string[];
}

/** Where the run is, each second; rates and percentiles of the last ten seconds. */
export interface LoadProgress {
  phase: 'spawning' | 'steady' | 'stopping';
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
  poolUtilizationPercent: number | null;
}
