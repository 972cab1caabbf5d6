// What is known of all commands of one definition, and how a reply becomes what a caller wants.

import type { CommandKind, ReplyTypes, TransformReply } from '../base/command.js';
import {
  type CommandDefinition,
  ErrorReply,
  getTransformReply,
  type RespVersions,
} from '../wire/protocol.js';
import type { RoutedClass } from './catalog.js';

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
export interface ClientCommandKind extends CommandKind, RoutedClass {
  readonly mayMakeUpErrors: boolean;
}

export function kindWith(commandClass: RoutedClass, transforms: Transforms): ClientCommandKind {
  return Object.freeze({
    ...commandClass,
    transform: transforms.resp3,
    resp2Transform: transforms.resp2,
  });
}

/** What must be known of a queued command once its reply is there. */
export interface QueuedReply {
  readonly transforms: Transforms;
  readonly preserve?: unknown;
}

/** What the caller gets for a reply; an error stays what it is. */
export function transformed(
  reply: unknown,
  queued: QueuedReply,
  protocol: keyof Transforms,
  types: ReplyTypes | undefined,
): unknown {
  const transform = queued.transforms[protocol];
  if (transform === undefined || reply instanceof ErrorReply) return reply;
  return transform(reply as never, queued.preserve, types as never);
}
