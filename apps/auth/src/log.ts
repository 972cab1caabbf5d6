// The log of primary and workers: JSON lines, in which no secret can stand by its usual name.

import type { FastifyRequest } from 'fastify';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { AuthConfig } from './config.js';

const REDACTED = ['req.headers.authorization', 'req.headers.cookie', 'err.cause'];

/** @param destination Where lines go. Default: standard output. */
export function openLog(level: AuthConfig['logLevel'], destination?: DestinationStream): Logger {
  const options = { level, redact: REDACTED, serializers: { req: loggedRequest } };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Without the query: some clients put tokens there. */
function loggedRequest({ method, url, ip }: FastifyRequest) {
  return { method, url: url.split('?', 1)[0]!, remoteAddress: ip };
}
