// What becomes of a command that failed without an answer of its own: another attempt after 8, 32,
// 128 ms where that is harmless, else an error that says whether it may have been executed.
// Thousands can fail at once when a connection is lost, so attempts share timers.

import type { Clock } from '../base/clock.js';
import { type AttemptOutcome, type Command, newHistory } from '../base/command.js';
import type { ResolvedOptions } from '../config/options.js';
import { type LossOutcome, lossOf } from '../node/caller-errors.js';
import type { Statistics } from '../node/statistics.js';
import { mayRetry, retryWaitMs } from '../policy/retry.js';

/** How exact the moment of an attempt is, ms. */
const GRAIN_MS = 4;
/** Before what several servers put off is tried again, ms; each further time twice as long. */
const FIRST_PAUSE_MS = 8;
/** A command of which no second attempt may be made counts as many more. */
const MAX_WAITED_OUT = 1_000;

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
    this.#statistics.countRetry(command.retryClass);
    this.#schedule.add(command, now, waitMs);
    return true;
  }

  /** Sends it again after a pause that counts as no attempt: it did not run, and will elsewhere. */
  later(command: Command, waitMs: number): void {
    this.#schedule.add(command, this.#clock.now(), waitMs);
  }

  /**
   * Schedules another attempt of a command that several servers put off, for as long as a short
   * outage of one of them is waited out; false when there is none.
   */
  waitOut(command: Command): boolean {
    if (this.#isStopped || command.settled || command.failedAttempts > MAX_WAITED_OUT) return false;
    const now = this.#clock.now();
    command.history ??= newHistory();
    command.history.since ??= now;
    if (now - command.history.since > this.#options.breaker.patienceMs) return false;
    const { capMs } = this.#options.retry;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** command.failedAttempts, capMs);
    const waitMs = pauseMs * (0.5 + this.#random() / 2);
    if (now + waitMs >= command.deadlineAt) return false;
    command.failedAttempts++;
    command.replies = undefined;
    this.#statistics.countRetry(command.retryClass);
    this.#schedule.add(command, now, waitMs);
    return true;
  }

  /**
   * The connection ended under a command.
   * @param site Of which of several databases that was: what may have run there runs in no other.
   */
  recover(command: Command, cause: Error, outcome: LossOutcome, site: string | undefined): void {
    if (command.settled) return;
    const isTriedAgain = this.tryAgain(command, outcome);
    if (!isTriedAgain) command.fail(lossOf(command, cause, outcome));
    else if (outcome === 'unknown' && command.retryClass !== 'read') {
      command.history ??= newHistory();
      command.history.uncertainty = lossOf(command, cause, outcome);
      command.history.site = site;
    }
  }

  /** Cancels the attempts to come; there are none from now on. */
  stop(error: Error): void {
    this.#isStopped = true;
    for (const command of this.#schedule.drain()) command.fail(error);
  }
}

/** Those that are due within the same few milliseconds share a timer. */
class RetrySchedule {
  readonly #resend: (command: Command) => void;
  readonly #batches = new Map<number, { timer: NodeJS.Timeout; commands: Command[] }>();
  #keepsAlive = true;

  constructor(resend: (command: Command) => void) {
    this.#resend = resend;
  }

  /** Whether the wait for an attempt keeps the process alive. */
  keepAlive(isWanted: boolean): void {
    this.#keepsAlive = isWanted;
    for (const { timer } of this.#batches.values()) isWanted ? timer.ref() : timer.unref();
  }

  get isEmpty(): boolean {
    return this.#batches.size === 0;
  }

  /** @param now The pool's clock. @param waitMs From now until the next attempt. */
  add(command: Command, now: number, waitMs: number): void {
    command.settings.order?.noteRetry();
    const grain = Math.ceil((now + waitMs) / GRAIN_MS);
    const batch = this.#batches.get(grain);
    if (batch !== undefined) {
      batch.commands.push(command);
      return;
    }
    const timer = setTimeout(() => this.#run(grain), grain * GRAIN_MS - now);
    if (!this.#keepsAlive) timer.unref();
    this.#batches.set(grain, { timer, commands: [command] });
  }

  forEach(visit: (command: Command) => void): void {
    for (const { commands } of this.#batches.values())
      for (const command of commands) visit(command);
  }

  /** Cancels all attempts to come and returns their commands. */
  drain(): Command[] {
    const commands: Command[] = [];
    for (const batch of this.#batches.values()) {
      clearTimeout(batch.timer);
      for (const command of batch.commands) commands.push(command);
    }
    this.#batches.clear();
    return commands;
  }

  #run(grain: number): void {
    const commands = this.#batches.get(grain)?.commands ?? [];
    this.#batches.delete(grain);
    for (const command of commands) if (!command.settled) this.#resend(command);
  }
}
