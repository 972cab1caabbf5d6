// Counts failed connects in a row and knows since when no connection is there. A short outage is
// waited out; after that the breaker opens, and callers are told at once in place of a queue that
// grows. It also says how long to wait before the next dial. It never dials and never waits itself.
//
//             failures in a row and patience is over, or a refusal; no connection left
//   closed ------------------------------------------------------------------------------> open
//      ^                                                                                     |
//      +---------------------------------- a connect succeeds -------------------------------+

import type { PoolError, PoolErrorCode } from '../errors.js';

/** Wait after the first failed connect, ms; each further one is `PAUSE_FACTOR` times as long. */
export const FIRST_PAUSE_MS = 8;
export const PAUSE_FACTOR = 4;
/** A password that is refused is offered ever more rarely, up to this pause, ms: servers lock out. */
export const MAX_REFUSED_PAUSE_MS = 60_000;
/** A strategy that gives less would dial without end in one turn of the event loop, ms. */
const LEAST_PAUSE_MS = 1;
/** The longest time that a Node timer takes, ms. */
const LONGEST_PAUSE_MS = 2 ** 31 - 1;
/** A time-out counts as this many failures: each takes long, and the first may be a slow DNS. */
const WEIGHT_OF_TIMEOUT = 2;

/** Failures that trying again a moment later does not cure. */
export const REFUSAL_CODES: ReadonlySet<PoolErrorCode> = new Set([
  'AUTH_FAILED',
  'TLS_FAILED',
  'PROTOCOL_ERROR',
  'HANDSHAKE_FAILED',
]);
/** Refusals that would go on for as long as they are asked for. */
const ASKED_RARELY: ReadonlySet<PoolErrorCode> = new Set(['AUTH_FAILED', 'TLS_FAILED']);

export interface BreakerOptions {
  /** Failed connects in a row, with no connection left, that open it, 1 to 1,000. Default 4. */
  readonly failures: number;
  /** Longest pause between two connect attempts, ms. Default 512. */
  readonly maxPauseMs: number;
  /**
   * An outage shorter than this, counted from the loss of the last connection, is waited out by
   * whoever was not sent, ms. Default 2,000; 0: `failures` alone decides.
   */
  readonly patienceMs: number;
}

/**
 * Pause before the next connect attempt, ms; or a function that gives it. It gets how many attempts
 * failed before this one, from 0 on, and the error. Where it gives `false` or an Error, or throws,
 * who waits is told at once, and the next attempt is the breaker's own.
 */
export type ReconnectStrategy =
  | number
  | ((retries: number, cause: Error) => number | false | Error);

export interface ConnectFailure {
  readonly error: PoolError;
  /** Connections that still serve: while there is one, callers aren't turned away. */
  readonly connectionsLeft: number;
}

export class Breaker {
  readonly #options: BreakerOptions;
  readonly #random: () => number;
  readonly #strategy: ReconnectStrategy | undefined;
  #failuresInARow = 0;
  /** The same, with a time-out counted by its weight. */
  #weight = 0;
  #isOpen = false;
  #lastError: Error | undefined;
  #pauseMs = 0;
  #outageSince: number | undefined;

  /** @param random Gives a number from 0 up to 1, asked once for each failure. */
  constructor(options: BreakerOptions, random: () => number, strategy?: ReconnectStrategy) {
    this.#options = options;
    this.#random = random;
    this.#strategy = strategy;
  }

  /** Callers are to be failed at once with `lastError`. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Why the last connect failed; `undefined` after a success. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Since when no connection is there; `undefined`: one is, or none was needed yet. */
  get outageSince(): number | undefined {
    return this.#outageSince;
  }

  /** No connection is there from now on: the last one was lost, or the first is being dialed. */
  noteOutage(now: number): void {
    this.#outageSince ??= now;
  }

  /** Notes a failed connect. @returns Whether this one opened the breaker. */
  recordFailure({ error, connectionsLeft }: ConnectFailure, now: number): boolean {
    const { code } = error;
    this.#failuresInARow += 1;
    this.#weight += code === 'CONNECT_TIMEOUT' ? WEIGHT_OF_TIMEOUT : 1;
    const chosen = this.#askStrategy(error);
    this.#lastError = chosen instanceof Error ? chosen : error;
    if (connectionsLeft === 0) this.noteOutage(now);
    this.#pauseMs = typeof chosen === 'number' ? chosen : this.#drawPauseMs(code);
    // The dial after that tells those who are patient no longer.
    const patienceLeftMs = this.#patienceLeftMs(now);
    if (patienceLeftMs > 0) this.#pauseMs = Math.min(this.#pauseMs, patienceLeftMs);
    if (this.#isOpen || connectionsLeft > 0) return false;
    this.#isOpen =
      chosen instanceof Error ||
      REFUSAL_CODES.has(code) ||
      (this.#weight >= this.#options.failures && this.#patienceLeftMs(now) <= 0);
    return this.#isOpen;
  }

  /** Notes a connect that succeeded. @returns Whether this one closed the breaker. */
  recordSuccess(): boolean {
    const wasOpen = this.#isOpen;
    this.#failuresInARow = 0;
    this.#weight = 0;
    this.#isOpen = false;
    this.#lastError = undefined;
    this.#pauseMs = 0;
    this.#outageSince = undefined;
    return wasOpen;
  }

  /** Wait between the last failure and the next dial, ms; 0 where nothing failed. */
  pauseMs(): number {
    return this.#pauseMs;
  }

  #patienceLeftMs(now: number): number {
    if (this.#outageSince === undefined) return this.#options.patienceMs;
    return this.#outageSince + this.#options.patienceMs - now;
  }

  /** Between half and all of the pause, so that many processes don't dial in step. */
  #drawPauseMs(code: PoolErrorCode): number {
    const fullMs = FIRST_PAUSE_MS * PAUSE_FACTOR ** (this.#failuresInARow - 1);
    const mostMs = ASKED_RARELY.has(code) ? MAX_REFUSED_PAUSE_MS : this.#options.maxPauseMs;
    return Math.min(fullMs, mostMs) * (0.5 + this.#random() / 2);
  }

  /** The pause, ms; an Error: who waits is to be told that; `undefined`: there is no strategy. */
  #askStrategy(error: Error): number | Error | undefined {
    const strategy = this.#strategy;
    if (typeof strategy !== 'function') return strategy;
    try {
      const answer: unknown = strategy(this.#failuresInARow - 1, error);
      if (typeof answer === 'number' && !Number.isNaN(answer)) {
        return Math.min(Math.max(answer, LEAST_PAUSE_MS), LONGEST_PAUSE_MS);
      }
      return answer instanceof Error ? answer : error;
    } catch (thrown) {
      return thrown instanceof Error ? thrown : error;
    }
  }
}
