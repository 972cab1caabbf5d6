// What only the primary knows: how many workers serve, and how often one had to be replaced.

import type { WorkerMetrics } from 'plimsoll/prometheus';
import { Counter, Gauge, Registry } from 'prom-client';

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

  countRestart(): void {
    this.#restarts.inc();
  }

  countHung(): void {
    this.#hung.inc();
  }

  async read(workers: number, missing: number): Promise<WorkerMetrics> {
    this.#workers.set(workers);
    this.#missing.set(missing);
    const metrics = await this.#registry.getMetricsAsJSON();
    return { worker: 'primary', metrics: metrics as WorkerMetrics['metrics'] };
  }
}
