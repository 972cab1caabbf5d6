// What is told of commands and batches, made where somebody listens and nowhere else. Of arguments
// no more than their number and size is told, unless the pool's options ask for redacted words.

import type { Payload } from '../base/command.js';
import { asNodeRedisBatch, asNodeRedisCommand } from '../base/node-redis-tracing.js';
import { payloadBytes } from '../base/payload.js';
import {
  BATCH,
  type BatchTrace,
  COMMAND,
  type CommandTrace,
  isTraced,
  NODE_REDIS,
  traced,
  traceOf,
} from '../base/tracing.js';
import { keyIndexes } from '../policy/key-position.js';
import type { CommandEncoder } from '../wire/encoder.js';
import type { CommandContext } from './context.js';
import type { ClientCommandKind } from './kind.js';

const REDACTED = '?';
/** Redacted words that are told of one command. */
const MAX_WORDS = 32;
/** Characters of one word; a longer key is cut. */
const MAX_WORD_LENGTH = 128;

/** Whether anybody listens to commands; asked for each of them. */
export function isCommandTraced(): boolean {
  return isTraced(COMMAND) || (NODE_REDIS.isAsked && isTraced(NODE_REDIS.command));
}

/** Runs a command and tells of it. @param run Gets what is told, to note who serves. */
export function traceCommand(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
  run: (trace: CommandTrace | undefined) => Promise<unknown>,
): Promise<unknown> {
  const { traceOrigin: origin } = context;
  if (origin === undefined) return run(undefined);
  const { poolName, database, server } = origin;
  const payload = encoder.payload();
  // One literal: spread from several objects it took as long as all else that is told.
  const trace: CommandTrace = {
    poolName,
    database,
    system: server?.system ?? 'redis',
    serverAddress: server?.address,
    serverPort: server?.port,
    error: undefined,
    requestBytes: encoder.ascii ? payloadBytes(payload, true) : utf8Bytes(payload),
    isOnLease: context.lease !== undefined,
    attempts: 0,
    redirects: 0,
    command: kind.name,
    argumentCount: encoder.argumentCount - 1,
    words: origin.showsArguments ? redacted(encoder, kind) : undefined,
  };
  return traced(
    COMMAND,
    trace,
    asNodeRedisCommand(origin, trace, () => run(trace)),
  );
}

export function isBatchTraced(): boolean {
  return isTraced(BATCH) || (NODE_REDIS.isAsked && isTraced(NODE_REDIS.batch));
}

/** What is known of a batch before it runs. */
export interface BatchFacts extends Pick<BatchTrace, 'mode' | 'size' | 'command'> {
  readonly payload: Payload;
  readonly ascii: boolean;
}

/** The same for what goes out together. */
export function traceBatch<T>(
  context: CommandContext,
  { payload, ascii, ...facts }: BatchFacts,
  run: (trace: BatchTrace | undefined) => Promise<T>,
): Promise<T> {
  const { traceOrigin: origin } = context;
  if (origin === undefined) return run(undefined);
  const trace: BatchTrace = {
    ...traceOf(origin),
    requestBytes: ascii ? payloadBytes(payload, true) : utf8Bytes(payload),
    isOnLease: context.lease !== undefined,
    attempts: 0,
    redirects: 0,
    ...facts,
  };
  return traced(
    BATCH,
    trace,
    asNodeRedisBatch(origin, trace, () => run(trace)),
  );
}

function utf8Bytes(payload: Payload): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return payload.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
}

/** Names and keys as they are, `?` for every other word. */
function redacted(encoder: CommandEncoder, { name, routing }: ClientCommandKind): string[] {
  const words = encoder.redisArgs as readonly (string | Buffer)[];
  const names = name.split(' ');
  const keys = new Set(routing.isKeyed ? keyIndexes(name, words) : []);
  return words.slice(0, MAX_WORDS).map((word, index) => {
    const shown = names[index] ?? (keys.has(index) ? word.toString() : REDACTED);
    return shown.slice(0, MAX_WORD_LENGTH);
  });
}
