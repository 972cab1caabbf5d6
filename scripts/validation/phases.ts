// The phases of a validation and what each must reach: brief figures of the product, as data.
// Users and spawn rates are the same in a short and a full run; only the time differs.

export interface Limits {
  /** All latencies in ms, from sending a request to its whole answer. */
  readonly p50Ms?: number;
  readonly p95Ms?: number;
  readonly p99Ms?: number;
  readonly failurePercent: number;
  /** At least so many requests/s. */
  readonly throughput?: number;
  /** The pool's utilisation at most, percent. */
  readonly utilizationPercent?: number;
  /** Redis operations, ms, as the pool measures them. */
  readonly redisP99Ms?: number;
  /** Resident memory of all workers may grow by so much after the first two minutes, percent. */
  readonly memoryGrowthPercent?: number;
}

export interface Phase {
  readonly name: string;
  readonly userClass: 'AuthenticationLoadTest' | 'MixedWorkloadTest';
  readonly users: number;
  /** Users started each second. */
  readonly spawnRate: number;
  /** The whole time, with the start of the users, s. */
  readonly seconds: { readonly short: number; readonly full: number };
  /**
   * Of the users' pauses: 1 is one request in 5.2 s each. Set so that the users of a phase ask for 7 %
   * more than the throughput that it must reach: offered less, no service could reach it. Default: 1.
   */
  readonly waitScale?: number;
  readonly limits: Limits;
}

const REDIS_P99_MS = 5;
/** How long the service may fail after Redis came back, ms. */
export const RECOVERY_MS = 2_000;

export const PHASES: readonly Phase[] = [
  {
    name: 'baseline',
    userClass: 'AuthenticationLoadTest',
    users: 1_000,
    spawnRate: 50,
    seconds: { short: 50, full: 180 },
    limits: {
      p50Ms: 15,
      p95Ms: 200,
      failurePercent: 0.5,
      utilizationPercent: 15,
      redisP99Ms: REDIS_P99_MS,
    },
  },
  {
    name: 'stress',
    userClass: 'AuthenticationLoadTest',
    users: 5_000,
    spawnRate: 100,
    seconds: { short: 90, full: 300 },
    waitScale: 0.75,
    limits: {
      p50Ms: 50,
      p95Ms: 300,
      p99Ms: 800,
      failurePercent: 0.5,
      throughput: 1_200,
      utilizationPercent: 40,
      redisP99Ms: REDIS_P99_MS,
    },
  },
  {
    name: 'ultimate',
    userClass: 'AuthenticationLoadTest',
    users: 10_000,
    spawnRate: 100,
    seconds: { short: 150, full: 300 },
    waitScale: 1.2,
    limits: {
      p50Ms: 100,
      p95Ms: 500,
      p99Ms: 1_000,
      failurePercent: 1,
      throughput: 1_500,
      utilizationPercent: 60,
      redisP99Ms: REDIS_P99_MS,
    },
  },
];

/**
 * Memory must not grow and nobody be turned away; latencies are the other phases' to judge. Its time
 * is given on the command line.
 */
export function soak(seconds: number): Phase {
  return {
    name: 'soak',
    userClass: 'MixedWorkloadTest',
    users: 5_000,
    spawnRate: 50,
    seconds: { short: seconds, full: seconds },
    limits: { failurePercent: 0.5, memoryGrowthPercent: 5 },
  };
}

/** What `npm start` drives: the README's first impression. */
export const FIRST_IMPRESSION: Phase = {
  name: 'start',
  userClass: 'AuthenticationLoadTest',
  users: 1_000,
  spawnRate: 100,
  seconds: { short: 30, full: 30 },
  limits: PHASES[0]!.limits,
};

/** So much of a phase: for trying the program, not for judging the product. */
export function scaled(phase: Phase, scale: number): Phase {
  if (scale === 1) return phase;
  const { short, full } = phase.seconds;
  const { throughput, ...limits } = phase.limits;
  return {
    ...phase,
    users: Math.max(1, Math.round(phase.users * scale)),
    spawnRate: Math.max(1, Math.round(phase.spawnRate * Math.max(scale, 0.2))),
    seconds: { short: Math.ceil(short * scale) + 3, full: Math.ceil(full * scale) + 3 },
    limits: throughput === undefined ? limits : { ...limits, throughput: throughput * scale * 0.5 },
  };
}
