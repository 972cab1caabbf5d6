// Signing and checking, the same for all kinds of tokens: the key's id picks a key of ours, which
// alone decides the algorithm (RFC 8725); keys and addresses in a token's header are not looked at.

import {
  type CompactJWSHeaderParameters,
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
  SignJWT,
} from 'jose';
import { ALGORITHMS } from './key-file.js';
import type { KeyRing } from './key-ring.js';

/** What a kind of token must be, so that no kind is taken for another. */
export interface TokenKind {
  readonly type: string;
  readonly issuer: string;
  readonly audience: string;
  readonly requiredClaims: string[];
}

export async function signToken(keys: KeyRing, type: string, claims: JWTPayload): Promise<string> {
  const key = await keys.signing();
  return new SignJWT(claims)
    .setProtectedHeader({ alg: key.algorithm, kid: key.kid, typ: type })
    .sign(key.privateKey);
}

/** @throws Error with the reason, which is nobody's business who shows a bad one. */
export async function verifyToken(
  keys: KeyRing,
  { type, issuer, audience, requiredClaims }: TokenKind,
  token: string,
): Promise<JWTPayload> {
  const options: JWTVerifyOptions = {
    issuer,
    audience,
    typ: type,
    algorithms: [...ALGORITHMS],
    requiredClaims,
  };
  const keyOf = async ({ kid, alg }: CompactJWSHeaderParameters) => {
    const key = typeof kid === 'string' ? await keys.find(kid) : undefined;
    if (key === undefined || key.algorithm !== alg) throw new errors.JWKSNoMatchingKey();
    return key.publicKey;
  };
  return (await jwtVerify(token, keyOf, options)).payload;
}
