// The pool as the sizing page has it: preset and formula, what a checkout pool of that size carries,
// and who waits in it. Pure.

import {
  type CheckoutCapacity,
  checkoutCapacity,
  connectionsPerWorker,
  type Environment,
  type FormulaSize,
  PRESETS,
  type Preset,
  sizeByFormula,
} from 'plimsoll';
import { type Demand, ratesOf } from './demand.js';
import { connectionsFor, type QueueAnswer, queueAnswer, waitsLongerThan } from './erlang.js';

/** The share of calls that may find a pool exhausted where it is sized for few waits. */
export const FEW_WAITS = 0.01;

export interface CheckoutTerms {
  readonly environment: Environment;
  /** Connections of all workers together; `undefined`: preset or formula. */
  readonly total: number | undefined;
  /** How long a caller waits for a connection at most, ms. */
  readonly acquireTimeoutMs: number;
}

export interface CheckoutPlan {
  readonly preset: Preset;
  readonly formula: FormulaSize;
  readonly connectionsPerWorker: number;
  readonly capacity: CheckoutCapacity;
  readonly queue: QueueAnswer;
  /** Share of calls that would wait longer than they may: ACQUIRE_TIMEOUT. */
  readonly timeoutProbability: number;
  /** Of each worker, so that few calls wait. */
  readonly connectionsForFewWaits: number;
}

export function planCheckout(demand: Demand, terms: CheckoutTerms): CheckoutPlan {
  const { users, workers, requestMs, redisCalls, requestsPerUser } = demand;
  const { environment, total, acquireTimeoutMs } = terms;
  const connections = connectionsPerWorker({ environment, workers, total });
  const { callsPerWorker } = ratesOf(demand);
  const queue = queueAnswer({ connections, callsPerSecond: callsPerWorker, holdMs: requestMs });
  return {
    preset: PRESETS[environment],
    formula: sizeByFormula(workers),
    connectionsPerWorker: connections,
    capacity: checkoutCapacity({
      workers,
      connectionsPerWorker: connections,
      users,
      requestMs,
      callsPerRequest: redisCalls,
      userIntervalSeconds: 1 / requestsPerUser,
    }),
    queue,
    timeoutProbability: waitsLongerThan(acquireTimeoutMs, queue),
    connectionsForFewWaits: connectionsFor(queue.offered, FEW_WAITS),
  };
}
