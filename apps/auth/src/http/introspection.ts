// RFC 7662: what a token is worth, told to who may know. A resource server, which shows its id and
// secret, may ask about every access token; a user, who shows a token, about those of his own
// account. About others he learns what he would of nonsense.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../errors.js';
import type { AccessClaims } from '../tokens/access-tokens.js';
import type { AppParts } from './app.js';
import { bearerOf, liveClaims } from './bearer.js';
import { clientAddressOf } from './client-address.js';
import * as schemas from './schemas.js';

/** What an id that nobody has is held against, so that it takes as long as one that somebody has. */
const NO_HASH = '0'.repeat(64);
const BASIC = /^Basic +([A-Za-z0-9+/]+={0,2})$/i;

type MayAsk = (claims: AccessClaims) => boolean;

export function registerIntrospection(app: FastifyInstance, parts: AppParts): void {
  app.post<{ Body: { token: string } }>(
    '/auth/introspect',
    { schema: { body: schemas.tokenRequest, response: { 200: schemas.introspectAnswer } } },
    async (request) => {
      const mayAsk = await authorize(parts, request);
      const claims = await claimsOrNone(parts, request.body.token);
      if (claims === undefined || !mayAsk(claims)) return { active: false };
      return { active: true, token_type: 'Bearer', ...claims };
    },
  );
}

/** @throws Problem TOKEN_REQUIRED, INVALID_TOKEN, INVALID_CLIENT, STORE_UNAVAILABLE */
async function authorize(parts: AppParts, request: FastifyRequest): Promise<MayAsk> {
  const { authorization } = request.headers;
  if (authorization?.toLowerCase().startsWith('basic ')) {
    if (!isResourceServer(parts.config.resourceServers, authorization)) {
      parts.events.emit('client_refused', { address: clientAddressOf(request).address });
      throw new Problem('INVALID_CLIENT');
    }
    return () => true;
  }
  const { sub } = await liveClaims(parts, bearerOf(request));
  return (claims) => claims.sub === sub;
}

/** Ids and secrets are of characters that are the same in a form, where RFC 6749 §2.3.1 has them. */
function isResourceServer(servers: ReadonlyMap<string, string>, authorization: string): boolean {
  const encoded = BASIC.exec(authorization)?.[1] ?? '';
  const [id = '', secret = ''] = Buffer.from(encoded, 'base64').toString().split(/:(.*)/s);
  const hash = createHash('sha256').update(secret).digest();
  const isSecret = timingSafeEqual(hash, Buffer.from(servers.get(id) ?? NO_HASH, 'hex'));
  return isSecret && servers.has(id);
}

async function claimsOrNone(parts: AppParts, token: string): Promise<AccessClaims | undefined> {
  try {
    return await liveClaims(parts, token);
  } catch (error) {
    if (error instanceof Problem && error.code === 'INVALID_TOKEN') return undefined;
    throw error;
  }
}
