// Some commands of a pipeline that are for one slot: they go out together, in order, as one command
// with as many replies. Where the slot moves, its server sends all of them away, or from some point
// on: those go out once more, one by one, until the way is known again.
//
// What a script answers, it may have made up. So EXISTS of its keys stands at the end of the group:
// where the server answers the same to that, it is the server's word.

import {
  Command,
  type CommandKind,
  type Payload,
  type Refusal,
  type ReplyVerdict,
  type RetryClass,
} from '../../base/command.js';
import { type Access, routeOf } from '../../base/route.js';
import { judgeMadeUp, judgeServersWord, redirectAmong } from '../../policy/reply-verdict.js';
import { ErrorReply, type RedisArgument } from '../../wire/protocol.js';
import type { RoutedClass } from '../catalog.js';
import type { CommandContext } from '../context.js';
import { type Outcome, RAW, RawReply, rawReply, runPart } from './parts.js';

/** A command, or the part of one that is for this slot. */
export interface Member {
  readonly commandClass: RoutedClass;
  readonly payload: Payload;
  readonly ascii: boolean;
  readonly keys: readonly RedisArgument[];
  /** EXISTS of its keys, where it may make up its errors. */
  readonly probe: Payload | undefined;
}

type BatchClass = Exclude<RetryClass, 'unknown'>;

const KINDS: Readonly<Record<BatchClass, CommandKind>> = {
  read: groupKind('read'),
  write: groupKind('write'),
  once: groupKind('once'),
};

const TRY_AGAIN = /^TRYAGAIN /;

function groupKind(retryClass: BatchClass): CommandKind {
  return Object.freeze({
    name: 'PIPELINE',
    retryClass,
    refusalIn: (replies: readonly unknown[], members: unknown) =>
      refusalIn(replies, members as readonly Member[]),
    ...RAW,
  });
}

/**
 * @param slot `undefined`: of what has no keys.
 * @param startedAt When the caller issued it, on the pool's clock; 0: just now.
 * @returns What became of each member; it never rejects.
 */
export async function runGroup(
  context: CommandContext,
  slot: number | undefined,
  members: readonly Member[],
  startedAt = 0,
): Promise<Outcome[]> {
  const [first] = members;
  if (first !== undefined && members.length === 1) {
    return [await runMember(context, slot, first, startedAt)];
  }
  const command = groupCommand(context, slot, members);
  command.startedAt = startedAt;
  try {
    const { value, protocol } = rawReply(await context.executor.execute(command, context.signal));
    const replies = value as readonly unknown[];
    const outcomes = members.map((_, index): Outcome => {
      const reply = replies[index];
      return reply instanceof ErrorReply
        ? { error: reply }
        : { raw: new RawReply(reply, protocol) };
    });
    await runSentAway(context, slot, { members, replies, outcomes }, command.startedAt);
    return outcomes;
  } catch (error) {
    return members.map(() => ({ error }));
  }
}

function runMember(
  context: CommandContext,
  slot: number | undefined,
  member: Member,
  startedAt: number,
): Promise<Outcome> {
  const route = routeOf(slot, member.commandClass.routing.access);
  return runPart(context, member.commandClass, { ...member, route }, startedAt);
}

function groupCommand(
  { timeoutMs, replyTypes, retryWrites, holder }: CommandContext,
  slot: number | undefined,
  members: readonly Member[],
): Command {
  const probes = members.map(({ probe }) => probe).filter((probe) => probe !== undefined);
  const payload = joined([...members.map((member) => member.payload), ...probes]);
  const isAscii = probes.length === 0 && members.every(({ ascii }) => ascii);
  const classes = members.map(({ commandClass }) => commandClass);
  const settings = { timeoutMs, replyTypes, retryWrites, holder };
  const command = new Command(KINDS[worstClass(classes)], settings, payload, isAscii, members);
  command.replyCount = members.length + probes.length;
  command.route = routeOf(slot, commonAccess(classes));
  return command;
}

function joined(payloads: readonly Payload[]): Payload {
  if (payloads.every((payload) => typeof payload === 'string')) return payloads.join('');
  return payloads.flat();
}

/** As a whole they are no better than the worst of them. */
export function worstClass(classes: readonly RoutedClass[]): BatchClass {
  if (classes.some(({ retryClass }) => retryClass === 'once')) return 'once';
  return classes.every(({ retryClass }) => retryClass === 'read') ? 'read' : 'write';
}

/** Replicas may run what only reads. */
export function commonAccess(classes: readonly RoutedClass[]): Access {
  return classes.every(({ routing }) => routing.access === 'read') ? 'read' : 'write';
}

interface Run {
  readonly members: readonly Member[];
  readonly replies: readonly unknown[];
  readonly outcomes: Outcome[];
}

/** What was sent away though others were served, or to where each needs ASKING for itself. */
async function runSentAway(
  context: CommandContext,
  slot: number | undefined,
  { members, replies, outcomes }: Run,
  startedAt: number,
): Promise<void> {
  const verdicts = judge(replies, members);
  const away = [...members.keys()].filter((index) => isSentAway(verdicts[index], replies[index]));
  const isAllMoved =
    away.length === members.length && verdicts.every((verdict) => isMoved(verdict));
  // That was followed as a whole already, as far as it could be.
  if (isAllMoved) return;
  for (const [position, index] of away.entries()) {
    outcomes[index] = await runMember(context, slot, members[index] as Member, startedAt);
    if (!isMoved(verdicts[index])) continue;
    // By now it is known where the slot is, for all of them.
    const rest = away.slice(position + 1);
    const others = rest.map((other) => members[other] as Member);
    const found = rest.length === 0 ? [] : await runGroup(context, slot, others, startedAt);
    for (const [at, other] of rest.entries()) outcomes[other] = found[at] as Outcome;
    return;
  }
}

function isMoved(verdict: ReplyVerdict | undefined): boolean {
  return verdict?.redirect?.kind === 'moved' && verdict.again !== 'no';
}

function isSentAway(verdict: ReplyVerdict | undefined, reply: unknown): boolean {
  if (verdict === undefined || verdict.again === 'no') return false;
  return verdict.redirect !== undefined || TRY_AGAIN.test((reply as ErrorReply).message);
}

/** What each member's error means; `undefined`: it is none. */
function judge(
  replies: readonly unknown[],
  members: readonly Member[],
): (ReplyVerdict | undefined)[] {
  let witnessAt = members.length;
  return members.map(({ commandClass, probe }, index) => {
    const witness = probe === undefined ? undefined : replies[witnessAt++];
    const reply = replies[index];
    if (!(reply instanceof ErrorReply)) return undefined;
    const isWitnessed = witness instanceof ErrorReply && witness.message === reply.message;
    const isMadeUp = commandClass.mayMakeUpErrors && !isWitnessed;
    return isMadeUp ? judgeMadeUp(reply.message) : judgeServersWord(reply.message);
  });
}

function refusalIn(replies: readonly unknown[], members: readonly Member[]): Refusal | undefined {
  const error = replies.slice(0, members.length).find((reply) => reply instanceof ErrorReply);
  if (error === undefined) return undefined;
  const verdicts = judge(replies, members).filter((verdict) => verdict !== undefined);
  const refusals = verdicts.filter(({ outcome }) => outcome === 'not-applied');
  const isWhole = refusals.length === members.length;
  const redirect = redirectAmong(refusals);
  return {
    error: error as ErrorReply,
    verdict: {
      outcome: isWhole ? 'not-applied' : 'partly-applied',
      again: placeOf(refusals, isWhole, redirect?.kind),
      retire: verdicts.find(({ retire }) => retire !== undefined)?.retire,
      redirect,
    },
  };
}

/** As a whole it goes where all of it is, or nowhere: the rest is seen to one by one. */
function placeOf(
  refusals: readonly ReplyVerdict[],
  isWhole: boolean,
  kind: 'moved' | 'ask' | undefined,
): ReplyVerdict['again'] {
  if (refusals.length === 0) return 'no';
  if (kind !== undefined) return isWhole && refusals.every(isMoved) ? 'elsewhere' : 'no';
  return refusals.some(({ again }) => again === 'elsewhere') ? 'elsewhere' : 'here';
}
