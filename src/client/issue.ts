// The way of a command from its arguments to whoever runs it. Ordinary commands, nearly all, go
// straight through `issue`; this is the hot path of the library, so it makes no promise beside the
// command's own and no object beside encoder and command.
//
// Where keys decide which server runs it, they are looked at first: most commands go to one server,
// as ever; some are cut by their keys, or go to all (`cluster/spread.ts`).

import { Command, type CommandSettings, newHistory } from '../base/command.js';
import { type CommandRoute, routeOf } from '../base/route.js';
import type { CommandTrace } from '../base/tracing.js';
import { PoolError } from '../errors.js';
import { blockTimeMs, type CommandClass, isAboutOwnWrites } from '../policy/command-class.js';
import type { CommandEncoder } from '../wire/encoder.js';
import { crossSlot, probeOf, slotsOf } from './cluster/slots.js';
import { isSpread, spread } from './cluster/spread.js';
import type { CommandContext } from './context.js';
import { type ClientCommandKind, transformed } from './kind.js';
import { routeOfRead } from './reads.js';
import { isCommandTraced, traceCommand } from './tracing.js';

/** Sends what was encoded. The promise rejects; nothing is thrown. */
export function issue(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
): Promise<unknown> {
  // A closure here would cost each command a scope of its own, traced or not.
  if (isCommandTraced()) return issueTraced(context, encoder, kind);
  return send(context, encoder, kind, undefined);
}

function issueTraced(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
): Promise<unknown> {
  return traceCommand(context, encoder, kind, (trace) => send(context, encoder, kind, trace));
}

/** @param trace What listeners are told of it; `undefined`: nobody listens. */
function send(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
  trace: CommandTrace | undefined,
): Promise<unknown> {
  if (context.isRouted) return issueRouted(context, encoder, kind, trace);
  if (!kind.isOrdinary) return issueSpecial(context, encoder, kind, undefined, trace);
  return context.executor.execute(commandOf(encoder, kind, context, trace), context.signal);
}

function commandOf(
  encoder: CommandEncoder,
  kind: ClientCommandKind,
  settings: CommandSettings,
  trace: CommandTrace | undefined,
): Command {
  const { ascii, preserve } = encoder;
  const command = new Command(kind, settings, encoder.payload(), ascii, preserve);
  if (trace !== undefined) command.history = newHistory(trace);
  return command;
}

/** To one of several servers. */
function issueRouted(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
  trace: CommandTrace | undefined,
): Promise<unknown> {
  if (context.isSharded) return issueSharded(context, encoder, kind, trace);
  if (!kind.isOrdinary) return issueSpecial(context, encoder, kind, undefined, trace);
  const command = commandOf(encoder, kind, context, trace);
  command.route = routeOfRead(kind);
  return context.executor.execute(command, context.signal);
}

/** To the server of its keys, to any if it has none, or to several. */
function issueSharded(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
  trace: CommandTrace | undefined,
): Promise<unknown> {
  const refusal = refusalOf(kind, context);
  if (refusal !== undefined) return refused(context, refusal);
  const slots = slotsOf(encoder, kind);
  if (isSpread(kind.routing, slots)) return issueSpread(context, encoder, kind);
  if (slots === 'several') return refused(context, crossSlot(kind.name));
  const route = routeOf(slots, kind.routing.access);
  if (!kind.isOrdinary) return issueSpecial(context, encoder, kind, route, trace);
  const command = commandOf(encoder, kind, context, trace);
  command.route = route;
  if (kind.mayMakeUpErrors) command.probe = probeOf(encoder, kind);
  return context.executor.execute(command, context.signal);
}

async function issueSpread(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
): Promise<unknown> {
  // The encoder may serve another command before the replies are there.
  const { preserve } = encoder;
  try {
    const raw = await spread(context, encoder, kind);
    const transforms = { resp3: kind.transform, resp2: kind.resp2Transform };
    return transformed(raw.value, { transforms, preserve }, raw.protocol, context.replyTypes);
  } catch (error) {
    context.onError?.(error);
    throw error;
  }
}

/** What is not sent, for a reason that its caller gets; counted. */
export function refused(context: CommandContext, refusal: Error): Promise<never> {
  context.onError?.(refusal);
  return context.executor.refusal(refusal);
}

/** Commands that block, or that have no place on a shared connection. */
function issueSpecial(
  context: CommandContext,
  encoder: CommandEncoder,
  kind: ClientCommandKind,
  route: CommandRoute | undefined,
  trace: CommandTrace | undefined,
): Promise<unknown> {
  const refusal = refusalOf(kind, context);
  if (refusal !== undefined) return refused(context, refusal);
  const blockMs = kind.mayBlock ? blockTimeMs(kind.name, encoder.redisArgs) : undefined;
  const { replyTypes, retryWrites, onError, holder } = context;
  const timeoutMs = deadlineWith(blockMs, context.timeoutMs);
  const settings = { timeoutMs, replyTypes, retryWrites, onError, holder };
  const command = commandOf(encoder, kind, settings, trace);
  command.isBlocking = blockMs !== undefined;
  command.route = command.isBlocking ? routeToPrimary(route) : route;
  const { pool, session, signal } = context;
  if (kind.need === 'lease' && session !== undefined) return session.execute(command, signal);
  if (command.isBlocking && pool !== undefined) return pool.executeExclusive(command, signal);
  return context.executor.execute(command, context.signal);
}

/** What is waited for arrives at the primary first, which no other server takes the place of unsaid. */
function routeToPrimary(route: CommandRoute | undefined): CommandRoute | undefined {
  return route === undefined ? undefined : routeOf(route.slot, 'write');
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
  const { lease, session } = context;
  if (lease === undefined && session === undefined) return leaseRequired(name);
  // What was written until now went over lanes, so that the answer would be about nothing.
  if (session?.isBinding === false && isAboutOwnWrites(name)) return leaseRequired(name);
  const isIdle = session?.isIdle ?? lease?.entry.connection.inFlight === 0;
  return IDENTIFYING.has(name) && !isIdle ? mustWait(name) : undefined;
}

function mustWait(name: string): PoolError {
  const text = `${name} must wait for the replies to what was sent on the lease before it`;
  return new PoolError('INVALID_ARGUMENT', text, { sent: false });
}

export function leaseRequired(name: string): PoolError {
  const text = `${name} needs a connection for itself: use pool.withLease() or pool.acquire()`;
  return new PoolError('LEASE_REQUIRED', text, { sent: false });
}
