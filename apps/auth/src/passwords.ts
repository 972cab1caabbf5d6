// Password hashes: argon2id as OWASP has it. A hash costs some 16 ms of CPU on purpose, so few are
// computed at once, a bounded number may wait in fair turns, and everybody else is told to come back:
// logins must not starve verification, nor one client's another's. Hashes run in libuv's pool of four
// threads, of which at most three are taken.

import { randomBytes } from 'node:crypto';
import { hash, type Options, verify } from '@node-rs/argon2';
import { Problem } from './errors.js';
import { type Asker, FairTurns } from './fair-turns.js';

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
/** All who don't say who they are share one place. */
const ANYBODY: Asker = { site: '' };

export interface PasswordOptions {
  readonly hashConcurrency: number;
  readonly hashQueue: number;
  /** Cheaper ones in tests only. Default: {@link OWASP}. */
  readonly parameters?: Options;
}

export class Passwords {
  readonly #parameters: Options;
  readonly #turns: FairTurns;
  /** Of a password that nobody knows: what an unknown user's is held against. */
  readonly #nobody: Promise<string>;

  constructor({ hashConcurrency, hashQueue, parameters = OWASP }: PasswordOptions) {
    this.#parameters = parameters;
    this.#turns = new FairTurns(
      hashConcurrency,
      hashQueue,
      () => new Problem('BUSY', undefined, RETRY_AFTER_SECONDS),
    );
    // At once, so that not even the first unknown user takes longer.
    this.#nobody = hash(randomBytes(32), this.#parameters);
  }

  /** @throws Problem BUSY where a password would not be looked at now. */
  refuseWhenFull(asker: Asker): void {
    this.#turns.refuseWhenFull(asker);
  }

  /** Whether a hash costs another time than ours do: by that its account differs from none. */
  isOutdated(passwordHash: string): boolean {
    const { memoryCost, timeCost, parallelism } = this.#parameters;
    const costs = `$m=${memoryCost},t=${timeCost},p=${parallelism}$`;
    return !passwordHash.includes(costs);
  }

  /** @throws Problem BUSY */
  hash(password: string, asker = ANYBODY): Promise<string> {
    return this.#turns.run(asker, () => hash(password, this.#parameters));
  }

  /**
   * Takes the same time for a user that doesn't exist (`undefined`) as for a wrong password.
   * @throws Problem BUSY
   */
  async matches(
    passwordHash: string | undefined,
    password: string,
    asker = ANYBODY,
  ): Promise<boolean> {
    const expected = passwordHash ?? (await this.#nobody);
    const isMatch = await this.#turns.run(asker, () => verify(expected, password));
    return isMatch && passwordHash !== undefined;
  }
}
