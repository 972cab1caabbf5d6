// The conductor's books: merges the windows of all generator processes into totals, the steady
// state, a sample each second and the sliding ten seconds that locust's history shows. What ends
// after the steady state and began in it counts for it: a request that hung must not get lost
// because the run was over before it was.
//
//   windows --> totals + steady state
//          \--> open second --closeSecond()--> samples, last ten seconds

import type {
  ExceptionCount,
  FailureCount,
  GeneratorWindow,
  WindowRow,
} from '../generator/protocol.js';
import { boundedEntry, OTHER_ERRORS, OTHER_NAMES } from './bounded.js';
import { RowTable } from './row-table.js';
import { RowStats, type RowSummary } from './summary.js';

const SLIDING_SECONDS = 10;
/** The rate of less than this says nothing: the rest after the last second gets no sample. */
const MIN_SAMPLE_MS = 250;
/** A day; a longer run keeps its first day's samples. */
const MAX_SAMPLES = 86_400;
/** Failures and exceptions that are told apart; what is beyond is counted as "other". */
const MAX_DISTINCT = 1000;

export interface FailureSummary {
  method: string;
  name: string;
  error: string;
  occurrences: number;
}

export interface ExceptionSummary {
  message: string;
  traceback: string;
  count: number;
  /** The generator processes in which it happened. */
  processes: number[];
}

/** One second of the run: rates and percentiles of that second alone. */
export interface SecondSample {
  timeMs: number;
  users: number;
  rps: number;
  failuresPerS: number;
  /** In ms. */
  p50: number;
  p95: number;
  p99: number;
  max: number;
  /** Open model: arrivals that waited for a free connection. */
  backlog: number;
  /** CPU of the busiest generator process, percent of a core. */
  generatorCpuPercent: number;
}

/** A row of locust's history file: the last ten seconds beside the totals so far. */
export interface HistoryRow {
  timeMs: number;
  users: number;
  sliding: RowSummary;
  total: RowSummary;
}

/** All requests of the run, or of a part of it. */
export interface Figures {
  rows: RowSummary[];
  aggregated: RowSummary;
  /** How many exceptions user classes threw. */
  exceptions: number;
}

export interface LedgerOptions {
  /** Totals begin anew with the steady state. */
  readonly resets?: boolean | undefined;
  /** The history has a row for each name, beside that of all. */
  readonly keepsNames?: boolean | undefined;
}

export class Ledger {
  #totals = new RowTable();
  #steady = new RowTable();
  readonly #second = new RowStats('', '');
  readonly #failures = new Map<string, FailureSummary>();
  readonly #exceptions = new Map<string, ExceptionSummary>();
  readonly #latest = new Map<number, GeneratorWindow>();
  readonly #cpu = new Map<number, { spentUs: number; durationMs: number }>();
  readonly #sliding: { rows: WindowRow[]; durationMs: number }[] = [];
  readonly samples: SecondSample[] = [];
  #openRows: WindowRow[] = [];
  #closedMs: number;
  #exceptionCount = 0;
  #steadyExceptions = 0;
  #steadyMs = 0;
  #steadyStartMs: number | undefined;
  /** How often the number of users was changed. */
  #revision = 0;

  #startMs: number;

  constructor(
    startMs: number,
    private readonly processCount: number,
    private readonly options: LedgerOptions = {},
  ) {
    this.#startMs = startMs;
    this.#closedMs = startMs;
  }

  /** When the last second was closed, Unix ms. */
  get closedMs(): number {
    return this.#closedMs;
  }

  add(processIndex: number, window: GeneratorWindow): void {
    this.#latest.set(processIndex, window);
    this.#totals.add(window.rows);
    this.#addCpu(processIndex, window);
    for (const row of window.rows) {
      this.#openRows.push(row);
      this.#second.add(row);
    }
    this.#addSteady(window);
    for (const failure of window.failures) this.#addFailure(failure);
    for (const exception of window.exceptions) this.#addException(processIndex, exception);
  }

  /** The number of users was changed: the steady state begins anew when all processes have it. */
  change(): void {
    this.#revision += 1;
    this.#steady = new RowTable();
    this.#steadyStartMs = undefined;
    this.#steadyMs = this.#steadyExceptions = 0;
  }

  /** Ends the open second; `nowMs` is Unix time. Returns its rows of history. */
  closeSecond(nowMs: number): HistoryRow[] {
    const durationMs = nowMs - this.#closedMs;
    this.#closedMs = nowMs;
    const second = this.#second.summarize(durationMs);
    this.#sliding.push({ rows: this.#openRows, durationMs });
    if (this.#sliding.length > SLIDING_SECONDS) this.#sliding.shift();
    this.#openRows = [];
    this.#second.reset();
    const windows = this.windows();
    const users = windows.reduce((sum, window) => sum + window.users, 0);
    const { rps, failuresPerS, p50, p95, p99, max } = second;
    const sample = {
      timeMs: nowMs,
      users,
      rps,
      failuresPerS,
      p50,
      p95,
      p99,
      max,
      backlog: windows.reduce((sum, window) => sum + window.backlog, 0),
      generatorCpuPercent: Math.max(0, ...windows.map((window) => window.health.cpuPercent)),
    };
    if (durationMs >= MIN_SAMPLE_MS && this.samples.length < MAX_SAMPLES) this.samples.push(sample);
    return this.#historyRows(nowMs, users);
  }

  /** The latest window of each process. */
  windows(): GeneratorWindow[] {
    return [...this.#latest.values()];
  }

  totals(endMs: number): Figures {
    const summary = this.#totals.summarize(endMs - this.#startMs);
    return { ...summary, exceptions: this.#exceptionCount };
  }

  /** CPU of each process over the whole run. */
  generatorCpu(): { spentUs: number; percent: number }[] {
    return [...this.#cpu.values()].map(({ spentUs, durationMs }) => ({
      spentUs,
      percent: spentUs / 10 / Math.max(1, durationMs),
    }));
  }

  /** Undefined when not all users were up for a second. */
  steady(): ({ startMs: number; durationMs: number } & Figures) | undefined {
    if (this.#steadyStartMs === undefined) return undefined;
    const durationMs = this.#steadyMs / this.processCount;
    return {
      startMs: this.#steadyStartMs,
      durationMs,
      ...this.#steady.summarize(durationMs),
      exceptions: this.#steadyExceptions,
    };
  }

  failures(): FailureSummary[] {
    return [...this.#failures.values()].sort((left, right) => right.occurrences - left.occurrences);
  }

  exceptions(): ExceptionSummary[] {
    return [...this.#exceptions.values()].sort((left, right) => right.count - left.count);
  }

  #historyRows(timeMs: number, users: number): HistoryRow[] {
    const durationMs = this.#sliding.reduce((sum, second) => sum + second.durationMs, 0);
    const totalMs = timeMs - this.#startMs;
    const rows = this.#sliding.flatMap((second) => second.rows);
    const all = new RowStats('', '');
    for (const row of rows) all.add(row);
    const total = this.#totals.aggregated.summarize(totalMs);
    const aggregated = { timeMs, users, sliding: all.summarize(durationMs), total };
    if (!this.options.keepsNames) return [aggregated];
    const sliding = new RowTable();
    sliding.add(rows);
    const named = this.#totals.summarize(totalMs).rows.map((row) => ({
      timeMs,
      users,
      sliding: sliding.row(row.method, row.name).summarize(durationMs),
      total: row,
    }));
    return [...named, aggregated];
  }

  #addCpu(processIndex: number, window: GeneratorWindow): void {
    const durationMs = window.endMs - window.startMs;
    const known = this.#cpu.get(processIndex) ?? { spentUs: 0, durationMs: 0 };
    known.spentUs += window.health.cpuPercent * 10 * durationMs;
    known.durationMs += durationMs;
    this.#cpu.set(processIndex, known);
  }

  #addSteady(window: GeneratorWindow): void {
    const exceptions = exceptionsIn(window);
    this.#exceptionCount += exceptions;
    // All processes: one that still starts users is a load of its own.
    const all = this.windows();
    const isSteady = all.every(({ steady, revision }) => steady && revision === this.#revision);
    if (all.length === this.processCount && isSteady) {
      if (this.#steadyStartMs === undefined && this.options.resets) this.#reset(window);
      this.#steadyStartMs ??= window.startMs;
      this.#steadyMs += window.endMs - window.startMs;
      this.#steady.add(window.rows);
      this.#steadyExceptions += exceptions;
    } else if (window.afterSteady && this.#steadyStartMs !== undefined) {
      const begunBefore = window.rows.filter((row) => !row.late);
      this.#steady.add(begunBefore, true);
      this.#steadyExceptions += exceptions;
    }
  }

  /** Begins anew with this window. */
  #reset(window: GeneratorWindow): void {
    this.#startMs = window.startMs;
    this.#totals = new RowTable();
    this.#totals.add(window.rows);
    this.#failures.clear();
    this.#exceptions.clear();
    this.#exceptionCount = exceptionsIn(window);
  }

  #addFailure({ method, name, error, count }: FailureCount): void {
    const key = `${method} ${name} ${error}`;
    boundedEntry(this.#failures, MAX_DISTINCT, key, (isOther) =>
      isOther
        ? { method: '', name: OTHER_NAMES, error: OTHER_ERRORS, occurrences: 0 }
        : { method, name, error, occurrences: 0 },
    ).occurrences += count;
  }

  #addException(processIndex: number, { message, traceback, count }: ExceptionCount): void {
    const known = boundedEntry(this.#exceptions, MAX_DISTINCT, message, (isOther) => ({
      message: isOther ? OTHER_ERRORS : message,
      traceback: isOther ? '' : traceback,
      count: 0,
      processes: [] as number[],
    }));
    known.count += count;
    if (!known.processes.includes(processIndex)) known.processes.push(processIndex);
  }
}

function exceptionsIn({ exceptions }: GeneratorWindow): number {
  return exceptions.reduce((sum, { count }) => sum + count, 0);
}
