// Of each bucket of a latency histogram the last operation that ran within a span: from a slow bucket
// on a dashboard one click leads to its trace. Listens to the tracing channels, and so costs what
// tracing does; nothing where it isn't asked for.

import type { TracingChannel } from 'node:diagnostics_channel';
import { BATCH, COMMAND, LEASE, type LeaseTrace, type Trace, WAIT } from '../base/tracing.js';
import { DURATION_BUCKETS_SECONDS, type Exemplar, type Sample } from './pool-metrics.js';

/** Labels that name the active span, such as `trace_id` and `span_id`; `undefined`: none is. */
export type ActiveSpan = () => Readonly<Record<string, string>> | undefined;

/** Names and values together; OpenMetrics allows no more, and Prometheus refuses the whole scrape. */
const MAX_LABEL_CHARACTERS = 128;

interface Begun {
  readonly labels: Readonly<Record<string, string>>;
  readonly at: number;
}

export class Exemplars {
  readonly #activeSpan: ActiveSpan;
  /** By bucket and pool: as many as there are series. */
  readonly #last = new Map<string, Exemplar>();

  /** Listens from now on, as long as the process lives. */
  constructor(activeSpan: ActiveSpan) {
    this.#activeSpan = activeSpan;
    this.#listen(COMMAND, 'redis_pool_command_duration_seconds');
    this.#listen(BATCH, 'redis_pool_command_duration_seconds');
    this.#listen(WAIT, 'redis_pool_wait_duration_seconds');
    const counts = ({ isLongLived }: LeaseTrace) => !isLongLived;
    this.#listen(LEASE, 'redis_pool_lease_duration_seconds', counts);
  }

  /** With its exemplar, where it is a bucket that has one. */
  complete(sample: Sample): Sample {
    const { metricName, labels } = sample;
    if (labels.le === undefined) return sample;
    const exemplar = this.#last.get(keyOf(metricName, labels.pool, labels.le));
    return exemplar === undefined ? sample : { ...sample, exemplar };
  }

  #listen<T extends Trace>(
    channel: TracingChannel<T, T>,
    metric: string,
    counts: (told: T) => boolean = () => true,
  ): void {
    const begun = new WeakMap<object, Begun>();
    const start = (told: T) => {
      const labels = counts(told) ? this.#activeSpan() : undefined;
      if (labels !== undefined) begun.set(told, { labels, at: performance.now() });
    };
    const asyncEnd = (told: T) => {
      const found = begun.get(told);
      if (found !== undefined && told.error === undefined) this.#note(metric, told, found);
    };
    channel.subscribe({ start, asyncEnd } as never);
  }

  #note(metric: string, { poolName }: Trace, { labels, at }: Begun): void {
    const characters = Object.entries(labels).flat().join('').length;
    if (characters > MAX_LABEL_CHARACTERS) return;
    const value = (performance.now() - at) / 1_000;
    const bound = DURATION_BUCKETS_SECONDS.find((seconds) => value <= seconds) ?? '+Inf';
    const exemplar = { labelSet: labels, value, timestamp: Date.now() / 1_000 };
    this.#last.set(keyOf(`${metric}_bucket`, poolName, bound), exemplar);
  }
}

function keyOf(metric: string | undefined, pool: unknown, bound: unknown): string {
  return `${metric} ${bound} ${pool}`;
}
