// Tokens that this worker has signed, or whose signature and claims it has found good. A signature
// costs some 150 µs of CPU, a user shows the same token for minutes, and a good one stays good until
// it expires or the keys change; whether its session lives is asked of Redis each time all the same.
//
// When all places are taken, one of them by chance is taken over: who asks for a few more tokens in
// turn than there are places finds most of them then, and would find none if the oldest gave way.

import type { AccessClaims } from './access-tokens.js';

/**
 * Tokens that are remembered, at about 1 KB each: the sessions of 10,000 users with four devices
 * in one worker, as a proxy that spreads requests shows every token to every worker.
 */
export const MAX_REMEMBERED = 40_000;

interface Remembered {
  readonly token: string;
  readonly claims: AccessClaims;
  /** Its place among all. */
  index: number;
}

export class VerifiedTokens {
  readonly #places: Remembered[] = [];
  readonly #byToken = new Map<string, Remembered>();
  /** The last one of each session: who renews a token shows the one before no more. */
  readonly #bySession = new Map<string, Remembered>();
  readonly #limit: number;
  readonly #random: () => number;
  #keysVersion = 0;

  constructor(limit = MAX_REMEMBERED, random: () => number = Math.random) {
    this.#limit = limit;
    this.#random = random;
  }

  get size(): number {
    return this.#places.length;
  }

  /** @param keysVersion Of the keys as they are now: others than before, and nothing is known. */
  get(token: string, keysVersion: number, nowSeconds: number): AccessClaims | undefined {
    if (keysVersion !== this.#keysVersion) {
      this.#places.length = 0;
      this.#byToken.clear();
      this.#bySession.clear();
      this.#keysVersion = keysVersion;
    }
    const known = this.#byToken.get(token);
    if (known === undefined) return undefined;
    if (known.claims.exp > nowSeconds) return known.claims;
    this.#forget(known);
    return undefined;
  }

  /** @param keysVersion Of the keys that the token was checked with. */
  remember(token: string, claims: AccessClaims, keysVersion: number): void {
    if (keysVersion !== this.#keysVersion) return;
    const previous = this.#bySession.get(claims.sid);
    if (previous !== undefined) this.#forget(previous);
    if (this.#places.length >= this.#limit) {
      this.#forget(this.#places[Math.floor(this.#random() * this.#places.length)]!);
    }
    const remembered = { token, claims, index: this.#places.length };
    this.#places.push(remembered);
    this.#byToken.set(token, remembered);
    this.#bySession.set(claims.sid, remembered);
  }

  /** The last one takes its place. */
  #forget({ token, claims, index }: Remembered): void {
    const last = this.#places.pop()!;
    if (last.token !== token) {
      this.#places[index] = last;
      last.index = index;
    }
    this.#byToken.delete(token);
    this.#bySession.delete(claims.sid);
  }
}
