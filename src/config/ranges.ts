// The smallest and largest value of every option that is a number. The upper ends are limits of
// TCP, Redis and Node where there is one, else a value that can only be a slip of the keyboard.

/** Ends included. */
export interface NumberRange {
  readonly least: number;
  readonly most: number;
  /** Fractions are allowed too. */
  readonly fractions?: boolean;
}

/** The longest time that a Node timer takes, ms: about 24.8 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Growth is judged from samples that are 500 ms apart. */
const SHORTEST_GROWTH_MS = 1_000;
/** A client has no more ports than this towards one server address. */
const MOST_CONNECTIONS = 65_535;
/** Linux takes no longer keepalive delay, s (MAX_TCP_KEEPIDLE). */
const LONGEST_KEEPALIVE_S = 32_767;

/** What a socket gives at once; a reply is measured where it is longer. */
const LARGEST_CHUNK_BYTES = 65_536;
/** Node 20 makes no larger Buffer than 4 GiB; the string's header and end are in it. */
const LARGEST_BUFFER_BYTES = 2 ** 32 - 65_536;

/** Ranges by option name; docs/configuration.md repeats them, and a test compares the two. */
export const NUMBER_RANGES = {
  port: { least: 1, most: 65_535 },
  database: { least: 0, most: 2 ** 31 - 1 },
  workers: { least: 1, most: 10_000 },
  minConnections: { least: 0, most: MOST_CONNECTIONS },
  maxConnections: { least: 1, most: MOST_CONNECTIONS },
  'autoscale.ceiling': { least: 0, most: MOST_CONNECTIONS },
  'autoscale.step': { least: 1, most: MOST_CONNECTIONS },
  'autoscale.growAbovePercent': { least: 1, most: 99 },
  'autoscale.growAfterMs': { least: SHORTEST_GROWTH_MS, most: LONGEST_TIMER_MS },
  'autoscale.shrinkBelowPercent': { least: 0, most: 98 },
  'autoscale.shrinkAfterMs': { least: SHORTEST_GROWTH_MS, most: LONGEST_TIMER_MS },
  'autoscale.reserve': { least: 0, most: MOST_CONNECTIONS },
  maxInFlight: { least: 1, most: 1_000_000 },
  laneDepth: { least: 1, most: 1_000_000 },
  maxWaiters: { least: 0, most: 10_000_000 },
  maxQueuedBytes: { least: 1, most: Number.MAX_SAFE_INTEGER },
  acquireTimeoutMs: { least: 1, most: LONGEST_TIMER_MS },
  connectTimeoutMs: { least: 1, most: LONGEST_TIMER_MS },
  commandTimeoutMs: { least: 0, most: LONGEST_TIMER_MS },
  healthCheckIntervalMs: { least: 1, most: LONGEST_TIMER_MS },
  idleTimeoutMs: { least: 0, most: LONGEST_TIMER_MS },
  maxLifetimeMs: { least: 0, most: LONGEST_TIMER_MS },
  leakThresholdMs: { least: 0, most: LONGEST_TIMER_MS },
  keepAliveMs: { least: 1_000, most: LONGEST_KEEPALIVE_S * 1_000 },
  maxReplyBytes: { least: LARGEST_CHUNK_BYTES, most: LARGEST_BUFFER_BYTES },
  'retry.retries': { least: 0, most: 100 },
  'retry.baseMs': { least: 0, most: LONGEST_TIMER_MS },
  'retry.factor': { least: 1, most: 100, fractions: true },
  'retry.capMs': { least: 0, most: LONGEST_TIMER_MS },
  'failover.checkIntervalMs': { least: 1, most: LONGEST_TIMER_MS },
  'failover.checkTimeoutMs': { least: 1, most: LONGEST_TIMER_MS },
  'failover.probes': { least: 1, most: 100 },
  'failover.probePauseMs': { least: 0, most: LONGEST_TIMER_MS },
  'failover.patienceMs': { least: 0, most: LONGEST_TIMER_MS },
  'failover.graceMs': { least: 0, most: LONGEST_TIMER_MS },
  'failover.failbackIntervalMs': { least: 0, most: LONGEST_TIMER_MS },
  'failover.drainMs': { least: 0, most: LONGEST_TIMER_MS },
  'breaker.failures': { least: 1, most: 1_000 },
  'breaker.maxPauseMs': { least: 1, most: LONGEST_TIMER_MS },
  'breaker.patienceMs': { least: 0, most: LONGEST_TIMER_MS },
} as const satisfies Record<string, NumberRange>;

/** Of one of several endpoints, in a list and so without a name of its own. */
export const WEIGHT_RANGE: NumberRange = { least: 0, most: 1_000_000, fractions: true };

/** `a whole number from 1 to 65,535`. */
export function describeRange({ least, most, fractions }: NumberRange): string {
  const kind = fractions === true ? 'a number' : 'a whole number';
  return `${kind} from ${formatNumber(least)} to ${formatNumber(most)}`;
}

export function isInRange(value: number, { least, most, fractions }: NumberRange): boolean {
  return value >= least && value <= most && (fractions === true || Number.isInteger(value));
}

/** `65,535`, whatever the language of the machine. */
export function formatNumber(value: number): string {
  return value.toLocaleString('en-US');
}
