// SCAN over all primaries: a page of one server at a time, shard by shard in the order of slots.
// Whatever changes meanwhile, no key is left out that was there all along; some may come twice.
//
//   slots   0 ........ 5461 ........ 10923 ....... 16383
//           done       ^ slot        ^ end
//                      asked: the owner of `slot`, page after page, until its cursor is 0; then the
//                      next slot is the first up to `end` that it has given away, or else `end`
//
// The cursor says all of that, as one number in decimal, so that the pool keeps nothing:
//
//   server's cursor (64 bits) | slot (14) | end (15) | server (32) | map (32)
//
// Server and map are fingerprints: another server has to be asked from the beginning, and under
// another map nothing is taken for looked through that was not.

import { SLOT_COUNT } from '../../base/key-slot.js';
import { PoolError } from '../../errors.js';
import type { PoolExecutor } from '../../pool/executor.js';
import { CommandEncoder } from '../../wire/encoder.js';
import type { RedisArgument } from '../../wire/protocol.js';
import type { RoutedClass } from '../catalog.js';
import type { CommandContext } from '../context.js';
import { nobodyKnown, RawReply, routeTo, runPart, untilServed } from './parts.js';

export interface ScanPosition {
  readonly slot: number;
  readonly end: number;
  /** Of the id of the server that is asked. */
  readonly server: number;
  /** Of all owners of slots, when the scan began. */
  readonly map: number;
  /** The server's own cursor; 0: it was not asked yet. */
  readonly cursor: bigint;
}

const SLOT_BITS = 14n;
const END_BITS = 15n;
const PRINT_BITS = 32n;
const CURSOR_LIMIT = 1n << 64n;
const DIGITS = /^[1-9]\d{0,59}$/;

type OwnerOf = (slot: number) => string | undefined;

/** One page; the encoder is read before this returns. @throws ErrorReply, PoolError */
export function scanPage(
  context: CommandContext,
  encoder: CommandEncoder,
  commandClass: RoutedClass,
): Promise<RawReply> {
  return pageOf(context, encoder.redisArgs, commandClass);
}

async function pageOf(
  context: CommandContext,
  words: readonly RedisArgument[],
  commandClass: RoutedClass,
): Promise<RawReply> {
  const given = String(words[1]);
  const asked = given === '0' ? undefined : readCursor(given);
  if (given !== '0' && asked === undefined) throw strangeCursor();
  const pool = context.pool as PoolExecutor;
  const ownerOf: OwnerOf = (slot) => pool.slotOwnerId(slot);
  const owner = await knownOwner(context, ownerOf, asked?.slot ?? 0);
  const position = positionAt(owner, ownerOf, asked);
  const command = new CommandEncoder();
  command.push(words[0] as RedisArgument, position.cursor.toString());
  command.pushVariadic(words.slice(2) as RedisArgument[]);
  const route = routeTo(owner, 'write');
  const part = { route, payload: command.payload(), ascii: command.ascii };
  const outcome = await runPart(context, commandClass, part);
  if ('error' in outcome) throw outcome.error;
  const { value, protocol } = outcome.raw;
  const [next, ...rest] = value as [RedisArgument, ...unknown[]];
  const text = nextCursor(position, BigInt(next.toString()), owner, ownerOf);
  return new RawReply([typeof next === 'string' ? text : Buffer.from(text), ...rest], protocol);
}

/** Waits for it where it isn't known: a part that is left out would never be missed. */
async function knownOwner(
  context: CommandContext,
  ownerOf: OwnerOf,
  slot: number,
): Promise<string> {
  if (ownerOf(slot) === undefined) await untilServed(context, slot);
  const owner = ownerOf(slot);
  if (owner === undefined) throw nobodyKnown('SCAN');
  return owner;
}

/** Where to go on; a server that is another one than before is asked from the beginning. */
function positionAt(
  owner: string,
  ownerOf: OwnerOf,
  asked: ScanPosition | undefined,
): ScanPosition {
  const server = fingerprint([owner]);
  if (asked !== undefined && asked.cursor > 0n && asked.server === server) return asked;
  const slot = asked?.slot ?? 0;
  const map = asked?.map ?? mapPrint(ownerOf);
  return { slot, end: endOf(slot, owner, ownerOf), server, map, cursor: 0n };
}

/** @param next The server's own cursor; 0: it has no more. */
function nextCursor(position: ScanPosition, next: bigint, owner: string, ownerOf: OwnerOf): string {
  if (next > 0n) return cursorText({ ...position, cursor: next });
  let slot = Math.min(position.end, endOf(position.slot, owner, ownerOf));
  const isSameMap = mapPrint(ownerOf) === position.map;
  while (isSameMap && slot < SLOT_COUNT && hasEarlierSlot(slot, ownerOf)) {
    slot = endOf(slot, ownerOf(slot), ownerOf);
  }
  if (slot >= SLOT_COUNT) return '0';
  return cursorText({ slot, end: slot + 1, server: 0, map: position.map, cursor: 0n });
}

/** The first slot from there on that is another's. */
function endOf(slot: number, owner: string | undefined, ownerOf: OwnerOf): number {
  let end = slot;
  while (end < SLOT_COUNT && ownerOf(end) === owner) end++;
  return end;
}

/** Under the map that the scan began with, its owner was looked through when that one was. */
function hasEarlierSlot(slot: number, ownerOf: OwnerOf): boolean {
  const owner = ownerOf(slot);
  if (owner === undefined) return false;
  for (let earlier = 0; earlier < slot; earlier++) if (ownerOf(earlier) === owner) return true;
  return false;
}

function mapPrint(ownerOf: OwnerOf): number {
  return fingerprint(ownersByRange(ownerOf));
}

function* ownersByRange(ownerOf: OwnerOf): Generator<string> {
  let before: string | undefined = '';
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const owner = ownerOf(slot);
    if (owner === before) continue;
    before = owner;
    yield `${slot} ${owner}`;
  }
}

function strangeCursor(): PoolError {
  const text = 'SCAN: the cursor is none that a scan over this cluster has given';
  return new PoolError('INVALID_ARGUMENT', text, { sent: false });
}

export function cursorText({ slot, end, server, map, cursor }: ScanPosition): string {
  let packed = cursor;
  packed = (packed << SLOT_BITS) | BigInt(slot);
  packed = (packed << END_BITS) | BigInt(end);
  packed = (packed << PRINT_BITS) | BigInt(server);
  packed = (packed << PRINT_BITS) | BigInt(map);
  return packed.toString();
}

/** `undefined`: no scan over many servers has given such a cursor. */
export function readCursor(text: string): ScanPosition | undefined {
  if (!DIGITS.test(text)) return undefined;
  let packed = BigInt(text);
  const take = (bits: bigint) => {
    const taken = packed & ((1n << bits) - 1n);
    packed >>= bits;
    return Number(taken);
  };
  const map = take(PRINT_BITS);
  const server = take(PRINT_BITS);
  const end = take(END_BITS);
  const slot = take(SLOT_BITS);
  const cursor = packed;
  const isRight = slot < end && end <= SLOT_COUNT && cursor < CURSOR_LIMIT;
  return isRight ? { slot, end, server, map, cursor } : undefined;
}

/** FNV-1a, 32 bits: enough to tell a few servers from each other. */
export function fingerprint(texts: Iterable<string>): number {
  let hash = 0x811c9dc5;
  for (const text of texts) {
    for (let index = 0; index <= text.length; index++) {
      // The code after the last is a separator.
      const code = index < text.length ? text.charCodeAt(index) : 0xffff;
      hash = Math.imul(hash ^ code, 0x01000193);
    }
  }
  return hash >>> 0;
}
