// What `status()` answers: plain, frozen numbers of one moment, cheap enough to ask for at each
// scrape. Names follow existing dashboards and OpenTelemetry's connection states.

import type { RetryClass } from '../base/command.js';
import type { LatencyHistogram, LatencySummary } from '../base/latency-histogram.js';
import type { PoolErrorCode } from '../errors.js';
import { countInUse, type Entry, type EntryState, type EvictionReason } from '../node/entry.js';
import type { NodePool } from '../node/node-pool.js';
import type { CountedErrorCode, Statistics } from '../node/statistics.js';
import { utilizationPercent } from '../policy/recommendations.js';
import type { FailoverStatus } from '../topology/failover.js';
import type { Endpoint, SlotSpan } from '../topology/topology.js';
import type { AutoscaleStatus } from './growth.js';

/** `degraded`: the alert is raised or no connection is ready yet; `down`: the breaker is open. */
export type PoolState = 'ready' | 'degraded' | 'down' | 'suspended' | 'closing' | 'closed';

/** One of the servers that a pool has connections to. */
export interface EndpointStatus {
  /** Where it is: `host:port`, a path, a master's name. No secret. */
  readonly address: string;
  readonly role: 'primary' | 'replica';
  /** Availability zone, where the server tells it. */
  readonly zone: string | undefined;
  /** Of a cluster: the slots it serves, each from the first to the last; else `undefined`. */
  readonly slots: readonly SlotSpan[] | undefined;
  /** `empty`: no connection, and none was needed yet; `down`: its breaker is open. */
  readonly state: 'ready' | 'empty' | 'down';
  readonly open: number;
  readonly inUse: number;
  readonly leased: number;
  readonly connecting: number;
  readonly inFlight: number;
  readonly waiting: number;
}

/** One of the open connections. */
export interface ConnectionStatus {
  /** Among those to its server; a number is not given twice. */
  readonly id: number;
  /** Of its server; no secret. */
  readonly address: string;
  /** `ready`: a lane; `restoring`: comes back from a lease; `draining`: takes no more. */
  readonly state: EntryState;
  /** Commands whose reply has not come. */
  readonly inFlight: number;
  /** Since it was ready, ms. */
  readonly ageMs: number;
  /** How long it has been lent, ms; `undefined`: it is not. */
  readonly heldMs: number | undefined;
  /** It owes replies and is silent: it may be dead, so others are preferred. */
  readonly isSuspect: boolean;
}

export interface LatencyTotals {
  /** From the caller's call to the reply. */
  readonly command: LatencyHistogram;
  /** Of those callers that had to wait for a connection. */
  readonly wait: LatencyHistogram;
  /** How long connections were lent, but for those that are kept for good on purpose. */
  readonly lease: LatencyHistogram;
  /** From the dial to a connection that is ready, of those that became so. */
  readonly connect: LatencyHistogram;
  /** How late the pool's timer came: every 20 ms while anything is going on, else every 500 ms. */
  readonly eventLoopLag: LatencyHistogram;
}

export interface PoolStatus {
  readonly name: string;
  readonly state: PoolState;
  /** Where the pool connects to; no secret. */
  readonly address: string;
  /** Connections in use as a share of `maxConnections`, per cent. */
  readonly utilizationPercent: number;
  readonly connections: {
    readonly open: number;
    /** Leased, or with commands in flight. */
    readonly inUse: number;
    readonly idle: number;
    readonly leased: number;
    /** What ordinary commands share just now. */
    readonly lanes: number;
    readonly connecting: number;
    /** What may still be taken: `max` less those in use. */
    readonly available: number;
    readonly min: number;
    readonly max: number;
  };
  /** The same by server: one, or those of a cluster. */
  readonly endpoints: readonly EndpointStatus[];
  /** Which of the option `endpoints` is used; `undefined`: there is no such option. */
  readonly failover: FailoverStatus | undefined;
  /** Commands whose reply has not come. */
  readonly inFlight: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
  /** How long whoever waits longest has waited, ms; 0: nobody waits. */
  readonly oldestWaitMs: number;
  /** Of a cluster: primaries of which no replica is known; else `undefined`. */
  readonly primariesWithoutReplica: number | undefined;
  readonly alert: boolean;
  /** How the maximum follows utilisation; `undefined`: it doesn't. */
  readonly autoscale: AutoscaleStatus | undefined;
  readonly counters: {
    readonly commands: number;
    readonly leases: number;
    readonly opened: number;
    readonly connectionErrors: number;
    /** Connects that failed, by code. */
    readonly connectFailures: Readonly<Partial<Record<PoolErrorCode, number>>>;
    readonly timeouts: number;
    readonly retries: number;
    /** The same by what a second execution would do. */
    readonly retriesByClass: Readonly<Record<RetryClass, number>>;
    /** Commands that a server has sent to another one (MOVED, ASK). */
    readonly redirects: number;
    readonly healthCheckFailures: number;
    readonly exhausted: number;
    readonly leaks: number;
    readonly refusedByBreaker: number;
    /** Times that a server's breaker opened. */
    readonly breakerOpenings: number;
    /** Over all connections that were ever ready, without what TLS adds. */
    readonly bytesRead: number;
    readonly bytesWritten: number;
    readonly evictions: Readonly<Record<EvictionReason, number>>;
    /** Errors that callers got, by code; `ERROR_REPLY`: what the server answered. */
    readonly errors: Readonly<Partial<Record<CountedErrorCode, number>>>;
  };
  /** Of the last one to two minutes, ms. */
  readonly commandLatency: LatencySummary;
  /** Of those that had to wait for a connection in the last one to two minutes, ms. */
  readonly waitLatency: LatencySummary;
  /** The last connect error's code and message; `undefined` since a connect succeeded. */
  readonly lastConnectError: { readonly code: string; readonly message: string } | undefined;
  /** How long the pool pauses until it dials again, ms; `undefined`: it doesn't pause. */
  readonly nextConnectInMs: number | undefined;
}

export interface SnapshotFacts {
  readonly name: string;
  readonly state: PoolState;
  readonly address: string;
  /** All that have connections or callers. */
  readonly nodes: readonly NodePool[];
  /** Those of them that are servers in use. */
  readonly serving: readonly NodePool[];
  /** Absent: keys decide nothing. */
  readonly slotsOf?: ((endpoint: Endpoint) => readonly SlotSpan[] | undefined) | undefined;
  readonly failover?: FailoverStatus | undefined;
  readonly minConnections: number;
  readonly maxConnections: number;
  readonly alert: boolean;
  readonly autoscale?: AutoscaleStatus | undefined;
  readonly primariesWithoutReplica?: number | undefined;
  readonly statistics: Statistics;
  /** On the pool's clock. */
  readonly now: number;
}

export function takeSnapshot(facts: SnapshotFacts): PoolStatus {
  const { nodes, maxConnections, statistics } = facts;
  const entries = nodes.flatMap(({ membership }) => membership.fleet.entries);
  const failed = nodes.find(({ membership }) => membership.lastConnectError !== undefined);
  const lastConnectError: (Error & { readonly code?: string }) | undefined =
    failed?.membership.lastConnectError;
  const inUse = countInUse(entries);
  return Object.freeze({
    name: facts.name,
    state: facts.state,
    address: facts.address,
    utilizationPercent: utilizationPercent(inUse, maxConnections),
    connections: Object.freeze({
      open: entries.length,
      inUse,
      idle: entries.length - inUse,
      leased: entries.filter((entry) => entry.state === 'leased').length,
      lanes: sum(nodes, ({ membership }) => membership.fleet.laneCount),
      connecting: sum(nodes, ({ membership }) => membership.connecting),
      available: Math.max(0, maxConnections - inUse),
      min: facts.minConnections,
      max: maxConnections,
    }),
    endpoints: Object.freeze(
      facts.serving.map((node) => endpointStatus(node, facts.slotsOf?.(node.endpoint))),
    ),
    failover: facts.failover,
    inFlight: sum(entries, ({ connection }) => connection.inFlight),
    waiting: sum(nodes, ({ waitingRoom }) => waitingRoom.length),
    oldestWaitMs: oldestWaitMs(nodes, facts.now),
    primariesWithoutReplica: facts.primariesWithoutReplica,
    alert: facts.alert,
    autoscale: facts.autoscale,
    counters: counters(statistics, entries),
    commandLatency: statistics.commandLatency.summary(),
    waitLatency: statistics.waitLatency.summary(),
    lastConnectError:
      lastConnectError === undefined
        ? undefined
        : { code: lastConnectError.code ?? 'UNKNOWN', message: lastConnectError.message },
    nextConnectInMs: failed?.membership.nextConnectInMs,
  });
}

export function listConnections(nodes: readonly NodePool[], now: number): ConnectionStatus[] {
  return nodes.flatMap(({ endpoint, membership }) =>
    membership.fleet.entries.map(({ id, state, connection, createdAt, lease, isSuspect }) => ({
      id,
      address: endpoint.address,
      state,
      inFlight: connection.inFlight,
      ageMs: now - createdAt,
      heldMs: lease === undefined ? undefined : now - lease.acquiredAt,
      isSuspect,
    })),
  );
}

function endpointStatus(
  { endpoint, membership, waitingRoom }: NodePool,
  slots: readonly SlotSpan[] | undefined,
): EndpointStatus {
  const { entries } = membership.fleet;
  const quiet = entries.length === 0 ? 'empty' : 'ready';
  return Object.freeze({
    address: endpoint.address,
    role: endpoint.role,
    zone: endpoint.zone,
    slots,
    state: membership.isDown ? 'down' : quiet,
    open: entries.length,
    inUse: countInUse(entries),
    leased: entries.filter(({ state }) => state === 'leased').length,
    connecting: membership.connecting,
    inFlight: sum(entries, ({ connection }) => connection.inFlight),
    waiting: waitingRoom.length,
  });
}

function sum<T>(items: readonly T[], amountOf: (item: T) => number): number {
  return items.reduce((total, item) => total + amountOf(item), 0);
}

function oldestWaitMs(nodes: readonly NodePool[], now: number): number {
  const since = nodes.map(({ waitingRoom }) => waitingRoom.oldestSince ?? now);
  return Math.max(0, ...since.map((at) => now - at));
}

function counters(statistics: Statistics, live: readonly Entry[]): PoolStatus['counters'] {
  return Object.freeze({
    commands: statistics.commands,
    leases: statistics.leases,
    opened: statistics.opened,
    connectionErrors: statistics.connectErrors + statistics.lostConnections,
    connectFailures: Object.freeze({ ...statistics.connectFailures }),
    timeouts: statistics.timeouts,
    retries: statistics.retries,
    retriesByClass: Object.freeze({ ...statistics.retriesByClass }),
    redirects: statistics.redirects,
    healthCheckFailures: statistics.healthCheckFailures,
    exhausted: statistics.exhausted,
    leaks: statistics.leaks,
    refusedByBreaker: statistics.refusedByBreaker,
    breakerOpenings: statistics.breakerOpenings,
    bytesRead: statistics.endedBytesRead + sum(live, ({ connection }) => connection.bytesRead),
    bytesWritten:
      statistics.endedBytesWritten + sum(live, ({ connection }) => connection.bytesWritten),
    evictions: Object.freeze({ ...statistics.evictions }),
    errors: Object.freeze({ ...statistics.errors }),
  });
}
