// What all workers did lately: rates and percentiles of the last seconds, and how often something went
// wrong in the last five minutes. Workers count since their start; here the differences are kept, so
// that a worker that is replaced, or a report that is lost, makes no dent and no peak.

import { EXHAUSTION_WINDOW_MS } from '../health.js';
import { addCounts, countsSince, percentilesOf } from './durations.js';
import type { Percentiles, Totals, WorkerReport } from './messages.js';

/** Rates and percentiles are of so long, ms. */
const RECENT_MS = 3_000;
const NOTHING: Totals = {
  commands: 0,
  leases: 0,
  errors: 0,
  timeouts: 0,
  retries: 0,
  exhausted: 0,
  connectionErrors: 0,
  leaks: 0,
};
const KEYS = Object.keys(NOTHING) as (keyof Totals)[];

export interface RecentFigures {
  readonly perSecond: Totals;
  readonly commands: Percentiles;
  readonly waits: Percentiles;
}

/** Between two reports of a worker. */
interface Step {
  readonly worker: string;
  readonly at: number;
  readonly lastedMs: number;
  readonly totals: Totals;
  readonly commands: readonly number[];
  readonly waits: readonly number[];
}

export class RecentWork {
  readonly #last = new Map<string, { readonly report: WorkerReport; readonly at: number }>();
  #steps: Step[] = [];
  /** Oldest first; only what is not all zeros. */
  #past: { readonly at: number; readonly totals: Totals }[] = [];

  /** @param now Monotonic, ms. */
  add(worker: string, report: WorkerReport, now: number): void {
    const last = this.#last.get(worker);
    this.#last.set(worker, { report, at: now });
    // What the pool did before anybody looked is no work of this moment.
    if (last === undefined) return;
    const totals = difference(report.totals, last.report.totals);
    this.#steps.push({
      worker,
      at: now,
      lastedMs: now - last.at,
      totals,
      commands: countsSince(report.commandsWithin, last.report.commandsWithin),
      waits: countsSince(report.waitsWithin, last.report.waitsWithin),
    });
    this.#steps = this.#steps.filter(({ at }) => now - at < RECENT_MS);
    const { exhausted, timeouts, connectionErrors, leaks } = totals;
    if (exhausted + timeouts + connectionErrors + leaks > 0) this.#past.push({ at: now, totals });
    while (this.#past.length > 0 && now - this.#past[0]!.at > EXHAUSTION_WINDOW_MS) {
      this.#past.shift();
    }
  }

  forget(worker: string): void {
    this.#last.delete(worker);
  }

  rateOf(worker: string, now: number): number {
    return ratesOf(this.#recent(now).filter((step) => step.worker === worker)).commands;
  }

  recent(now: number): RecentFigures {
    const steps = this.#recent(now);
    return {
      perSecond: ratesOf(steps),
      commands: percentilesOf(addCounts(steps.map(({ commands }) => commands))),
      waits: percentilesOf(addCounts(steps.map(({ waits }) => waits))),
    };
  }

  /** In the last five minutes; of `commands`, `leases`, `errors` and `retries` not all. */
  lastMinutes(now: number): Totals {
    const past = this.#past.filter(({ at }) => now - at <= EXHAUSTION_WINDOW_MS);
    return sumOf(past.map(({ totals }) => totals));
  }

  #recent(now: number): Step[] {
    return this.#steps.filter(({ at }) => now - at < RECENT_MS);
  }
}

/** Each worker's by the time that its own steps took. */
function ratesOf(steps: readonly Step[]): Totals {
  const workers = [...new Set(steps.map(({ worker }) => worker))];
  const rates = workers.map((worker) => {
    const own = steps.filter((step) => step.worker === worker);
    const seconds = own.reduce((sum, { lastedMs }) => sum + lastedMs, 0) / 1000;
    return mapped((key) => own.reduce((sum, { totals }) => sum + totals[key], 0) / seconds);
  });
  return sumOf(rates);
}

function difference(totals: Totals, before: Totals): Totals {
  return mapped((key) => Math.max(0, totals[key] - before[key]));
}

function sumOf(parts: readonly Totals[]): Totals {
  return mapped((key) => parts.reduce((sum, part) => sum + part[key], 0));
}

function mapped(amountOf: (key: keyof Totals) => number): Totals {
  return Object.fromEntries(KEYS.map((key) => [key, amountOf(key)])) as unknown as Totals;
}
