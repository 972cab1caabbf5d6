// The token that a request shows, and what is known of it.

import type { FastifyRequest } from 'fastify';
import { Problem } from '../errors.js';
import { type AccessClaims, referenceOf } from '../tokens/access-tokens.js';
import type { AppParts } from './app.js';

/** @throws Problem TOKEN_REQUIRED, INVALID_TOKEN */
export function bearerOf({ headers: { authorization } }: FastifyRequest): string {
  if (authorization === undefined) throw new Problem('TOKEN_REQUIRED');
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw new Problem('INVALID_TOKEN');
  return token;
}

/** The claims of a token that is good now. @throws Problem INVALID_TOKEN, STORE_UNAVAILABLE */
export async function liveClaims(
  { tokens, store }: AppParts,
  token: string,
): Promise<AccessClaims> {
  const claims = await tokens.check(token);
  if (!(await store.isLive(referenceOf(claims)))) throw new Problem('INVALID_TOKEN');
  return claims;
}
