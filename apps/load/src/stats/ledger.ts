// The conductor's books: merges the windows of all generator processes into totals, the steady
// state, a row of history each second and the sliding ten seconds that locust's history shows.
//
//   windows --> totals + steady state
//          \--> open second --closeSecond()--> history, last ten seconds

import type { GeneratorWindow, WindowRow } from '../generator/protocol.js';
import { RowTable } from './row-table.js';
import { RowStats, type RowSummary } from './summary.js';

const SLIDING_SECONDS = 10;
/** A day; a longer run keeps its first day's history. */
const MAX_HISTORY = 86_400;
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

export class Ledger {
  readonly #totals = new RowTable();
  readonly #steady = new RowTable();
  readonly #second = new RowStats('', '');
  readonly #failures = new Map<string, FailureSummary>();
  readonly #exceptions = new Map<string, ExceptionSummary>();
  readonly #latest = new Map<number, GeneratorWindow>();
  readonly #cpu = new Map<number, { spentUs: number; durationMs: number }>();
  readonly #sliding: { rows: WindowRow[]; durationMs: number }[] = [];
  readonly samples: SecondSample[] = [];
  readonly history: HistoryRow[] = [];
  #openRows: WindowRow[] = [];
  #closedMs: number;
  #steadyMs = 0;
  #steadyStartMs: number | undefined;

  constructor(
    private readonly startMs: number,
    private readonly processCount: number,
  ) {
    this.#closedMs = startMs;
  }

  get hasOpenRows(): boolean {
    return this.#openRows.length > 0;
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
      this.#second.add(row.latenciesUs, row.failures, row.bytes);
    }
    this.#addSteady(window);
    for (const failure of window.failures) this.#addFailure(failure);
    for (const exception of window.exceptions) this.#addException(processIndex, exception);
  }

  /** Ends the open second; `nowMs` is Unix time. */
  closeSecond(nowMs: number): void {
    const durationMs = nowMs - this.#closedMs;
    if (durationMs <= 0 || this.history.length >= MAX_HISTORY) return;
    this.#closedMs = nowMs;
    const second = this.#second.summarize(durationMs);
    this.#sliding.push({ rows: this.#openRows, durationMs });
    if (this.#sliding.length > SLIDING_SECONDS) this.#sliding.shift();
    this.#openRows = [];
    this.#second.reset();
    const windows = this.windows();
    const users = windows.reduce((sum, window) => sum + window.users, 0);
    const { rps, failuresPerS, p50, p95, p99, max } = second;
    this.samples.push({
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
    });
    const total = this.#totals.aggregated.summarize(nowMs - this.startMs);
    this.history.push({ timeMs: nowMs, users, sliding: this.#slidingSummary(), total });
  }

  /** The latest window of each process. */
  windows(): GeneratorWindow[] {
    return [...this.#latest.values()];
  }

  totals(endMs: number): { rows: RowSummary[]; aggregated: RowSummary } {
    return this.#totals.summarize(endMs - this.startMs);
  }

  /** CPU of each process over the whole run. */
  generatorCpu(): { spentUs: number; percent: number }[] {
    return [...this.#cpu.values()].map(({ spentUs, durationMs }) => ({
      spentUs,
      percent: spentUs / 10 / Math.max(1, durationMs),
    }));
  }

  /** Undefined when not all users were up for a second. */
  steady():
    | { startMs: number; durationMs: number; rows: RowSummary[]; aggregated: RowSummary }
    | undefined {
    if (this.#steadyStartMs === undefined) return undefined;
    const durationMs = this.#steadyMs / this.processCount;
    return { startMs: this.#steadyStartMs, durationMs, ...this.#steady.summarize(durationMs) };
  }

  failures(): FailureSummary[] {
    return [...this.#failures.values()].sort((left, right) => right.occurrences - left.occurrences);
  }

  exceptions(): ExceptionSummary[] {
    return [...this.#exceptions.values()].sort((left, right) => right.count - left.count);
  }

  #slidingSummary(): RowSummary {
    const stats = new RowStats('', '');
    let durationMs = 0;
    for (const second of this.#sliding) {
      durationMs += second.durationMs;
      for (const row of second.rows) stats.add(row.latenciesUs, row.failures, row.bytes);
    }
    return stats.summarize(durationMs);
  }

  #addCpu(processIndex: number, window: GeneratorWindow): void {
    const durationMs = window.endMs - window.startMs;
    const known = this.#cpu.get(processIndex) ?? { spentUs: 0, durationMs: 0 };
    known.spentUs += window.health.cpuPercent * 10 * durationMs;
    known.durationMs += durationMs;
    this.#cpu.set(processIndex, known);
  }

  #addSteady(window: GeneratorWindow): void {
    // All processes: one that still starts users is a load of its own.
    const all = this.windows();
    const steady = all.length === this.processCount && all.every((latest) => latest.steady);
    if (!steady) return;
    this.#steadyStartMs ??= window.startMs;
    this.#steadyMs += window.endMs - window.startMs;
    this.#steady.add(window.rows);
  }

  #addFailure(failure: { method: string; name: string; error: string; count: number }): void {
    const key = `${failure.method} ${failure.name} ${failure.error}`;
    const known = this.#failures.get(key);
    if (known !== undefined) known.occurrences += failure.count;
    else if (this.#failures.size < MAX_DISTINCT) {
      const { method, name, error, count: occurrences } = failure;
      this.#failures.set(key, { method, name, error, occurrences });
    }
  }

  #addException(
    processIndex: number,
    exception: { message: string; traceback: string; count: number },
  ): void {
    const known = this.#exceptions.get(exception.message);
    if (known !== undefined) {
      known.count += exception.count;
      if (!known.processes.includes(processIndex)) known.processes.push(processIndex);
    } else if (this.#exceptions.size < MAX_DISTINCT) {
      this.#exceptions.set(exception.message, { ...exception, processes: [processIndex] });
    }
  }
}
