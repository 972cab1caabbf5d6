// What only the primary knows: how many workers serve, and how often one had to be replaced.

import type { WorkerMetrics } from 'plimsoll/prometheus';
import { Counter, Gauge, Registry } from 'prom-client';
import type { StaffingDecision } from './staffing.js';

export interface ServiceFigures {
  /** Workers that serve. */
  readonly workers: number;
  /** Workers that did not answer this scrape in time. */
  readonly missing: number;
  /** Of their event loops. */
  readonly utilizationPercent: number;
}

export class PrimaryMetrics {
  readonly #registry = new Registry();
  readonly #workers = new Gauge({
    name: 'auth_workers',
    help: 'Workers that serve.',
    registers: [this.#registry],
  });
  readonly #missing = new Gauge({
    name: 'auth_workers_missing',
    help: 'Workers that did not answer this scrape in time.',
    registers: [this.#registry],
  });
  readonly #restarts = new Counter({
    name: 'auth_worker_restarts_total',
    help: 'Workers that died and were started again.',
    registers: [this.#registry],
  });

  readonly #hung = new Counter({
    name: 'auth_workers_hung_total',
    help: 'Workers that were killed because their event loop stood still.',
    registers: [this.#registry],
  });

  readonly #most = new Gauge({
    name: 'auth_workers_max',
    help: 'Workers that there may be.',
    registers: [this.#registry],
  });
  readonly #utilization = new Gauge({
    name: 'auth_event_loop_utilization_percent',
    help: 'For which part of the last second the event loops of the workers were busy.',
    registers: [this.#registry],
  });
  readonly #scalings = new Counter({
    name: 'auth_worker_scalings_total',
    help: 'Times that a worker was added, sent away, or wanted and not allowed.',
    labelNames: ['action'],
    registers: [this.#registry],
  });

  /** @param most How many workers there may be. */
  constructor(most: number) {
    this.#most.set(most);
    for (const action of ['grow', 'shrink', 'hold']) this.#scalings.inc({ action }, 0);
  }

  countScaling(action: StaffingDecision['action']): void {
    this.#scalings.inc({ action });
  }

  countRestart(): void {
    this.#restarts.inc();
  }

  countHung(): void {
    this.#hung.inc();
  }

  async read(figures: ServiceFigures): Promise<WorkerMetrics> {
    this.#workers.set(figures.workers);
    this.#missing.set(figures.missing);
    this.#utilization.set(figures.utilizationPercent);
    const metrics = await this.#registry.getMetricsAsJSON();
    return { worker: 'primary', metrics: metrics as WorkerMetrics['metrics'] };
  }
}
