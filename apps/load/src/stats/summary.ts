// The figures of one row of the report, from a histogram in microseconds with three significant
// digits. Smallest, largest and mean are kept exactly, beside the histogram.

import { build, type Histogram } from 'hdr-histogram-js';

const HIGHEST_LATENCY_US = 3_600_000_000;
const US_PER_MS = 1000;

/** Times in ms. */
export interface RowSummary {
  method: string;
  name: string;
  count: number;
  failures: number;
  /** Requests that ended, per second. */
  rps: number;
  failuresPerS: number;
  p50: number;
  p66: number;
  p75: number;
  p80: number;
  p90: number;
  p95: number;
  p98: number;
  p99: number;
  p999: number;
  p9999: number;
  min: number;
  max: number;
  mean: number;
  /** Mean size of a response's body in bytes. */
  meanBytes: number;
}

/** The percentiles of locust's tables, with their headings. */
export const PERCENTILES = [
  ['p50', 50, '50%'],
  ['p66', 66, '66%'],
  ['p75', 75, '75%'],
  ['p80', 80, '80%'],
  ['p90', 90, '90%'],
  ['p95', 95, '95%'],
  ['p98', 98, '98%'],
  ['p99', 99, '99%'],
  ['p999', 99.9, '99.9%'],
  ['p9999', 99.99, '99.99%'],
  ['max', 100, '100%'],
] as const;

/** What is added to a row. */
export interface Counts {
  readonly latenciesUs: Uint32Array;
  readonly failures: number;
  readonly bytes: number;
}

/** Counts of one row, over a second or the whole run. */
export class RowStats {
  readonly #histogram: Histogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_LATENCY_US,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
  count = 0;
  failures = 0;
  /** Requests and failures that belong to the row and not to its rates. */
  #outsideCount = 0;
  #outsideFailures = 0;
  #bytes = 0;
  #sumUs = 0;
  #minUs = Number.POSITIVE_INFINITY;
  #maxUs = 0;

  constructor(
    readonly method: string,
    readonly name: string,
  ) {}

  /** What ended `outside` of the time that is summarized counts, but not for the rates. */
  add({ latenciesUs, failures, bytes }: Counts, outside = false): void {
    for (const latencyUs of latenciesUs) {
      this.#histogram.recordValue(Math.min(HIGHEST_LATENCY_US, latencyUs));
      this.#sumUs += latencyUs;
      if (latencyUs < this.#minUs) this.#minUs = latencyUs;
      if (latencyUs > this.#maxUs) this.#maxUs = latencyUs;
    }
    this.count += latenciesUs.length;
    this.failures += failures;
    this.#bytes += bytes;
    if (!outside) return;
    this.#outsideCount += latenciesUs.length;
    this.#outsideFailures += failures;
  }

  reset(): void {
    this.#histogram.reset();
    this.#outsideCount = this.#outsideFailures = 0;
    this.count = this.failures = this.#bytes = this.#sumUs = this.#maxUs = 0;
    this.#minUs = Number.POSITIVE_INFINITY;
  }

  /** A percentile from 0 to 100, in ms; 0 when there is nothing. */
  percentileMs(percentile: number): number {
    if (this.count === 0) return 0;
    if (percentile >= 100) return this.#maxUs / US_PER_MS;
    // The histogram answers with the upper end of a bucket, which may lie above the largest value.
    return Math.min(this.#histogram.getValueAtPercentile(percentile), this.#maxUs) / US_PER_MS;
  }

  summarize(durationMs: number): RowSummary {
    const seconds = Math.max(0.001, durationMs / 1000);
    const percentile = (value: number) => this.percentileMs(value);
    return {
      method: this.method,
      name: this.name,
      count: this.count,
      failures: this.failures,
      rps: (this.count - this.#outsideCount) / seconds,
      failuresPerS: (this.failures - this.#outsideFailures) / seconds,
      p50: percentile(50),
      p66: percentile(66),
      p75: percentile(75),
      p80: percentile(80),
      p90: percentile(90),
      p95: percentile(95),
      p98: percentile(98),
      p99: percentile(99),
      p999: percentile(99.9),
      p9999: percentile(99.99),
      min: this.count === 0 ? 0 : this.#minUs / US_PER_MS,
      max: percentile(100),
      mean: this.count === 0 ? 0 : this.#sumUs / this.count / US_PER_MS,
      meanBytes: this.count === 0 ? 0 : this.#bytes / this.count,
    };
  }
}
