// Errors that callers get from more than one place, each worded once.

import type { AttemptOutcome, Command } from '../base/command.js';
import { PoolError } from '../errors.js';

/** node-redis' words, which libraries compare. */
const DISCONNECTS = 'Disconnects client';

/** What is known of a command whose connection ended: it did not run, or it may have. */
export type LossOutcome = Exclude<AttemptOutcome, 'partly-applied'>;

/** The error of a command that is lost for good. Its first words are node-redis', as some match them. */
export function lossOf(
  { name, retryClass }: Command,
  cause: Error,
  outcome: LossOutcome,
): PoolError {
  const sent = outcome === 'unknown';
  const isUncertain = sent && retryClass !== 'read';
  const code = isUncertain ? 'OUTCOME_UNKNOWN' : 'CONNECTION_LOST';
  if ((cause as Partial<PoolError>).code === 'POOL_CLOSED') {
    return new PoolError(code, DISCONNECTS, { cause, sent, kind: 'client disconnected' });
  }
  const answer = sent ? 'was sent and had no answer' : 'was not executed';
  const what = isUncertain ? 'was sent and may have been executed' : answer;
  const text = `Socket closed unexpectedly: ${name} ${what}`;
  return new PoolError(code, text, { cause, sent, kind: 'socket closed' });
}

/** @param sent False where the command certainly was not sent; else nobody can say. */
export function abortedError(what: string, signal: AbortSignal, sent?: false): PoolError {
  const details = { cause: signal.reason, ...(sent === false ? { sent } : {}) };
  return new PoolError('ABORTED', `${what} was cancelled by its AbortSignal`, details);
}

/** For what comes after the end of client or pool. */
export function closedError(): PoolError {
  return new PoolError('POOL_CLOSED', 'The client is closed', { sent: false });
}

/** For what was under way at the end of client or pool. */
export function disconnectedError(): PoolError {
  const details = { sent: false, kind: 'client disconnected' } as const;
  return new PoolError('POOL_CLOSED', DISCONNECTS, details);
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
