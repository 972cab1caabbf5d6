// Access tokens: JWTs as RFC 9068 has them, checked as RFC 8725 asks (signed.ts). Signatures that
// were found good are remembered.

import { randomUUID } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { Problem } from '../errors.js';
import type { Session, TokenReference } from '../store/store.js';
import type { KeyRing } from './key-ring.js';
import { signToken, type TokenKind, verifyToken } from './signed.js';
import { VerifiedTokens } from './verified-tokens.js';

const TYPE = 'at+jwt';
/** RFC 9068 §2.2, and what finds the session. */
const REQUIRED = [
  ...['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti', 'auth_time'],
  ...['sid', 'username'],
];

export interface AccessClaims extends JWTPayload {
  readonly iss: string;
  readonly aud: string;
  /** The user's id. */
  readonly sub: string;
  /** Through what the user logged in. */
  readonly client_id: string;
  /** The session's id. */
  readonly sid: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  /** When the user gave the password; a refresh doesn't change it. */
  readonly auth_time: number;
  readonly username: string;
}

export interface TokenOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly clientId: string;
  readonly accessTokenSeconds: number;
}

export class AccessTokens {
  readonly #keys: KeyRing;
  readonly #options: TokenOptions;
  readonly #kind: TokenKind;
  readonly #verified = new VerifiedTokens();

  constructor(keys: KeyRing, options: TokenOptions) {
    this.#keys = keys;
    this.#options = options;
    const { issuer, audience } = options;
    this.#kind = { type: TYPE, issuer, audience, requiredClaims: REQUIRED };
  }

  async sign({ id, userId, userName, createdAt }: Session): Promise<string> {
    const keysVersion = await this.#keys.version();
    const { issuer, audience, clientId, accessTokenSeconds } = this.#options;
    const now = Math.floor(Date.now() / 1000);
    const claims: AccessClaims = {
      iss: issuer,
      aud: audience,
      sub: userId,
      client_id: clientId,
      sid: id,
      username: userName,
      jti: randomUUID(),
      iat: now,
      exp: now + accessTokenSeconds,
      auth_time: Math.floor(createdAt / 1000),
    };
    const token = await signToken(this.#keys, TYPE, claims);
    // Most clients show it next on the connection that it came by: to who signed it.
    this.#verified.remember(token, claims, keysVersion);
    return token;
  }

  /** Signature and claims; whether the session lives is the store's to say. @throws Problem INVALID_TOKEN */
  async check(token: string): Promise<AccessClaims> {
    const keysVersion = await this.#keys.version();
    const nowSeconds = Math.floor(Date.now() / 1000);
    const known = this.#verified.get(token, keysVersion, nowSeconds);
    if (known !== undefined) return known;
    const claims = await this.#verify(token);
    this.#verified.remember(token, claims, keysVersion);
    return claims;
  }

  async #verify(token: string): Promise<AccessClaims> {
    try {
      return (await verifyToken(this.#keys, this.#kind, token)) as AccessClaims;
    } catch {
      // Why a token is bad is nobody's business who shows a bad one.
      throw new Problem('INVALID_TOKEN');
    }
  }
}

export function referenceOf(claims: AccessClaims): TokenReference {
  return { sessionId: claims.sid, userId: claims.sub, userName: claims.username };
}
