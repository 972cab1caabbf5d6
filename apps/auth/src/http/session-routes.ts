// How sessions are seen and ended: by their own tokens, by another session of the user, by a change of
// password. Ending may be repeated: who lost the answer and asks again is told the same.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../errors.js';
import type { RefreshReference, TokenReference } from '../store/store.js';
import { referenceOf } from '../tokens/access-tokens.js';
import type { AppParts } from './app.js';
import { bearerOf, liveClaims } from './bearer.js';
import { clientAddressOf } from './client-address.js';
import { checkLogin } from './login.js';
import { passwordOf } from './password-of.js';
import * as schemas from './schemas.js';

export function registerSessionRoutes(app: FastifyInstance, parts: AppParts): void {
  registerLogout(app, parts);
  registerSessions(app, parts);
  registerPassword(app, parts);
}

function registerLogout(app: FastifyInstance, parts: AppParts): void {
  const { store, tokens, refreshTokens, events } = parts;
  const end = async (request: FastifyRequest, shown: TokenReference | RefreshReference) => {
    const user = await store.endSession(shown);
    if (user === undefined) return;
    const { address } = clientAddressOf(request);
    events.emit('session_ended', { address, user, session: shown.sessionId });
  };
  /** Of a refresh or an access token, whether its session lives or not. */
  const referenceOfToken = async (token: string) =>
    token.includes('.') ? referenceOf(await tokens.check(token)) : refreshTokens.read(token);

  app.post<{ Body: { refresh_token?: string } | null | undefined }>(
    '/auth/logout',
    { schema: { body: schemas.logoutRequest } },
    async (request, reply) => {
      const token = request.body?.refresh_token ?? bearerOf(request);
      await end(request, await referenceOfToken(token));
      return reply.code(204).send();
    },
  );

  // RFC 7009: who has a token may end it, and learns nothing of one that was never good.
  app.post<{ Body: { token: string } }>(
    '/auth/revoke',
    { schema: { body: schemas.tokenRequest } },
    async (request, reply) => {
      const shown = await referenceOfToken(request.body.token).catch((error) => {
        if (error instanceof Problem && error.code === 'INVALID_TOKEN') return undefined;
        throw error;
      });
      if (shown !== undefined) await end(request, shown);
      return reply.code(200).send();
    },
  );

  app.post('/auth/logout-all', async (request, reply) => {
    const claims = await tokens.check(bearerOf(request));
    const ended = await store.endAllSessions(referenceOf(claims));
    const { address } = clientAddressOf(request);
    if (ended > 0) events.emit('sessions_ended', { address, user: claims.sub });
    return reply.code(204).send();
  });
}

function registerSessions(app: FastifyInstance, parts: AppParts): void {
  const { store, events } = parts;
  app.get(
    '/auth/sessions',
    { schema: { response: { 200: schemas.sessionsAnswer } } },
    async (request) => {
      const claims = await liveClaims(parts, bearerOf(request));
      const sessions = await store.sessionsOf(referenceOf(claims));
      return {
        sessions: sessions.map(({ id, createdAt }) => ({
          id,
          created_at: new Date(createdAt).toISOString(),
          current: id === claims.sid,
        })),
      };
    },
  );

  app.delete<{ Params: { id: string } }>('/auth/sessions/:id', async (request, reply) => {
    const claims = await liveClaims(parts, bearerOf(request));
    const { id } = request.params;
    const user = await store.endSession({ ...referenceOf(claims), sessionId: id });
    // Somebody else's looks like one that isn't there.
    if (user === undefined) throw new Problem('NOT_FOUND');
    const { address } = clientAddressOf(request);
    events.emit('session_ended', { address, user, session: id });
    return reply.code(204).send();
  });
}

function registerPassword(app: FastifyInstance, parts: AppParts): void {
  const { store, passwords, events } = parts;
  app.post<{ Body: { current_password: string; new_password: string } }>(
    '/auth/password',
    { schema: { body: schemas.passwordRequest } },
    async (request, reply) => {
      const claims = await liveClaims(parts, bearerOf(request));
      const current = passwordOf(request.body, 'current_password');
      const next = passwordOf(request.body, 'new_password');
      const { username: name, sub, sid } = claims;
      // A session is as good as a known device: held up by its own failures alone.
      const user = await checkLogin(parts, request, { name, password: current, device: sid });
      if (user.id !== sub) throw new Problem('INVALID_TOKEN');
      const { site, address } = clientAddressOf(request);
      const hash = await passwords.hash(next, { site, account: name });
      await store.changePassword(user, hash, sid);
      events.emit('password_changed', { address, user: sub, session: sid });
      return reply.code(204).send();
    },
  );
}
