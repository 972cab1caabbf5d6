// Reads what a validation needs from a page of Prometheus' text format. Pure.

export interface Scrape {
  readonly utilizationPercent: number;
  readonly exhausted: number;
  /** Resident memory of all workers, bytes. */
  readonly memoryBytes: number;
  /** Cumulative counts of Redis commands by duration: upper bound in s, count. */
  readonly commandBuckets: readonly (readonly [number, number])[];
  /** Errors of the pool that callers got, all codes but what the server answered. */
  readonly poolErrors: number;
}

const COMMAND_DURATION = 'redis_pool_command_duration_seconds_bucket';

export function readScrape(page: string): Scrape {
  const series = parseSeries(page);
  const sum = (name: string, isWanted = (_labels: string) => true) =>
    series
      .filter((one) => one.name === name && isWanted(one.labels))
      .reduce((total, { value }) => total + value, 0);
  const buckets = new Map<number, number>();
  for (const { name, labels, value } of series) {
    if (name !== COMMAND_DURATION) continue;
    const text = /le="([^"]+)"/.exec(labels)?.[1];
    const bound = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return {
    utilizationPercent: sum('redis_pool_utilization_percent'),
    exhausted: sum('redis_pool_exhausted_total'),
    memoryBytes: sum('process_resident_memory_bytes'),
    commandBuckets: [...buckets].sort(([a], [b]) => a - b),
    poolErrors: sum('redis_pool_errors_total', (labels) => !labels.includes('ERROR_REPLY')),
  };
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

function parseSeries(page: string): { name: string; labels: string; value: number }[] {
  return page.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$/.exec(line);
    if (match === null) return [];
    return [{ name: match[1]!, labels: match[2] ?? '', value: Number(match[3]) }];
  });
}
