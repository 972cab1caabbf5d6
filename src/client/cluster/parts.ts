// A part of a command that several servers run: sent as a command of its own, and what became of all
// parts made one answer. A reply stays as it came until the command as a whole is transformed.

import { Command, type CommandKind, type Payload, type ReplyTypes } from '../../base/command.js';
import { type Access, type CommandRoute, routeOf } from '../../base/route.js';
import { type CommandPart, PartlyDoneError, PoolError } from '../../errors.js';
import { ownCommand } from '../../node/own-command.js';
import { RESP_TYPES, type RedisArgument } from '../../wire/protocol.js';
import type { RoutedClass } from '../catalog.js';
import type { CommandContext } from '../context.js';
import type { Transforms } from '../kind.js';
import { foldReplies, isNumeric } from './fold.js';

/** A reply as the server gave it, and in what it spoke: transformations depend on that. */
export class RawReply {
  readonly value: unknown;
  readonly protocol: keyof Transforms;

  constructor(value: unknown, protocol: keyof Transforms) {
    this.value = value;
    this.protocol = protocol;
  }
}

/** `fallback` answers in the caller's form, without a server. */
export function rawReply(reply: unknown): RawReply {
  return reply instanceof RawReply ? reply : new RawReply(reply, 'resp3');
}

/** A part of a command, for one server. */
export interface Part {
  readonly route: CommandRoute;
  readonly payload: Payload;
  readonly ascii: boolean;
  readonly keys: readonly RedisArgument[];
  /** Which of the command's keys these are. */
  readonly places: readonly number[];
}

/** What became of a part. */
export type Outcome = { readonly raw: RawReply } | { readonly error: unknown };

export function routeTo(endpointId: string, access: Access): CommandRoute {
  return { slot: undefined, access, endpointId };
}

/** Waits until somebody serves the slot, or anything: what the servers are may not be known yet. */
export async function untilServed(
  { executor, timeoutMs, signal }: CommandContext,
  slot: number | undefined,
): Promise<void> {
  const ping = ownCommand(['PING'], timeoutMs);
  ping.route = routeOf(slot, 'write');
  await executor.execute(ping, signal).catch((error: unknown) => {
    // Who refuses to answer serves.
    if (error instanceof PoolError) throw error;
  });
}

export function nobodyKnown(name: string): PoolError {
  return new PoolError('CONNECT_FAILED', `${name}: no server is known that serves it`, {
    sent: false,
  });
}

/** All that parts of commands of one class have in common; who transforms replies gets them raw. */
const partKinds = new WeakMap<RoutedClass, CommandKind>();

function partKind(commandClass: RoutedClass): CommandKind {
  let kind = partKinds.get(commandClass);
  if (kind === undefined) {
    const { name, retryClass, mayMakeUpErrors } = commandClass;
    kind = Object.freeze({ name, retryClass, mayMakeUpErrors, ...RAW });
    partKinds.set(commandClass, kind);
  }
  return kind;
}

/** Transformations that tell what the server spoke. */
export const RAW = {
  transform: (reply: unknown) => new RawReply(reply, 'resp3'),
  resp2Transform: (reply: unknown) => new RawReply(reply, 'resp2'),
} satisfies Partial<CommandKind>;

/** Runs a part as a command of its own. @param startedAt When its caller issued it; 0: just now. */
export function runPart(
  context: CommandContext,
  commandClass: RoutedClass,
  part: Pick<Part, 'route' | 'payload' | 'ascii'> & { readonly probe?: Payload | undefined },
  startedAt = 0,
): Promise<Outcome> {
  const { timeoutMs, replyTypes, retryWrites, holder, executor, signal } = context;
  // Without `onError`: the caller gets one error, which is counted once.
  const settings = { timeoutMs, replyTypes, retryWrites, holder };
  const command = new Command(partKind(commandClass), settings, part.payload, part.ascii);
  command.route = part.route;
  command.startedAt = startedAt;
  if (part.probe !== undefined) command.probe = part.probe;
  return executor.execute(command, signal).then(
    (reply) => ({ raw: rawReply(reply) }),
    (error: unknown) => ({ error }),
  );
}

/** One reply of those to all parts. @throws ErrorReply, PoolError */
export function foldOutcomes(
  { name, retryClass, routing }: RoutedClass,
  parts: readonly Part[],
  outcomes: readonly Outcome[],
  replyTypes: ReplyTypes | undefined,
): RawReply {
  const { fold } = routing;
  const done: { readonly part: Part; readonly raw: RawReply }[] = [];
  const failed: CommandPart[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    const part = parts[index] as Part;
    if ('raw' in outcome) done.push({ part, raw: outcome.raw });
    else failed.push({ ...partOf(part), error: outcome.error });
  }
  if (failed.length > 0 && !(fold === 'any' && done.length > 0)) {
    if (retryClass === 'read') throw worstOf(failed);
    throw partialFailure(
      name,
      done.map(({ part }) => partOf(part)),
      failed,
    );
  }
  const value = foldReplies(
    fold,
    done.map(({ part, raw }) => ({ value: raw.value, places: part.places })),
  );
  const { protocol } = (done[0] as { raw: RawReply }).raw;
  return new RawReply(isNumeric(fold) ? withNumberType(value, replyTypes) : value, protocol);
}

export function partOf({ keys, route }: Pick<Part, 'keys' | 'route'>): CommandPart {
  return { keys: keys as (string | Buffer)[], endpoint: route.endpointId };
}

/** What the caller of a command gets that changes something. @param failed At least one. */
export function partialFailure(
  name: string,
  done: readonly CommandPart[],
  failed: readonly CommandPart[],
): unknown {
  const worst = worstOf(failed);
  // Who cancelled it knows that parts of it may have run.
  if (done.length === 0 || (worst as Partial<PoolError>).code === 'ABORTED') return worst;
  return new PartlyDoneError(name, done, failed);
}

/** The whole may have run if a part of it may: no other error is to hide that. */
function worstOf(failed: readonly CommandPart[]): unknown {
  const errors = failed.map(({ error }) => error);
  const isUncertain = (error: unknown) => (error as Partial<PoolError>).sent === true;
  // Who cancels can't be told.
  const isUnknown = (error: unknown) => error instanceof PoolError && error.sent === undefined;
  return errors.find(isUncertain) ?? errors.find(isUnknown) ?? errors[0];
}

/** Numbers as the caller wants them. */
function withNumberType(value: unknown, replyTypes: ReplyTypes | undefined): unknown {
  const type = replyTypes?.[RESP_TYPES.NUMBER];
  if (typeof type !== 'function') return value;
  const convert = (item: unknown) => (typeof item === 'number' ? type(item) : item);
  return Array.isArray(value) ? value.map(convert) : convert(value);
}
