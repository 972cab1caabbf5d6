// Errors that a script, a module or an unknown command may have made up: whatever they say, what
// brought them is never sent again, as it may have written before it failed.

import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';

import { defineScript, type Pool } from '../../src/index.js';
import type { CommandParser } from '../../src/wire/protocol.js';
import { type Outcome, outcomeOf } from '../support/outcome.js';
import { usePools } from '../support/pools.js';
import { afterHandshake, CLOSE, startScriptedServer } from '../support/scripted-server.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';

const open = usePools();

/** What servers say where a command did not run, and more that begins the same. */
const TEXTS = [
  'LOADING Redis is loading the dataset in memory',
  'LOADING x',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  'CLUSTERDOWN The cluster is down',
  'CLUSTERDOWN Hash slot not served',
  'TRYAGAIN Multiple keys request during rehashing of slot',
  'TRYAGAIN x',
  "READONLY You can't write against a read only replica.",
  'NOAUTH Authentication required.',
  'NOSCRIPT x',
  'EXECABORT x',
  'MOVED 1 127.0.0.1:1',
  'MISCONF x',
  'OOM x',
];

const LUA = "redis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])";
const LIBRARY = `#!lua name=plimsoll
redis.register_function('fail', function(keys, args)
  redis.call('INCR', keys[1]) return redis.error_reply(args[1]) end)`;
const SHA1 = createHash('sha1').update(LUA).digest('hex');

const failing = defineScript({
  SCRIPT: LUA,
  NUMBER_OF_KEYS: 1,
  parseCommand(parser: CommandParser, key: string, text: string) {
    parser.pushKey(key);
    parser.push(text);
  },
  transformReply: (reply: unknown) => reply,
} as never) as never;

type Client = Pool['client'] & { failing(key: string, text: string): Promise<unknown> };
type Run = (pool: Pool, key: string, text: string) => Promise<unknown>;

const clientOf = (pool: Pool) => pool.client as Client;
const asEval = (key: string, text: string) => ['EVAL', LUA, '1', key, text];
const asCall = (key: string, text: string) => ['FCALL', 'fail', '1', key, text];

const WAYS: Readonly<Record<string, Run>> = {
  EVAL: (pool, key, text) => pool.client.eval(LUA, { keys: [key], arguments: [text] }),
  'EVAL as words': (pool, key, text) => pool.client.sendCommand(asEval(key, text)),
  'EVALSHA as words': (pool, key, text) =>
    pool.client.sendCommand(['evalsha', SHA1, '1', key, text]),
  'a defined script': (pool, key, text) => clientOf(pool).failing(key, text),
  FCALL: (pool, key, text) => pool.client.fCall('fail', { keys: [key], arguments: [text] }),
  'EVAL in a transaction': (pool, key, text) =>
    pool.client.multi().addCommand(asEval(key, text)).exec(),
  'FCALL in a transaction, beside others': (pool, key, text) =>
    pool.client.multi().get(key).addCommand(asCall(key, text)).get(key).exec(),
  'EVAL alone in a pipeline': (pool, key, text) =>
    pool.client.multi().addCommand(asEval(key, text)).execAsPipeline(),
  'FCALL in a pipeline, beside others': (pool, key, text) =>
    pool.client.multi().get(key).addCommand(asCall(key, text)).get(key).execAsPipeline(),
  'EVAL on a lease': (pool, key, text) =>
    pool.withLease((leased) => leased.eval(LUA, { keys: [key], arguments: [text] })),
  'FCALL in a transaction on a lease': (pool, key, text) =>
    pool.withLease((leased) => leased.multi().addCommand(asCall(key, text)).exec()),
};

/** What the caller was told, in one text. */
function told({ error }: Outcome): string {
  const { errorIndexes, replies } = (error ?? {}) as { errorIndexes?: number[]; replies?: Error[] };
  return errorIndexes === undefined
    ? String(error?.message)
    : String(replies?.[errorIndexes[0] as number]?.message);
}

describeEachPrivateServer('a script that writes and then fails', (server) => {
  beforeAll(async () => {
    const admin = open({ url: server().url });
    await admin.client.sendCommand(['FUNCTION', 'LOAD', 'REPLACE', LIBRARY]);
    await admin.client.sendCommand(['SCRIPT', 'LOAD', LUA]);
  });

  for (const retryWrites of ['safe', 'always'] as const) {
    describe(`under retryWrites '${retryWrites}'`, () => {
      test.each(Object.keys(WAYS))('runs once, whatever its error says: %s', async (way) => {
        const pool = open({ url: server().url, retryWrites, scripts: { failing } });
        const run = WAYS[way] as Run;
        const seen = await Promise.all(
          TEXTS.map(async (text, index) => {
            const key = `once:${retryWrites}:${way}:${index}`;
            const outcome = await outcomeOf(run(pool, key, text));
            return [text, told(outcome), await pool.client.get(key)];
          }),
        );
        expect(seen).toEqual(TEXTS.map((text) => [text, text, '1']));
        expect(pool.status().counters.retries).toBe(0);
      });
    });
  }

  test('says that its server is a replica: connections are replaced, it is not sent again', async () => {
    const lua = "return redis.call('INCR', KEYS[1])";
    const library = `#!lua name=writing
redis.register_function('raise', function(keys) return redis.call('INCR', keys[1]) end)`;
    const ways: Record<string, (pool: Pool) => Promise<unknown>> = {
      eval: (pool) => pool.client.eval(lua, { keys: ['demoted'] }),
      fCall: (pool) => pool.client.fCall('raise', { keys: ['demoted'], arguments: [] }),
      transaction: (pool) =>
        pool.client
          .multi()
          .eval(lua, { keys: ['demoted'] })
          .exec(),
      pipeline: (pool) =>
        pool.client
          .multi()
          .ping()
          .eval(lua, { keys: ['demoted'] })
          .execAsPipeline(),
      lease: (pool) => pool.withLease((leased) => leased.eval(lua, { keys: ['demoted'] })),
    };
    const admin = open({ url: server().url, maxConnections: 1 });
    await admin.client.sendCommand(['FUNCTION', 'LOAD', 'REPLACE', library]);
    await admin.client.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    try {
      for (const [way, run] of Object.entries(ways)) {
        const pool = open({ url: server().url, maxConnections: 1, retryWrites: 'always' });
        const outcome = await outcomeOf(run(pool));
        expect([way, told(outcome)]).toEqual([way, expect.stringContaining('READONLY')]);
        await until(() => pool.status().counters.evictions.failover > 0);
        expect(pool.status().counters.retries).toBe(0);
      }
    } finally {
      await admin.client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    }
    expect(await admin.client.exists('demoted')).toBe(0);
  });
});

describe('a server whose modules answer what the server might', () => {
  /** Answers an error and counts what it was sent. */
  async function countingServer(answer: string) {
    const counts: Record<string, number> = {};
    const server = await startScriptedServer(
      afterHandshake(([name = '']) => {
        counts[name] = (counts[name] ?? 0) + 1;
        return answer;
      }),
    );
    return { server, counts };
  }

  test.each(TEXTS)('sees commands of modules and unknown ones once: %s', async (text) => {
    const { server, counts } = await countingServer(`-${text}\r\n`);
    await using _ = server;
    const pool = open({ url: server.url, retryWrites: 'always', maxConnections: 2 });
    const commands = ['JSON.SET', 'JSON.GET', 'FT.SEARCH', 'MY.OWN', 'RENAMED', 'VADD', 'EVAL_RO'];
    for (const name of commands) {
      const { error } = await outcomeOf(pool.client.sendCommand([name, 'key']));
      expect(error?.message).toBe(text);
    }
    expect(counts).toEqual(Object.fromEntries(commands.map((name) => [name, 1])));
  });

  test('is demoted by the words of old servers, in the middle of a text', async () => {
    const text =
      "ERR Error running script (call to f_43d): @user_script:1: -READONLY You can't write against a read only replica.";
    const { server, counts } = await countingServer(`-${text}\r\n`);
    await using _ = server;
    const pool = open({ url: server.url, maxConnections: 1 });
    const { error } = await outcomeOf(pool.client.eval('...'));
    expect(error?.message).toBe(text);
    expect(counts).toEqual({ EVAL: 1 });
    await until(() => pool.status().counters.evictions.failover === 1);
  });
});

describe('a command that ends or turns its server', () => {
  const COMMANDS = [
    ['SHUTDOWN', 'NOSAVE'],
    ['shutdown'],
    ['DEBUG', 'SEGFAULT'],
    ['DEBUG', 'RESTART'],
    ['FAILOVER'],
    ['REPLICAOF', 'NO', 'ONE'],
    ['SLAVEOF', '127.0.0.1', '1'],
    ['CLIENT', 'KILL', 'TYPE', 'normal'],
    ['SCRIPT', 'KILL'],
    ['FUNCTION', 'KILL'],
    ['CLUSTER', 'FAILOVER'],
    ['cluster', Buffer.from('reset') as unknown as string],
  ];

  test.each(COMMANDS)('reaches it once, under every policy: %s %s', async (...words) => {
    for (const retryWrites of ['safe', 'always', 'never'] as const) {
      let seen = 0;
      await using server = await startScriptedServer(
        afterHandshake(([name]) => {
          if (name === 'GET') return '$5\r\nvalue\r\n';
          seen++;
          return CLOSE;
        }),
      );
      const pool = open({ url: server.url, retryWrites });
      const send = () => pool.client.sendCommand(words.filter((word) => word !== undefined));
      expect((await outcomeOf(send())).code).toBe('OUTCOME_UNKNOWN');
      const together = pool.client.multi().addCommand(words.filter((word) => word !== undefined));
      expect((await outcomeOf(together.execAsPipeline())).code).toBe('OUTCOME_UNKNOWN');
      // Whoever comes later is served by the server that is there then.
      expect(await pool.client.get('key')).toBe('value');
      expect(seen).toBe(2);
    }
  });

  test('is not sent again to a server that loads', async () => {
    let seen = 0;
    await using server = await startScriptedServer(
      afterHandshake(() => {
        seen++;
        return '-LOADING Redis is loading the dataset in memory\r\n';
      }),
    );
    const pool = open({ url: server.url, retryWrites: 'always' });
    const { error } = await outcomeOf(pool.client.sendCommand(['FAILOVER']));
    expect(error?.message).toMatch(/^LOADING/);
    expect(seen).toBe(1);
  });
});

describe('a read that moves a cursor on', () => {
  test.each([
    ['FT.CURSOR', 'READ', 'index', '1'],
    ['ft.cursor', 'del', 'index', '1'],
  ])('is not repeated when its reply is lost: %s %s', async (...words) => {
    let seen = 0;
    await using server = await startScriptedServer(
      afterHandshake(() => {
        seen++;
        return CLOSE;
      }),
    );
    const pool = open({ url: server.url });
    expect((await outcomeOf(pool.client.sendCommand(words))).code).toBe('OUTCOME_UNKNOWN');
    expect(seen).toBe(1);
  });
});
