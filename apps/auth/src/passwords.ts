// Password hashes: argon2id as OWASP has it. A hash costs some 16 ms of CPU on purpose, so few are
// computed at once, a bounded number may wait, and everybody else is told to come back: logins must
// not starve verification. Hashes run in libuv's pool of four threads, of which at most three are
// taken.

import { randomBytes } from 'node:crypto';
import { hash, type Options, verify } from '@node-rs/argon2';
import { Problem } from './errors.js';

/**
 * OWASP Password Storage Cheat Sheet: m = 12 MiB, t = 3, p = 1. Of the settings that it calls equally
 * strong, as this one leaves more of the processor's cache to requests: 16 ms and 24 ms for m = 19 MiB,
 * t = 2. A hash names its own, so that others go on being verified.
 */
export const OWASP: Options = {
  // Argon2id: the package's const enum can't be read by isolated modules.
  algorithm: 2,
  memoryCost: 12_288,
  timeCost: 3,
  parallelism: 1,
};
const RETRY_AFTER_SECONDS = 1;

export interface PasswordOptions {
  readonly hashConcurrency: number;
  readonly hashQueue: number;
  /** Cheaper ones in tests only. Default: {@link OWASP}. */
  readonly parameters?: Options;
}

export class Passwords {
  readonly #options: PasswordOptions;
  readonly #parameters: Options;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** Of a password that nobody knows: what an unknown user's is held against. */
  readonly #nobody: Promise<string>;

  constructor(options: PasswordOptions) {
    this.#options = options;
    this.#parameters = options.parameters ?? OWASP;
    // At once, so that not even the first unknown user takes longer.
    this.#nobody = hash(randomBytes(32), this.#parameters);
  }

  /** @throws Problem BUSY where a password would not be looked at now. */
  refuseWhenFull(): void {
    const { hashConcurrency, hashQueue } = this.#options;
    if (this.#running >= hashConcurrency && this.#waiting.length >= hashQueue) {
      throw new Problem('BUSY', undefined, RETRY_AFTER_SECONDS);
    }
  }

  /** @throws Problem BUSY */
  hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(password, this.#parameters));
  }

  /**
   * Takes the same time for a user that doesn't exist (`undefined`) as for a wrong password.
   * @throws Problem BUSY
   */
  async matches(passwordHash: string | undefined, password: string): Promise<boolean> {
    const expected = passwordHash ?? (await this.#nobody);
    const isMatch = await this.#inTurn(() => verify(expected, password));
    return isMatch && passwordHash !== undefined;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.refuseWhenFull();
    if (this.#running >= this.#options.hashConcurrency) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      // The place is handed on, so that nobody who comes meanwhile overtakes.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
