// What the housekeeper does with one connection: keep it, PING it, or close it because it is old
// or because nobody needs it. It only judges; the housekeeper acts, and counts afresh after each
// act, so that two idle connections don't both go where only one may.
//
// In all limits here 0 means never, as in the options.

/** Part of its lifetime by which a connection may close early, so that not all close at once. */
const LIFETIME_JITTER = 0.1;

/** One connection. Times are ms on the pool's clock. */
export interface ConnectionFacts {
  readonly createdAt: number;
  /** When it last carried a caller's work; a health check's PING is none. */
  readonly lastUsedAt: number;
  /** When bytes last came from the server, PING's reply included. */
  readonly lastTrafficAt: number;
  /** It is leased, or a caller's commands are in flight. */
  readonly isInUse: boolean;
  /** Its own age limit from {@link drawLifetimeMs}, ms. */
  readonly lifetimeMs: number;
}

export interface LifetimeOptions {
  readonly minConnections: number;
  readonly healthCheckIntervalMs: number;
  readonly idleTimeoutMs: number;
}

/**
 * `close:lifetime` may come for a connection in use: it then takes no more work and closes when
 * empty, for under steady load a lane is never found unused. The others come only for unused ones.
 */
export type LifetimeVerdict = 'keep' | 'ping' | 'close:idle' | 'close:lifetime';

/**
 * @param now ms on the pool's clock.
 * @param openConnections Connections that the pool would keep without this verdict, this included.
 */
export function judgeConnection(
  facts: ConnectionFacts,
  options: LifetimeOptions,
  now: number,
  openConnections: number,
): LifetimeVerdict {
  if (isTooOld(facts, now)) return 'close:lifetime';
  if (facts.isInUse) return 'keep';
  const isSurplus = openConnections > options.minConnections;
  if (isSurplus && hasPassed(options.idleTimeoutMs, now - facts.lastUsedAt)) return 'close:idle';
  return hasPassed(options.healthCheckIntervalMs, now - facts.lastTrafficAt) ? 'ping' : 'keep';
}

/** @param now ms on the pool's clock. */
export function isTooOld(
  { createdAt, lifetimeMs }: Pick<ConnectionFacts, 'createdAt' | 'lifetimeMs'>,
  now: number,
): boolean {
  return hasPassed(lifetimeMs, now - createdAt);
}

/**
 * The age limit of one new connection: `maxLifetimeMs` less up to 10 % at random; 0 stays 0.
 * @param random Gives a number from 0 up to 1.
 */
export function drawLifetimeMs(maxLifetimeMs: number, random: () => number): number {
  return maxLifetimeMs * (1 - LIFETIME_JITTER * random());
}

function hasPassed(limitMs: number, elapsedMs: number): boolean {
  return limitMs > 0 && elapsedMs >= limitMs;
}
