// Which of several endpoints is used: the healthy one of highest weight. One that was left since it
// failed has a time of grace, so that two that come and go don't send everybody to and fro.
//
//             check fails, or no connection can be made          check succeeds
//   healthy ------------------------------------------> broken ------------------> in grace
//      ^                                                                              |
//      +------------------------------------------------------------------------------+ time is over

/** How many probes of a health check have to be answered. */
export type ProbePolicy = 'all' | 'majority' | 'any';

export interface FailoverOptions {
  /** Each endpoint is checked this often, ms. Default 5,000. */
  readonly checkIntervalMs: number;
  /** How long a probe may take, ms. Default 1,000. */
  readonly checkTimeoutMs: number;
  /** Probes of one check, 1 to 100. Default 3. */
  readonly probes: number;
  /** From one probe of a check to the next, ms. Default 500. */
  readonly probePauseMs: number;
  /** How many probes have to be answered. Default `'majority'`: one lost PING is no failure. */
  readonly policy: ProbePolicy;
  /**
   * An outage of the endpoint in use that is shorter, counted from the loss of the last connection,
   * is waited out there, ms. Default 1,000; half of `breaker.patienceMs` where that is less.
   */
  readonly patienceMs: number;
  /** An endpoint that was left as it failed is not used for this long if another is healthy, ms. */
  readonly graceMs: number;
  /** How often a better endpoint is looked for, ms. Default 120,000; 0: never. */
  readonly failbackIntervalMs: number;
  /** What is in flight at an endpoint that is left has this long to be answered, ms. Default 1,000. */
  readonly drainMs: number;
}

/** What is known of an endpoint. */
export interface Standing {
  readonly weight: number;
  /** What the last check found; `undefined`: none has ended yet. */
  readonly isHealthy: boolean | undefined;
  /** It failed under use, and no check has succeeded since. */
  readonly isBroken: boolean;
  /** It is in grace until then, on the pool's clock. */
  readonly graceUntil: number;
}

export type EndpointState = 'unknown' | 'healthy' | 'unhealthy' | 'grace';

export function stateOf(endpoint: Standing, now: number): EndpointState {
  if (endpoint.isBroken || endpoint.isHealthy === false) return 'unhealthy';
  if (now < endpoint.graceUntil) return 'grace';
  return endpoint.isHealthy === undefined ? 'unknown' : 'healthy';
}

/** The verdict of a check after some of its probes; `undefined`: the others decide. */
export function checkVerdict(
  { policy, probes }: Pick<FailoverOptions, 'policy' | 'probes'>,
  answered: number,
  failed: number,
): boolean | undefined {
  const needed = { all: probes, majority: Math.floor(probes / 2) + 1, any: 1 }[policy];
  if (answered >= needed) return true;
  return probes - failed < needed ? false : undefined;
}

/** In this order those are tried that may take over; the last ones only for want of a better. */
const PREFERENCE: readonly EndpointState[] = ['healthy', 'unknown', 'grace'];

/** Who may take over from `left`, the best first. */
export function successors<T extends Standing>(all: readonly T[], left: T, now: number): T[] {
  const rank = (endpoint: T) => PREFERENCE.indexOf(stateOf(endpoint, now));
  return all
    .filter((endpoint) => endpoint !== left && rank(endpoint) !== -1)
    .sort((one, other) => rank(one) - rank(other) || other.weight - one.weight);
}

/** A healthy endpoint of higher weight than the one in use; `undefined`: there is none. */
export function betterThan<T extends Standing>(
  all: readonly T[],
  current: T,
  now: number,
): T | undefined {
  const [best] = successors(all, current, now);
  const isBetter = best !== undefined && stateOf(best, now) === 'healthy';
  return isBetter && best.weight > current.weight ? best : undefined;
}

/** The first of those with the highest weight. */
export function heaviest<T extends Pick<Standing, 'weight'>>(all: readonly T[]): T {
  return all.reduce((best, endpoint) => (endpoint.weight > best.weight ? endpoint : best));
}
