// How a refusal looks, whoever makes it: a route, Fastify, or Node's parser of HTTP, which has
// nothing but a socket to answer on. All of them are problem+json (RFC 9457), kept by no cache, and
// carry the headers of every answer.

import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply } from 'fastify';
import { Problem, type ProblemCode } from '../errors.js';

/** What OWASP's REST cheat sheet asks of every answer; nothing here is ever a page. */
export const COMMON_HEADERS = {
  // All but public keys is about somebody, or about this moment.
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

const PROBLEM_TYPE = 'application/problem+json';

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  // A string, as the answers' schemas are not those of problems.
  return reply
    .code(problem.status)
    .headers(headersOf(problem))
    .type(PROBLEM_TYPE)
    .serializer((body: unknown) => body as string)
    .send(JSON.stringify(problem.toBody()));
}

/** The bytes of an answer that ends its connection. */
export function rawAnswerOf(problem: Problem, now: Date): string {
  const body = JSON.stringify(problem.toBody());
  const headers = {
    ...headersOf(problem),
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
    date: now.toUTCString(),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const { status } = problem;
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n');
}

/** What Fastify found wrong, in our words. */
export function problemOf(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error;
  const { statusCode = 500 } = error;
  if (statusCode === 413) return new Problem('BODY_TOO_LARGE');
  if (statusCode === 415) return new Problem('UNSUPPORTED_MEDIA_TYPE');
  if (statusCode >= 400 && statusCode < 500) {
    // Says where and what, never the value: it may be a password.
    return new Problem('BAD_REQUEST', error.validation === undefined ? undefined : error.message);
  }
  return new Problem('INTERNAL', undefined, undefined, { cause: error });
}

function headersOf({ code, status, retryAfterSeconds }: Problem): Record<string, string | number> {
  return {
    ...COMMON_HEADERS,
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': retryAfterSeconds }),
    ...(status === 401 ? { 'www-authenticate': challengeOf(code) } : {}),
  };
}

/** RFC 6750 §3: the error is named only where a token was shown. */
function challengeOf(code: ProblemCode): string {
  if (code === 'INVALID_CLIENT') return 'Basic realm="introspection"';
  return code === 'INVALID_TOKEN' ? 'Bearer error="invalid_token"' : 'Bearer';
}
