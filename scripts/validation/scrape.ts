// Reads what a validation needs from a page of Prometheus' text format. Pure.

export interface Scrape {
  readonly utilizationPercent: number;
  readonly exhausted: number;
  /** Callers that wait for a connection at this moment. */
  readonly waiters: number;
  /** Callers that had to wait for a connection, counted since the start. */
  readonly waited: number;
  /** Connections that the pool closed, by reason, since the start. */
  readonly evictions: Readonly<Record<string, number>>;
  /** Of the worker that was latest since the scrape before, p99, ms; NaN where none tells. */
  readonly loopLagP99Ms: number;
  /** Workers that died and were started again. */
  readonly workerRestarts: number;
  /** Resident memory of all workers, bytes. */
  readonly memoryBytes: number;
  /** Cumulative counts of Redis commands by duration: upper bound in s, count. */
  readonly commandBuckets: readonly (readonly [number, number])[];
  /** Commands that a server of a cluster has sent to another one. */
  readonly redirects: number;
  /** Errors of the pool that callers got, all codes but what the server answered. */
  readonly poolErrors: number;
}

const COMMAND_DURATION = 'redis_pool_command_duration_seconds_bucket';
const LOOP_LAG = 'worker_nodejs_eventloop_lag_p99_seconds';
/** The monitor of Node's event loop sleeps so long between two looks, and counts it in, ms. */
const LAG_RESOLUTION_MS = 10;

export function readScrape(page: string): Scrape {
  const series = parseSeries(page);
  const of = (name: string) => series.filter((one) => one.name === name);
  const sum = (name: string) => of(name).reduce((total, { value }) => total + value, 0);
  const lags = of(LOOP_LAG).map(({ value }) => Math.max(0, value * 1000 - LAG_RESOLUTION_MS));
  return {
    utilizationPercent: sum('redis_pool_utilization_percent'),
    exhausted: sum('redis_pool_exhausted_total'),
    waiters: sum('redis_pool_waiters'),
    waited: sum('redis_pool_wait_duration_seconds_count'),
    evictions: Object.fromEntries(
      of('redis_pool_evictions_total').map(({ labels, value }) => [label(labels, 'reason'), value]),
    ),
    loopLagP99Ms: lags.length === 0 ? Number.NaN : Math.max(...lags),
    workerRestarts: sum('auth_worker_restarts_total'),
    memoryBytes: sum('process_resident_memory_bytes'),
    commandBuckets: bucketsOf(of(COMMAND_DURATION)),
    redirects: sum('redis_pool_redirects_total'),
    poolErrors: of('redis_pool_errors_total')
      .filter(({ labels }) => label(labels, 'code') !== 'ERROR_REPLY')
      .reduce((total, { value }) => total + value, 0),
  };
}

interface Series {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

function bucketsOf(series: readonly Series[]): (readonly [number, number])[] {
  const buckets = new Map<number, number>();
  for (const { labels, value } of series) {
    const text = label(labels, 'le');
    const bound = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return [...buckets].sort(([a], [b]) => a - b);
}

/** The share of commands below, taken between two scrapes, by interpolation; in ms. NaN: there were none. */
export function commandPercentileMs(before: Scrape, after: Scrape, percent: number): number {
  const earlier = new Map(before.commandBuckets);
  const counts = after.commandBuckets.map(
    ([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)] as const,
  );
  const total = counts.at(-1)?.[1] ?? 0;
  if (total === 0) return Number.NaN;
  const wanted = (total * percent) / 100;
  let [lowerBound, lowerCount] = [0, 0];
  for (const [bound, count] of counts) {
    if (count >= wanted) {
      if (bound === Number.POSITIVE_INFINITY) return lowerBound * 1000;
      const share = (wanted - lowerCount) / Math.max(1, count - lowerCount);
      return (lowerBound + (bound - lowerBound) * share) * 1000;
    }
    [lowerBound, lowerCount] = [bound, count];
  }
  return lowerBound * 1000;
}

/** Connections closed between two scrapes, by reason; reasons without any are left out. */
export function evictionsBetween(before: Scrape, after: Scrape): Record<string, number> {
  const counts = Object.entries(after.evictions).map(
    ([reason, count]) => [reason, count - (before.evictions[reason] ?? 0)] as const,
  );
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

function label(labels: string, name: string): string {
  return new RegExp(`[{,]${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
}

function parseSeries(page: string): Series[] {
  return page.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$/.exec(line);
    if (match === null) return [];
    return [{ name: match[1]!, labels: match[2] ?? '', value: Number(match[3]) }];
  });
}
