// What came back for MULTI ... EXEC and for pipelines, turned into what node-redis answers:
// replies in order, each transformed by its own command, or the error that fits. And what errors
// among the replies say of the whole: whether it ran, and whether MULTI was closed.

import type {
  CommandKind,
  Refusal,
  ReplyTypes,
  ReplyVerdict,
  RetryClass,
} from '../base/command.js';
import { PoolError } from '../errors.js';
import {
  breakAfterRefusedExec,
  judgeMadeUp,
  judgeServersWord,
  redirectAmong,
} from '../policy/reply-verdict.js';
import { ErrorReply, MultiErrorReply, WatchError } from '../wire/protocol.js';
import { type QueuedReply, type Transforms, transformed } from './kind.js';

/** What was queued, in order: the batch's command preserves it until the replies are there. */
export interface Queue {
  readonly commands: readonly QueuedReply[];
  /** Indexes of those whose errors a script or a module may have written; `undefined`: none. */
  readonly errorAuthors: ReadonlySet<number> | undefined;
  /** It went to a node of a cluster. */
  readonly isSharded?: boolean;
}

type Replies = readonly unknown[];

const WITHOUT_MULTI = /without MULTI/;

/** How the replies to what was queued become one answer. */
type Answer = (
  replies: Replies,
  queue: Queue,
  protocol: keyof Transforms,
  types: ReplyTypes | undefined,
) => unknown[];

/** MULTI, the queued commands and EXEC. */
export function transactionKind(retryClass: RetryClass): CommandKind {
  const answer: Answer = (replies, queue, protocol, types) =>
    transactionReplies(replies, queue, protocol, types, retryClass);
  return batchKind('EXEC', retryClass, answer, transactionRefusal);
}

/** The same for a plain pipeline. */
export function pipelineKind(retryClass: RetryClass): CommandKind {
  return batchKind('PIPELINE', retryClass, pipelineReplies, pipelineRefusal);
}

function batchKind(
  name: string,
  retryClass: RetryClass,
  answer: Answer,
  refusalIn: (replies: Replies, queue: Queue) => Refusal | undefined,
): CommandKind {
  return {
    name,
    retryClass,
    refusalIn: (replies, queue) => refusalIn(replies, queue as Queue),
    transform: (replies: Replies, queue, types) => answer(replies, queue as Queue, 'resp3', types),
    resp2Transform: (replies: Replies, queue, types) =>
      answer(replies, queue as Queue, 'resp2', types),
  };
}

/**
 * @throws ErrorReply of the first command that could not be queued, or of EXEC; WatchError where a
 * watched key had changed; MultiErrorReply where commands failed, as the others were executed;
 * PoolError OUTCOME_UNKNOWN where it was no transaction.
 */
function transactionReplies(
  replies: Replies,
  queue: Queue,
  protocol: keyof Transforms,
  types: ReplyTypes | undefined,
  retryClass: RetryClass,
): unknown[] {
  const executed = replies[replies.length - 1];
  const error = replies.find((reply) => reply instanceof ErrorReply);
  if (error !== undefined) {
    throw retryClass !== 'read' && hasRunOutside(replies, queue) ? ranOutside(error) : error;
  }
  if (executed === null) throw new WatchError();
  if (!isAnswerToAll(executed, queue)) throw unintelligible();
  const errorIndexes: number[] = [];
  const answers = executed.map((reply, index) => {
    if (reply instanceof ErrorReply) errorIndexes.push(index);
    return transformed(reply, queue.commands[index] as QueuedReply, protocol, types);
  });
  if (errorIndexes.length > 0) throw new MultiErrorReply(answers as ErrorReply[], errorIndexes);
  return answers;
}

function transactionRefusal(replies: Replies, queue: Queue): Refusal | undefined {
  const multi = replies[0];
  const executed = replies[replies.length - 1];
  if (multi instanceof ErrorReply) return refusalOfMulti(multi, replies, queue);
  if (executed instanceof ErrorReply) return refusalOfExec(executed, replies, queue);
  if (executed === null) return undefined;
  if (!isAnswerToAll(executed, queue)) {
    return {
      error: unintelligible(),
      verdict: { outcome: 'unknown', again: 'no', breaks: 'unknown' },
    };
  }
  return refusalAmongExecuted(executed);
}

/** Nothing was queued: either nothing ran, as all was refused, or commands ran one by one. */
function refusalOfMulti(multi: ErrorReply, replies: Replies, queue: Queue): Refusal {
  const verdict = judgeServersWord(multi.message);
  // A transaction that somebody else left open: EXEC may have closed it, or not.
  const breaks = /nested/.test(multi.message) ? 'unknown' : undefined;
  if (!hasRunOutside(replies, queue)) return { error: multi, verdict: { ...verdict, breaks } };
  const { retire } = verdict;
  return { error: multi, verdict: { outcome: 'partly-applied', again: 'no', retire, breaks } };
}

/** EXEC answers an error where nothing ran; what could not be queued says why. */
function refusalOfExec(exec: ErrorReply, replies: Replies, queue: Queue): Refusal {
  if (hasRunOutside(replies, queue)) {
    return { error: exec, verdict: { outcome: 'partly-applied', again: 'no' } };
  }
  const errors = replies.filter((reply) => reply instanceof ErrorReply);
  // Queuing runs nothing, so that the server alone can have written these.
  const verdicts = errors.map(({ message }) => judgeServersWord(message));
  // EXECABORT for what could not be queued has no reason of its own.
  if (errors.length > 1 && verdicts.at(-1)?.again === 'no') verdicts.pop();
  return {
    error: errors[0] as ErrorReply,
    verdict: {
      outcome: 'not-applied',
      again: placeOfNextAttempt(verdicts),
      retire: verdicts.find(({ retire }) => retire !== undefined)?.retire,
      breaks: breakAfterRefusedExec(exec.message, queue.isSharded),
      redirect: redirectAmong(verdicts),
    },
  };
}

/** All of it ran; but a script may have found that it runs on a replica. */
function refusalAmongExecuted(executed: Replies): Refusal | undefined {
  for (const reply of executed) {
    if (!(reply instanceof ErrorReply)) continue;
    const { retire } = judgeMadeUp(reply.message);
    if (retire === undefined) continue;
    return { error: reply, verdict: { outcome: 'partly-applied', again: 'no', retire } };
  }
  return undefined;
}

/**
 * MULTI was refused, or some servers close it at the first command that they can't queue: what came
 * after was executed one by one, unless it was refused too.
 */
function hasRunOutside(replies: Replies, queue: Queue): boolean {
  const queued = replies.slice(1, -1);
  const exec = replies[replies.length - 1];
  let firstOutside = 0;
  if (!(replies[0] instanceof ErrorReply)) {
    if (!(exec instanceof ErrorReply && WITHOUT_MULTI.test(exec.message))) return false;
    firstOutside = queued.findIndex((reply) => reply instanceof ErrorReply) + 1;
  }
  return queued.some((reply, index) => {
    const isRefused = reply instanceof ErrorReply && queue.errorAuthors?.has(index) !== true;
    return index >= firstOutside && !isRefused;
  });
}

function isAnswerToAll(executed: unknown, queue: Queue): executed is unknown[] {
  return Array.isArray(executed) && executed.length === queue.commands.length;
}

/** @throws ErrorReply, the first that came, as node-redis does: the others were executed. */
function pipelineReplies(
  replies: unknown,
  { commands }: Queue,
  protocol: keyof Transforms,
  types: ReplyTypes | undefined,
): unknown[] {
  // A pipeline of one command is an ordinary command, whose reply comes bare.
  const all = commands.length === 1 ? [replies] : (replies as readonly unknown[]);
  for (const reply of all) if (reply instanceof ErrorReply) throw reply;
  return all.map((reply, index) =>
    transformed(reply, commands[index] as QueuedReply, protocol, types),
  );
}

/** The state of a server may change on the way, so that some commands ran and others didn't. */
function pipelineRefusal(replies: Replies, queue: Queue): Refusal | undefined {
  const error = replies.find((reply) => reply instanceof ErrorReply);
  if (error === undefined) return undefined;
  const verdicts = replies
    .map((reply, index) => judgeIn(queue, index, reply))
    .filter((verdict) => verdict !== undefined);
  const refusals = verdicts.filter(({ outcome }) => outcome === 'not-applied');
  const isWhole = refusals.length === replies.length;
  return {
    error,
    verdict: {
      outcome: isWhole ? 'not-applied' : 'partly-applied',
      again: placeOfNextAttempt(refusals),
      retire: verdicts.find(({ retire }) => retire !== undefined)?.retire,
      redirect: redirectAmong(refusals),
    },
  };
}

/** One that would fail again is enough to fail the whole again. */
function placeOfNextAttempt(verdicts: readonly ReplyVerdict[]): ReplyVerdict['again'] {
  const places = verdicts.map(({ again }) => again);
  if (places.length === 0 || places.includes('no')) return 'no';
  return places.includes('elsewhere') ? 'elsewhere' : 'here';
}

/** What the reply to one of the commands means that were executed; `undefined`: it is no error. */
function judgeIn(queue: Queue, index: number, reply: unknown): ReplyVerdict | undefined {
  if (!(reply instanceof ErrorReply)) return undefined;
  const isMadeUp = queue.errorAuthors?.has(index) === true;
  return isMadeUp ? judgeMadeUp(reply.message) : judgeServersWord(reply.message);
}

function ranOutside(cause: unknown): PoolError {
  const text =
    'EXEC: the server refused MULTI or closed it early, so that commands came outside of a ' +
    'transaction; some of them may have been executed';
  return new PoolError('OUTCOME_UNKNOWN', text, { cause, sent: true });
}

function unintelligible(): PoolError {
  const text = 'EXEC: the reply is none to this transaction; it may have been executed';
  return new PoolError('OUTCOME_UNKNOWN', text, { sent: true });
}
