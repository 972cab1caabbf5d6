// What came back for MULTI ... EXEC and for pipelines, turned into what node-redis answers:
// replies in order, each transformed by its own command, or the error that fits.

import type { CommandKind, Refusal, ReplyTypes, RetryClass } from '../base/command.js';
import { classifyServerError } from '../policy/server-error.js';
import { ErrorReply, MultiErrorReply, WatchError } from '../wire/protocol.js';
import type { Transforms } from './issue.js';

/** What must be known of a queued command once its reply is there. */
export interface QueuedReply {
  readonly transforms: Transforms;
  readonly preserve?: unknown;
}

type Replies = readonly unknown[];
type Queue = readonly QueuedReply[];

/** How the replies to what was queued become one answer. */
type Answer = (
  replies: Replies,
  queue: Queue,
  protocol: keyof Transforms,
  types: ReplyTypes | undefined,
) => unknown[];

/** MULTI, the queued commands and EXEC: what such a command preserves is its queue. */
export function transactionKind(retryClass: RetryClass): CommandKind {
  return batchKind('EXEC', retryClass, transactionReplies, transactionRefusal);
}

/** The same for a plain pipeline. */
export function pipelineKind(retryClass: RetryClass): CommandKind {
  return batchKind('PIPELINE', retryClass, pipelineReplies, pipelineRefusal);
}

function batchKind(
  name: string,
  retryClass: RetryClass,
  answer: Answer,
  refusalIn: (replies: Replies) => Refusal | undefined,
): CommandKind {
  return {
    name,
    retryClass,
    refusalIn,
    transform: (replies: Replies, queue, types) => answer(replies, queue as Queue, 'resp3', types),
    resp2Transform: (replies: Replies, queue, types) =>
      answer(replies, queue as Queue, 'resp2', types),
  };
}

/**
 * @throws ErrorReply of the first command that could not be queued, or of EXEC; WatchError where a
 * watched key had changed; MultiErrorReply where commands failed, as the others were executed.
 */
function transactionReplies(
  replies: readonly unknown[],
  queue: readonly QueuedReply[],
  protocol: keyof Transforms,
  types: ReplyTypes | undefined,
): unknown[] {
  for (const reply of replies) if (reply instanceof ErrorReply) throw reply;
  const executed = replies[replies.length - 1] as unknown[] | null;
  if (executed === null) throw new WatchError();
  const errorIndexes: number[] = [];
  const answers = executed.map((reply, index) => {
    if (reply instanceof ErrorReply) errorIndexes.push(index);
    return transformed(reply, queue[index] as QueuedReply, protocol, types);
  });
  if (errorIndexes.length > 0) throw new MultiErrorReply(answers as ErrorReply[], errorIndexes);
  return answers;
}

/** EXEC answers an error where nothing ran; the first error of all says why. */
function transactionRefusal(replies: Replies): Refusal | undefined {
  if (!(replies[replies.length - 1] instanceof ErrorReply)) return undefined;
  const error = replies.find((reply) => reply instanceof ErrorReply) as ErrorReply;
  return { error, outcome: 'not-applied' };
}

/** @throws ErrorReply, the first that came, as node-redis does: the others were executed. */
function pipelineReplies(
  replies: unknown,
  queue: readonly QueuedReply[],
  protocol: keyof Transforms,
  types: ReplyTypes | undefined,
): unknown[] {
  // A pipeline of one command is an ordinary command, whose reply comes bare.
  const all = queue.length === 1 ? [replies] : (replies as readonly unknown[]);
  for (const reply of all) if (reply instanceof ErrorReply) throw reply;
  return all.map((reply, index) =>
    transformed(reply, queue[index] as QueuedReply, protocol, types),
  );
}

/** The state of a server may change on the way, so that some commands ran and others didn't. */
function pipelineRefusal(replies: Replies): Refusal | undefined {
  const error = replies.find(isOfServer);
  if (error === undefined) return undefined;
  return { error, outcome: replies.every(isOfServer) ? 'not-applied' : 'partly-applied' };
}

/** An error that tells of the server's state, not of the command. */
function isOfServer(reply: unknown): reply is ErrorReply {
  return reply instanceof ErrorReply && classifyServerError(reply.message) !== 'command';
}

function transformed(
  reply: unknown,
  queued: QueuedReply,
  protocol: keyof Transforms,
  types: ReplyTypes | undefined,
): unknown {
  const transform = queued.transforms[protocol];
  if (transform === undefined || reply instanceof ErrorReply) return reply;
  return transform(reply as never, queued.preserve, types as never);
}
