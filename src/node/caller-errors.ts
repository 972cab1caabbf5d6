// Errors that callers get from more than one place, each worded once.

import type { AttemptOutcome, Command } from '../base/command.js';
import { PoolError } from '../errors.js';

/** What is known of a command whose connection ended: it did not run, or it may have. */
export type LossOutcome = Exclude<AttemptOutcome, 'partly-applied'>;

/** The error of a command that is lost for good. */
export function lossOf(command: Command, cause: Error, outcome: LossOutcome): PoolError {
  if (outcome === 'unknown' && command.retryClass !== 'read') {
    return new PoolError(
      'OUTCOME_UNKNOWN',
      `${command.name}: the connection was lost after it was sent; it may have been executed`,
      { cause, sent: true },
    );
  }
  const sent = outcome === 'unknown';
  const what = sent ? 'before the reply came' : 'before it was executed';
  return new PoolError('CONNECTION_LOST', `${command.name}: the connection was lost ${what}`, {
    cause,
    sent,
  });
}

/** @param sent False where the command certainly was not sent; else nobody can say. */
export function abortedError(what: string, signal: AbortSignal, sent?: false): PoolError {
  const details = { cause: signal.reason, ...(sent === false ? { sent } : {}) };
  return new PoolError('ABORTED', `${what} was cancelled by its AbortSignal`, details);
}

export function closedError(what: string): PoolError {
  return new PoolError('POOL_CLOSED', `${what}: the pool is closed`, { sent: false });
}

export function breakerError(what: string, lastError: Error | undefined): PoolError {
  return new PoolError(
    'BREAKER_OPEN',
    `${what}: no server to ask; last connect error: ${lastError?.message ?? 'none'}`,
    { cause: lastError, sent: false },
  );
}

export function notSendable(): PoolError {
  return new PoolError('INVALID_ARGUMENT', 'execute(): not a command', { sent: false });
}
