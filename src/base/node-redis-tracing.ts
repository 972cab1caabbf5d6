// The same under node-redis 6's channel names and in its shapes, for a pool that asks for it, so that
// what instruments node-redis instruments this library. There replies are part of the context too.

import type { TracingChannel } from 'node:diagnostics_channel';
import {
  type BatchTrace,
  type CommandTrace,
  type ConnectTrace,
  isTraced,
  NODE_REDIS,
  type Trace,
  type TraceOrigin,
} from './tracing.js';

type Run<T> = () => Promise<T>;

/** `run`, which tells of itself where somebody listens. */
export function asNodeRedisCommand<T>(
  origin: TraceOrigin,
  trace: CommandTrace,
  run: Run<T>,
): Run<T> {
  return told(origin, NODE_REDIS.command, run, () => {
    const [command = '', ...others] = trace.command.split(' ');
    const hidden = Array<string>(trace.argumentCount - others.length).fill('?');
    const args = trace.words ?? [command, ...others, ...hidden];
    return withPlace(trace, { command, args, database: trace.database });
  });
}

export function asNodeRedisBatch<T>(origin: TraceOrigin, trace: BatchTrace, run: Run<T>): Run<T> {
  return told(origin, NODE_REDIS.batch, run, () => {
    const { mode, size, database } = trace;
    return withPlace(trace, { batchMode: mode, batchSize: size, database });
  });
}

export function asNodeRedisConnect<T>(
  origin: TraceOrigin,
  trace: ConnectTrace,
  run: Run<T>,
): Run<T> {
  return told(origin, NODE_REDIS.connect, run, () => withPlace(trace, {}));
}

function told<T>(
  { asNodeRedis }: TraceOrigin,
  channel: TracingChannel,
  run: Run<T>,
  contextOf: () => object,
): Run<T> {
  if (!asNodeRedis || !isTraced(channel)) return run;
  return () => channel.tracePromise(run, contextOf());
}

/** Who served may be known only at the end, so that it is read from what is told here. */
function withPlace(trace: Trace, facts: object): object {
  return Object.defineProperties(facts, {
    serverAddress: { enumerable: true, get: () => trace.serverAddress ?? '' },
    serverPort: { enumerable: true, get: () => trace.serverPort },
    clientId: { enumerable: true, value: trace.poolName },
  });
}
