// `plimsoll/prometheus`: pools in a prom-client registry, and several workers in one scrape.
//
//   worker 1: registry -- getMetricsAsJSON() --+
//   worker 2: registry -- getMetricsAsJSON() --+--> aggregateWorkerMetrics() --> one page
//
// The plain names are the whole service, so that existing dashboards and alerts stay right; what a
// single worker says stands under the same name with `worker_` before it and a label `worker`.
// Nothing is computed until somebody scrapes.

import {
  type Metric,
  type MetricObjectWithValues,
  type MetricValue,
  type OpenMetricsContentType,
  Registry,
} from 'prom-client';
import { PoolError } from '../errors.js';
import { utilizationPercent } from '../policy/recommendations.js';
import { type ActiveSpan, Exemplars } from './exemplars.js';
import {
  IN_USE,
  MAX,
  type MetricFamily,
  type ObservedPool,
  poolMetrics,
  type Sample,
  UTILIZATION,
} from './pool-metrics.js';
import { RegisteredPools } from './registered-pools.js';

export type { ActiveSpan } from './exemplars.js';
export type { ObservedPool } from './pool-metrics.js';

type AnyRegistry = PoolMetricsOptions['registry'];

export interface PoolMetricsOptions {
  /** Where the metrics are registered. */
  readonly registry: Registry | Registry<OpenMetricsContentType>;
  /**
   * Names the active span, e.g. `activeSpan` of `plimsoll/opentelemetry`: the buckets of latencies
   * get exemplars then, where operations run within one. For all pools of the registry, which has to
   * be of the type OpenMetrics. Default: none, as it costs what tracing of every command does.
   */
  readonly exemplars?: ActiveSpan;
}

/** Metrics of one worker process, as its registry's `getMetricsAsJSON()` gives them. */
export interface WorkerMetrics {
  /** Becomes the label `worker`. */
  readonly worker: string;
  readonly metrics: readonly WorkerMetric[];
}

export type WorkerMetric = MetricObjectWithValues<MetricValue<string>>;

const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE;

const poolsOf = new WeakMap<AnyRegistry, RegisteredPools>();
const exemplarsOf = new WeakMap<AnyRegistry, Exemplars>();

/**
 * Registers a pool's metrics; further pools join the same names with their own label `pool`, until they
 * are closed. A registry that was cleared has them all again.
 * @throws PoolError INVALID_ARGUMENT: `exemplars` for a registry that can't tell them.
 */
export function registerPoolMetrics(pool: ObservedPool, options: PoolMetricsOptions): void {
  const { registry } = options;
  listenForExemplars(options);
  const pools = poolsOf.get(registry) ?? new RegisteredPools();
  poolsOf.set(registry, pools);
  pools.add(pool);
  const scrape = oncePerScrape(() => poolMetrics(pools.current()));
  for (const { name } of poolMetrics([])) {
    if (registry.getSingleMetric(name) !== undefined) continue;
    register(registry, name, () => scrape().find((family) => family.name === name)!);
  }
}

function listenForExemplars({ registry, exemplars }: PoolMetricsOptions): void {
  if (exemplars === undefined || exemplarsOf.has(registry)) return;
  if (registry.contentType !== OPEN_METRICS) {
    const text = 'exemplars: the registry needs the content type Registry.OPENMETRICS_CONTENT_TYPE';
    throw new PoolError('INVALID_ARGUMENT', text);
  }
  exemplarsOf.set(registry, new Exemplars(exemplars));
}

/**
 * One page of Prometheus' text format for all workers: sums under the plain names, averages where
 * a metric says so, utilisation as all connections in use of all there may be; and each worker's
 * gauges and counters as `worker_<name>{worker="..."}`.
 */
export function aggregateWorkerMetrics(workers: readonly WorkerMetrics[]): Promise<string> {
  const registry = new Registry();
  const totals = new Map<string, Total>();
  for (const { worker, metrics } of workers) {
    for (const metric of metrics) {
      const total = totals.get(metric.name) ?? new Total(metric);
      totals.set(metric.name, total);
      total.add(worker, metric);
    }
  }
  deriveUtilization(totals);
  for (const total of totals.values()) {
    for (const family of total.families()) register(registry, family.name, () => family);
  }
  return registry.metrics();
}

/** One metric over all workers. */
class Total {
  readonly #metric: WorkerMetric;
  readonly #series = new Map<string, { sample: Sample; values: number[] }>();
  readonly #ofWorkers: Sample[] = [];

  constructor(metric: WorkerMetric) {
    this.#metric = metric;
  }

  add(worker: string, metric: WorkerMetric): void {
    for (const value of metric.values as readonly SampleValue[]) {
      const sample = toSample(value);
      const key = `${sample.metricName ?? ''}${keyOf(sample.labels)}`;
      const series = this.#series.get(key) ?? { sample, values: [] };
      series.values.push(sample.value);
      this.#series.set(key, series);
      this.#ofWorkers.push({ ...sample, labels: { ...sample.labels, worker } });
    }
  }

  /** The combined value by labels, e.g. `{"pool":"main"}`. */
  valueOf(key: string): number {
    return this.#combine(this.#series.get(key)?.values ?? []);
  }

  /** Replaces the combined values. */
  override(valueFor: (key: string) => number): void {
    for (const [key, series] of this.#series) series.values = [valueFor(key)];
  }

  families(): MetricFamily[] {
    const { name, help, aggregator } = this.#metric;
    if (aggregator === 'omit') return [];
    const type = this.#metric.type as unknown as MetricFamily['type'];
    const samples = [...this.#series.values()].map(({ sample, values }) => ({
      ...sample,
      value: this.#combine(values),
    }));
    const all: MetricFamily = { name, help, type, samples };
    if (type !== 'gauge' && type !== 'counter') return [all];
    return [all, { name: `worker_${name}`, help, type, samples: this.#ofWorkers }];
  }

  #combine(values: readonly number[]): number {
    const sum = values.reduce((total, value) => total + value, 0);
    switch (this.#metric.aggregator) {
      case 'average':
        return values.length === 0 ? 0 : sum / values.length;
      case 'first':
        return values[0] ?? 0;
      case 'min':
        return Math.min(...values);
      case 'max':
        return Math.max(...values);
      default:
        return sum;
    }
  }
}

/** Percentages can't be added: the share is taken anew from the sums. */
function deriveUtilization(totals: ReadonlyMap<string, Total>): void {
  const [inUse, max] = [totals.get(IN_USE), totals.get(MAX)];
  if (inUse === undefined || max === undefined) return;
  totals
    .get(UTILIZATION)
    ?.override((key) => utilizationPercent(inUse.valueOf(key), max.valueOf(key)));
}

type SampleValue = MetricValue<string> & { readonly metricName?: string };

function toSample({ labels, value, metricName }: SampleValue): Sample {
  const sample = { labels: labels as Sample['labels'], value };
  return metricName === undefined ? sample : { ...sample, metricName };
}

function keyOf(labels: Sample['labels']): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort()));
}

/** A metric whose values are made at each scrape, in the shape that a registry asks for. */
function register(registry: AnyRegistry, name: string, family: () => MetricFamily): void {
  const metric = {
    name,
    reset(): void {},
    async get() {
      const { help, type, samples, aggregator = 'sum' } = family();
      // An OpenMetrics registry appends `_total` to the name of a counter by itself.
      const isAppended = type === 'counter' && registry.contentType === OPEN_METRICS;
      const shownName = isAppended ? name.replace(/_total$/, '') : name;
      const exemplars = exemplarsOf.get(registry);
      const values =
        exemplars === undefined ? samples : samples.map((one) => exemplars.complete(one));
      return { name: shownName, help, type, values, aggregator };
    },
  };
  registry.registerMetric(metric as unknown as Metric);
}

/** All metrics of a scrape are read in one turn of the event loop, so one reading serves them. */
function oncePerScrape<T>(read: () => T): () => T {
  let current: T | undefined;
  return () => {
    if (current === undefined) {
      current = read();
      queueMicrotask(() => {
        current = undefined;
      });
    }
    return current;
  };
}
