// Counts failed connects in a row. Open, it fails callers at once with the last connect error in
// place of a queue that grows; it also says how long to wait before the next dial. It never dials
// and never waits itself.
//
//             failures in a row, or one fatal, and no connection left
//   closed ------------------------------------------------------------> open
//      ^                                                                   |
//      +------------------------ a connect succeeds -----------------------+

/** Wait after the first failed connect, ms; each further one is `PAUSE_FACTOR` times as long. */
export const FIRST_PAUSE_MS = 8;
export const PAUSE_FACTOR = 4;

export interface BreakerOptions {
  /** Failed connects in a row, with no connection left, that open it, 1 to 1,000. Default 4. */
  readonly failures: number;
  /** Longest pause between two connect attempts, ms. Default 512. */
  readonly maxPauseMs: number;
}

export interface ConnectFailure {
  readonly error: Error;
  /** A further try would fail the same way, as with a wrong password: opens without counting. */
  readonly fatal: boolean;
  /** Connections that still serve: while there is one, callers aren't turned away. */
  readonly connectionsLeft: number;
}

export class Breaker {
  readonly #options: BreakerOptions;
  readonly #random: () => number;
  #failuresInARow = 0;
  #isOpen = false;
  #lastError: Error | undefined;
  #pauseMs = 0;

  /** @param random Gives a number from 0 up to 1, asked once for each failure. */
  constructor(options: BreakerOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** Callers are to be failed at once with `lastError`. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Why the last connect failed; `undefined` after a success. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Notes a failed connect. @returns Whether this one opened the breaker. */
  recordFailure({ error, fatal, connectionsLeft }: ConnectFailure): boolean {
    this.#failuresInARow += 1;
    this.#lastError = error;
    this.#pauseMs = this.#drawPauseMs();
    if (this.#isOpen || connectionsLeft > 0) return false;
    this.#isOpen = fatal || this.#failuresInARow >= this.#options.failures;
    return this.#isOpen;
  }

  /** Notes a connect that succeeded. @returns Whether this one closed the breaker. */
  recordSuccess(): boolean {
    const wasOpen = this.#isOpen;
    this.#failuresInARow = 0;
    this.#isOpen = false;
    this.#lastError = undefined;
    this.#pauseMs = 0;
    return wasOpen;
  }

  /** Wait between the last failure and the next dial, ms; 0 where nothing failed. */
  pauseMs(): number {
    return this.#pauseMs;
  }

  /** Between half and all of the pause, so that many processes don't dial in step. */
  #drawPauseMs(): number {
    const fullMs = FIRST_PAUSE_MS * PAUSE_FACTOR ** (this.#failuresInARow - 1);
    return Math.min(fullMs, this.#options.maxPauseMs) * (0.5 + this.#random() / 2);
  }
}
