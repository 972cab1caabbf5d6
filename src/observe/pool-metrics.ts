// What a pool tells Prometheus, as plain families of samples: a pure function of a status and the
// latencies since the start. Names that dashboards already use stand first. Knows no
// metrics library; `prometheus.ts` hands the families to prom-client.

import type { LatencyHistogram } from '../base/latency-histogram.js';
import { ERROR_CODES, type PoolErrorCode } from '../errors.js';
import type { LatencyTotals, PoolStatus } from '../pool/snapshot.js';
import type { FailoverEndpoint } from '../topology/failover.js';
import { ENDPOINT_SCALARS, SCALARS } from './pool-scalars.js';

export interface ObservedPool {
  status(): PoolStatus;
  latencyTotals(): LatencyTotals;
}

/** Leads from a bucket to a trace. */
export interface Exemplar {
  readonly labelSet: Readonly<Record<string, string>>;
  /** s. */
  readonly value: number;
  /** When it ended, s since 1970. */
  readonly timestamp: number;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Of a bucket: an operation that was counted in it. */
  readonly exemplar?: Exemplar;
  /** Of histograms: the family's name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  /** How several workers' samples are combined. Default: their sum. */
  readonly aggregator?: 'max';
  readonly samples: readonly Sample[];
}

/** Upper bounds, s: 100 µs, where an idle pool answers, to the 5 s of the default deadline and on. */
export const DURATION_BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

export const UTILIZATION = 'redis_pool_utilization_percent';
export const IN_USE = 'redis_pool_connections_in_use';
export const MAX = 'redis_pool_connections_max';

/** Codes of a connect that failed, as `docs/errors.md` has them. */
const CONNECT_CODES = [
  'CONNECT_FAILED',
  'CONNECT_TIMEOUT',
  'AUTH_FAILED',
  'TLS_FAILED',
  'PROTOCOL_ERROR',
  'MAX_CLIENTS',
  'SERVER_LOADING',
  'HANDSHAKE_FAILED',
] as const satisfies readonly PoolErrorCode[];

/** Every code is there from the start, since the rate of a series that just appeared is unknown. */
const NO_ERRORS = zeroes([...ERROR_CODES, 'ERROR_REPLY']);
const NO_CONNECT_FAILURES = zeroes(CONNECT_CODES);

function zeroes(keys: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(keys.map((key) => [key, 0]));
}

interface HistogramFacts {
  readonly name: string;
  readonly help: string;
  read(totals: LatencyTotals): LatencyHistogram;
}

const HISTOGRAMS: readonly HistogramFacts[] = [
  {
    name: 'redis_pool_command_duration_seconds',
    help: 'From the call of a command to its reply.',
    read: ({ command }) => command,
  },
  {
    name: 'redis_pool_wait_duration_seconds',
    help: 'How long callers waited that had to wait for a connection.',
    read: ({ wait }) => wait,
  },
  {
    name: 'redis_pool_lease_duration_seconds',
    help: 'How long connections were lent, but for those kept for good on purpose.',
    read: ({ lease }) => lease,
  },
  {
    name: 'redis_pool_connect_duration_seconds',
    help: 'From the dial to a connection that is ready, of those that became so.',
    read: ({ connect }) => connect,
  },
  {
    name: 'redis_pool_event_loop_lag_seconds',
    help: 'How late the timer of the pool came.',
    read: ({ eventLoopLag }) => eventLoopLag,
  },
];

function endpointMetrics(statuses: readonly PoolStatus[]): MetricFamily[] {
  const byEndpoint = ENDPOINT_SCALARS.map(
    ({ name, help, read }): MetricFamily => ({
      name,
      help,
      type: 'gauge',
      samples: statuses.flatMap((status) =>
        status.endpoints.map((endpoint) => ({
          labels: { pool: status.name, endpoint: endpoint.address, role: endpoint.role },
          value: read(endpoint),
        })),
      ),
    }),
  );
  const countOf = ({ endpoints }: PoolStatus, wanted: string) =>
    endpoints.filter(({ role }) => role === wanted).length;
  return [
    ...byEndpoint,
    {
      name: 'redis_pool_endpoints',
      help: 'Servers in use, by role.',
      type: 'gauge',
      // All workers see the same servers.
      aggregator: 'max',
      samples: statuses.flatMap((status) =>
        samplesBy('role', status, {
          primary: countOf(status, 'primary'),
          replica: countOf(status, 'replica'),
        }),
      ),
    },
    {
      name: 'redis_pool_primaries_without_replica',
      help: 'Of a cluster: primaries of which no replica is known.',
      type: 'gauge',
      aggregator: 'max',
      samples: statuses.flatMap(({ name, primariesWithoutReplica: value }) =>
        value === undefined ? [] : [{ labels: { pool: name }, value }],
      ),
    },
  ];
}

/** Of pools with the option `endpoints`, by its ids. */
function failoverMetrics(statuses: readonly PoolStatus[]): MetricFamily[] {
  const byId = (read: (endpoint: FailoverEndpoint) => boolean) =>
    statuses.flatMap(({ name, failover }) =>
      (failover?.endpoints ?? []).map((endpoint) => ({
        labels: { pool: name, endpoint: endpoint.id },
        value: read(endpoint) ? 1 : 0,
      })),
    );
  return [
    {
      name: 'redis_pool_failover_active',
      help: 'Whether the endpoint is the one in use (1) or not (0).',
      type: 'gauge',
      samples: byId(({ isActive }) => isActive),
    },
    {
      name: 'redis_pool_failover_healthy',
      help: 'Whether the endpoint may be used (1), or is unhealthy or in grace (0).',
      type: 'gauge',
      samples: byId(({ state }) => state === 'healthy' || state === 'unknown'),
    },
    {
      name: 'redis_pool_failovers_total',
      help: 'Times that another endpoint was taken, by reason.',
      type: 'counter',
      samples: statuses.flatMap((status) =>
        samplesBy('reason', status, status.failover?.switches ?? {}),
      ),
    },
  ];
}

/** Of pools with the option `autoscale`. */
function autoscaleMetrics(statuses: readonly PoolStatus[]): MetricFamily[] {
  return [
    {
      name: 'redis_pool_autoscale_ceiling',
      help: 'The most that the maximum may grow to.',
      type: 'gauge',
      samples: statuses.flatMap(({ name, autoscale }) =>
        autoscale === undefined ? [] : [{ labels: { pool: name }, value: autoscale.ceiling }],
      ),
    },
    {
      name: 'redis_pool_autoscale_decisions_total',
      help: 'Times that the maximum grew, shrank, or was held although it should have grown.',
      type: 'counter',
      samples: statuses.flatMap((status) =>
        samplesBy('action', status, { ...status.autoscale?.decisions }),
      ),
    },
  ];
}

/** Everything that the pools say at this moment; each sample carries its pool's name. */
export function poolMetrics(pools: readonly ObservedPool[]): MetricFamily[] {
  const facts = pools.map((pool) => ({ status: pool.status(), totals: pool.latencyTotals() }));
  const statuses = facts.map(({ status }) => status);
  return [
    ...SCALARS.map(({ name, help, type, aggregator, read }) => ({
      name,
      help,
      type,
      ...(aggregator === undefined ? {} : { aggregator }),
      samples: statuses.map((status) => ({ labels: { pool: status.name }, value: read(status) })),
    })),
    ...labelledMetrics(statuses),
    ...endpointMetrics(statuses),
    ...failoverMetrics(statuses),
    ...autoscaleMetrics(statuses),
    ...HISTOGRAMS.map(({ name, help, read }) =>
      histogram(
        name,
        help,
        facts.map(({ status, totals }) => ({ pool: status.name, latency: read(totals) })),
      ),
    ),
  ];
}

/** Counts by a label of their own. */
function labelledMetrics(statuses: readonly PoolStatus[]): MetricFamily[] {
  const counter = (
    name: string,
    help: string,
    label: string,
    read: (counters: PoolStatus['counters']) => Readonly<Record<string, number>>,
  ): MetricFamily => ({
    name: `redis_pool_${name}_total`,
    help,
    type: 'counter',
    samples: statuses.flatMap((status) => samplesBy(label, status, read(status.counters))),
  });
  return [
    counter('evictions', 'Connections closed, by reason.', 'reason', (c) => c.evictions),
    counter('errors', 'Errors that callers got, by code.', 'code', ({ errors }) => ({
      ...NO_ERRORS,
      ...errors,
    })),
    counter('connect_failures', 'Connects that failed, by code.', 'code', (counters) => ({
      ...NO_CONNECT_FAILURES,
      ...counters.connectFailures,
    })),
    counter(
      'retries_by_class',
      'Further attempts at a command, by what a second execution would do.',
      'class',
      (counters) => counters.retriesByClass,
    ),
  ];
}

function samplesBy(
  label: string,
  status: PoolStatus,
  counts: Readonly<Record<string, number>>,
): Sample[] {
  return Object.entries(counts).map(([key, value]) => ({
    labels: { pool: status.name, [label]: key },
    value,
  }));
}

function histogram(
  name: string,
  help: string,
  series: readonly { pool: string; latency: LatencyHistogram }[],
): MetricFamily {
  const samples = series.flatMap(({ pool, latency }) => {
    const bounds = DURATION_BUCKETS_SECONDS;
    const counts = latency.countsWithin(bounds.map((seconds) => seconds * 1000));
    return [
      ...bounds.map((le, index) => ({
        labels: { pool, le },
        value: counts[index]!,
        metricName: `${name}_bucket`,
      })),
      { labels: { pool, le: '+Inf' }, value: latency.count, metricName: `${name}_bucket` },
      { labels: { pool }, value: latency.sumMs / 1000, metricName: `${name}_sum` },
      { labels: { pool }, value: latency.count, metricName: `${name}_count` },
    ];
  });
  return { name, help, type: 'histogram', samples };
}
