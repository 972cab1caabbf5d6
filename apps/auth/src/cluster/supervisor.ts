// The primary: keeps so many workers running, and lets go of them without losing a request.
//
//   fork --> starting --(ready)--> serving --(stop)--> draining --> gone
//               |                     |
//               +---(exit, hung)------+--> back-off --> fork
//
// How many there are may change (staffing.ts). Knows nothing of what the workers do. A first start at which none becomes ready is given up,
// since it would fail for ever: wrong configuration, a port that is taken.

import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { failuresAfter, pauseMs } from './backoff.js';
import { Collector, send } from './collector.js';
import { DashboardRelay } from './dashboard.js';
import type { FromWorker } from './messages.js';
import { PrimaryMetrics } from './primary-metrics.js';
import { Staffing, type StaffingTerms } from './staffing.js';
import { HEARTBEAT_MS, Watchdog } from './watchdog.js';

/** A worker that isn't ready by then is killed, ms: on a busy host a start takes ten seconds. */
export const START_TIMEOUT_MS = 60_000;
/**
 * V8's usual largest size from the start, for either half, MiB. It would start small and shrink in a
 * quiet moment, and the load after that would fill the old generation with what is short-lived:
 * in the first 220 s of 5,000 users 340 minor and 9 major collections instead of 475 and 19.
 */
const YOUNG_GENERATION = '--min-semi-space-size=16';
/** How long others wait for a worker that doesn't say that it listens no more, ms. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Deaths before any worker was ever ready, after which the start is given up. */
const MAX_FAILED_STARTS = 4;

export interface SupervisorOptions {
  readonly workers: number;
  /** Between which bounds that changes; `undefined`: it doesn't. */
  readonly staffing?: StaffingTerms | undefined;
  /** The worker's program. */
  readonly program: string;
  /** Added to the environment of workers. */
  readonly env?: Readonly<Record<string, string>>;
  /** How long a worker may finish what it has, ms. */
  readonly stopTimeoutMs: number;
  /** Whether workers tell of their pools, for the live page. */
  readonly hasDashboard: boolean;
  readonly log: Logger;
  /** All workers serve; called once. */
  readonly onReady?: (port: number, operatorPort: number) => void;
}

interface Slot {
  worker: Worker | undefined;
  readyAt: number | undefined;
  failures: number;
}

export class Supervisor {
  /** Settles with the exit code when all workers are gone. */
  readonly done: Promise<number>;
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[];
  /** Workers that were told to go, or were never taken into a slot. */
  readonly #leaving = new Set<Worker>();
  readonly #metrics: PrimaryMetrics;
  readonly #staffing: Staffing;
  readonly #collector: Collector;
  readonly #dashboard: DashboardRelay | undefined;
  readonly #watchdog = new Watchdog(performance.now());
  #finish!: (code: number) => void;
  #hasServed = false;
  #failedStarts = 0;
  #stopCode: number | undefined;
  #isReloading = false;
  #reloadsAsked = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.workers }, emptySlot);
    this.#metrics = new PrimaryMetrics(options.staffing?.maxWorkers ?? options.workers);
    this.#staffing = new Staffing(options.staffing, performance.now());
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#dashboard = options.hasDashboard ? new DashboardRelay() : undefined;
    this.#collector = new Collector(
      () => this.#serving().map(({ worker }) => worker!),
      (missing) => {
        const { utilizationPercent } = this.#staffing;
        return this.#metrics.read({ workers: this.#serving().length, missing, utilizationPercent });
      },
    );
  }

  start(): void {
    const { program } = this.#options;
    cluster.setupPrimary({ exec: program, execArgv: [YOUNG_GENERATION, ...process.execArgv] });
    cluster.on('message', (worker, message: FromWorker) => this.#onMessage(worker, message));
    cluster.on('exit', (worker, code, signal) => this.#onExit(worker, code, signal));
    for (const slot of this.#slots) this.#fill(slot);
    // At a breakpoint a worker stands still because somebody wants it to.
    const isDebugged = process.execArgv.some((arg) => arg.startsWith('--inspect'));
    if (!isDebugged) setInterval(() => this.#endHung(), HEARTBEAT_MS).unref();
    setInterval(() => this.#staff(), HEARTBEAT_MS).unref();
  }

  /** Ends all workers after what they have in flight. A second call ends them at once. */
  stop(code = 0): void {
    const isImpatient = this.#stopCode !== undefined;
    this.#stopCode ??= code;
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    if (isImpatient) for (const worker of workers) worker.process.kill('SIGKILL');
    else this.#dismiss(workers);
    if (workers.length === 0) this.#finish(this.#stopCode);
  }

  /**
   * Replaces each worker in turn; one that doesn't start leaves the old ones where they are. Who asks
   * meanwhile may have put another version in place: all are replaced once more.
   */
  async reload(): Promise<void> {
    this.#reloadsAsked++;
    if (this.#isReloading) return;
    this.#isReloading = true;
    try {
      for (let asked = 0; asked !== this.#reloadsAsked && this.#stopCode === undefined; ) {
        asked = this.#reloadsAsked;
        await this.#replaceAll();
      }
    } finally {
      this.#isReloading = false;
    }
  }

  async #replaceAll(): Promise<void> {
    const { log } = this.#options;
    for (const slot of this.#slots) {
      const next = await this.#startSpare();
      if (this.#stopCode !== undefined) return;
      if (next === undefined) {
        log.error('reload given up: a new worker did not start; the old ones go on');
        return;
      }
      const previous = slot.worker;
      this.#take(slot, next);
      if (previous !== undefined) this.#dismiss([previous]);
    }
    log.info({ event: 'reloaded', workers: this.#slots.length }, 'reloaded');
  }

  #serving(): Slot[] {
    return this.#slots.filter(({ readyAt }) => readyAt !== undefined);
  }

  #fork(): Worker {
    return cluster.fork(this.#options.env);
  }

  #fill(slot: Slot): void {
    const worker = this.#fork();
    slot.worker = worker;
    slot.readyAt = undefined;
    worker.once('listening', killLater(worker, START_TIMEOUT_MS));
  }

  /** A worker beside those in the slots; `undefined` where it doesn't become ready. */
  async #startSpare(): Promise<Worker | undefined> {
    const worker = this.#fork();
    this.#leaving.add(worker);
    const isReady = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), START_TIMEOUT_MS);
      const settle = (value: boolean) => {
        clearTimeout(timer);
        resolve(value);
      };
      worker.on('message', (message: FromWorker) => message.type === 'ready' && settle(true));
      worker.once('exit', () => settle(false));
    });
    if (isReady && this.#stopCode === undefined) return worker;
    worker.process.kill('SIGKILL');
    return undefined;
  }

  #take(slot: Slot, worker: Worker): void {
    this.#leaving.delete(worker);
    slot.worker = worker;
    slot.readyAt = performance.now();
  }

  /**
   * Sends workers away. None ends its clients' connections before all have stopped listening: the
   * clients would connect again at once, and to one that stops listening before it has taken them.
   */
  #dismiss(workers: readonly Worker[]): void {
    const listening = new Set(workers);
    const drain = () => {
      clearTimeout(timer);
      for (const worker of workers) send(worker, { type: 'drain' });
    };
    const timer = setTimeout(drain, CLOSE_TIMEOUT_MS);
    for (const worker of workers) {
      const onClosed = () => {
        if (listening.delete(worker) && listening.size === 0) drain();
      };
      this.#leaving.add(worker);
      worker.on('message', (message: FromWorker) => message.type === 'closed' && onClosed());
      worker.once('exit', onClosed);
      send(worker, { type: 'close' });
      killLater(worker, this.#options.stopTimeoutMs);
    }
  }

  /** SIGKILL is all that reaches a process that is stopped, or that never leaves its loop. */
  #endHung(): void {
    const serving = this.#serving().map(({ worker }) => worker!);
    const ids = serving.map(({ id }) => id);
    const hung = this.#watchdog.look(ids, performance.now());
    for (const worker of serving.filter(({ id }) => hung.includes(id))) {
      const { id, process } = worker;
      this.#options.log.error(
        { event: 'worker_hung', worker: id, pid: process.pid },
        'a worker hung',
      );
      this.#metrics.countHung();
      process.kill('SIGKILL');
    }
  }

  /** A worker more, or one that finishes what it has and goes. */
  #staff(): void {
    if (!this.#hasServed || this.#isReloading || this.#stopCode !== undefined) return;
    const serving = this.#serving();
    const ids = serving.map(({ worker }) => worker!.id);
    const decision = this.#staffing.look(ids, this.#slots.length, performance.now());
    if (decision === undefined) return;
    const { action, from, to, reason, utilizationPercent } = decision;
    this.#metrics.countScaling(action);
    this.#options.log.info(
      { event: 'autoscale', what: 'workers', ...decision },
      `${action}: ${from} to ${to} workers (${reason}); their event loops are busy for ${Math.round(utilizationPercent)} %`,
    );
    if (action === 'grow') {
      const slot = emptySlot();
      this.#slots.push(slot);
      this.#fill(slot);
    }
    const last = serving.at(-1);
    if (action !== 'shrink' || last?.worker === undefined) return;
    this.#slots.splice(this.#slots.indexOf(last), 1);
    this.#dismiss([last.worker]);
  }

  #onMessage(worker: Worker, message: FromWorker): void {
    this.#watchdog.heard(worker.id);
    if (message.type === 'alive') this.#staffing.heard(worker.id, message.load);
    this.#collector.take(worker, message);
    this.#dashboard?.take(worker, message);
    if (message.type !== 'ready') return;
    const slot = this.#slots.find((one) => one.worker === worker);
    if (slot === undefined) return;
    slot.readyAt = performance.now();
    if (this.#hasServed || this.#serving().length < this.#slots.length) return;
    this.#hasServed = true;
    this.#options.onReady?.(message.port, message.operatorPort);
  }

  #onExit(worker: Worker, code: number | null, signal: string | null): void {
    const wasLeaving = this.#leaving.delete(worker);
    this.#dashboard?.forget(worker);
    if (this.#stopCode !== undefined) {
      if (Object.keys(cluster.workers ?? {}).length === 0) this.#finish(this.#stopCode);
      return;
    }
    const slot = this.#slots.find((one) => one.worker === worker);
    if (wasLeaving || slot === undefined) return;
    void this.#replace(slot, worker, code, signal);
  }

  async #replace(
    slot: Slot,
    worker: Worker,
    code: number | null,
    signal: string | null,
  ): Promise<void> {
    const { log } = this.#options;
    const livedMs = slot.readyAt === undefined ? undefined : performance.now() - slot.readyAt;
    slot.worker = undefined;
    slot.readyAt = undefined;
    if (!this.#hasServed && ++this.#failedStarts >= MAX_FAILED_STARTS) {
      log.fatal({ code }, 'no worker could be started');
      this.stop(code ?? 1);
      return;
    }
    slot.failures = failuresAfter(slot.failures, livedMs);
    const waitMs = pauseMs(slot.failures);
    log.error({ worker: worker.id, code, signal, restartInMs: waitMs }, 'a worker died');
    await sleep(waitMs);
    if (this.#stopCode !== undefined || slot.worker !== undefined) return;
    this.#metrics.countRestart();
    this.#fill(slot);
  }
}

function emptySlot(): Slot {
  return { worker: undefined, readyAt: undefined, failures: 0 };
}

/** Unless the worker exits first; the function returned spares it. */
function killLater(worker: Worker, afterMs: number): () => void {
  const timer = setTimeout(() => worker.process.kill('SIGKILL'), afterMs);
  const spare = () => clearTimeout(timer);
  worker.once('exit', spare);
  return spare;
}
