// What is told of a pool, wherever listeners hear of what it does.

import { NODE_REDIS, type TraceOrigin } from '../base/tracing.js';
import type { ResolvedOptions } from '../config/options.js';

export function traceOriginOf({ target, endpoints, tracing }: ResolvedOptions): TraceOrigin {
  const { name, database, host, port, path, sentinel, cluster } = target;
  const isKnown = endpoints.length === 0 && sentinel === undefined && cluster === undefined;
  const [address, knownPort] = path === undefined ? [host, port] : [path, undefined];
  // Read for each command of every pool, so that it is set once.
  if (tracing.nodeRedisChannels) NODE_REDIS.isAsked = true;
  return {
    poolName: name,
    database,
    hasOneServer: endpoints.length === 0 && cluster === undefined,
    server: isKnown ? { address, port: knownPort, system: 'redis' } : undefined,
    asNodeRedis: tracing.nodeRedisChannels,
    showsArguments: tracing.arguments === 'redacted',
  };
}
