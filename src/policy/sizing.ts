// How many connections a deployment gets, and how many requests and users that carries: the
// presets, the formula and the capacity model of Plimsoll's sizing guide. Plain arithmetic; what
// the environment says is read in `config`.

export const ENVIRONMENTS = ['development', 'staging', 'production'] as const;

export type Environment = (typeof ENVIRONMENTS)[number];

export interface Preset {
  /** Processes that share the budget. */
  readonly workers: number;
  /** Connections of all workers together. */
  readonly connections: number;
  readonly connectionsPerWorker: number;
  /** Concurrent users the preset is meant for. */
  readonly users: number;
}

/** Budgets by environment, as the requirements set them. */
export const PRESETS: Readonly<Record<Environment, Preset>> = Object.freeze({
  development: preset(1, 20, 100),
  staging: preset(2, 60, 1_000),
  production: preset(4, 160, 10_000),
});

/** Connections that a worker needs under ordinary load, as the requirements set it. */
export const BASE_CONNECTIONS_PER_WORKER = 15;
/** What high concurrency adds to them for each worker, as the requirements set it. */
export const HIGH_CONCURRENCY_CONNECTIONS_PER_WORKER = 25;

export interface FormulaSize {
  readonly base: number;
  readonly highConcurrency: number;
  readonly total: number;
}

/** Connections of all workers together where no preset names the size: 4 workers, 60 + 100 = 160. */
export function sizeByFormula(workers: number): FormulaSize {
  const base = workers * BASE_CONNECTIONS_PER_WORKER;
  const highConcurrency = workers * HIGH_CONCURRENCY_CONNECTIONS_PER_WORKER;
  return { base, highConcurrency, total: base + highConcurrency };
}

/**
 * One worker's share of a total, rounded down so that the total holds, but at least 1: a worker
 * without a connection would serve nobody. So a total below the number of workers is exceeded.
 */
export function shareOfTotal(total: number, workers: number): number {
  return Math.max(1, Math.floor(total / workers));
}

export interface SizingFacts {
  readonly environment: Environment;
  readonly workers: number;
  /** A total over all workers that overrides preset and formula (`REDIS_MAX_CONNECTIONS`). */
  readonly total?: number | undefined;
}

/** Connections of one worker: its share of the total, else the preset's, else the formula's. */
export function connectionsPerWorker({ environment, workers, total }: SizingFacts): number {
  if (total !== undefined) return shareOfTotal(total, workers);
  const { workers: presetWorkers, connectionsPerWorker: share } = PRESETS[environment];
  return workers === presetWorkers ? share : shareOfTotal(sizeByFormula(workers).total, workers);
}

export interface CheckoutLoad {
  readonly workers: number;
  readonly connectionsPerWorker: number;
  /** Users that are to be served. */
  readonly users: number;
  /** Time a connection is held for one Redis call of a request, ms. Default 50, as required. */
  readonly requestMs?: number;
  /** Redis calls in one request. Default 2, as required. */
  readonly callsPerRequest?: number;
  /** Each user sends a request once in this time, s. Default 10, as required. */
  readonly userIntervalSeconds?: number;
}

export interface CheckoutCapacity {
  /** Requests/s that one connection carries. */
  readonly perConnection: number;
  /** Requests/s that one worker carries. */
  readonly perWorker: number;
  /** Requests/s that all workers carry. */
  readonly total: number;
  /** Requests/s that the users send. */
  readonly required: number;
  /** Capacity above what is required, as a part of it: 0.6 is 60 %; below 0 it falls short. */
  readonly safetyMargin: number;
  /** Users for each connection. */
  readonly usersPerConnection: number;
}

/**
 * Capacity of a checkout pool, in which one command holds one connection until its reply. It is
 * how the presets were found, and what `maxInFlight: 1` compares with; pipelined lanes carry far
 * more on a connection.
 */
export function checkoutCapacity(load: CheckoutLoad): CheckoutCapacity {
  const { workers, users, requestMs = 50, callsPerRequest = 2, userIntervalSeconds = 10 } = load;
  const perConnection = 1_000 / (requestMs * callsPerRequest);
  const perWorker = perConnection * load.connectionsPerWorker;
  const total = perWorker * workers;
  const required = users / userIntervalSeconds;
  return {
    perConnection,
    perWorker,
    total,
    required,
    safetyMargin: (total - required) / required,
    usersPerConnection: users / (workers * load.connectionsPerWorker),
  };
}

function preset(workers: number, connections: number, users: number): Preset {
  const share = shareOfTotal(connections, workers);
  return Object.freeze({ workers, connections, connectionsPerWorker: share, users });
}
