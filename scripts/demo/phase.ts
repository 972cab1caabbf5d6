// One part of the demonstration: what it counts, and the row that it adds to the closing table.

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Pool } from 'plimsoll';
import { count, type Meter, withProgress } from './progress.js';

const SAMPLE_MS = 20;

export class Phase implements Meter {
  readonly title: string;
  operations = 0;
  errors = 0;
  /** What went wrong first, for the reader. */
  firstError: unknown;
  peakInUse = 0;
  peakUtilizationPercent = 0;
  openConnections = 0;
  seconds = 0;
  readonly #latency: RecordableHistogram = createHistogram();

  constructor(title: string) {
    this.title = title;
  }

  /** Runs one operation and counts it, whatever becomes of it. */
  async measure(operation: () => Promise<unknown>): Promise<void> {
    const startedAt = performance.now();
    try {
      await operation();
      this.#latency.record(Math.max(1, Math.round((performance.now() - startedAt) * 1000)));
      this.operations++;
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    this.errors++;
    this.firstError ??= error;
  }

  /** Does the work with progress on the terminal, watching the pool meanwhile. */
  async run(pool: Pool, work: (phase: Phase) => Promise<void>): Promise<void> {
    const startedAt = performance.now();
    const sampler = setInterval(() => this.#watch(pool), SAMPLE_MS);
    try {
      await withProgress(this.title, pool, this, () => work(this));
    } finally {
      clearInterval(sampler);
      this.seconds = (performance.now() - startedAt) / 1000;
      this.openConnections = pool.status().connections.open;
    }
  }

  row(maxConnections: number): string[] {
    return [
      this.title,
      count(this.operations),
      count(this.operations / this.seconds),
      ...[50, 95, 99].map((percent) => this.#milliseconds(percent)),
      `${this.openConnections} of ${maxConnections}`,
      `${this.peakUtilizationPercent.toFixed(0)} %`,
      count(this.errors),
    ];
  }

  #watch(pool: Pool): void {
    const { connections, utilizationPercent } = pool.status();
    this.peakInUse = Math.max(this.peakInUse, connections.inUse);
    this.peakUtilizationPercent = Math.max(this.peakUtilizationPercent, utilizationPercent);
  }

  #milliseconds(percent: number): string {
    if (this.operations === 0) return '-';
    return `${(this.#latency.percentile(percent) / 1000).toFixed(2)} ms`;
  }
}

/** `callers` loops that run `operation` one after the other until the time is up. */
export async function callersFor(
  milliseconds: number,
  callers: number,
  operation: (caller: number) => Promise<void>,
): Promise<void> {
  const endsAt = performance.now() + milliseconds;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (performance.now() < endsAt) await operation(caller);
    }),
  );
}
