// Commands that several servers run: cut by the slots of their keys (DEL, MGET, MSET, ...), sent to
// all primaries or all servers (DBSIZE, FLUSHALL, SCRIPT LOAD, ...), or asked of one after the other
// (SCAN). All parts leave in the same turn, so that those for one server share a write.
//
//   MGET a b c --> MGET a c (slot 1)  --> [1, 3] --+--> [1, 2, 3] --> as if one server had said it
//              --> MGET b   (slot 2)  --> [2] -----+

import { keySlot } from '../../base/key-slot.js';
import { routeOf } from '../../base/route.js';
import { PoolError } from '../../errors.js';
import type { Routing } from '../../policy/routing.js';
import type { PoolExecutor } from '../../pool/executor.js';
import { CommandEncoder } from '../../wire/encoder.js';
import type { RedisArgument } from '../../wire/protocol.js';
import type { RoutedClass } from '../catalog.js';
import type { CommandContext } from '../context.js';
import {
  foldOutcomes,
  nobodyKnown,
  type Part,
  type RawReply,
  routeTo,
  runPart,
  untilServed,
} from './parts.js';
import { scanPage } from './scan.js';
import type { Slots } from './slots.js';

/** How often all servers are asked where these change meanwhile. */
const MAX_ATTEMPTS = 3;

/** Whether it is for more than one server. */
export function isSpread({ spread: how }: Routing, slots: Slots): boolean {
  if (how === 'slots') return slots === 'several';
  return how !== 'one';
}

/** Runs it. The encoder is read before this returns. @throws ErrorReply, PoolError */
export function spread(
  context: CommandContext,
  encoder: CommandEncoder,
  commandClass: RoutedClass,
): Promise<RawReply> {
  const how = commandClass.routing.spread;
  if (how === 'scan') return scanPage(context, encoder, commandClass);
  if (how !== 'slots') return fanOut(context, encoder, commandClass, how as 'primaries' | 'all');
  const parts = partsBySlot(encoder.redisArgs, commandClass);
  return runParts(context, commandClass, parts);
}

/** The command, cut by the slots of its keys: of DEL and MGET all words are, of MSET each second. */
export function partsBySlot(words: readonly RedisArgument[], commandClass: RoutedClass): Part[] {
  const { name, routing } = commandClass;
  const step = name === 'MSET' ? 2 : 1;
  // What the server would refuse as a whole, is not to be done in part.
  if ((words.length - 1) % step !== 0) return [wholePart(words, commandClass)];
  const bySlot = new Map<
    number,
    { encoder: CommandEncoder; keys: RedisArgument[]; places: number[] }
  >();
  for (let index = 1; index < words.length; index += step) {
    const key = words[index] as RedisArgument;
    const slot = keySlot(key);
    let part = bySlot.get(slot);
    if (part === undefined) {
      part = { encoder: new CommandEncoder(), keys: [], places: [] };
      part.encoder.push(words[0] as RedisArgument);
      bySlot.set(slot, part);
    }
    part.places.push((index - 1) / step);
    part.keys.push(key);
    part.encoder.pushVariadic(words.slice(index, index + step) as RedisArgument[]);
  }
  return Array.from(bySlot, ([slot, { encoder, keys, places }]) => ({
    route: routeOf(slot, routing.access),
    payload: encoder.payload(),
    ascii: encoder.ascii,
    keys,
    places,
  }));
}

function wholePart(words: readonly RedisArgument[], { routing }: RoutedClass): Part {
  const encoder = new CommandEncoder();
  encoder.pushVariadic(words as RedisArgument[]);
  const keys = [words[1] as RedisArgument];
  const route = routeOf(keySlot(words[1] as RedisArgument), routing.access);
  return { route, payload: encoder.payload(), ascii: encoder.ascii, keys, places: [0] };
}

async function fanOut(
  context: CommandContext,
  encoder: CommandEncoder,
  commandClass: RoutedClass,
  which: 'primaries' | 'all',
): Promise<RawReply> {
  const payload = encoder.payload();
  const { ascii } = encoder;
  const pool = context.pool as PoolExecutor;
  for (let attempt = 1; ; attempt++) {
    let ids = pool.endpointIds(which);
    if (ids.length === 0) {
      await untilServed(context, undefined);
      ids = pool.endpointIds(which);
    }
    if (ids.length === 0) throw nobodyKnown(commandClass.name);
    const { access } = commandClass.routing;
    const parts = ids.map((endpointId) => {
      return { route: routeTo(endpointId, access), payload, ascii, keys: [], places: [] };
    });
    try {
      return await runParts(context, commandClass, parts);
    } catch (error) {
      // A server may have gone in the middle; of those that came instead, reads ask all anew.
      const isChanged = String(pool.endpointIds(which)) !== String(ids);
      const mayAsk = commandClass.retryClass === 'read' && error instanceof PoolError;
      if (!isChanged || !mayAsk || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function runParts(
  context: CommandContext,
  commandClass: RoutedClass,
  parts: readonly Part[],
): Promise<RawReply> {
  const runs = parts.map((part) => runPart(context, commandClass, part));
  return foldOutcomes(commandClass, parts, await Promise.all(runs), context.replyTypes);
}
