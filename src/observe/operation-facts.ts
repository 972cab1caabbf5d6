// What is told on tracing channels, in the words of OpenTelemetry's conventions for databases and
// for Redis (1.4x): attributes and names. Pure; knows no OpenTelemetry library.

import type { BatchTrace, CommandTrace, OperationTrace } from '../base/tracing.js';
import { ErrorReply, MultiErrorReply } from '../wire/protocol.js';

export type AttributeValues = Record<string, string | number | undefined>;

/** The first word of an error reply, such as WRONGTYPE. */
const STATUS_CODE = /^[A-Z][A-Z0-9_]*(?= |$)/;

/** `GET`; of what goes out together `MULTI` or `PIPELINE`, with the command's name if all have one. */
export function operationName(trace: CommandTrace | BatchTrace): string {
  if (!('mode' in trace)) return trace.command;
  return trace.command === undefined ? trace.mode : `${trace.mode} ${trace.command}`;
}

/** What both spans and metrics have. */
export function operationAttributes(trace: CommandTrace | BatchTrace): AttributeValues {
  return {
    'db.system.name': trace.system,
    'db.namespace': String(trace.database),
    'db.operation.name': operationName(trace),
    ...serverAttributes(trace),
  };
}

/** What only spans have. */
export function detailAttributes(trace: CommandTrace | BatchTrace): AttributeValues {
  // By the conventions one alone is no batch.
  if ('mode' in trace)
    return { 'db.operation.batch.size': trace.size > 1 ? trace.size : undefined };
  return { 'db.query.text': trace.words?.join(' ') };
}

export function serverAttributes({
  serverAddress,
  serverPort,
}: Pick<OperationTrace, 'serverAddress' | 'serverPort'>): AttributeValues {
  return { 'server.address': serverAddress, 'server.port': serverPort };
}

/** The operation and where it goes; the number of a database would confuse. */
export function spanName(trace: CommandTrace | BatchTrace): string {
  const { serverAddress, serverPort } = trace;
  const name = operationName(trace);
  if (serverAddress === undefined) return name;
  return `${name} ${serverAddress}${serverPort === undefined ? '' : `:${serverPort}`}`;
}

/** What only the end tells: repeated attempts, and redirects. */
export function effortAttributes({ attempts, redirects }: OperationTrace): AttributeValues {
  const retries = Math.max(0, attempts - 1 - redirects);
  return {
    'plimsoll.retries': retries > 0 ? retries : undefined,
    'plimsoll.redirects': redirects > 0 ? redirects : undefined,
  };
}

/** Codes alone: the words of a server may repeat what it was sent. */
export function errorAttributes(error: unknown): AttributeValues & { 'error.type': string } {
  const code = statusCodeOf(error);
  return { 'error.type': code ?? errorType(error), 'db.response.status_code': code };
}

function statusCodeOf(error: unknown): string | undefined {
  if (error instanceof MultiErrorReply) return statusCodeOf([...error.errors()][0]);
  return error instanceof ErrorReply ? STATUS_CODE.exec(error.message)?.[0] : undefined;
}

function errorType(error: unknown): string {
  const code: unknown = (error as { code?: unknown } | undefined)?.code;
  // By its code and not by its class, of which there may be two where the library is there twice.
  if (typeof code === 'string') return code;
  return error instanceof Error ? error.constructor.name : '_OTHER';
}
