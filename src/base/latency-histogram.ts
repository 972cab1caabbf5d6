// Counts durations in buckets that grow with the value: 32 per power of two, so that a percentile
// is at most 3 % off from 1 µs up to an hour. A record is an index and an addition, which is why
// this is not node:perf_hooks' histogram (25-35 ns a record) on the path of each reply.

const SUB_BUCKET_BITS = 5;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;
const MAX_MICROSECONDS = 2 ** 32 - 1;
const BUCKETS = (32 - SUB_BUCKET_BITS + 1) * SUB_BUCKETS;

export interface LatencySummary {
  readonly count: number;
  /** All in milliseconds; 0 when nothing was counted. */
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  record(milliseconds: number, times = 1): void {
    this.#counts[bucketOf(milliseconds)]! += times;
    this.#count += times;
    this.#sumMs += milliseconds * times;
    if (milliseconds > this.#maxMs) this.#maxMs = milliseconds;
  }

  add(other: LatencyHistogram): void {
    for (let index = 0; index < BUCKETS; index++) {
      this.#counts[index]! += other.#counts[index] as number;
    }
    this.#count += other.#count;
    this.#sumMs += other.#sumMs;
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumMs = 0;
    this.#maxMs = 0;
  }

  /** How many records lie within each bound (cumulative, within 3 %); bounds in ms, ascending. */
  countsWithin(boundsMs: readonly number[]): number[] {
    let index = 0;
    let seen = 0;
    return boundsMs.map((boundMs) => {
      // The bucket that a bound falls into is taken in, so that a record on the bound is within it.
      while (index < BUCKETS && lowerBound(index) <= boundMs) {
        seen += this.#counts[index++] as number;
      }
      return seen;
    });
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  /** Milliseconds that `percent` per cent of the records don't exceed (within 3 %). */
  percentile(percent: number): number {
    const wanted = Math.max(1, Math.ceil((this.#count * percent) / 100));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#counts[index] as number;
      if (seen >= wanted) return Math.min(upperBound(index), this.#maxMs);
    }
    return this.#maxMs;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      mean: this.#count === 0 ? 0 : this.#sumMs / this.#count,
      p50: this.percentile(50),
      p95: this.percentile(95),
      p99: this.percentile(99),
      max: this.#maxMs,
    };
  }
}

/** The last one to two minutes: two histograms that take turns; and the sum of all there were. */
export class RecentLatency {
  readonly #windowMs: number;
  #current = new LatencyHistogram();
  #previous = new LatencyHistogram();
  readonly #older = new LatencyHistogram();
  #currentSince = 0;

  /** @param windowMs How long one histogram is filled, ms. */
  constructor(windowMs = 60_000) {
    this.#windowMs = windowMs;
  }

  record(milliseconds: number, times = 1): void {
    this.#current.record(milliseconds, times);
  }

  /** Forgets what is too old; called now and then, not for each record. */
  rotate(now: number): void {
    if (now - this.#currentSince < this.#windowMs) return;
    // After a pause of two windows the previous one is as stale as the one before it.
    const isStale = now - this.#currentSince >= 2 * this.#windowMs;
    this.#older.add(this.#previous);
    [this.#previous, this.#current] = [this.#current, this.#previous];
    this.#current.reset();
    if (isStale) {
      this.#older.add(this.#previous);
      this.#previous.reset();
    }
    this.#currentSince = now;
  }

  summary(): LatencySummary {
    return this.#recent().summary();
  }

  /** All that was ever recorded. */
  total(): LatencyHistogram {
    const total = this.#recent();
    total.add(this.#older);
    return total;
  }

  #recent(): LatencyHistogram {
    const both = new LatencyHistogram();
    both.add(this.#previous);
    both.add(this.#current);
    return both;
  }
}

function bucketOf(milliseconds: number): number {
  const microseconds = Math.min(MAX_MICROSECONDS, Math.max(0, milliseconds * 1000)) >>> 0;
  if (microseconds < SUB_BUCKETS) return microseconds;
  const exponent = 31 - Math.clz32(microseconds);
  const sub = (microseconds >>> (exponent - SUB_BUCKET_BITS)) & (SUB_BUCKETS - 1);
  return (exponent - SUB_BUCKET_BITS + 1) * SUB_BUCKETS + sub;
}

function lowerBound(index: number): number {
  return index === 0 ? 0 : upperBound(index - 1);
}

/** The largest duration that falls into a bucket, ms. */
function upperBound(index: number): number {
  if (index < SUB_BUCKETS) return (index + 1) / 1000;
  const exponent = Math.floor(index / SUB_BUCKETS) + SUB_BUCKET_BITS - 1;
  const sub = index % SUB_BUCKETS;
  return ((SUB_BUCKETS + sub + 1) * 2 ** (exponent - SUB_BUCKET_BITS)) / 1000;
}
