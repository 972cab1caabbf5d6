// The decoder against @redis/client's: random replies of all types, decoded to random JavaScript
// types, cut at random bytes, from a buffer that is overwritten as soon as a chunk has been read,
// without and with a limit above which replies are skipped.

import { isDeepStrictEqual } from 'node:util';
import theirs from '@redis/client/dist/lib/RESP/decoder.js';
import { expect, test } from 'vitest';
import {
  randomPush,
  randomReply,
  randomWishes,
  type Wishes,
} from '../../test/support/random-replies.js';
import { type SeededRandom, seededRandom, testSeed } from '../../test/support/seeded-random.js';
import { Decoder } from './decoder.js';

const CASES = 5_000;
/** What stands in the buffer where no bytes of the server are: it must never be looked at. */
const STALE = Buffer.from('$1\r\n:1\r\n+OK\r\n*1\r\n0123\r\r\n');

type Event = readonly ['reply' | 'error' | 'push' | 'too large', unknown];

/** What a reply of one string may have beyond the limit: its header and its end, bytes. */
const FREE_BYTES = 32;

interface Case {
  readonly bytes: Buffer;
  /** Of each reply, in order; pushes are between them. */
  readonly lengths: readonly number[];
  /** How each reply is to be decoded, in order. */
  readonly wishes: readonly Wishes[];
}

/** @param maxPushBytes A larger push would end the connection. */
function randomCase(random: SeededRandom, maxPushBytes = Number.POSITIVE_INFINITY): Case {
  const wishes: Wishes[] = [];
  const lengths: number[] = [];
  const parts: Buffer[] = [];
  for (let count = random.integer(1, 6); count > 0; count--) {
    const push = randomPush(random);
    if (random.next() < 0.15 && push.length <= maxPushBytes) parts.push(push);
    const reply = randomReply(random);
    parts.push(reply);
    lengths.push(reply.length);
    wishes.push(random.next() < 0.3 ? {} : randomWishes(random));
  }
  return { bytes: Buffer.concat(parts), lengths, wishes };
}

/** Both decoders report to this; the next reply's wishes follow from those that came. */
function recorder({ wishes }: Case) {
  const events: Event[] = [];
  let replies = 0;
  const note = (kind: Event[0]) => (value: unknown) => {
    events.push([kind, value]);
    if (kind !== 'push') replies++;
  };
  const types = () => wishes[replies] ?? {};
  return {
    events,
    types,
    onReply: note('reply'),
    onErrorReply: note('error'),
    onPush: note('push'),
    onTooLarge: () => note('too large')(undefined),
    isUnwanted: () => false,
  };
}

function decodeWhole(given: Case): readonly Event[] {
  const record = recorder(given);
  new theirs.Decoder({ ...record, getTypeMapping: record.types }).write(Buffer.from(given.bytes));
  return record.events;
}

function decodeCut(
  given: Case,
  shared: Buffer,
  sizeOf: () => number,
  maxReplyBytes = Number.POSITIVE_INFINITY,
): readonly Event[] {
  const record = recorder(given);
  const decoder = new Decoder({ ...record, replyTypes: record.types }, maxReplyBytes);
  for (let cursor = 0; cursor < given.bytes.length; ) {
    const length = given.bytes.copy(shared, 0, cursor, cursor + sizeOf());
    decoder.write(shared, length);
    shared.fill(STALE, 0, length);
    cursor += length;
  }
  return record.events;
}

/** From byte by byte to all at once. */
function pieceSizes(random: SeededRandom, bytes: number): () => number {
  switch (random.integer(bytes < 2_000 ? 0 : 1, 3)) {
    case 0:
      return () => 1;
    case 1:
      return () => random.integer(1, 8);
    case 2: {
      // A single cut, anywhere.
      const sizes = [random.integer(1, bytes)];
      return () => sizes.pop() ?? bytes;
    }
    default:
      return () => random.integer(1, Math.max(1, bytes));
  }
}

interface Comparison {
  readonly given: Case;
  readonly index: number;
  readonly seed: number;
  readonly actual: readonly Event[];
  readonly expected: readonly Event[];
}

function compare({ given, index, seed, actual, expected }: Comparison): void {
  if (isDeepStrictEqual(actual, expected)) return;
  // Shown only where they differ: a comparison by vitest takes longer than the decoding.
  const shown = { index, bytes: given.bytes.toString('latin1'), wishes: given.wishes };
  expect({ ...shown, actual }).toEqual({ ...shown, actual: expected });
  expect.fail(`case ${index} of TEST_SEED=${seed} differs`);
}

test("random replies, cut anywhere, are decoded as @redis/client's decoder does", () => {
  const seed = testSeed();
  console.log(`decoder fuzz: TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  const shared = Buffer.alloc(64 * 1024, STALE);
  const seen = { reply: 0, error: 0, push: 0, 'too large': 0 };
  for (let index = 0; index < CASES; index++) {
    const given = randomCase(random);
    const expected = decodeWhole(given);
    const actual = decodeCut(given, shared, pieceSizes(random, given.bytes.length));
    compare({ given, index, seed, actual, expected });
    for (const [kind] of actual) seen[kind]++;
  }
  expect(seen['too large']).toBe(0);
  for (const kind of ['reply', 'error', 'push'] as const) {
    expect(seen[kind]).toBeGreaterThan(CASES / 20);
  }
});

test('replies beyond a limit are skipped, cut anywhere, and all others come as they are', () => {
  const seed = testSeed();
  console.log(`decoder fuzz with a limit: TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  const shared = Buffer.alloc(64 * 1024, STALE);
  let skipped = 0;
  for (let index = 0; index < CASES; index++) {
    const maxReplyBytes = random.integer(1, random.pick([10, 100, 1_000, 10_000]));
    const given = randomCase(random, maxReplyBytes);
    let replies = 0;
    const expected = decodeWhole(given).map((event): Event => {
      if (event[0] === 'push') return event;
      const length = given.lengths[replies++] as number;
      return length > maxReplyBytes + FREE_BYTES ? ['too large', undefined] : event;
    });
    const sizeOf = pieceSizes(random, given.bytes.length);
    const cut = () => Math.min(sizeOf(), maxReplyBytes);
    const actual = decodeCut(given, shared, cut, maxReplyBytes);
    compare({ given, index, seed, actual, expected });
    skipped += expected.filter(([kind]) => kind === 'too large').length;
  }
  expect(skipped).toBeGreaterThan(CASES / 20);
});
