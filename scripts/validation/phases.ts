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
  /**
   * The pool's utilisation at most, percent. A requirement of the product, and no proof of it: who
   * pipelines has few connections in use under any load.
   */
  readonly utilizationPercent?: number;
  /** Redis operations, ms, as the pool measures them. */
  readonly redisP99Ms?: number;
  /** The event loop of the latest worker, in its worst two seconds, ms. */
  readonly loopLagP99Ms: number;
  /** Redis may hold so much for each user of the phase at its end. */
  readonly redisBytesPerUser?: number;
  /** Resident memory of all workers may grow by so much after the first two minutes, percent. */
  readonly memoryGrowthPercent?: number;
  /** Redis may keep so much for good of each request after the first two minutes, bytes. */
  readonly redisBytesPerRequest?: number;
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
/** A tenth of the longest p99 that is allowed: later than that, and a worker serves nobody. */
const LOOP_LAG_P99_MS = 100;
/** Account and session take 0.9 KB (docs/sizing.md), and Redis' tables grow by doubling. */
const REDIS_BYTES_PER_USER = 1_400;
/**
 * In a soak: registrations stay, one in a thousand requests with some 400 bytes, and so do marks of
 * logouts for a while. A key for each refresh, one request in five, would be 50.
 */
const REDIS_BYTES_PER_REQUEST = 4;
const COMMON = {
  redisP99Ms: REDIS_P99_MS,
  loopLagP99Ms: LOOP_LAG_P99_MS,
  redisBytesPerUser: REDIS_BYTES_PER_USER,
} as const;
/** Of both user classes: 1 to 9.4 s. */
const MEAN_PAUSE_SECONDS = 5.2;
/**
 * How long the service may fail after Redis came back, or a replica took over, ms: dials are some time
 * apart by then, and an answer may be that of a request which has waited before.
 */
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
      ...COMMON,
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
      ...COMMON,
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
      ...COMMON,
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
    limits: {
      failurePercent: 0.5,
      loopLagP99Ms: LOOP_LAG_P99_MS,
      memoryGrowthPercent: 5,
      redisBytesPerRequest: REDIS_BYTES_PER_REQUEST,
    },
  };
}

/** The stress phase, long enough for all its users and 20 s of them together. */
export function comparedPhase(scale: number): Phase {
  const stress = PHASES.find(({ name }) => name === 'stress')!;
  const seconds = { short: COMPARED_SECONDS, full: COMPARED_SECONDS };
  return scaled({ ...stress, seconds }, scale);
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

/** Requests/s that the users of a phase ask for, whatever the service does. */
export function offeredRate({ users, waitScale = 1 }: Phase): number {
  return users / (MEAN_PAUSE_SECONDS * waitScale);
}

const COMPARED_SECONDS = 70;
/** Of a scaled phase, so that there is a moment with all users, however small it is. */
const MARGIN_SECONDS = 3;

/** So much of a phase: for trying the program, not for judging the product. */
export function scaled(phase: Phase, scale: number): Phase {
  if (scale === 1) return phase;
  const { short, full } = phase.seconds;
  // Of few users, what Redis holds beside them would be most.
  const { throughput, redisBytesPerUser: _, ...limits } = phase.limits;
  const users = Math.max(1, Math.round(phase.users * scale));
  const spawnRate = Math.max(1, Math.round(phase.spawnRate * Math.max(scale, 0.2)));
  const spawning = (all: number, rate: number) => Math.ceil(all / rate);
  const seconds = (whole: number) =>
    spawning(users, spawnRate) +
    Math.ceil((whole - spawning(phase.users, phase.spawnRate)) * scale) +
    MARGIN_SECONDS;
  return {
    ...phase,
    users,
    spawnRate,
    seconds: { short: seconds(short), full: seconds(full) },
    limits: throughput === undefined ? limits : { ...limits, throughput: throughput * scale * 0.5 },
  };
}
