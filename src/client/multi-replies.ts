// What came back for MULTI ... EXEC and for pipelines, turned into what node-redis answers:
// replies in order, each transformed by its own command, or the error that fits.

import type { CommandKind, ReplyTypes, RetryClass } from '../base/command.js';
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
  return batchKind('EXEC', retryClass, transactionReplies);
}

/** The same for a plain pipeline. */
export function pipelineKind(retryClass: RetryClass): CommandKind {
  return batchKind('PIPELINE', retryClass, pipelineReplies);
}

function batchKind(name: string, retryClass: RetryClass, answer: Answer): CommandKind {
  return {
    name,
    retryClass,
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
