// The tracing channels of the library (node:diagnostics_channel), and what is told there. Who
// listens gets `start` in the caller's context, and `asyncEnd` in it too, when all is over; a
// failure is told by `error` before. What is told are names, sizes and places, never a value.
//
//   start --> end (the call has returned) --> [error] --> asyncStart, asyncEnd
//
// While nobody listens nothing is made: each place asks `hasSubscribers` first, which Node answers
// with a constant then.

import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel';

export type DatabaseSystem = 'redis' | 'valkey';

/** The server behind a connection. */
export interface ServerFacts {
  /** Host name or address as it was dialed, or the path of a unix socket. */
  readonly address: string;
  /** `undefined`: a unix socket. */
  readonly port: number | undefined;
  readonly system: DatabaseSystem;
}

/** Whose pool it is; one object for all that is told of it. */
export interface TraceOrigin {
  readonly poolName: string;
  readonly database: number;
  /** Whether one server serves everything. */
  readonly hasOneServer: boolean;
  /** That server; `undefined`: there may be others, or it is not known yet. */
  server: ServerFacts | undefined;
  /** Whether it is also told under node-redis' names. */
  readonly asNodeRedis: boolean;
  /** Whether redacted words of commands are told. */
  readonly showsArguments: boolean;
}

/** What all contexts have in common. */
export interface Trace {
  readonly poolName: string;
  readonly database: number;
  /** Who has served, or is to serve; `undefined` while that is not known. */
  system: DatabaseSystem;
  serverAddress: string | undefined;
  serverPort: number | undefined;
  /** Why it failed; there when `error` is told. */
  error?: unknown;
}

/** What is sent to a server on a caller's account. */
export interface OperationTrace extends Trace {
  /** Bytes of the request as it is sent. */
  readonly requestBytes: number;
  /** On a connection of the caller's own. */
  readonly isOnLease: boolean;
  /** How often it was handed to a connection: 1, and 1 more for each retry and redirect. */
  attempts: number;
  /** How often a server has sent it to another one. */
  redirects: number;
}

/** The context of `plimsoll:command`. */
export interface CommandTrace extends OperationTrace {
  /** In capitals, e.g. `GET`, `CLIENT GETNAME`. */
  readonly command: string;
  /** Words after the first. */
  readonly argumentCount: number;
  /** All words with `?` for each that is no name and no key, where `tracing.arguments` asks. */
  readonly words: readonly string[] | undefined;
}

/** The context of `plimsoll:batch`. */
export interface BatchTrace extends OperationTrace {
  readonly mode: 'MULTI' | 'PIPELINE';
  /** Commands in it; MULTI and EXEC don't count. */
  readonly size: number;
  /** The name that all of them have; `undefined`: they differ. */
  readonly command: string | undefined;
}

/** The context of `plimsoll:connect`. */
export type ConnectTrace = Trace;

/** The context of `plimsoll:wait`: somebody waits for room on a connection, or for one alone. */
export interface WaitTrace extends Trace {
  readonly kind: 'command' | 'lease';
  /** What waits. */
  readonly command: string | undefined;
}

/** The context of `plimsoll:lease`: from the loan to its end; an error: the connection was lost. */
export interface LeaseTrace extends Trace {
  readonly connectionId: number;
  /** Held on purpose, as by a subscriber. */
  readonly isLongLived: boolean;
}

export const COMMAND = tracingChannel<CommandTrace, CommandTrace>('plimsoll:command');
export const BATCH = tracingChannel<BatchTrace, BatchTrace>('plimsoll:batch');
export const CONNECT = tracingChannel<ConnectTrace, ConnectTrace>('plimsoll:connect');
export const WAIT = tracingChannel<WaitTrace, WaitTrace>('plimsoll:wait');
export const LEASE = tracingChannel<LeaseTrace, LeaseTrace>('plimsoll:lease');

/** The channels of node-redis 6 that have their like here. */
export const NODE_REDIS = {
  /** Whether any pool of this process is to be heard there. */
  isAsked: false,
  command: tracingChannel('node-redis:command'),
  batch: tracingChannel('node-redis:batch'),
  connect: tracingChannel('node-redis:connect'),
};

/** Node's own answer, which the types of Node 20 lack. */
export function isTraced(channel: object): boolean {
  return (channel as { readonly hasSubscribers: boolean }).hasSubscribers;
}

/** Runs `run` and tells of it; an error of the promise is told and stays one. */
export function traced<T, C extends { error?: unknown }>(
  { start, end, asyncStart, asyncEnd, error }: TracingChannel<C, C>,
  trace: C,
  run: () => Promise<T>,
): Promise<T> {
  const over = () => {
    asyncStart.publish(trace);
    asyncEnd.publish(trace);
  };
  return start.runStores(trace, () => {
    const promise = run();
    end.publish(trace);
    return promise.then(
      (value) => {
        over();
        return value;
      },
      (reason: unknown) => {
        trace.error = reason;
        error.publish(trace);
        over();
        throw reason;
      },
    );
  });
}

/** What is told of everything that one pool does. */
export function traceOf({ poolName, database, server }: TraceOrigin): Trace {
  return {
    poolName,
    database,
    system: server?.system ?? 'redis',
    serverAddress: server?.address,
    serverPort: server?.port,
  };
}

/** Notes who serves. */
export function noteServer(trace: Trace, server: ServerFacts | undefined): void {
  if (server === undefined) return;
  trace.system = server.system;
  trace.serverAddress = server.address;
  trace.serverPort = server.port;
}
