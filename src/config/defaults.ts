// What an option is when neither the caller nor the environment says anything. Sizes that depend
// on the deployment (workers, maxConnections) come from the presets in `policy/sizing.ts`.

import type { ConnectionTarget, ResolvedOptions } from './options.js';

/** Commands in flight on a lane before the next lane is used. */
export const DEFAULT_LANE_DEPTH = 512;

/** Of one of several endpoints. */
export const DEFAULT_WEIGHT = 1;

type Fixed<T> = Required<{ readonly [K in keyof T]: Exclude<T[K], undefined> }>;

type Defaults = Fixed<
  Omit<
    ResolvedOptions,
    | ('workers' | 'target' | 'endpoints' | 'maxConnections' | 'fallback' | 'warnings')
    | 'reconnectStrategy'
  > &
    Omit<
      ConnectionTarget,
      | ('path' | 'sentinel' | 'cluster' | 'zone' | 'username' | 'password' | 'tls')
      | ('protocol' | 'clientInfoTag' | 'credentials')
    > & {
      RESP: ConnectionTarget['protocol'];
    }
>;

/** By option name; docs/configuration.md repeats them, and a test compares the two. */
export const DEFAULTS: Defaults = Object.freeze({
  host: 'localhost',
  port: 6_379,
  family: 0,
  database: 0,
  readonly: false,
  reads: 'primary',
  name: 'plimsoll',
  disableClientInfo: false,
  RESP: 3,
  environment: 'development',
  minConnections: 1,
  autoscale: Object.freeze({
    ceiling: 0,
    step: 10,
    growAbovePercent: 80,
    growAfterMs: 300_000,
    shrinkBelowPercent: 50,
    shrinkAfterMs: 900_000,
    reserve: 100,
  }),
  maxInFlight: 4_096,
  laneDepth: DEFAULT_LANE_DEPTH,
  maxWaiters: 50_000,
  maxQueuedBytes: 268_435_456,
  acquireTimeoutMs: 5_000,
  connectTimeoutMs: 2_000,
  commandTimeoutMs: 5_000,
  healthCheckIntervalMs: 30_000,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 1_800_000,
  leakThresholdMs: 30_000,
  keepAliveMs: 10_000,
  maxReplyBytes: 536_870_912,
  retry: Object.freeze({ retries: 3, baseMs: 8, factor: 4, capMs: 512, jitter: false }),
  retryWrites: 'safe',
  failover: Object.freeze({
    checkIntervalMs: 5_000,
    checkTimeoutMs: 1_000,
    probes: 3,
    probePauseMs: 500,
    policy: 'majority',
    patienceMs: 1_000,
    graceMs: 60_000,
    failbackIntervalMs: 120_000,
    drainMs: 1_000,
  }),
  tracing: Object.freeze({ nodeRedisChannels: false, arguments: 'none' }),
  breaker: Object.freeze({ failures: 4, maxPauseMs: 512, patienceMs: 2_000 }),
});
