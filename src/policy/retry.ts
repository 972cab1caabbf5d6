// Whether a failed command may go out once more, and after what wait. The rule that nothing here
// may break: a write whose outcome is unknown runs a second time only where the caller asked for it.

import type { AttemptOutcome, RetryClass } from '../base/command.js';

/** `'safe'`: resend a write only if it certainly did not run. `'always'`: also when its outcome is
 * unknown. `'never'`: fail at the first error. Reads are resent under all three, and what ends or
 * turns the server, as SHUTDOWN, under none. */
export type RetryWrites = 'safe' | 'always' | 'never';

/** Before a connection that is kept for good is asked for once more, ms: at first, and at most. */
const RECONNECT_MS = 25;
const MAX_RECONNECT_MS = 1_000;

export interface RetryOptions {
  /** Attempts after the first, 0 to 100. Default 3; 0 switches retry off. */
  readonly retries: number;
  /** Wait before the first retry, ms. Default 8: the waits are 8, 32 and 128 ms, as required. */
  readonly baseMs: number;
  /** Each wait is this many times the one before, 1 to 100. Default 4. */
  readonly factor: number;
  /** No wait is longer, ms. Default 512. */
  readonly capMs: number;
  /** Randomise each wait between half and all of it. Default false. */
  readonly jitter: boolean;
}

/**
 * @param attempt How many attempts failed so far, from 1: the wait before the retry of that number.
 * @param random Gives a number from 0 up to 1; asked only where `jitter` is on.
 * @returns The wait in ms, or `undefined` where the retries are used up.
 */
export function retryWaitMs(
  attempt: number,
  options: RetryOptions,
  random: () => number,
): number | undefined {
  if (attempt > options.retries) return undefined;
  const waitMs = Math.min(options.baseMs * options.factor ** (attempt - 1), options.capMs);
  return options.jitter ? waitMs * (0.5 + random() / 2) : waitMs;
}

/**
 * For who never gives up; each wait is twice the one before.
 * @param failures How many attempts failed so far, from 1.
 * @returns The wait in ms.
 */
export function reconnectWaitMs(failures: number): number {
  return Math.min(RECONNECT_MS * 2 ** (failures - 1), MAX_RECONNECT_MS);
}

/**
 * Whether a second execution is allowed. The class `unknown` is not known to be safe: a write. What
 * is known to have run in part never is sent whole again, and what ends a server would end the next
 * one too.
 */
export function mayRetry(
  retryClass: RetryClass,
  outcome: AttemptOutcome,
  retryWrites: RetryWrites,
): boolean {
  if (retryClass === 'read') return true;
  if (retryClass === 'once') return false;
  switch (outcome) {
    case 'not-applied':
      return retryWrites !== 'never';
    case 'unknown':
      return retryWrites === 'always';
    case 'partly-applied':
      return false;
  }
}
