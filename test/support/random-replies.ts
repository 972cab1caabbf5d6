// Random RESP2 and RESP3 bytes for fuzz tests: trees of all types, pushes between them, and random
// wishes about the JavaScript types that they become. Valid always: what is no RESP is written out
// in the tests that refuse it.

import { RESP_TYPES, VerbatimString } from '../../src/wire/protocol.js';
import type { SeededRandom } from './seeded-random.js';

const CRLF = Buffer.from('\r\n');
const WORDS = ['', 'OK', 'a', 'ahoy', 'plimsoll', '0', '12', 'constructor', 'ünïcödé', '船', '🚢'];
const INTEGERS = ['0', '1', '-1', '+7', '-0', '42', '1024', '9007199254740993', '-922337203685477'];
const DOUBLES = ['0', '-0', '1.5', '-2.25', '+3', '0.1', '3.141592653589793', '1e21', '1.7e-308'];
const NO_NUMBERS = ['inf', '-inf', 'nan'];
const BIG_NUMBERS = [
  '0',
  '-1',
  '+5',
  '3492890328409238509324850943850943825024385',
  '-12345678901',
];
const MAX_DEPTH = 5;
const MAX_ELEMENTS = 5;

/** Which JavaScript types the decoder may be asked for; `undefined` leaves its default. */
const WISHES: readonly (readonly [number, readonly unknown[]])[] = [
  [RESP_TYPES.BLOB_STRING, [undefined, undefined, Buffer, String]],
  [RESP_TYPES.SIMPLE_STRING, [undefined, Buffer, String]],
  [RESP_TYPES.VERBATIM_STRING, [undefined, Buffer, String, VerbatimString]],
  [RESP_TYPES.NUMBER, [undefined, String, Number]],
  [RESP_TYPES.BIG_NUMBER, [undefined, String, BigInt]],
  [RESP_TYPES.DOUBLE, [undefined, String, Number]],
  [RESP_TYPES.SET, [undefined, Set, Array]],
  [RESP_TYPES.MAP, [undefined, Map, Array, Object]],
];

export type Wishes = Record<number, unknown>;

export function randomWishes(random: SeededRandom): Wishes {
  const wishes: Wishes = {};
  for (const [type, choices] of WISHES) {
    const wish = random.pick(choices);
    if (wish !== undefined) wishes[type] = wish;
  }
  return wishes;
}

/** One whole reply: any type but a push. */
export function randomReply(random: SeededRandom): Buffer {
  return Buffer.concat(value(random, 0));
}

/** One whole push message. */
export function randomPush(random: SeededRandom): Buffer {
  const count = random.integer(0, MAX_ELEMENTS);
  return Buffer.concat([line('>', String(count)), ...elements(random, count, 1)]);
}

function line(type: string, content: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), Buffer.from(content as string), CRLF]);
}

function bulk(type: string, content: Buffer): Buffer {
  return Buffer.concat([line(type, String(content.length)), content, CRLF]);
}

function elements(random: SeededRandom, count: number, depth: number): Buffer[] {
  return Array.from({ length: count }, () => value(random, depth)).flat();
}

function value(random: SeededRandom, depth: number): Buffer[] {
  // The deeper, the likelier a scalar, so that trees end.
  if (random.next() * MAX_DEPTH < depth + 2) return [scalar(random)];
  const count = random.integer(0, MAX_ELEMENTS);
  switch (random.integer(0, 4)) {
    case 0:
      return [line('~', String(count)), ...elements(random, count, depth + 1)];
    case 1:
    case 2:
      return [line('%', String(count)), ...pairs(random, count, depth + 1)];
    default:
      return [line('*', String(count)), ...elements(random, count, depth + 1)];
  }
}

function pairs(random: SeededRandom, count: number, depth: number): Buffer[] {
  return Array.from({ length: count }, () => [mapKey(random), ...value(random, depth)]).flat();
}

/** Mostly text, as from a server; RESP allows anything, so an array is among them. */
function mapKey(random: SeededRandom): Buffer {
  switch (random.integer(0, 7)) {
    case 0:
      return scalar(random);
    case 1:
      return line('+', random.pick(WORDS));
    case 2:
      return Buffer.concat([line('*', '2'), line(':', '1'), bulk('$', Buffer.from('b'))]);
    default:
      return bulk('$', text(random));
  }
}

function scalar(random: SeededRandom): Buffer {
  switch (random.integer(0, 14)) {
    case 0:
      return line('_', '');
    case 1:
      return line(random.pick(['$', '*']), '-1');
    case 2:
      return line('#', random.pick(['t', 'f']));
    case 3:
    case 4:
      return line(':', random.pick(INTEGERS));
    case 5:
      return line(',', double(random));
    case 6:
      return line('(', random.pick(BIG_NUMBERS));
    case 7:
      return line('+', oneLine(random));
    case 8:
      return line('-', `ERR ${random.next() < 0.99 ? random.pick(WORDS) : longLine(random)}`);
    case 9:
      return bulk('!', Buffer.from(`SYNTAX ${random.pick(WORDS)}\r\nof two lines`));
    case 10:
      return bulk('=', Buffer.concat([Buffer.from(random.pick(['txt:', 'mkd:'])), text(random)]));
    default:
      return bulk('$', text(random));
  }
}

function double(random: SeededRandom): string {
  const drawn = random.next();
  if (drawn < 0.2) return random.pick(NO_NUMBERS);
  return drawn < 0.6
    ? random.pick(DOUBLES)
    : String((random.next() - 0.5) * 10 ** random.integer(-9, 15));
}

/** Bytes of any value but CR and LF: a script may answer a status that is no UTF-8. */
function oneLine(random: SeededRandom): string | Buffer {
  const drawn = random.next();
  if (drawn < 0.7) return random.pick(WORDS);
  if (drawn > 0.99) return longLine(random);
  return randomBytes(random, random.integer(0, 40)).map((byte) =>
    byte === 13 || byte === 10 ? 46 : byte,
  ) as Buffer;
}

/** Longer than the chunks that it comes in. */
function longLine(random: SeededRandom): string {
  return 'long '.repeat(random.integer(200, 4_000));
}

function text(random: SeededRandom): Buffer {
  const drawn = random.next();
  if (drawn < 0.6) return Buffer.from(random.pick(WORDS));
  if (drawn < 0.8) return Buffer.from('x'.repeat(random.integer(0, 300)));
  if (drawn < 0.997) return randomBytes(random, random.integer(0, 60));
  // Longer than the chunks that it comes in.
  return Buffer.alloc(random.integer(1_000, 20_000), randomBytes(random, 97));
}

function randomBytes(random: SeededRandom, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.integer(0, 255)));
}
