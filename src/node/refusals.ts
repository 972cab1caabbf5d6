// Refusals are settled together and a turn of the event loop later. A caller who tries again at once
// on any error would else go round and round in microtasks, so that neither timers nor sockets of
// the process ever had their turn, and what he waits for could never come.
//
//   refuse() --> pending --(next turn; at most every 10 ms)--> the error, or `fallback`

import type { Clock } from '../base/clock.js';
import type { Command } from '../base/command.js';
import { readPayload } from '../base/payload.js';
import type { Fallback } from '../config/options.js';
import { PoolError } from '../errors.js';

/** Refusals are settled no more often than this, ms: a loop of a caller then takes no whole core. */
const PAUSE_MS = 10;

/** Classed as reads, so that they are tried again, and yet nothing that a fallback could answer. */
const NO_PLAIN_READS = new Set(['EXEC', 'PIPELINE', 'PING']);

export class Refusals {
  readonly #clock: Clock;
  readonly #fallback: Fallback | undefined;
  readonly #onFallback: () => void;
  #pending: (() => void)[] = [];
  #settledAt = Number.NEGATIVE_INFINITY;
  /** Commands whose fallback has not answered yet: it ends with their deadline. */
  readonly #answering = new Set<Command>();

  /** @param onFallback A fallback was asked: its deadline has to be kept. */
  constructor(clock: Clock, fallback: Fallback | undefined, onFallback: () => void) {
    this.#clock = clock;
    this.#fallback = fallback;
    this.#onFallback = onFallback;
  }

  /** Nobody waits for a fallback. */
  get isIdle(): boolean {
    return this.#answering.size === 0;
  }

  /** Fails a command with `error`. */
  refuse(command: Command, error: unknown): void {
    this.settleLater(() => command.fail(error));
  }

  /** Fails a command for which there is no server: a read may have an answer all the same. */
  refuseWithoutServer(command: Command, error: PoolError): void {
    if (this.#fallback === undefined || !isPlainRead(command)) this.refuse(command, error);
    else this.settleLater(() => this.#answer(command, error));
  }

  /** Rejects with `error`. */
  refusal(error: Error): Promise<never> {
    return new Promise((_, reject) => this.settleLater(() => reject(error)));
  }

  /** Calls `settle` when refusals are settled next. */
  settleLater(settle: () => void): void {
    if (this.#pending.push(settle) > 1) return;
    const pauseMs = this.#settledAt + PAUSE_MS - this.#clock.now();
    if (pauseMs <= 0) setImmediate(() => this.#settle());
    else setTimeout(() => this.#settle(), pauseMs);
  }

  /** Ends fallbacks whose command's deadline has passed; returns how many. */
  expire(now: number): number {
    let expired = 0;
    for (const command of this.#answering) {
      if (!command.settled && command.deadlineAt > now) continue;
      this.#answering.delete(command);
      if (command.settled) continue;
      expired++;
      command.fail(fallbackTimeout(command));
    }
    return expired;
  }

  #settle(): void {
    this.#settledAt = this.#clock.now();
    const pending = this.#pending;
    this.#pending = [];
    for (const settle of pending) settle();
  }

  #answer(command: Command, error: PoolError): void {
    if (command.settled) return;
    const fallback = this.#fallback as Fallback;
    const [, ...args] = readPayload(command.payload);
    this.#answering.add(command);
    this.#onFallback();
    Promise.resolve()
      .then(() => fallback({ command: command.name, args, error }))
      .then(
        (value) => command.answer(value),
        (failure) => command.fail(failure),
      )
      .finally(() => this.#answering.delete(command));
  }
}

/** A read of one command, which a fallback can answer by its arguments. */
function isPlainRead({ name, retryClass }: Command): boolean {
  return retryClass === 'read' && !NO_PLAIN_READS.has(name);
}

function fallbackTimeout(command: Command): PoolError {
  return new PoolError(
    'COMMAND_TIMEOUT',
    `${command.name}: no server to ask, and the fallback did not answer within ${command.timeoutMs} ms`,
    { sent: false },
  );
}
