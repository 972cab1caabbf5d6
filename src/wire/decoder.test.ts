// What `decoder.fuzz.test.ts` can't compare: the intended differences from @redis/client's decoder,
// the bounds, and bytes that are no RESP.

import { describe, expect, test } from 'vitest';
import type { ReplyTypes } from '../base/command.js';
import { Decoder, type DecoderEvents } from './decoder.js';
import { BlobError, RESP_TYPES, SimpleError } from './protocol.js';

interface Decoded {
  readonly replies: unknown[];
  readonly errors: Error[];
  readonly pushes: unknown[][];
}

/** Stands among the replies for one that was too large. */
const TOO_LARGE = Symbol('too large');
const LIMIT = 1024 * 1024;

function newDecoder(
  types?: ReplyTypes,
  maxReplyBytes = LIMIT,
  isUnwanted = () => false,
): { decoder: Decoder; decoded: Decoded } {
  const decoded: Decoded = { replies: [], errors: [], pushes: [] };
  const events: DecoderEvents = {
    onReply: (reply) => decoded.replies.push(reply),
    onErrorReply: (error) => decoded.errors.push(error),
    onPush: (message) => decoded.pushes.push(message),
    onTooLarge: () => decoded.replies.push(TOO_LARGE),
    replyTypes: () => types,
    isUnwanted,
  };
  return { decoder: new Decoder(events, maxReplyBytes), decoded };
}

const IGNORES: Pick<DecoderEvents, 'onTooLarge' | 'isUnwanted'> = {
  onTooLarge() {},
  isUnwanted: () => false,
};

function decode(text: string | Buffer, types?: ReplyTypes): Decoded {
  const { decoder, decoded } = newDecoder(types);
  decoder.write(Buffer.from(text as string));
  return decoded;
}

/** The error of a decoder that gets the bytes whole, and of one that gets them one by one. */
function refusals(text: string | Buffer): unknown[] {
  const bytes = Buffer.from(text as string);
  return [bytes.length, 1].map((size) => {
    const { decoder, decoded } = newDecoder();
    try {
      for (let cursor = 0; cursor < bytes.length; cursor += size) {
        decoder.write(bytes.subarray(cursor, cursor + size));
      }
    } catch (error) {
      return error;
    }
    return decoded;
  });
}

describe('the decoder', () => {
  test('hands out replies, errors and pushes in the order in which they came', () => {
    const order: unknown[] = [];
    const note = (value: unknown) => order.push(value);
    const events = { onReply: note, onErrorReply: note, onPush: note };
    new Decoder({ ...IGNORES, ...events, replyTypes: () => undefined }, LIMIT).write(
      Buffer.from('+OK\r\n>1\r\n$1\r\np\r\n-ERR no\r\n:7\r\n!5\r\nERR b\r\n$1\r\nx\r\n'),
    );
    expect(order).toEqual([
      'OK',
      [Buffer.from('p')],
      new SimpleError('ERR no'),
      7,
      new BlobError('ERR b'),
      'x',
    ]);
  });

  test('asks for the types of each reply when that reply begins, and of no push', () => {
    const asked: number[] = [];
    const replies: unknown[] = [];
    const events: DecoderEvents = {
      ...IGNORES,
      onReply: (reply) => replies.push(reply),
      onErrorReply() {},
      onPush() {},
      replyTypes: () => {
        asked.push(replies.length);
        return replies.length === 1 ? { [RESP_TYPES.BLOB_STRING]: Buffer } : undefined;
      },
    };
    const decoder = new Decoder(events, LIMIT);
    decoder.write(Buffer.from('$1\r\na\r\n>1\r\n:1\r\n*1\r\n$1\r\nb\r\n+c\r\n'));
    expect(replies).toEqual(['a', [Buffer.from('b')], 'c']);
    expect(new Set(asked)).toEqual(new Set([0, 1, 2]));
  });

  test('keeps the order of maps and sets', () => {
    const types = { [RESP_TYPES.MAP]: Map, [RESP_TYPES.SET]: Set };
    const { replies } = decode('%2\r\n+b\r\n:1\r\n+a\r\n:2\r\n~3\r\n:3\r\n:1\r\n:3\r\n', types);
    expect([...(replies[0] as Map<string, number>)]).toEqual([
      ['b', 1],
      ['a', 2],
    ]);
    expect([...(replies[1] as Set<number>)]).toEqual([3, 1]);
  });

  test('gives what it handed out no view of the chunk', () => {
    const types = {
      [RESP_TYPES.BLOB_STRING]: Buffer,
      [RESP_TYPES.SIMPLE_STRING]: Buffer,
      [RESP_TYPES.VERBATIM_STRING]: Buffer,
    };
    const { decoder, decoded } = newDecoder(types);
    const chunk = Buffer.from(
      '*3\r\n$4\r\nblob\r\n+simple\r\n=8\r\ntxt:verb\r\n>1\r\n$4\r\npush\r\n',
    );
    decoder.write(chunk);
    chunk.fill('!');
    expect(String(decoded.replies)).toBe('blob,simple,verb');
    expect(String(decoded.pushes)).toBe('push');
  });

  test('reads no further than the length that it is given', () => {
    const { decoder, decoded } = newDecoder();
    const shared = Buffer.from('$3\r\nabc\r\n+stale\r\n');
    decoder.write(shared, 9);
    expect(decoded.replies).toEqual(['abc']);
    // Cut in the middle of the length, whose other digits and end are still there from before.
    decoder.write(shared, 2);
    decoder.write(Buffer.from('\r\nxyz\r\n'));
    expect(decoded.replies).toEqual(['abc', 'xyz']);
  });

  test('puts a bulk string of many chunks together', () => {
    const { decoder, decoded } = newDecoder({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const value = Buffer.alloc(300_000, 'ahoy ');
    const bytes = Buffer.concat([
      Buffer.from('*2\r\n$300000\r\n'),
      value,
      Buffer.from('\r\n:1\r\n'),
    ]);
    const shared = Buffer.alloc(64 * 1024);
    for (let cursor = 0; cursor < bytes.length; cursor += shared.length) {
      decoder.write(shared, bytes.copy(shared, 0, cursor));
    }
    expect(decoded.replies).toHaveLength(1);
    const [reply, one] = decoded.replies[0] as [Buffer, number];
    expect([reply.equals(value), one]).toEqual([true, 1]);
  });

  test('takes __proto__ as the name of a property, in whatever type it comes', () => {
    const key = '__proto__';
    for (const bytes of [`+${key}`, `$9\r\n${key}`, `=13\r\ntxt:${key}`, `*1\r\n+${key}`]) {
      const { replies } = decode(`%1\r\n${bytes}\r\n%1\r\n+isAdmin\r\n#t\r\n`);
      const reply = replies[0] as Record<string, unknown>;
      expect(Object.keys(reply)).toEqual([key]);
      expect(Object.getPrototypeOf(reply)).toBe(Object.prototype);
      expect(reply.isAdmin).toBeUndefined();
    }
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
  });

  test('skips attributes, before a reply and inside one', () => {
    const attribute = '|1\r\n+ttl\r\n*2\r\n:1\r\n%1\r\n+a\r\n:2\r\n';
    const { replies } = decode(
      `${attribute}$1\r\na\r\n*2\r\n${attribute}:1\r\n|0\r\n:2\r\n` +
        `%1\r\n+k\r\n${attribute}+v\r\n${attribute}*0\r\n`,
    );
    expect(replies).toEqual(['a', [1, 2], { k: 'v' }, []]);
  });

  test('knows null in all its forms', () => {
    expect(decode('_\r\n$-1\r\n*-1\r\n*3\r\n_\r\n$-1\r\n*-1\r\n').replies).toEqual([
      null,
      null,
      null,
      [null, null, null],
    ]);
  });

  test('keeps the bytes of a status that is no UTF-8', () => {
    const status = Buffer.from([43, 0xe3, 0x28, 0xff, 13, 10]);
    expect(decode(status, { [RESP_TYPES.SIMPLE_STRING]: Buffer }).replies).toEqual([
      status.subarray(1, 4),
    ]);
  });

  test('reads aggregates of 512 levels', () => {
    let reply = decode(`${'*1\r\n'.repeat(512)}:1\r\n`).replies[0];
    let depth = 0;
    for (; Array.isArray(reply); depth++) reply = reply[0];
    expect([reply, depth]).toEqual([1, 512]);
  });

  test('allocates no room for elements that were only announced', () => {
    const before = process.memoryUsage().rss;
    const { replies } = decode('*30000000\r\n:1\r\n');
    expect(replies).toEqual([]);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    // More than an array can have: no error before they come.
    for (const type of ['*', '~', '%']) {
      expect(decode(`${type}4294967297\r\n:1\r\n`).replies).toEqual([]);
    }
  });
});

/** In pieces of one size, each overwritten after it was read. */
function writeIn(decoder: Decoder, bytes: Buffer, size: number): void {
  const shared = Buffer.alloc(64 * 1024, '\r\n:1');
  for (let cursor = 0; cursor < bytes.length; cursor += size) {
    decoder.write(shared, bytes.copy(shared, 0, cursor, cursor + size));
    shared.fill('\r\n:1', 0, size);
  }
}

describe('a line', () => {
  test.each(['+', '-', '!'])('of type %s may be of any length and come byte by byte', (type) => {
    // 150 ms here; with each byte read ever again it would be hours.
    const text = `${'long '.repeat(200_000)}`;
    const { decoder, decoded } = newDecoder();
    const header = type === '!' ? `!${text.length}\r\n` : type;
    writeIn(decoder, Buffer.from(`+a\r\n${header}${text}\r\n*1\r\n+b\r\n`), 1);
    const long = type === '+' ? decoded.replies[1] : decoded.errors[0]?.message;
    expect(long === text).toBe(true);
    expect(decoded.replies.at(-1)).toEqual(['b']);
  });

  test('is read once, wherever its end is cut', () => {
    for (let size = 1; size < 12; size++) {
      const { decoder, decoded } = newDecoder();
      writeIn(
        decoder,
        Buffer.from('+abc\r\n*2\r\n:12345\r\n+\r\n$3\r\nabc\r\n-E\r\n,1.5\r\n'),
        size,
      );
      expect(decoded.replies).toEqual(['abc', [12345, ''], 'abc', 1.5]);
      expect(decoded.errors.map(({ message }) => message)).toEqual(['E']);
    }
  });
});

describe('a reply beyond the limit', () => {
  const large = 'x'.repeat(3_000);
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
  const small = Array.from({ length: 400 }, () => bulk('element'));
  const kinds = {
    'a bulk string': bulk(large),
    'a verbatim string': `=${large.length + 4}\r\ntxt:${large}\r\n`,
    'a bulk error': `!${large.length}\r\n${large}\r\n`,
    'a status': `+${large}\r\n`,
    'an error': `-${large}\r\n`,
    'a big number': `(${'1'.repeat(3_000)}\r\n`,
    'an array of short strings': `*${small.length}\r\n${small.join('')}`,
    'a set': `~${small.length}\r\n${small.join('')}`,
    'a map': `%${small.length / 2}\r\n${small.join('')}`,
    'an array with a long string': `*3\r\n:1\r\n${bulk(large)}${bulk('after')}`,
    'an array with a long status': `*3\r\n:1\r\n+${large}\r\n:2\r\n`,
    'nested arrays': `*2\r\n*2\r\n:1\r\n${bulk(large)}*1\r\n%1\r\n+k\r\n*0\r\n`,
    'an array with attributes': `*2\r\n|1\r\n+k\r\n${bulk(large)}:1\r\n:2\r\n`,
  };

  test.each(Object.entries(kinds))('(%s) is reported alone, in its turn', (_, bytes) => {
    const all = Buffer.from(`+before\r\n${bytes}${bulk('after')}${bytes}*1\r\n+last\r\n`);
    for (const size of [1, 2, 3, 7, 64, 500, 1_000]) {
      const { decoder, decoded } = newDecoder(undefined, 1_000);
      writeIn(decoder, all, size);
      expect(decoded.replies).toEqual(['before', TOO_LARGE, 'after', TOO_LARGE, ['last']]);
      expect(decoded.errors).toEqual([]);
    }
  });

  test('is longer than its limit, a header and an end, whatever the pieces are', () => {
    const types = { [RESP_TYPES.BLOB_STRING]: Buffer };
    for (const [length, isRead] of [
      [1_000, true],
      [1_025, false],
    ] as const) {
      for (const size of [1, 300, 999]) {
        const { decoder, decoded } = newDecoder(types, 1_000);
        writeIn(decoder, Buffer.from(bulk('x'.repeat(length))), size);
        expect(decoded.replies).toEqual([isRead ? Buffer.alloc(length, 'x') : TOO_LARGE]);
      }
    }
  });

  test('takes no memory beyond the limit', () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const bytes = 512 * 1024 * 1024;
    for (const [header, isLine] of [
      [`$${bytes}\r\n`, false],
      ['+', true],
    ] as const) {
      const { decoder, decoded } = newDecoder();
      const before = process.memoryUsage().rss;
      decoder.write(Buffer.from(header));
      for (let sent = 0; sent < bytes; sent += chunk.length) decoder.write(chunk);
      expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
      decoder.write(Buffer.from(`\r\n+${isLine ? 'line' : 'bulk'}\r\n`));
      expect(decoded.replies).toEqual([TOO_LARGE, isLine ? 'line' : 'bulk']);
    }
    const { decoder, decoded } = newDecoder();
    const elements = Buffer.from(bulk('element').repeat(1_000));
    const before = process.memoryUsage().rss;
    decoder.write(Buffer.from('*2000000\r\n'));
    for (let sent = 0; sent < 2_000; sent++) decoder.write(elements);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    expect(decoded.replies).toEqual([TOO_LARGE]);
  });

  test('that is a message ends the connection, as nobody could be told', () => {
    for (const message of [`>2\r\n+a\r\n${bulk(large)}`, `>400\r\n${small.join('')}`]) {
      const { decoder } = newDecoder(undefined, 1_000);
      expect(() => writeIn(decoder, Buffer.from(message), 100)).toThrow(
        expect.objectContaining({ code: 'REPLY_TOO_LARGE' }),
      );
    }
  });

  test('still has to be RESP', () => {
    for (const bytes of [`$3000\r\n${large}x\r\n`, `*2\r\n${bulk(large)}HTTP/1.1`]) {
      const { decoder } = newDecoder(undefined, 1_000);
      expect(() => writeIn(decoder, Buffer.from(bytes), 100)).toThrow(
        expect.objectContaining({ code: 'PROTOCOL_ERROR' }),
      );
    }
  });

  test.each(Object.entries(kinds))('(%s) is dropped where nobody waits for it', (_, bytes) => {
    let unwanted = false;
    const { decoder, decoded } = newDecoder(undefined, LIMIT, () => unwanted);
    const all = Buffer.from(`${bytes}+next\r\n`);
    writeIn(decoder, all.subarray(0, 1_500), 400);
    unwanted = true;
    writeIn(decoder, all.subarray(1_500), 400);
    expect(decoded.replies).toEqual([undefined, 'next']);
  });
});

describe('PROTOCOL_ERROR is thrown for', () => {
  test.each([
    ['the answer of a web server', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['the greeting of a mail server', '220 mail.example ESMTP\r\n'],
    ['a record of TLS', Buffer.from([0x15, 3, 1, 0, 2, 2, 70])],
    ['a bulk string longer than announced', '$3\r\nabcdef\r\n'],
    ['a bulk string longer than announced by what looks like a reply', '$3\r\nabc:1:1\r\n'],
    ['a bulk string shorter than announced', '$5\r\nabc\r\n+OK\r\n'],
    ['a length that is no number', '$1x\r\n'],
    ['an array length that is no number', '*two\r\n'],
    ['an integer that is none', ':12a\r\n'],
    ['a fraction where an integer belongs', ':1.5\r\n'],
    ['a big number that is none', '(12a\r\n'],
    ['a big number without a digit', '(\r\n'],
    ['a negative length of a map', '%-1\r\n'],
    ['a negative length of a push', '>-1\r\n'],
    ['an absurd length', '$9007199254740993\r\nabc'],
    ['an absurd length of an array', '*9007199254740993\r\n:1\r\n'],
    ['a length of very many digits', `$${'9'.repeat(400)}\r\nabc`],
    ['aggregates nested too deep', '*1\r\n'.repeat(513)],
    ['attributes nested too deep', '|1\r\n'.repeat(513)],
    ['a length without end', `$${'1'.repeat(70_000)}`],
  ])('%s', (_, text) => {
    for (const refusal of refusals(text)) {
      expect(refusal).toMatchObject({
        code: 'PROTOCOL_ERROR',
        message: expect.stringMatching(/^The server does not speak RESP: /),
      });
    }
  });
});
