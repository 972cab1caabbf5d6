// The one place where all workers' reports come together: figures of the whole service, ten minutes of
// samples for the charts, the log, and advice. In a single process it has one worker; in a service of
// several it lives in the primary.
//
//   take(worker, report) --+
//   take(worker, report) --+--> tick, twice a second --> frame --> subscribers
//   remove(worker) --------+            '--> a sample each second

import { adviceFor } from '../../policy/advice.js';
import { ALERT_PERCENT, WARNING_PERCENT } from '../../policy/recommendations.js';
import { frameOf } from './frame.js';
import {
  type DashboardMessage,
  type Frame,
  REPORT_INTERVAL_MS,
  SAMPLE_KEYS,
  type Sample,
  type Samples,
  type WorkerEvent,
  type WorkerReport,
} from './messages.js';
import { RecentWork } from './recent-work.js';

const MAX_SAMPLES = 600;
const MAX_EVENTS = 300;
/** A worker that has not reported for so long is silent, ms; and forgotten, ms. */
const SILENT_MS = 2_000;
const FORGOTTEN_MS = 15_000;
const SAMPLE_MS = 1_000;

export type Subscriber = (message: DashboardMessage) => void;

/** What a page is fed from: a hub, or in a worker what the primary's hub sends. */
export interface DashboardFeed {
  /**
   * Calls back with `state` soon, and then with each `frame`.
   * @returns What ends it.
   */
  subscribe(subscriber: Subscriber): () => void;
}

interface Known {
  readonly report: WorkerReport;
  readonly heardAt: number;
}

export class DashboardHub implements DashboardFeed {
  readonly #workers = new Map<string, Known>();
  readonly #work = new RecentWork();
  readonly #subscribers = new Set<Subscriber>();
  readonly #samples: Sample[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #events: WorkerEvent[] = [];
  #newEvents: WorkerEvent[] = [];
  #sampledAt = 0;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), REPORT_INTERVAL_MS).unref();
  }

  /** @param worker Tells it from others; one that was replaced comes under another name. */
  take(worker: string, report: WorkerReport): void {
    const now = performance.now();
    if (!this.#workers.has(worker)) this.#note(worker, 'good', 'joined', 'The worker reports');
    this.#workers.set(worker, { report, heardAt: now });
    this.#work.add(worker, report, now);
    for (const event of report.events) this.#log({ ...event, worker });
  }

  /** It has ended. */
  remove(worker: string): void {
    if (!this.#workers.delete(worker)) return;
    this.#work.forget(worker);
    this.#note(worker, 'warning', 'left', 'The worker has ended');
  }

  subscribe(subscriber: Subscriber): () => void {
    subscriber({
      type: 'state',
      lines: { warningPercent: WARNING_PERCENT, alertPercent: ALERT_PERCENT },
      frame: this.#frame(),
      samples: columnsOf(this.#samples),
      // The rest comes with the next frame.
      events: this.#events.slice(0, this.#events.length - this.#newEvents.length),
    });
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#subscribers.clear();
  }

  #tick(): void {
    const now = performance.now();
    for (const [worker, { heardAt }] of this.#workers) {
      if (now - heardAt > FORGOTTEN_MS) this.remove(worker);
    }
    const isDue = now - this.#sampledAt >= SAMPLE_MS - REPORT_INTERVAL_MS / 2;
    if (!isDue && this.#subscribers.size === 0) return;
    const frame = this.#frame();
    const sample = isDue ? this.#sample(frame, now) : undefined;
    const events = this.#newEvents.splice(0);
    const message = { type: 'frame', frame, events, ...(sample ? { sample } : {}) } as const;
    for (const subscriber of this.#subscribers) subscriber(message);
  }

  #sample(frame: Frame, now: number): Sample {
    this.#sampledAt = now;
    const sample: Sample = {
      timeMs: frame.atMs,
      utilizationPercent: frame.utilizationPercent,
      commandsPerS: frame.perSecond.commands,
      errorsPerS: frame.perSecond.errors,
      waiting: frame.waiting,
      inFlight: frame.inFlight,
      p50: frame.commands.p50,
      p95: frame.commands.p95,
      p99: frame.commands.p99,
    };
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
    return sample;
  }

  #frame(): Frame {
    const now = performance.now();
    const workers = [...this.#workers].map(([worker, { report, heardAt }]) => ({
      worker,
      report,
      isSilent: now - heardAt > SILENT_MS,
      commandsPerS: this.#work.rateOf(worker, now),
    }));
    const facts = frameOf(workers, this.#work.recent(now));
    const past = this.#work.lastMinutes(now);
    const reports = workers.map(({ report }) => report);
    const advice = adviceFor({
      utilizationPercent: facts.utilizationPercent,
      inUse: facts.connections.inUse,
      maxConnections: facts.connections.max,
      workers: workers.length,
      silentWorkers: workers.filter(({ isSilent }) => isSilent).length,
      isDown: facts.state === 'down',
      connectFailure: reports.find((report) => report.connectFailure)?.connectFailure,
      downEndpoints: facts.endpoints.filter((one) => one.state === 'down').map((o) => o.address),
      waiting: facts.waiting,
      oldestWaitMs: facts.oldestWaitMs,
      exhausted: past.exhausted,
      timeouts: past.timeouts,
      connectionErrors: past.connectionErrors,
      leaks: past.leaks,
      primariesWithoutReplica: Math.max(0, ...reports.map((one) => one.primariesWithoutReplica)),
      loopPercent: Math.max(0, ...reports.map(({ loopPercent }) => loopPercent)),
    });
    return { ...facts, advice };
  }

  #note(worker: string, severity: WorkerEvent['severity'], name: string, text: string): void {
    this.#log({ atMs: Date.now(), worker, name, severity, text, count: 1 });
  }

  #log(event: WorkerEvent): void {
    for (const list of [this.#events, this.#newEvents]) {
      list.push(event);
      if (list.length > MAX_EVENTS) list.shift();
    }
  }
}

function columnsOf(samples: readonly Sample[]): Samples {
  const columns = SAMPLE_KEYS.map((key) => [key, samples.map((sample) => sample[key])] as const);
  return Object.fromEntries(columns) as Samples;
}
