// The way of a command from its arguments to whoever runs it. Ordinary commands, nearly all, go
// straight through `issue`; this is the hot path of the library, so it makes no promise beside the
// command's own and no object beside encoder and command.

import { Command, type CommandKind, type TransformReply } from '../base/command.js';
import { PoolError } from '../errors.js';
import { blockTimeMs, type CommandClass } from '../policy/command-class.js';
import type { CommandEncoder } from '../wire/encoder.js';
import type { CommandDefinition, RespVersions } from '../wire/protocol.js';
import { getTransformReply } from '../wire/protocol.js';
import type { CommandContext } from './context.js';

/** How a reply becomes what the caller wants, by what the server speaks. */
export interface Transforms {
  readonly resp3: TransformReply | undefined;
  readonly resp2: TransformReply | undefined;
}

export const NO_TRANSFORMS: Transforms = { resp3: undefined, resp2: undefined };

/** @param asked The protocol that was asked for: with 2, replies are shaped as RESP2 has them. */
export function transformsOf(definition: CommandDefinition, asked: RespVersions): Transforms {
  return {
    resp3: getTransformReply(definition, asked) as TransformReply | undefined,
    resp2: getTransformReply(definition, 2) as TransformReply | undefined,
  };
}

/** All that commands of one definition have in common, made once. */
export interface ClientCommandKind extends CommandKind, CommandClass {
  readonly mayMakeUpErrors: boolean;
}

export function kindWith(commandClass: CommandClass, transforms: Transforms): ClientCommandKind {
  return Object.freeze({
    ...commandClass,
    transform: transforms.resp3,
    resp2Transform: transforms.resp2,
  });
}

/** Sends what was encoded. The promise rejects; nothing is thrown. */
export function issue(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
): Promise<unknown> {
  if (!kind.isOrdinary) return issueSpecial(context, encoder, kind);
  const { ascii, preserve } = encoder;
  const command = new Command(kind, context, encoder.payload(), ascii, preserve);
  return context.executor.execute(command, context.signal);
}

/** Commands that block, or that have no place on a shared connection. */
function issueSpecial(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
): Promise<unknown> {
  const refusal = refusalOf(kind, context);
  if (refusal !== undefined) {
    context.onError?.(refusal);
    return context.executor.refusal(refusal);
  }
  const blockMs = kind.mayBlock ? blockTimeMs(kind.name, encoder.redisArgs) : undefined;
  const { replyTypes, retryWrites, onError, holder } = context;
  const timeoutMs = deadlineWith(blockMs, context.timeoutMs);
  const settings = { timeoutMs, replyTypes, retryWrites, onError, holder };
  const command = new Command(kind, settings, encoder.payload(), encoder.ascii, encoder.preserve);
  command.isBlocking = blockMs !== undefined;
  if (command.isBlocking && context.pool !== undefined) {
    return context.pool.executeExclusive(command, context.signal);
  }
  return context.executor.execute(command, context.signal);
}

/** The deadline of a command that blocks for so long, ms; 0: none. */
export function deadlineWith(blockMs: number | undefined, timeoutMs: number): number {
  if (blockMs === undefined || timeoutMs === 0) return timeoutMs;
  return blockMs === Number.POSITIVE_INFINITY ? 0 : blockMs + timeoutMs;
}

/**
 * From Redis 7.2 on their refusal is dropped where a reply stands before it that was not written
 * yet: all replies that follow would then be those to the command before.
 */
const IDENTIFYING = new Set(['AUTH', 'HELLO']);

/** Why the command must not be sent from here; `undefined` where it may. */
export function refusalOf(
  commandClass: CommandClass,
  context: CommandContext,
): PoolError | undefined {
  const { name, need } = commandClass;
  if (need === 'never') {
    const instead = 'use subscribe(), pSubscribe(), sSubscribe() or monitor()';
    const text = `${name}: its replies could not be matched with their callers; ${instead}`;
    return new PoolError('INVALID_ARGUMENT', text, { sent: false });
  }
  if (need === 'any') return undefined;
  const { lease } = context;
  if (lease === undefined) return leaseRequired(name);
  return IDENTIFYING.has(name) && lease.entry.connection.inFlight > 0 ? mustWait(name) : undefined;
}

function mustWait(name: string): PoolError {
  const text = `${name} must wait for the replies to what was sent on the lease before it`;
  return new PoolError('INVALID_ARGUMENT', text, { sent: false });
}

export function leaseRequired(name: string): PoolError {
  const text = `${name} needs a connection for itself: use pool.withLease() or pool.acquire()`;
  return new PoolError('LEASE_REQUIRED', text, { sent: false });
}
