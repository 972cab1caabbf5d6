// What becomes of a command that failed without an answer of its own: another attempt after 8, 32,
// 128 ms where that is harmless, else an error that says whether it may have been executed.

import type { Clock } from '../base/clock.js';
import type { AttemptOutcome, Command } from '../base/command.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { mayRetry, retryWaitMs } from '../policy/retry.js';
import { RetrySchedule } from './retry-schedule.js';
import type { Statistics } from './statistics.js';

/** What is known of a command whose connection ended: it did not run, or it may have. */
type LossOutcome = Exclude<AttemptOutcome, 'partly-applied'>;

export class Recovery {
  readonly #options: ResolvedOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #statistics: Statistics;
  readonly #schedule: RetrySchedule;
  #isStopped = false;

  constructor(
    options: ResolvedOptions,
    clock: Clock,
    random: () => number,
    statistics: Statistics,
    resend: (command: Command) => void,
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#statistics = statistics;
    this.#schedule = new RetrySchedule(resend);
  }

  /** No attempt is to come. */
  get isIdle(): boolean {
    return this.#schedule.isEmpty;
  }

  /** Whether the wait for an attempt keeps the process alive. */
  keepAlive(isWanted: boolean): void {
    this.#schedule.keepAlive(isWanted);
  }

  /** Calls back with each command that waits for another attempt. */
  forEachCommand(visit: (command: Command) => void): void {
    this.#schedule.forEach(visit);
  }

  /** Schedules another attempt; false when there is none, and the command is still unsettled. */
  tryAgain(command: Command, outcome: AttemptOutcome): boolean {
    if (this.#isStopped || command.settled) return false;
    const policy = command.settings.retryWrites ?? this.#options.retryWrites;
    if (!mayRetry(command.retryClass, outcome, policy)) return false;
    const attempt = command.failedAttempts + 1;
    const waitMs = retryWaitMs(attempt, this.#options.retry, this.#random);
    const now = this.#clock.now();
    if (waitMs === undefined || now + waitMs >= command.deadlineAt) return false;
    command.failedAttempts = attempt;
    command.replies = undefined;
    this.#statistics.retries++;
    this.#schedule.add(command, now, waitMs);
    return true;
  }

  /** The connection ended under a command. */
  recover(command: Command, cause: Error, outcome: LossOutcome): void {
    if (command.settled) return;
    const isTriedAgain = this.tryAgain(command, outcome);
    if (!isTriedAgain) command.fail(lossOf(command, cause, outcome));
    else if (outcome === 'unknown' && command.retryClass !== 'read') {
      command.uncertainty = lossOf(command, cause, outcome);
    }
  }

  /** Cancels the attempts to come; there are none from now on. */
  stop(error: Error): void {
    this.#isStopped = true;
    for (const command of this.#schedule.drain()) command.fail(error);
  }
}

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
