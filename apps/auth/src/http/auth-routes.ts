// What users and other services ask: accounts and tokens. Sessions stand in session-routes.ts.

import type { FastifyInstance } from 'fastify';
import { Problem, type ProblemCode } from '../errors.js';
import type { SecurityEvent } from '../security-events.js';
import type { OpenedSession } from '../store/store.js';
import { isOfOneScript, normalUserName } from '../user-names.js';
import type { AppParts } from './app.js';
import { bearerOf, liveClaims } from './bearer.js';
import { clientAddressOf } from './client-address.js';
import { registerIntrospection } from './introspection.js';
import { checkLogin } from './login.js';
import { passwordOf } from './password-of.js';
import * as schemas from './schemas.js';

interface Credentials {
  readonly username: string;
  readonly password: string;
}

const REFRESH_EVENTS: Partial<Record<ProblemCode, SecurityEvent>> = {
  REFRESH_REUSED: 'refresh_reused',
  TOO_MANY_REFRESHES: 'refresh_limited',
};

export function registerAuthRoutes(app: FastifyInstance, parts: AppParts): void {
  registerAccounts(app, parts);
  registerTokens(app, parts);
  registerIntrospection(app, parts);
}

function registerAccounts(app: FastifyInstance, parts: AppParts): void {
  const { config, store, passwords, attempts, devices, events } = parts;
  app.post<{ Body: Credentials }>(
    '/auth/register',
    { schema: { body: schemas.credentials, response: { 201: schemas.userAnswer } } },
    async (request, reply) => {
      const name = userNameOf(request.body);
      if (!isOfOneScript(name)) {
        throw new Problem('BAD_REQUEST', 'body/username mixes letters of several scripts');
      }
      const password = passwordOf(request.body, 'password');
      const client = clientAddressOf(request);
      const asker = { site: client.site };
      passwords.refuseWhenFull(asker);
      await attempts.registration(client);
      // Asked before the hash is paid for; createUser() decides.
      if ((await store.findUser(name)) !== undefined) throw new Problem('USERNAME_TAKEN');
      const passwordHash = await passwords.hash(password, asker);
      const user = await store.createUser(name, passwordHash, config.userSeconds);
      return reply.code(201).send({ id: user.id, username: user.name });
    },
  );

  app.post<{ Body: Credentials & { readonly device_token?: string } }>(
    '/auth/login',
    { schema: { body: schemas.loginRequest, response: { 200: schemas.loginAnswer } } },
    async (request) => {
      const name = userNameOf(request.body);
      const password = passwordOf(request.body, 'password');
      const device = await devices.check(name, request.body.device_token);
      const user = await checkLogin(parts, request, { name, password, device });
      const opened = await store.openSession(user);
      const { address } = clientAddressOf(request);
      events.emit('login', { address, user: user.id, session: opened.session.id });
      const tokens = await tokensOf(parts, opened);
      return { ...tokens, device_token: await devices.sign(name, device) };
    },
  );
}

function registerTokens(app: FastifyInstance, parts: AppParts): void {
  const { store, keys, refreshTokens, events } = parts;
  app.post<{ Body: { refresh_token: string } }>(
    '/auth/refresh',
    { schema: { body: schemas.refreshRequest, response: { 200: schemas.tokenAnswer } } },
    async (request) => {
      const shown = await refreshTokens.read(request.body.refresh_token);
      const { address, network } = clientAddressOf(request);
      const facts = { address, session: shown.sessionId };
      try {
        const { outcome, ...opened } = await store.refresh(shown, network);
        if (outcome !== 'rotated') events.emit(`refresh_${outcome}`, facts);
        return await tokensOf(parts, opened);
      } catch (error) {
        const event = error instanceof Problem ? REFRESH_EVENTS[error.code] : undefined;
        if (event !== undefined) events.emit(event, facts);
        throw error;
      }
    },
  );

  app.get(
    '/auth/verify',
    { schema: { response: { 200: schemas.claimsAnswer } } },
    async (request) => liveClaims(parts, bearerOf(request)),
  );

  app.get('/.well-known/jwks.json', async (_request, reply) => {
    reply.header('cache-control', 'public, max-age=300').type('application/jwk-set+json');
    return keys.publicKeys();
  });
}

async function tokensOf(
  { tokens, refreshTokens, config }: AppParts,
  { session, refresh }: OpenedSession,
): Promise<Record<string, unknown>> {
  return {
    access_token: await tokens.sign(session),
    refresh_token: await refreshTokens.sign(refresh),
    token_type: 'Bearer',
    expires_in: config.accessTokenSeconds,
  };
}

/** @throws Problem BAD_REQUEST */
function userNameOf({ username }: Credentials): string {
  const name = normalUserName(username);
  if (name !== undefined) return name;
  throw new Problem('BAD_REQUEST', 'body/username has characters that are not allowed');
}
