// Reads the service's Prometheus metrics, from this process and not from a generator, and not more
// often than a chart needs: each reading costs the service CPU. Readings that fail are counted and
// noted, not hidden: a chart with holes says why.

import { unixNow } from './clock.js';
import { messageOf } from './errors.js';
import type { MetricsSample } from './report/load-report.js';

const POLL_MS = 2000;
const TIMEOUT_MS = 5000;
const MAX_SAMPLES = 86_400;
const UTILIZATION = 'redis_pool_utilization_percent';
const MEMORY = 'process_resident_memory_bytes';

export class MetricsPoll {
  readonly samples: MetricsSample[] = [];
  #failed = 0;
  #lastFailure = '';
  #reading = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly url: string | undefined) {}

  start(): void {
    if (this.url === undefined) return;
    void this.#read(this.url);
    this.#timer = setInterval(() => void this.#read(this.url!), POLL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** What went wrong, for the report's notes. */
  note(): string | undefined {
    if (this.#failed === 0) return undefined;
    return `${this.#failed} readings of ${this.url} failed, the last: ${this.#lastFailure}`;
  }

  async #read(url: string): Promise<void> {
    if (this.#reading || this.samples.length >= MAX_SAMPLES) return;
    this.#reading = true;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const text = await response.text();
      if (!response.ok) throw new Error(`status ${response.status}`);
      this.samples.push({ timeMs: unixNow(), ...readMetrics(text) });
    } catch (error) {
      this.#failed += 1;
      this.#lastFailure = messageOf(error);
    } finally {
      this.#reading = false;
    }
  }
}

/** Picks the two metrics out of Prometheus's text format. */
export function readMetrics(text: string): Omit<MetricsSample, 'timeMs'> {
  const utilization = valuesOf(text, UTILIZATION);
  const memory = valuesOf(text, MEMORY);
  return {
    poolUtilizationPercent: utilization.length === 0 ? null : Math.max(...utilization),
    residentMemoryBytes: memory.length === 0 ? null : memory.reduce((sum, value) => sum + value, 0),
  };
}

function valuesOf(text: string, metric: string): number[] {
  return (
    text
      .split('\n')
      .filter((line) => line.startsWith(metric) && /^[{ ]/.test(line.slice(metric.length)))
      // The value follows the labels, which may hold anything, and precedes a time stamp.
      .map((line) => line.slice(Math.max(metric.length, line.lastIndexOf('}') + 1)).trim())
      .map((rest) => Number(rest.split(/\s+/)[0]))
      .filter((value) => Number.isFinite(value))
  );
}
