// Tokens that this worker has signed, or whose signature and claims it has found good. A signature
// costs some 300 µs of CPU, a user shows the same token for minutes, and a good one stays good until
// it expires or the keys change; whether its session lives is asked of Redis each time all the same.

import type { AccessClaims } from './access-tokens.js';

/** Tokens that are remembered; at about 1 KB each. The oldest gives way. */
export const MAX_REMEMBERED = 10_000;

export class VerifiedTokens {
  readonly #claims = new Map<string, AccessClaims>();
  /** The last one of each session: who renews a token shows the one before no more. */
  readonly #tokens = new Map<string, string>();
  #keysVersion = 0;

  get size(): number {
    return this.#claims.size;
  }

  /** @param keysVersion Of the keys as they are now: others than before, and nothing is known. */
  get(token: string, keysVersion: number, nowSeconds: number): AccessClaims | undefined {
    if (keysVersion !== this.#keysVersion) {
      this.#claims.clear();
      this.#tokens.clear();
      this.#keysVersion = keysVersion;
    }
    const claims = this.#claims.get(token);
    if (claims === undefined || claims.exp > nowSeconds) return claims;
    this.#forget(token);
    return undefined;
  }

  /** @param keysVersion Of the keys that the token was checked with. */
  remember(token: string, claims: AccessClaims, keysVersion: number): void {
    if (keysVersion !== this.#keysVersion) return;
    const previous = this.#tokens.get(claims.sid);
    if (previous !== undefined) this.#forget(previous);
    this.#claims.set(token, claims);
    this.#tokens.set(claims.sid, token);
    if (this.#claims.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#claims.keys();
    this.#forget(oldest!);
  }

  #forget(token: string): void {
    const claims = this.#claims.get(token);
    if (claims === undefined) return;
    this.#claims.delete(token);
    this.#tokens.delete(claims.sid);
  }
}
