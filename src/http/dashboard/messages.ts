// What the workers tell the hub, and the hub tells the page, as JSON. The page imports these types
// alone, so that both sides are compiled against the same words.
//
//   worker --WorkerReport, twice a second--> hub --state: everything, to a page that has just come--> page
//                                             '----frame: twice a second, while a page is open-----> page

import type { Advice } from '../../policy/advice.js';
import type { UtilizationLevel } from '../../policy/recommendations.js';
import type { EndpointStatus, PoolState } from '../../pool/snapshot.js';
import type { FailoverStatus } from '../../topology/failover.js';

/** How often workers report and the page is told, ms: a change is to be seen within a second. */
export const REPORT_INTERVAL_MS = 500;

/**
 * A connection in the picture: a lane with what it carries, one that is lent, one that takes no more,
 * one that is being made, and one that has just left, with its reason.
 */
export interface PicturedConnection {
  readonly kind: 'lane' | 'leased' | 'draining' | 'dialing' | 'evicted';
  /** Tells it from others of its worker. */
  readonly key: string;
  readonly address: string;
  readonly inFlight: number;
  /** How old it is; of one that is lent, how long it has been, ms. */
  readonly forMs: number;
  /** Why it left. */
  readonly reason?: string;
  /** It owes replies and is silent. */
  readonly isSuspect?: boolean;
}

export type Severity = 'info' | 'good' | 'warning' | 'critical';

/** What happened: of a report once for each kind and server, with how often. */
export interface LoggedEvent {
  /** Unix time, ms. */
  readonly atMs: number;
  /** The name of the pool's event, or the hub's own. */
  readonly name: string;
  readonly severity: Severity;
  readonly text: string;
  readonly count: number;
}

export interface WorkerEvent extends LoggedEvent {
  readonly worker: string;
}

/** Counts since the pool was made. */
export interface Totals {
  readonly commands: number;
  readonly leases: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly retries: number;
  readonly exhausted: number;
  readonly connectionErrors: number;
  readonly leaks: number;
}

/** One process's pool at a moment. */
export interface WorkerReport {
  /** Unix time, ms. */
  readonly atMs: number;
  readonly pid: number;
  readonly pool: string;
  readonly address: string;
  readonly state: PoolState;
  readonly connections: {
    readonly open: number;
    readonly inUse: number;
    readonly leased: number;
    readonly lanes: number;
    readonly connecting: number;
    readonly max: number;
  };
  readonly inFlight: number;
  readonly waiting: number;
  readonly oldestWaitMs: number;
  readonly primariesWithoutReplica: number;
  /** Code of the last failed connect; absent since one succeeded. */
  readonly connectFailure?: string | undefined;
  readonly totals: Totals;
  /** Commands and waits by duration, since the pool was made: see `LATENCY_BOUNDS_MS`. */
  readonly commandsWithin: readonly number[];
  readonly waitsWithin: readonly number[];
  readonly endpoints: readonly EndpointStatus[];
  readonly failover?: FailoverStatus | undefined;
  readonly pictured: readonly PicturedConnection[];
  /** Connections that the picture leaves out. */
  readonly unpictured: number;
  /** How busy the event loop was since the last report, per cent. */
  readonly loopPercent: number;
  /** Since the last report. */
  readonly events: readonly LoggedEvent[];
}

export interface Percentiles {
  /** Of how many, in the last seconds. */
  readonly count: number;
  /** All in ms; 0 when nothing was counted. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface WorkerView {
  readonly worker: string;
  readonly pid: number;
  readonly state: PoolState;
  /** It has not reported for a while: what is said of it is old. */
  readonly isSilent: boolean;
  readonly utilizationPercent: number;
  readonly inUse: number;
  readonly open: number;
  readonly max: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly commandsPerS: number;
  readonly loopPercent: number;
  readonly pictured: readonly PicturedConnection[];
  readonly unpictured: number;
}

/** A server, over all workers. */
export interface EndpointView {
  readonly address: string;
  readonly role: 'primary' | 'replica';
  readonly zone: string | undefined;
  /** `down`: of a worker its breaker is open. */
  readonly state: EndpointStatus['state'];
  readonly slots: EndpointStatus['slots'];
  readonly open: number;
  readonly inUse: number;
  readonly inFlight: number;
  readonly waiting: number;
}

/** All workers together. */
export interface Frame {
  /** Unix time, ms. */
  readonly atMs: number;
  readonly pool: string;
  readonly address: string;
  /** The worst of them. */
  readonly state: PoolState;
  readonly utilizationPercent: number;
  readonly level: UtilizationLevel;
  readonly connections: WorkerReport['connections'];
  readonly inFlight: number;
  readonly waiting: number;
  readonly oldestWaitMs: number;
  /** In the last seconds. */
  readonly perSecond: Totals;
  readonly commands: Percentiles;
  readonly waits: Percentiles;
  readonly workers: readonly WorkerView[];
  readonly endpoints: readonly EndpointView[];
  readonly failover: FailoverStatus | undefined;
  /** At least one, the most pressing first. */
  readonly advice: readonly Advice[];
}

export const SAMPLE_KEYS = [
  'timeMs',
  'utilizationPercent',
  'commandsPerS',
  'errorsPerS',
  'waiting',
  'inFlight',
  'p50',
  'p95',
  'p99',
] as const;

/** One line of the charts for each key; all are of the same length. */
export type Samples = Record<(typeof SAMPLE_KEYS)[number], number[]>;
export type Sample = Record<(typeof SAMPLE_KEYS)[number], number>;

/** Utilisation that is to be looked out for, per cent. */
export interface LoadLines {
  readonly warningPercent: number;
  readonly alertPercent: number;
}

export interface StateMessage {
  readonly type: 'state';
  readonly lines: LoadLines;
  readonly frame: Frame;
  /** The last ten minutes. */
  readonly samples: Samples;
  /** Oldest first. */
  readonly events: readonly WorkerEvent[];
}

export interface FrameMessage {
  readonly type: 'frame';
  readonly frame: Frame;
  /** Each second; absent in between. */
  readonly sample?: Sample;
  readonly events: readonly WorkerEvent[];
}

export type DashboardMessage = StateMessage | FrameMessage;
