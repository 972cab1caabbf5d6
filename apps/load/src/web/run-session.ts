// The runs that are started from the page, one at a time: what may be done when, and what is known
// of the latest one. It knows no HTTP; whoever listens is told when a phase begins and each second.
//
//   ready --start--> starting --> spawning <--> running --stop, run time--> stopping --> ended
//                        '--- can't begin: back to where it was                             |
//                                                     '---------- start ------------<-------'

import { LoadError, messageOf } from '../errors.js';
import type { LiveRun } from '../live-run.js';
import type { LoadStage } from '../load-shape.js';
import type { CheckedOptions, LoadOptions, LoadProgress, LoadReport } from '../options.js';
import { historyCsv } from '../report/csv.js';
import { runWatched } from '../run-load.js';
import type { HistoryRow } from '../stats/ledger.js';
import type { Phase } from './messages.js';

/** A day of seconds, as the books keep samples. */
const MAX_HISTORY_ROWS = 86_400;

export interface StartWish {
  readonly host: string;
  readonly users: number;
  readonly spawnRate: number;
  /** Undefined: until it is stopped. */
  readonly runTimeMs: number | undefined;
}

export interface SessionEvents {
  /** A phase began that changes more than figures. */
  onPhase(): void;
  onSecond(): void;
  /** A run ended with a report. */
  onReport(report: LoadReport): void;
}

/** What is known of a run that began. */
export interface RunRecord {
  readonly live: LiveRun;
  /** Rows of locust's history file, as text. */
  readonly history: string[];
  progress: LoadProgress | undefined;
  report: LoadReport | undefined;
}

/** Asked for at the wrong time: a run under way, or none. */
export class WrongPhase extends Error {
  override readonly name = 'WrongPhase';
  readonly code = 'WRONG_PHASE';
}

export class RunSession {
  #phase: Phase = 'ready';
  #record: RunRecord | undefined;
  #problem: string | undefined;
  #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #wish: StartWish;

  /** `optionsOf` gives the options of a run beside what the page decides. */
  constructor(
    checked: CheckedOptions,
    private readonly optionsOf: () => LoadOptions,
    private readonly events: SessionEvents,
  ) {
    const { host, users, spawnRate, runTimeMs } = checked;
    this.#wish = { host, users, spawnRate, runTimeMs };
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The latest run that began. */
  get record(): RunRecord | undefined {
    return this.#record;
  }

  /** Why the latest run broke off. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** What the latest run was started with, or what the command line said. */
  get wish(): StartWish {
    return this.#wish;
  }

  get isUnderWay(): boolean {
    return this.#phase !== 'ready' && this.#phase !== 'ended';
  }

  /**
   * Resolves when the first users start.
   * @throws WrongPhase while a run lasts; LoadError for what a run can't be started with.
   */
  async start(wish: StartWish = this.#wish): Promise<void> {
    if (this.isUnderWay) throw new WrongPhase('A run is under way.');
    const phaseBefore = this.#phase;
    this.#stop = new AbortController();
    this.#enter('starting');
    const { runTimeMs: _, ...others } = this.optionsOf();
    const { runTimeMs, ...chosen } = wish;
    let record: RunRecord | undefined;
    const began = new Promise<void>((resolve) => {
      const run = runWatched(
        {
          ...others,
          ...chosen,
          ...(runTimeMs === undefined ? {} : { runTimeMs }),
          signal: this.#stop.signal,
        },
        {
          onStart: (live) => {
            record = { live, history: [], progress: undefined, report: undefined };
            this.#begin(record, wish);
            resolve();
          },
          onSecond: (progress, row) => this.#addSecond(record!, progress, row),
        },
      );
      this.#ended = run.then(
        (report) => this.#finish(record!, report),
        (error) => {
          if (record !== undefined) return this.#breakOff(error);
          this.#enter(phaseBefore);
          throw error;
        },
      );
    });
    await Promise.race([began, this.#ended]);
  }

  /** The run ends as at Ctrl-C, with a report. */
  stop(): void {
    if (!this.isUnderWay) throw new WrongPhase('No run is under way.');
    this.#stop.abort();
    this.#enter('stopping');
  }

  change(stage: LoadStage): void {
    const isChangeable = this.#phase === 'spawning' || this.#phase === 'running';
    if (!isChangeable) throw new WrongPhase('Users can be changed while a run lasts.');
    this.#record!.live.change(stage);
    this.#enter('spawning');
  }

  /** Ends a run that is under way; resolves when there is none. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#ended.catch(() => {});
  }

  /** Resolves when the run that was started last is over. */
  async untilEnded(): Promise<void> {
    await this.#ended;
  }

  #begin(record: RunRecord, wish: StartWish): void {
    this.#record = record;
    this.#problem = undefined;
    this.#wish = wish;
    this.#enter(this.#stop.signal.aborted ? 'stopping' : 'spawning');
  }

  #addSecond(record: RunRecord, progress: LoadProgress, row: HistoryRow): void {
    record.progress = progress;
    if (record.history.length < MAX_HISTORY_ROWS) record.history.push(historyCsv([row]));
    const running = progress.phase === 'steady' ? 'running' : progress.phase;
    const phase = this.#stop.signal.aborted ? 'stopping' : running;
    if (phase === this.#phase) this.events.onSecond();
    else this.#enter(phase);
  }

  #finish(record: RunRecord, report: LoadReport): void {
    record.report = report;
    this.#enter('ended');
    this.events.onReport(report);
  }

  #breakOff(error: unknown): void {
    this.#problem = error instanceof LoadError ? error.message : messageOf(error);
    this.#enter('ended');
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.events.onPhase();
  }
}
