// Devices that have logged in to an account before, as OWASP's device cookies have them: a login
// answers a signed token, and a client that shows it with its next login is held up by nobody's
// failures but its own. It opens nothing by itself, and Redis keeps nothing of it.

import { randomUUID } from 'node:crypto';
import type { TokenOptions } from './access-tokens.js';
import type { KeyRing } from './key-ring.js';
import { signToken, type TokenKind, verifyToken } from './signed.js';

const TYPE = 'device+jwt';
/** Each login begins it anew, s. */
const LIFE_SECONDS = 90 * 86_400;

export class DeviceTokens {
  readonly #keys: KeyRing;
  readonly #kind: TokenKind;

  constructor(keys: KeyRing, { issuer }: TokenOptions) {
    this.#keys = keys;
    // Nobody but the issuer itself reads them.
    const requiredClaims = ['iss', 'aud', 'exp', 'iat', 'jti', 'sub'];
    this.#kind = { type: TYPE, issuer, audience: issuer, requiredClaims };
  }

  /** @param device Its id where the account knows it; a new one else. */
  sign(userName: string, device: string = randomUUID()): Promise<string> {
    const { issuer, audience } = this.#kind;
    const now = Math.floor(Date.now() / 1000);
    const life = { iat: now, exp: now + LIFE_SECONDS };
    const claims = { iss: issuer, aud: audience, sub: userName, jti: device, ...life };
    return signToken(this.#keys, TYPE, claims);
  }

  /** The device's id; `undefined` where the token is none of this account, which is no error. */
  async check(userName: string, token: string | undefined): Promise<string | undefined> {
    if (token === undefined) return undefined;
    try {
      const { sub, jti } = await verifyToken(this.#keys, this.#kind, token);
      return sub === userName ? jti : undefined;
    } catch {
      return undefined;
    }
  }
}
