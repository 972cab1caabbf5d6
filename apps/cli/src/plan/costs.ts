// What things cost, as measured: the plan multiplies these, and says where each comes from. The
// defaults were taken by `plimsoll plan --measure` on the machine that `source` names, and by the
// pages that are named beside them; `--measure` or `--costs FILE` puts others in their place.

export interface Costs {
  /** Where and when the measured ones were taken. */
  readonly source: string;
  /** CPU of a worker for each command, µs. */
  readonly clientCommandUs: number;
  /** CPU of a worker for each batch of commands that leaves in one write, beside the commands, µs. */
  readonly clientBatchUs: number;
  /** CPU of Redis for each command (GET of 100 bytes), µs. */
  readonly redisCommandUs: number;
  /** CPU of Redis for each batch that it reads, beside the commands, µs. */
  readonly redisBatchUs: number;
  /** From the call to the reply where nothing else is going on, ms. */
  readonly roundTripMs: number;
  /** Memory of Redis for each connection, bytes. */
  readonly redisConnectionBytes: number;
  /** Memory of Redis without data and clients, bytes. */
  readonly redisBaseBytes: number;
  /** Heap and buffers of a worker for each connection, bytes. */
  readonly workerConnectionBytes: number;
  /** Resident memory of a Node process with a pool, before its connections, bytes. */
  readonly workerBaseBytes: number;
  /** CPU of a worker for a request, beside its Redis calls, µs. */
  readonly requestUs: number;
  /** Memory of Redis for a user's data, bytes. */
  readonly userBytes: number;
}

/** Those that `--measure` takes. */
export type MeasuredCosts = Omit<Costs, 'requestUs' | 'userBytes'>;

export const DEFAULT_COSTS: Costs = Object.freeze({
  source:
    'measured 2026-12-01 on 2 x AMD EPYC, Node 20.20.2, Redis 7.0.15, while other programs ran',
  clientCommandUs: 0.497,
  clientBatchUs: 114,
  redisCommandUs: 0.285,
  redisBatchUs: 35.6,
  roundTripMs: 0.037,
  redisConnectionBytes: 38_100,
  redisBaseBytes: 1_010_000,
  workerConnectionBytes: 6_390,
  workerBaseBytes: 93_400_000,
  // docs/validation-capacity.md: a request of the authentication service, its Redis calls included.
  requestUs: 305,
  // docs/sizing.md: an account of the authentication service with two sessions.
  userBytes: 310 + 650 + 480,
});

/** Names of all costs that are numbers. */
export const COST_NAMES = Object.keys(DEFAULT_COSTS).filter(
  (name): name is Exclude<keyof Costs, 'source'> => name !== 'source',
);
