// What operators and their machines ask: is it alive, can it serve, how is Redis, what is measured.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type DashboardHandler, dashboardPlugin } from 'plimsoll/http';
import { Problem } from '../errors.js';
import type { AppParts } from './app.js';

export interface OperatorHooks {
  healthRedis(): Promise<{ readonly statusCode: number; readonly body: unknown }>;
  /** The live page, which asks for the operators' token by itself. */
  readonly dashboard?: DashboardHandler | undefined;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Measures a request. @param route The route's pattern, or `unknown`. */
  onAnswer?(method: string, route: string, status: number, seconds: number): void;
}

/** For load balancers: they say nothing of what is inside, so everybody may ask. */
export function registerProbes(app: FastifyInstance, { store, hooks }: AppParts): void {
  const { onAnswer } = hooks;
  if (onAnswer !== undefined) {
    app.addHook('onResponse', (request, reply, done) => {
      const route = request.routeOptions.url ?? 'unknown';
      onAnswer(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
      done();
    });
  }

  // Restarting a worker doesn't bring Redis back, so this doesn't ask it.
  app.get('/health/live', async () => ({ status: 'alive' }));

  app.get('/health/ready', async () => {
    await store.ping();
    return { status: 'ready' };
  });
}

/** Behind a token where the configuration has one. */
export function registerOperatorRoutes(app: FastifyInstance, parts: AppParts): void {
  const { config, hooks, events } = parts;
  const onRequest = async ({ headers: { authorization }, ip: address }: FastifyRequest) => {
    if (config.operatorTokenHash === undefined) return;
    if (authorization === undefined) throw new Problem('TOKEN_REQUIRED');
    if (isToken(authorization, config.operatorTokenHash)) return;
    events.emit('operator_refused', { address });
    throw new Problem('INVALID_TOKEN');
  };

  app.get('/health/redis', { onRequest }, async (_request, reply) => {
    const { statusCode, body } = await hooks.healthRedis();
    return reply.code(statusCode).send(body);
  });

  app.get('/metrics', { onRequest }, async (_request, reply) => {
    const { contentType, body } = await hooks.metrics();
    return reply.type(contentType).send(body);
  });

  if (hooks.dashboard !== undefined) app.register(dashboardPlugin, { handler: hooks.dashboard });
}

/** Hashes have one length, and what their comparison may tell is of no use. */
function isToken(authorization: string, expectedHash: string): boolean {
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
  const hash = createHash('sha256').update(token).digest();
  return timingSafeEqual(hash, Buffer.from(expectedHash, 'hex'));
}
