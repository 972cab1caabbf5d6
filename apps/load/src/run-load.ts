// Conducts a run: checks the options, lets generator processes make the load, keeps the books each
// second, and ends in a report, also when the run is stopped early or a generator crashes.
//
//   check -> fork, prepare -> start -> [a second: close the books, tell progress] -> stop -> report

import { once } from 'node:events';
import { unixNow } from './clock.js';
import { formatDuration } from './duration.js';
import { LoadError } from './errors.js';
import { Fleet } from './fleet.js';
import type { GeneratorSettings, GeneratorWindow } from './generator/protocol.js';
import type { LiveRun, RunWatcher } from './live-run.js';
import { type LoadStage, loadShape, planOf } from './load-shape.js';
import { BUILT_IN_USER_CLASSES, loadUserClasses } from './load-user-class.js';
import { MetricsPoll } from './metrics-poll.js';
import {
  type CheckedOptions,
  checkOptions,
  checkStage,
  type LoadOptions,
  locateChoice,
} from './options.js';
import { composeReport, type RunResult } from './report/compose-report.js';
import { ResultFiles } from './report/files.js';
import type { EndReason, LoadProgress, LoadReport } from './report/load-report.js';
import { type HistoryRow, Ledger } from './stats/ledger.js';
import type { UserClass } from './user-class.js';

const SECOND_MS = 1000;
/** A second is closed when all processes were heard, within these bounds. */
const EARLIEST_CLOSE_MS = 500;
const LATEST_CLOSE_MS = 1500;
/** A generator that sends no window for so long is stopped or stuck in a loop. */
const MAX_SILENCE_MS = 10_000;
/** Changes of the number of users that the report names. */
const MAX_TOLD_CHANGES = 50;

/**
 * Runs a load test and resolves with its report, whatever the service did; `report.passed` is its
 * verdict. Writes `csv`, `html` and `json` where asked to. Rejects with a
 * `LoadError` for options that can't be used, before anything is sent.
 */
export function runLoad(options: LoadOptions): Promise<LoadReport> {
  return runWatched(options);
}

/** The same for whoever sees more of the run while it lasts, and steers it. */
export async function runWatched(options: LoadOptions, watcher?: RunWatcher): Promise<LoadReport> {
  const { checked, userClasses } = await checkAll(options);
  if (checked.usersFile === undefined && checked.userClasses.names.some(isBuiltIn)) {
    options.onWarning?.(
      "No --users-file: users that register and log in at their start spend the service's CPU on " +
        'password hashing; the time before the steady state measures that.',
    );
  }
  const files = new ResultFiles(options);
  const run = new Run(checked, { ...options, watcher }, files);
  const result = await run.conduct();
  const report = composeReport({ ...result, options: checked, userClasses });
  files.finish(report);
  if (files.problem === undefined) return report;
  const note = `Not all files could be written: ${files.problem}`;
  const notes = [...report.notes, note];
  return { ...report, fileProblem: files.problem, passed: false, notes };
}

/** Everything that is looked at before a run. Throws a `LoadError`. */
export async function checkAll(
  options: LoadOptions,
): Promise<{ checked: CheckedOptions; userClasses: UserClass[] }> {
  const shape = options.shape ?? (await loadShape(locateChoice(options)));
  const checked = checkOptions(options, shape && planOf(shape));
  return { checked, userClasses: await loadUserClasses(checked.userClasses) };
}

function isBuiltIn(name: string): boolean {
  return BUILT_IN_USER_CLASSES.includes(name);
}

interface RunOptions extends LoadOptions {
  readonly watcher: RunWatcher | undefined;
}

class Run implements LiveRun {
  readonly #fleet: Fleet;
  readonly #metrics: MetricsPoll;
  readonly #notes: string[] = [];
  readonly #over = new AbortController();
  /** The processes whose windows came since the last second was closed. */
  readonly #heard = new Set<number>();
  /** When each process was heard last, ms on the monotonic clock. */
  readonly #heardMs = new Map<number, number>();
  /** The processes whose iterations are done. */
  readonly #finished = new Set<number>();
  #ledger: Ledger | undefined;
  #endReason: EndReason = 'run-time';
  #stopping = false;
  #startMs = 0;
  #targetUsers: number;
  #changes = 0;

  constructor(
    readonly checked: CheckedOptions,
    private readonly options: RunOptions,
    private readonly files: ResultFiles,
  ) {
    this.#targetUsers = checked.users;
    this.#metrics = new MetricsPoll(checked.metricsUrl);
    this.#fleet = new Fleet(settingsOf(checked), {
      onWindow: (processIndex, window) => this.#takeWindow(processIndex, window),
      onFinished: (processIndex) => {
        this.#finished.add(processIndex);
        if (this.#finished.size === checked.processes) this.#end('iterations');
      },
      onCrash: (processIndex, reason) => {
        this.#notes.push(`Generator ${processIndex + 1} crashed: ${reason}`);
        this.#end('generator-crashed');
        // Also while the run is being stopped: its users' requests are in no figure.
        this.#endReason = 'generator-crashed';
      },
    });
  }

  async conduct(): Promise<RunResult> {
    const { signal } = this.options;
    const onAbort = () => this.#end('stopped');
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    try {
      await this.#fleet.prepare();
      return await this.#measure();
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#fleet.kill();
    }
  }

  get startMs(): number {
    return this.#startMs;
  }

  get ledger(): Ledger {
    return this.#ledger!;
  }

  change(wish: LoadStage): void {
    if (this.#over.signal.aborted) throw new LoadError('INVALID_OPTION', 'The run is over.');
    const stage = checkStage(this.checked, wish);
    this.#targetUsers = stage.users;
    this.#fleet.change(stage);
    this.ledger.change();
    this.#changes += 1;
    if (this.#changes > MAX_TOLD_CHANGES) return;
    const afterMs = unixNow() - this.#startMs;
    this.#notes.push(
      `After ${formatDuration(afterMs)} the users were set to ${stage.users}, ` +
        `${stage.spawnRate} a second.`,
    );
  }

  async #measure(): Promise<RunResult> {
    const { processes, runTimeMs, stopTimeoutMs } = this.checked;
    this.#startMs = unixNow();
    const ledger = new Ledger(this.#startMs, processes, {
      resets: this.checked.resetStats,
      keepsNames: this.options.csvFullHistory,
    });
    this.#ledger = ledger;
    for (let index = 0; index < processes; index += 1) this.#heardMs.set(index, performance.now());
    this.#fleet.start();
    this.#metrics.start();
    this.options.watcher?.onStart(this);
    // The windows set the pace; the timer steps in where a process stays silent.
    const second = setInterval(() => {
      if (unixNow() - ledger.closedMs > LATEST_CLOSE_MS) this.#closeSecond(ledger);
      this.#endSilent();
    }, SECOND_MS);
    const limit =
      runTimeMs === undefined ? undefined : setTimeout(() => this.#end('run-time'), runTimeMs);
    if (!this.#over.signal.aborted) await once(this.#over.signal, 'abort');
    clearTimeout(limit);
    // Requests that were in flight may still end; rates are over the time until they did.
    this.#stopping = true;
    await this.#fleet.stop(stopTimeoutMs);
    clearInterval(second);
    this.#metrics.stop();
    const endMs = unixNow();
    this.#closeSecond(ledger);
    return {
      startMs: this.#startMs,
      endMs,
      endReason: this.#endReason,
      ledger,
      metrics: this.#metrics,
      notes: this.#notes,
    };
  }

  #end(reason: EndReason): void {
    if (this.#over.signal.aborted) return;
    this.#endReason = reason;
    this.#over.abort();
  }

  #takeWindow(processIndex: number, window: GeneratorWindow): void {
    const ledger = this.#ledger;
    if (ledger === undefined) return;
    ledger.add(processIndex, window);
    this.#heard.add(processIndex);
    this.#heardMs.set(processIndex, performance.now());
    if (this.#heard.size < this.checked.processes) return;
    if (unixNow() - ledger.closedMs >= EARLIEST_CLOSE_MS) this.#closeSecond(ledger);
  }

  #endSilent(): void {
    const earliestMs = performance.now() - MAX_SILENCE_MS;
    for (const [processIndex, heardMs] of this.#heardMs) {
      if (heardMs > earliestMs) continue;
      this.#heardMs.delete(processIndex);
      this.#fleet.end(processIndex, `it was silent for ${MAX_SILENCE_MS} ms`);
    }
  }

  #closeSecond(ledger: Ledger): void {
    this.#heard.clear();
    const nowMs = unixNow();
    const rows = ledger.closeSecond(nowMs);
    this.files.addSecond(ledger, rows, nowMs);
    const progress = this.#progress(ledger, rows.at(-1)!);
    this.options.onProgress?.(progress);
    this.options.watcher?.onSecond(progress, rows.at(-1)!);
    if (this.options.onTable === undefined) return;
    this.options.onTable(ledger.totals(nowMs), nowMs - this.#startMs);
  }

  #progress(ledger: Ledger, last: HistoryRow): LoadProgress {
    const isSteady = last.users === this.#targetUsers;
    const { rps, failuresPerS, p50, p95, p99 } = last.sliding;
    return {
      phase: this.#stopping ? 'stopping' : isSteady ? 'steady' : 'spawning',
      elapsedMs: last.timeMs - this.#startMs,
      users: last.users,
      targetUsers: this.#targetUsers,
      requests: last.total.count,
      failures: last.total.failures,
      rps,
      failuresPerS,
      p50,
      p95,
      p99,
      generatorCpuPercent: ledger.samples.at(-1)?.generatorCpuPercent ?? 0,
      poolUtilizationPercent: this.#metrics.samples.at(-1)?.poolUtilizationPercent ?? null,
    };
  }
}

function settingsOf(options: CheckedOptions): GeneratorSettings[] {
  const {
    processes,
    metricsUrl: _,
    thresholds: __,
    runTimeMs: ___,
    resetStats: ____,
    ...shared
  } = options;
  return Array.from({ length: processes }, (_unused, processIndex) => ({
    ...shared,
    processIndex,
    processCount: processes,
  }));
}
