// The encoder against @redis/client's parser and encoder: all of its command definitions write
// the same bytes through both, whatever arguments they are given.

import parserModule from '@redis/client/dist/lib/client/parser.js';
import encoderModule from '@redis/client/dist/lib/RESP/encoder.js';
import { describe, expect, test } from 'vitest';
import { type SeededRandom, seededRandom } from '../../test/support/seeded-random.js';
import type { Payload } from '../base/command.js';
import { CommandEncoder, prefixKey } from './encoder.js';
import { COMMAND_DEFINITIONS, type CommandDefinition, type RedisArgument } from './protocol.js';

const { BasicCommandParser } = parserModule;
const encodeCommand = encoderModule.default;

type Definitions = Readonly<Record<string, CommandDefinition>>;
const DEFINITIONS = COMMAND_DEFINITIONS as unknown as Definitions;

function bytesOf(payload: Payload): Buffer {
  const parts = typeof payload === 'string' ? [payload] : payload;
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)));
}

function theirBytes(args: readonly RedisArgument[]): Buffer {
  return bytesOf(encodeCommand(args));
}

/** Their equality is looked at first: vitest's takes longer than all the rest. */
function expectTheirBytes(encoder: CommandEncoder, args: readonly RedisArgument[]): void {
  const [ours, theirs] = [bytesOf(encoder.payload()), theirBytes(args)];
  if (!ours.equals(theirs)) expect(ours.toString('latin1')).toBe(theirs.toString('latin1'));
  expect(ours.length).toBe(theirs.length);
}

function encode(...args: RedisArgument[]): CommandEncoder {
  const encoder = new CommandEncoder();
  encoder.push(...args);
  return encoder;
}

/** Their bytes; `undefined` where the definition or their encoder refuses these arguments. */
function expectedBytes(
  definition: CommandDefinition,
  prefix: RedisArgument | undefined,
  args: readonly unknown[],
) {
  const parser = new BasicCommandParser(prefix);
  try {
    definition.parseCommand(parser, ...(args as never[]));
    const bytes = theirBytes(parser.redisArgs);
    return {
      bytes,
      preserve: parser.preserve,
      firstKey: parser.firstKey,
      count: parser.redisArgs.length,
    };
  } catch {
    return undefined;
  }
}

function encodeWith(
  definition: CommandDefinition,
  prefix: RedisArgument | undefined,
  args: readonly unknown[],
): CommandEncoder {
  const encoder = new CommandEncoder(prefix);
  definition.parseCommand(encoder, ...(args as never[]));
  return encoder;
}

/** Fails unless our bytes are theirs; false where they refuse. */
function compare(
  definition: CommandDefinition,
  prefix: RedisArgument | undefined,
  args: readonly unknown[],
): boolean {
  const expected = expectedBytes(definition, prefix, args);
  if (expected === undefined) return false;
  const encoder = encodeWith(definition, prefix, args);
  const payload = encoder.payload();
  if (!bytesOf(payload).equals(expected.bytes)) {
    expect(bytesOf(payload).toString('latin1')).toBe(expected.bytes.toString('latin1'));
  }
  expect(encoder.argumentCount).toBe(expected.count);
  expect(encoder.preserve).toEqual(expected.preserve);
  expect(encoder.firstKey).toEqual(expected.firstKey);
  if (encoder.ascii) {
    if (!Buffer.from(payload as string, 'latin1').equals(expected.bytes)) {
      expect.fail(`marked as ASCII: ${JSON.stringify(payload)}`);
    }
  }
  return true;
}

const ARGUMENTS: readonly unknown[] = [
  ...['key', 'value', 'ünïcödé 船', '', Buffer.from([0, 13, 10, 255]), '1', 1, 0, 2.5, -1],
  ...[['a', 'b'], ['a'], ['ünï', Buffer.from('b')], [1, 2], { field: 'value' }, { a: 1, b: 2 }],
  ...[
    new Map([['field', 'value']]),
    [['f', 'v']],
    [{ score: 1, value: 'm' }],
    { key: 'k', value: 'v' },
  ],
  ...[{ keys: ['k'], arguments: ['a'] }, { id: '0-0', key: 'stream' }, { EX: 10 }, { COUNT: 3 }],
  ...[{ longitude: 1.5, latitude: 2.5, member: 'm' }, { radius: 3, unit: 'km' }, new Date(1e12)],
  ...[{ by: 'weight', order: 'ASC', alpha: true }, { weights: [1, 2] }, true, 'FT', 'ASYNC'],
  ...[{ LIMIT: { offset: 0, count: 1 } }, { start: 0, end: 5 }, 'LEFT', 'MIN', undefined, null],
];

function randomArguments(random: SeededRandom, definition: CommandDefinition): unknown[] {
  // The first parameter is the parser. Rest parameters don't count, and may be all that there is.
  const known = definition.parseCommand.length - 1;
  const count = random.integer(Math.max(0, known), known < 1 ? 6 : known + 2);
  return Array.from({ length: count }, () => random.pick(ARGUMENTS));
}

describe("the encoder, through the definitions' own parseCommand", () => {
  test.each<[string, ...unknown[]]>([
    ['GET', 'key'],
    ['SET', 'key', 'value'],
    ['SET', 'key', 12, { EX: 60, NX: true, GET: true }],
    ['SET', 'key', 'v', { expiration: { type: 'PX', value: 5 }, condition: 'XX' }],
    ['MSET', ['a', '1', 'b', '2']],
    ['MSET', { a: '1', b: '2' }],
    [
      'MSET',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['MGET', ['a', Buffer.from('b'), 'ü']],
    ['HSET', 'hash', 'field', 'value'],
    ['HSET', 'hash', { a: 1, b: '2' }],
    ['HSET', 'hash', new Map([['a', 1]])],
    ['HSET', 'hash', ['a', '1', 'b', '2']],
    ['HSETEX', 'hash', { a: '1' }, { expiration: { type: 'EX', value: 9 }, mode: 'FNX' }],
    ['EVAL', 'return 1', { keys: ['a', 'b'], arguments: ['c', Buffer.from('d')] }],
    ['EVAL', 'return 1'],
    ['XADD', 'stream', '*', { a: 'b' }, { TRIM: { strategy: 'MAXLEN', threshold: 9 } }],
    [
      'XREAD',
      [
        { key: 'a', id: '0' },
        { key: 'b', id: '$' },
      ],
      { COUNT: 2, BLOCK: 0 },
    ],
    ['XREADGROUP', 'group', 'consumer', { key: 'a', id: '>' }, { NOACK: true }],
    [
      'ZADD',
      'zset',
      [
        { score: 1.5, value: 'a' },
        { score: Infinity, value: 'b' },
      ],
      { GT: true },
    ],
    ['ZRANGE', 'zset', 0, -1, { BY: 'SCORE', REV: true, LIMIT: { offset: 0, count: 2 } }],
    [
      'ZUNIONSTORE',
      'to',
      [
        { key: 'a', weight: 2 },
        { key: 'b', weight: 3 },
      ],
      { AGGREGATE: 'MAX' },
    ],
    ['SORT', 'list', { BY: 'w_*', GET: ['#', 'o_*'], DIRECTION: 'DESC', ALPHA: true }],
    ['GEOADD', 'geo', { longitude: '1', latitude: 2, member: 'm' }, { CH: true }],
    ['GEOSEARCH', 'geo', 'm', { radius: 3, unit: 'km' }, { COUNT: 4 }],
    ['SADD', 'set', ['a', 'ünï', Buffer.from([255])]],
    ['BITFIELD', 'key', [{ operation: 'GET', encoding: 'i5', offset: 0 }]],
    ['LPOS', 'list', 'e', { RANK: -1, MAXLEN: 10 }],
    ['CLIENT_KILL', { filter: 'ID', id: 5 }],
    ['CONFIG_SET', { maxmemory: '1gb', 'maxmemory-policy': 'noeviction' }],
    ['SCAN', '0', { MATCH: 'a*', COUNT: 10, TYPE: 'hash' }],
    ['HPEXPIRE', 'hash', ['a', 'b'], 100, 'NX'],
    ['GEORADIUS', 'geo', { longitude: 1, latitude: 2 }, 3, 'km', { SORT: 'ASC' }],
    ['GEOSEARCHSTORE', 'to', 'geo', 'm', { radius: 3, unit: 'km' }, { STOREDIST: true }],
    ['XCLAIM_JUSTID', 'stream', 'group', 'consumer', 5, ['1-0', '2-0']],
    ['XPENDING_RANGE', 'stream', 'group', '-', '+', 10, { IDLE: 5, consumer: 'c' }],
    ['AUTH', { username: 'u', password: 'p' }],
    ['FCALL', 'f', { keys: ['k'], arguments: ['a'] }],
  ])('%s %j has the bytes of @redis/client, with and without a key prefix', (name, ...args) => {
    const definition = DEFINITIONS[name] as CommandDefinition;
    for (const prefix of [undefined, '', 'app:', 'ünï:', Buffer.from('raw:')]) {
      expect(compare(definition, prefix, args)).toBe(true);
    }
  });

  test('all of them, with random arguments, have the bytes of @redis/client', () => {
    const random = seededRandom();
    console.log(`encoder: TEST_SEED=${random.seed}`);
    const names = Object.keys(DEFINITIONS).filter((name) => name === name.toUpperCase());
    const never: string[] = [];
    let compared = 0;
    for (const name of names) {
      const definition = DEFINITIONS[name] as CommandDefinition;
      let matches = 0;
      for (let tries = 0; tries < 400 && matches < 12; tries++) {
        const prefix = random.pick([undefined, 'app:', Buffer.from('raw:')]);
        if (compare(definition, prefix, randomArguments(random, definition))) matches++;
      }
      if (matches === 0) never.push(name);
      compared += matches;
    }
    expect(names.length).toBeGreaterThanOrEqual(400);
    expect(compared).toBeGreaterThan(4_000);
    // Arguments too particular for chance: GEORADIUS, CLIENT KILL and the like.
    expect(never.length, never.join(' ')).toBeLessThan(30);
  });
});

describe('the encoder', () => {
  test('counts bytes, not characters, of short and of long text', () => {
    for (const text of ['', 'a', 'ü', '船', '🚢', 'x'.repeat(48), 'ü'.repeat(48), 'é'.repeat(49)]) {
      for (const length of [1, 2, 30, 2_000]) {
        const long = text.repeat(length);
        expectTheirBytes(encode('ECHO', long), ['ECHO', long]);
      }
    }
  });

  test('writes lone surrogates as utf8 does, wherever they stand', () => {
    for (const text of ['\ud800', 'a\udc00', '\udc00\ud800', `${'x'.repeat(60)}\ud83d`]) {
      const args = ['SET', text, text];
      const encoder = encode(...args);
      expect(bytesOf(encoder.payload())).toEqual(theirBytes(args));
      expect(encoder.ascii).toBe(false);
    }
  });

  test('says that it is ASCII only where each byte is below 128', () => {
    expect(encode('SET', 'key', '\u0000\u007f').ascii).toBe(true);
    expect(encode('SET', 'key', '\u0080').ascii).toBe(false);
    expect(encode('SET', 'é', 'value').ascii).toBe(false);
    expect(encode('SET', 'key', Buffer.from('value')).ascii).toBe(false);
  });

  test('has the right header at the edges of the tables that it keeps', () => {
    for (const length of [0, 9, 10, 1_023, 1_024, 1_025, 100_000]) {
      const args = ['ECHO', 'x'.repeat(length), Buffer.alloc(length)];
      expectTheirBytes(encode(...args), args);
    }
    for (const count of [1, 63, 64, 65, 1_000]) {
      const args = Array.from({ length: count }, (_, index) => String(index));
      expectTheirBytes(encode(...args), args);
    }
  });

  test('copies Buffers, which the caller may change at once', () => {
    const value = Buffer.from('before');
    const encoder = encode('SET', value, 'x', value);
    value.fill('!');
    expect(bytesOf(encoder.payload())).toEqual(theirBytes(['SET', 'before', 'x', 'before']));
  });

  test('refuses a key that is no text and no bytes, with a prefix too', () => {
    const encoder = new CommandEncoder('app:');
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    for (const key of [[1, 2], 7, null, undefined, { length: 1 }]) {
      expect(() => encoder.pushKey(key as never)).toThrow(refusal);
    }
  });

  test('takes hundreds of thousands of arguments', () => {
    const members = Array.from({ length: 300_000 }, (_, index) => String(index));
    const expected = theirBytes(['SADD', 'key', ...members]);
    for (const push of ['pushVariadic', 'pushKeys'] as const) {
      const encoder = encode('SADD', 'key');
      encoder[push](members);
      expect(bytesOf(encoder.payload()).equals(expected)).toBe(true);
    }
  });

  test('knows its name, its subcommand, its first key and its arguments', () => {
    const encoder = new CommandEncoder('app:');
    encoder.push('OBJECT', 'ENCODING');
    encoder.pushKey('ü');
    encoder.pushKey(Buffer.from([255]));
    encoder.pushKey('bare', false);
    expect(encoder.commandIdentifier).toEqual({ command: 'OBJECT', subcommand: 'ENCODING' });
    expect([encoder.name, encoder.argumentCount, encoder.firstKey]).toEqual(['OBJECT', 5, 'app:ü']);
    expect(encoder.keys).toEqual(['app:ü']);
    const binary = Buffer.concat([Buffer.from('app:'), Buffer.from([255])]);
    expect(encoder.redisArgs).toEqual(['OBJECT', 'ENCODING', 'app:ü', binary, 'bare']);
  });

  test('reset, is as new, and leaves the payload that it gave alone', () => {
    const encoder = new CommandEncoder('app:');
    encoder.push('SET');
    encoder.pushKey(Buffer.from('ü'));
    encoder.preserve = 'something';
    const payload = encoder.payload();
    const before = bytesOf(payload);
    encoder.reset(undefined, false);
    expect([encoder.name, encoder.argumentCount, encoder.ascii]).toEqual(['', 0, true]);
    expect([encoder.firstKey, encoder.subcommand, encoder.preserve]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    encoder.push('GET');
    encoder.pushKey('key');
    expect(encoder.payload()).toBe('*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n');
    expect(bytesOf(payload)).toEqual(before);
  });

  test.each([
    ['null', null],
    ['undefined', undefined],
    ['number', 5],
    ['bigint', 5n],
    ['boolean', true],
    ['object', { toString: () => 'text' }],
    ['object', ['a']],
    ['object', new String('text')],
    ['function', () => 'text'],
    ['symbol', Symbol('text')],
  ])('refuses an argument that is %s with INVALID_ARGUMENT', (kind, argument) => {
    const encoder = encode('SET', 'key');
    const refused = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      sent: false,
      message: `Argument 2 of a command must be a string or a Buffer, not ${kind}`,
    });
    expect(() => encoder.push(argument as never)).toThrow(refused);
    expect(() => encoder.pushKey(argument as never)).toThrow(refused);
    expect(() => encoder.pushVariadic([argument as never])).toThrow(refused);
    expect(() => encoder.pushKeys([argument as never])).toThrow(refused);
    // What stood there before is whole.
    expect(bytesOf(encoder.payload())).toEqual(theirBytes(['SET', 'key']));
  });
});

test('prefixKey() joins text as text and anything else as bytes', () => {
  const joined: [RedisArgument | undefined, RedisArgument, RedisArgument][] = [
    [undefined, 'key', 'key'],
    ['', 'key', 'key'],
    [Buffer.alloc(0), 'key', 'key'],
    ['app:', 'key', 'app:key'],
    ['app:', '', 'app:'],
    ['ü', Buffer.from([255]), Buffer.from([0xc3, 0xbc, 255])],
    [Buffer.from([254]), 'ü', Buffer.from([254, 0xc3, 0xbc])],
  ];
  for (const [prefix, key, expected] of joined) expect(prefixKey(prefix, key)).toEqual(expected);
});
