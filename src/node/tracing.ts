// What is told of connections: that one is made, that somebody waits for one, that one is lent. Each
// of these is called only where somebody listens.

import { type Command, newHistory } from '../base/command.js';
import type { Link } from '../base/link.js';
import { asNodeRedisConnect } from '../base/node-redis-tracing.js';
import { outsideOfCalls } from '../base/outside.js';
import {
  CONNECT,
  type ConnectTrace,
  isTraced,
  LEASE,
  type LeaseTrace,
  NODE_REDIS,
  noteServer,
  type TraceOrigin,
  traced,
  traceOf,
  WAIT,
} from '../base/tracing.js';
import type { ConnectionLease } from './lease.js';

/** Whether anybody wants to hear of connects. */
export function isConnectTraced(): boolean {
  return isTraced(CONNECT) || (NODE_REDIS.isAsked && isTraced(NODE_REDIS.connect));
}

/** Tells of a connection that is made, in nobody's context: it is for all who come. */
export function traceConnect(
  origin: TraceOrigin,
  connect: () => Promise<Link | undefined>,
): Promise<Link | undefined> {
  const trace: ConnectTrace = traceOf(origin);
  let link: Link | undefined;
  // What others listen to gets the result of a promise, and must not get hold of a connection.
  const run = async () => {
    link = await connect();
    noteServer(trace, link?.server);
  };
  const telling = outsideOfCalls(() =>
    traced(CONNECT, trace, asNodeRedisConnect(origin, trace, run)),
  );
  return telling.then(() => link);
}

/** Tells of a command that waits, from the first time until a connection takes it. */
export function traceWait(origin: TraceOrigin, command: Command): void {
  command.history ??= newHistory();
  const { history } = command;
  if (history.onServed !== undefined || command.failedAttempts > 0) return;
  const served = new Promise<void>((resolve, reject) => {
    history.onServed = resolve;
    command.promise.catch(reject);
  });
  const trace = { ...traceOf(origin), kind: 'command', command: command.name } as const;
  traced(WAIT, trace, () => served).catch(() => undefined);
}

/** The same of a request for a lease. */
export function traceLeaseWait<T>(origin: TraceOrigin, lease: Promise<T>): Promise<T> {
  const trace = { ...traceOf(origin), kind: 'lease', command: undefined } as const;
  return traced(WAIT, trace, () => lease);
}

/** Tells of a loan, from now until it is over. */
export function traceLease(origin: TraceOrigin, lease: ConnectionLease): ConnectionLease {
  const { entry, isLongLived } = lease;
  const trace: LeaseTrace = { ...traceOf(origin), connectionId: entry.id, isLongLived };
  noteServer(trace, entry.connection.server);
  const over = new Promise<void>((resolve, reject) => {
    lease.onOver = (error) => (error === undefined ? resolve() : reject(error));
    if (lease.lostError !== undefined) reject(lease.lostError);
  });
  traced(LEASE, trace, () => over).catch(() => undefined);
  return lease;
}
