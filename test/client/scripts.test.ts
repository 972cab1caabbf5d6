// Scripts, function libraries and modules on real servers.

import redisJson from '@redis/json';
import { describe, expect, test } from 'vitest';
import { type CommandParser, createPool, defineScript } from '../../src/index.js';
import { describeEachServer } from '../support/servers.js';
import { newKey } from './pools.js';

const json = redisJson.default;

const add = defineScript({
  SCRIPT: `return redis.call('INCRBY', KEYS[1], ARGV[1]) -- ${process.pid}`,
  NUMBER_OF_KEYS: 1,
  parseCommand(parser: CommandParser, key: string, by: number) {
    parser.pushKey(key);
    parser.push(by.toString());
  },
  transformReply: (reply: number) => ({ sum: reply }),
});

const read = defineScript({
  SCRIPT: `return redis.call('GET', KEYS[1]) -- ${process.pid}`,
  NUMBER_OF_KEYS: 1,
  IS_READ_ONLY: true,
  parseCommand(parser: CommandParser, key: string) {
    parser.pushKey(key);
  },
  transformReply: undefined as unknown as () => string | null,
});

const library = {
  shout: {
    NUMBER_OF_KEYS: 1,
    IS_READ_ONLY: true,
    parseCommand(parser: CommandParser, key: string) {
      parser.pushKey(key);
    },
    transformReply: (reply: string) => `${reply}!`,
  },
};

const LIBRARY_CODE = `#!lua name=plimsoll_test
redis.register_function{
  function_name = 'shout',
  callback = function(keys) return string.upper(redis.call('GET', keys[1])) end,
  flags = { 'no-writes' },
}`;

describeEachServer('scripts', (server) => {
  const open = () =>
    createPool(
      {
        url: server().url,
        keyPrefix: newKey('prefix:'),
        scripts: { add, read },
        functions: { library },
        modules: { json },
      },
      {},
    );

  test('are sent by digest, and with their text only when the server lacks it', async () => {
    await using pool = open();
    const redis = pool.client;
    expect(await redis.scriptExists(add.SHA1)).toEqual([0]);
    expect(await redis.add('n', 5)).toEqual({ sum: 5 });
    expect(await redis.scriptExists(add.SHA1)).toEqual([1]);
    expect(await redis.add('n', 2)).toEqual({ sum: 7 });
    expect(await redis.read('n')).toBe('7');
    expect(await redis.read('n')).toBe('7');
  });

  test('run inside multi, also twice', async () => {
    await using pool = open();
    const replies = await pool.client.multi().add('n', 1).add('n', 2).get('n').exec();
    expect(replies).toEqual([{ sum: 1 }, { sum: 3 }, '3']);
    expect(await pool.client.multi().add('n', 1).add('n', 2).execAsPipeline()).toEqual([
      { sum: 4 },
      { sum: 6 },
    ]);
  });

  test('run on a lease', async () => {
    await using pool = open();
    expect(await pool.withLease((leased) => leased.add('n', 3))).toEqual({ sum: 3 });
  });

  test('reject with the error of the script, and with INVALID_ARGUMENT for a wrong argument', async () => {
    await using pool = open();
    await pool.client.set('text', 'x');
    await expect(pool.client.add('text', 1)).rejects.toThrow(/not an integer/);
    await expect(pool.client.add('n', undefined as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('functions run by library and name', async () => {
    await using pool = open();
    const redis = pool.client;
    await redis.functionLoad(LIBRARY_CODE, { REPLACE: true });
    await redis.set('word', 'ahoy');
    expect(await redis.library.shout('word')).toBe('AHOY!');
    const replies = await redis.multi().library.shout('word').exec();
    expect(replies).toEqual(['AHOY!']);
    await redis.functionDelete('plimsoll_test');
  });

  test('modules send their commands, as the server says that lacks the module', async () => {
    await using pool = open();
    const redis = pool.client;
    await expect(redis.json.set('doc', '$', { a: 1 })).rejects.toThrow(
      /unknown command 'JSON\.SET', with args beginning with: '.*doc' '\$' '{"a":1}'/,
    );
    const buffers = redis.withTypeMapping({ 36: Buffer });
    expect(buffers.json).not.toBe(redis.json);
    expect(buffers.json).toBe(buffers.json);
    await expect(redis.multi().json.get('doc').exec()).rejects.toThrow(/JSON\.GET/);
    await expect(pool.withLease((leased) => leased.json.get('doc'))).rejects.toThrow(/JSON\.GET/);
  });
});

describe('a set of commands that is none', () => {
  test('is refused with INVALID_OPTIONS', () => {
    expect(() => createPool({ modules: { json: 5 as never } }, {})).toThrow(
      /modules\.json must be an object/,
    );
    expect(() => createPool({ modules: { json: redisJson as never } }, {})).toThrow(
      /modules\.json\.default is no command.* pass json\.default/s,
    );
    expect(() => createPool({ scripts: { add: {} as never } }, {})).toThrow(
      /scripts\.add is no command/,
    );
  });
});
