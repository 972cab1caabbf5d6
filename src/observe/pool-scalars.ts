// What a pool tells Prometheus as single numbers: tables of names, and where in a status each is found.
// Names that dashboards already use stand first. Beside them those by server, whose names
// are their own, so that a sum over the plain names counts nothing twice.

import type { EndpointStatus, PoolStatus } from '../pool/snapshot.js';

/** One number of a pool. */
export interface Scalar {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  /** How several workers' are combined. Default: their sum. */
  readonly aggregator?: 'max';
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

export const SCALARS: readonly Scalar[] = [
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
    'lanes',
    'Connections that ordinary commands share just now.',
    (status) => status.connections.lanes,
  ),
  gauge(
    'connections_connecting',
    'Connections being dialed.',
    (status) => status.connections.connecting,
  ),
  gauge('waiters', 'Callers that wait for a connection.', (status) => status.waiting),
  {
    ...gauge(
      'oldest_waiter_age_seconds',
      'How long whoever waits longest for a connection has waited; 0: nobody waits.',
      (status) => status.oldestWaitMs / 1000,
    ),
    aggregator: 'max',
  },
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
  counter(
    'breaker_openings',
    'Times that no connection to a server was left and none could be made.',
    (status) => status.counters.breakerOpenings,
  ),
  counter(
    'redirects',
    'Commands that a server has sent to another one (MOVED, ASK).',
    (status) => status.counters.redirects,
  ),
  counter(
    'received_bytes',
    'Bytes read over all connections, without what TLS adds.',
    (status) => status.counters.bytesRead,
  ),
  counter(
    'sent_bytes',
    'Bytes written over all connections, without what TLS adds.',
    (status) => status.counters.bytesWritten,
  ),
];

/** One number of a server. */
export interface EndpointScalar {
  readonly name: string;
  readonly help: string;
  read(endpoint: EndpointStatus): number;
}

export const ENDPOINT_SCALARS: readonly EndpointScalar[] = [
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
