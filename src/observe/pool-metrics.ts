// What a pool tells Prometheus, as plain families of samples: a pure function of a status and the
// latencies since the start. Names that dashboards already use stand first (brief §5). Knows no
// metrics library; `prometheus.ts` hands the families to prom-client.

import { ERROR_CODES } from '../errors.js';
import type { LatencyTotals } from '../pool/pool.js';
import type { PoolStatus } from '../pool/snapshot.js';

export interface ObservedPool {
  status(): PoolStatus;
  latencyTotals(): LatencyTotals;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Of histograms: the family's name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly samples: readonly Sample[];
}

/** Upper bounds, s: 100 µs, where an idle pool answers, to the 5 s of the default deadline and on. */
export const DURATION_BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

export const UTILIZATION = 'redis_pool_utilization_percent';
export const IN_USE = 'redis_pool_connections_in_use';
export const MAX = 'redis_pool_connections_max';

interface Scalar {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  read(status: PoolStatus): number;
}

const gauge = (name: string, help: string, read: Scalar['read']): Scalar => ({
  name: `redis_pool_${name}`,
  help,
  type: 'gauge',
  read,
});

const counter = (name: string, help: string, read: Scalar['read']): Scalar => ({
  name: `redis_pool_${name}_total`,
  help,
  type: 'counter',
  read,
});

const SCALARS: readonly Scalar[] = [
  gauge(
    'utilization_percent',
    'Connections in use of the maximum, percent.',
    (status) => status.utilizationPercent,
  ),
  gauge(
    'connections_in_use',
    'Connections leased, or with commands in flight.',
    (status) => status.connections.inUse,
  ),
  gauge(
    'connections_available',
    'The maximum less the connections in use.',
    (status) => status.connections.available,
  ),
  counter(
    'exhausted',
    'Times that a caller had to wait although all connections were open.',
    (status) => status.counters.exhausted,
  ),
  gauge(
    'connections_max',
    'The most connections that may be open.',
    (status) => status.connections.max,
  ),
  gauge(
    'connections_open',
    'Sockets that are ready, leased or draining.',
    (status) => status.connections.open,
  ),
  gauge(
    'connections_idle',
    'Connections open and not in use.',
    (status) => status.connections.idle,
  ),
  gauge('connections_leased', 'Connections lent out.', (status) => status.connections.leased),
  gauge(
    'connections_connecting',
    'Connections being dialed.',
    (status) => status.connections.connecting,
  ),
  gauge('waiters', 'Callers that wait for a connection.', (status) => status.waiting),
  gauge('commands_in_flight', 'Commands whose reply has not come.', (status) => status.inFlight),
  gauge('breaker_open', 'Pools whose breaker is open: no server can be asked.', (status) =>
    status.state === 'down' ? 1 : 0,
  ),
  counter('commands', 'Replies handed out.', (status) => status.counters.commands),
  counter('leases', 'Connections lent.', (status) => status.counters.leases),
  counter('connections_opened', 'Connections made.', (status) => status.counters.opened),
  counter(
    'connection_errors',
    'Failed connects and connections lost.',
    (status) => status.counters.connectionErrors,
  ),
  counter(
    'timeouts',
    'Deadlines that passed, while waiting or in flight.',
    (status) => status.counters.timeouts,
  ),
  counter('retries', 'Further attempts at a command.', (status) => status.counters.retries),
  counter(
    'health_check_failures',
    'PINGs that failed or came late.',
    (status) => status.counters.healthCheckFailures,
  ),
  counter('leaks', 'Leases held longer than leakThresholdMs.', (status) => status.counters.leaks),
  counter(
    'refused_by_breaker',
    'Callers told at once that no server can be asked.',
    (status) => status.counters.refusedByBreaker,
  ),
];

/** Everything that the pools say at this moment; each sample carries its pool's name. */
export function poolMetrics(pools: readonly ObservedPool[]): MetricFamily[] {
  const facts = pools.map((pool) => ({ status: pool.status(), totals: pool.latencyTotals() }));
  const statuses = facts.map(({ status }) => status);
  return [
    ...SCALARS.map(({ name, help, type, read }) => ({
      name,
      help,
      type,
      samples: statuses.map((status) => ({ labels: { pool: status.name }, value: read(status) })),
    })),
    {
      name: 'redis_pool_evictions_total',
      help: 'Connections closed, by reason.',
      type: 'counter',
      samples: statuses.flatMap((status) => samplesBy('reason', status, status.counters.evictions)),
    },
    {
      name: 'redis_pool_errors_total',
      help: 'Errors that callers got, by code.',
      type: 'counter',
      samples: statuses.flatMap((status) =>
        samplesBy('code', status, { ...NO_ERRORS, ...status.counters.errors }),
      ),
    },
    histogram(
      'redis_pool_command_duration_seconds',
      'From the call of a command to its reply.',
      facts.map(({ status, totals }) => ({ pool: status.name, latency: totals.command })),
    ),
    histogram(
      'redis_pool_wait_duration_seconds',
      'How long callers waited that had to wait for a connection.',
      facts.map(({ status, totals }) => ({ pool: status.name, latency: totals.wait })),
    ),
  ];
}

/** Every code is there from the start, since the rate of a series that just appeared is unknown. */
const NO_ERRORS = Object.fromEntries([...ERROR_CODES, 'ERROR_REPLY'].map((code) => [code, 0]));

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
  series: readonly { pool: string; latency: LatencyTotals['command'] }[],
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
