// What operators and their machines ask: is it alive, can it serve, how is Redis, what is measured.

import type { FastifyInstance } from 'fastify';
import type { AppParts } from './app.js';

export interface OperatorHooks {
  healthRedis(): Promise<{ readonly statusCode: number; readonly body: unknown }>;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Measures a request. @param route The route's pattern, or `unknown`. */
  onAnswer?(method: string, route: string, status: number, seconds: number): void;
}

export function registerOperatorRoutes(app: FastifyInstance, { store, hooks }: AppParts): void {
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

  app.get('/health/redis', async (_request, reply) => {
    const { statusCode, body } = await hooks.healthRedis();
    return reply.code(statusCode).header('cache-control', 'no-store').send(body);
  });

  app.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await hooks.metrics();
    return reply.type(contentType).send(body);
  });
}
