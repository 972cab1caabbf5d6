// What `status()` answers: plain, frozen numbers of one moment, cheap enough to ask for at each
// scrape. Names follow brief §4 and OpenTelemetry's connection states.

import type { LatencySummary } from '../base/latency-histogram.js';
import { countInUse, type Entry, type EvictionReason } from '../node/entry.js';
import type { CountedErrorCode, Statistics } from '../node/statistics.js';
import { utilizationPercent } from '../policy/recommendations.js';

/** `degraded`: the alert is raised or no connection is ready yet; `down`: the breaker is open. */
export type PoolState = 'ready' | 'degraded' | 'down' | 'suspended' | 'closing' | 'closed';

export interface PoolStatus {
  readonly name: string;
  readonly state: PoolState;
  /** Where the pool connects to; no secret. */
  readonly address: string;
  /** Connections in use as a share of `maxConnections`, per cent (brief §4). */
  readonly utilizationPercent: number;
  readonly connections: {
    readonly open: number;
    /** Leased, or with commands in flight. */
    readonly inUse: number;
    readonly idle: number;
    readonly leased: number;
    readonly connecting: number;
    /** What may still be taken: `max` less those in use. */
    readonly available: number;
    readonly min: number;
    readonly max: number;
  };
  /** Commands whose reply has not come. */
  readonly inFlight: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
  readonly alert: boolean;
  readonly counters: {
    readonly commands: number;
    readonly leases: number;
    readonly opened: number;
    readonly connectionErrors: number;
    readonly timeouts: number;
    readonly retries: number;
    readonly healthCheckFailures: number;
    readonly exhausted: number;
    readonly leaks: number;
    readonly refusedByBreaker: number;
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
  readonly entries: readonly Entry[];
  readonly connecting: number;
  readonly waiting: number;
  readonly minConnections: number;
  readonly maxConnections: number;
  readonly alert: boolean;
  readonly statistics: Statistics;
  readonly lastConnectError: (Error & { readonly code?: string }) | undefined;
  readonly nextConnectInMs: number | undefined;
}

export function takeSnapshot(facts: SnapshotFacts): PoolStatus {
  const { entries, maxConnections, statistics, lastConnectError } = facts;
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
      connecting: facts.connecting,
      available: Math.max(0, maxConnections - inUse),
      min: facts.minConnections,
      max: maxConnections,
    }),
    inFlight: entries.reduce((sum, entry) => sum + entry.connection.inFlight, 0),
    waiting: facts.waiting,
    alert: facts.alert,
    counters: counters(statistics),
    commandLatency: statistics.commandLatency.summary(),
    waitLatency: statistics.waitLatency.summary(),
    lastConnectError:
      lastConnectError === undefined
        ? undefined
        : { code: lastConnectError.code ?? 'UNKNOWN', message: lastConnectError.message },
    nextConnectInMs: facts.nextConnectInMs,
  });
}

function counters(statistics: Statistics): PoolStatus['counters'] {
  return Object.freeze({
    commands: statistics.commands,
    leases: statistics.leases,
    opened: statistics.opened,
    connectionErrors: statistics.connectErrors + statistics.lostConnections,
    timeouts: statistics.timeouts,
    retries: statistics.retries,
    healthCheckFailures: statistics.healthCheckFailures,
    exhausted: statistics.exhausted,
    leaks: statistics.leaks,
    refusedByBreaker: statistics.refusedByBreaker,
    evictions: Object.freeze({ ...statistics.evictions }),
    errors: Object.freeze({ ...statistics.errors }),
  });
}
