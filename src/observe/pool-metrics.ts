// What a pool tells Prometheus, as plain families of samples: a pure function of a status and the
// latencies since the start. Names that dashboards already use stand first (brief §5). Knows no
// metrics library; `prometheus.ts` hands the families to prom-client.

import { ERROR_CODES } from '../errors.js';
import type { LatencyTotals } from '../pool/pool.js';
import type { EndpointStatus, PoolStatus } from '../pool/snapshot.js';
import type { FailoverEndpoint } from '../topology/failover.js';

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

interface EndpointScalar {
  readonly name: string;
  readonly help: string;
  read(endpoint: EndpointStatus): number;
}

/** By server: names of their own, so that a sum over the plain names counts nothing twice. */
const ENDPOINT_SCALARS: readonly EndpointScalar[] = [
  {
    name: 'redis_pool_endpoint_up',
    help: 'Whether connections to the server can be made (1) or not (0).',
    read: ({ state }) => (state === 'down' ? 0 : 1),
  },
  {
    name: 'redis_pool_endpoint_connections_open',
    help: 'Sockets to the server that are ready, leased or draining.',
    read: ({ open }) => open,
  },
  {
    name: 'redis_pool_endpoint_connections_in_use',
    help: 'Of those to the server, leased, or with commands in flight.',
    read: ({ inUse }) => inUse,
  },
  {
    name: 'redis_pool_endpoint_commands_in_flight',
    help: 'Commands whose reply has not come from the server.',
    read: ({ inFlight }) => inFlight,
  },
  {
    name: 'redis_pool_endpoint_waiters',
    help: 'Callers that wait for a connection to the server.',
    read: ({ waiting }) => waiting,
  },
];

function endpointMetrics(statuses: readonly PoolStatus[]): MetricFamily[] {
  return ENDPOINT_SCALARS.map(({ name, help, read }) => ({
    name,
    help,
    type: 'gauge',
    samples: statuses.flatMap((status) =>
      status.endpoints.map((endpoint) => ({
        labels: { pool: status.name, endpoint: endpoint.address, role: endpoint.role },
        value: read(endpoint),
      })),
    ),
  }));
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
    ...endpointMetrics(statuses),
    ...failoverMetrics(statuses),
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
