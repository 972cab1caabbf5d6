// Why a server can't be reached, looked at by those who wait for it without a time-out of their
// own: a server that is away may come back, a wrong password does not become right by waiting.

import { PoolError, type PoolErrorCode } from '../errors.js';
import { REFUSAL_CODES } from '../policy/breaker.js';

const FINAL_CODES: ReadonlySet<PoolErrorCode> = new Set([
  ...REFUSAL_CODES,
  'INVALID_OPTIONS',
  'POOL_CLOSED',
]);

/** Errors have causes, which have causes; no chain of ours is longer. */
const MAX_CAUSES = 5;

/** All connections are in use, while the server is there. */
export function isExhausted(error: Error): boolean {
  return (error as Partial<PoolError>).code === 'ACQUIRE_TIMEOUT' && error.cause === undefined;
}

/** Why no connection of one's own can be had; `undefined`: the server is away, which may pass. */
export function finalRefusal(error: Error): Error | undefined {
  const isFull = (error as Partial<PoolError>).code === 'QUEUE_FULL' || isExhausted(error);
  return isFull ? error : finalCause(error);
}

/** The error itself or the cause of it that waiting does not cure; `undefined`: it may pass. */
export function finalCause(error: unknown): PoolError | undefined {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof PoolError; depth++) {
    if (FINAL_CODES.has(current.code)) return current;
    current = current.cause;
  }
  return undefined;
}
