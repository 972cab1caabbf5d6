// The service's face: Fastify with what all routes share: security headers, limits, problem+json.
// Routes stand in auth-routes.ts, session-routes.ts and operator-routes.ts.

import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import type { Attempts } from '../attempts.js';
import type { AuthConfig } from '../config.js';
import type { Passwords } from '../passwords.js';
import type { SecurityEvents } from '../security-events.js';
import type { Store } from '../store/store.js';
import type { AccessTokens } from '../tokens/access-tokens.js';
import type { DeviceTokens } from '../tokens/device-tokens.js';
import type { KeyRing } from '../tokens/key-ring.js';
import type { RefreshTokens } from '../tokens/refresh-tokens.js';
import { registerAuthRoutes } from './auth-routes.js';
import { clientAddressOf, trustOf } from './client-address.js';
import { answerClientError, refuseMalformed } from './malformed.js';
import { type OperatorHooks, registerOperatorRoutes, registerProbes } from './operator-routes.js';
import { COMMON_HEADERS, problemOf, sendProblem } from './problem-answers.js';
import { registerSessionRoutes } from './session-routes.js';

const BODY_LIMIT_BYTES = 4_096;
/** Longer than users think between requests: reconnecting costs more than an idle socket. */
const KEEP_ALIVE_MS = 75_000;
/** Header and body of a request must have come by then, against slow senders, ms. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** How often that is looked at, ms: 30,000 by default, which makes a limit of 10 s one of 40. */
export const REQUEST_CHECK_MS = 500;
/**
 * A connection on which nothing moves while an answer is due is closed, ms: against those who don't
 * read what they asked for, and those who connect and say nothing.
 */
export const STALLED_MS = 20_000;

export interface AppParts {
  readonly config: AuthConfig;
  readonly store: Store;
  readonly keys: KeyRing;
  readonly tokens: AccessTokens;
  readonly devices: DeviceTokens;
  readonly refreshTokens: RefreshTokens;
  readonly passwords: Passwords;
  readonly attempts: Attempts;
  readonly hooks: OperatorHooks;
  readonly log: Logger;
  readonly events: SecurityEvents;
}

/** What clients see; with the operators' routes where these have no port of their own. */
export function buildApp(parts: AppParts): FastifyInstance {
  const app = newApp(parts);
  registerAuthRoutes(app, parts);
  registerSessionRoutes(app, parts);
  registerProbes(app, parts);
  if (parts.config.operatorPort === undefined) registerOperatorRoutes(app, parts);
  return app;
}

/** What operators see on their own port. */
export function buildOperatorApp(parts: AppParts): FastifyInstance {
  const app = newApp(parts);
  registerProbes(app, parts);
  registerOperatorRoutes(app, parts);
  return app;
}

function newApp(parts: AppParts): FastifyInstance {
  const { config, log } = parts;
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({
      disableRequestLogging: config.logLevel !== 'debug' && config.logLevel !== 'trace',
    }),
    bodyLimit: BODY_LIMIT_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: {
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_CHECK_MS,
      // Node's own refusal has none of our headers; refuseMalformed() looks for hosts.
      requireHostHeader: false,
    },
    connectionTimeout: STALLED_MS,
    forceCloseConnections: 'idle',
    trustProxy: trustOf(config.trustProxy),
    // Nothing is taken for what it isn't, and nothing unknown is dropped in silence.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    clientErrorHandler: answerClientError,
    // Paths that can't be decoded: found before any route, so they miss the handler of errors.
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply as FastifyReply, problemOf(error));
    },
  });
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(COMMON_HEADERS);
    done();
  });
  lookForProxies(app, parts);
  refuseMalformed(app);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(error);
    if (problem.status === 503 || problem.status === 500) {
      const cause = problem.cause as Partial<Error & { code: string }> | undefined;
      request.log.error(
        {
          code: problem.code,
          cause: cause?.code,
          reason: cause?.message,
          ...(problem.status === 500 ? { stack: cause?.stack } : {}),
          route: request.routeOptions.url,
        },
        problem.message,
      );
    }
    return sendProblem(reply, problem);
  });
  return app;
}

/**
 * Says once, when a proxy tells of its clients and isn't believed: they all count as one, so that a
 * few failed logins would stop everybody's.
 */
function lookForProxies(app: FastifyInstance, { events }: AppParts): void {
  let wasTold = false;
  const isUntrusted = (request: FastifyRequest) =>
    // What counts addresses is POST; the way to `ip` leads through the whole list of hops.
    request.method === 'POST' &&
    request.headers['x-forwarded-for'] !== undefined &&
    request.ip === request.socket.remoteAddress;
  app.addHook('onRequest', (request, _reply, done) => {
    if (!wasTold && isUntrusted(request)) {
      wasTold = true;
      const { address } = clientAddressOf(request);
      events.emit('proxy_untrusted', { address, reason: 'not in AUTH_TRUST_PROXY' });
    }
    done();
  });
}
