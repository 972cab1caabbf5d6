import { describe, expect, test } from 'vitest';
import type { Command } from '../base/command.js';
import { readPayload } from '../base/payload.js';
import type { PoolExecutor } from '../pool/executor.js';
import { COMMAND_DEFINITIONS, type TypeMapping } from '../wire/protocol.js';
import { Client } from './client.js';
import { clientClass } from './client-class.js';
import { CommandContext } from './context.js';
import type { ClientHost } from './host.js';
import { clientSetup, overriddenSetup } from './setup.js';
import type { PlimsollClient } from './types.js';

const COMMAND_TIMEOUT_MS = 5_000;

/** Takes commands and leaves them unanswered, unless a reply is set. */
class FakeExecutor implements PoolExecutor {
  readonly isSharded = false;
  readonly commands: Command[] = [];
  readonly exclusive: Command[] = [];
  reply: unknown = undefined;

  execute(command: Command): Promise<unknown> {
    this.commands.push(command);
    command.succeed(this.reply);
    return command.promise;
  }

  executeExclusive(command: Command): Promise<unknown> {
    this.exclusive.push(command);
    command.succeed(this.reply);
    return command.promise;
  }

  readonly endpoints = [];

  endpointIds(): readonly string[] {
    return [];
  }

  slotOwnerId(): undefined {
    return undefined;
  }

  acquireLease(): Promise<never> {
    return Promise.reject(new Error('no lease here'));
  }

  refuse(command: Command, error: Error): void {
    command.fail(error);
  }

  refusal(error: Error): Promise<never> {
    return Promise.reject(error);
  }

  get last(): Command {
    return this.commands.at(-1) as Command;
  }

  get words(): (string | Buffer)[] {
    return readPayload(this.last.payload);
  }
}

function setUp(options: object = {}) {
  const executor = new FakeExecutor();
  const setup = clientSetup(options);
  const { keyPrefix, commandOptions } = setup;
  const context = new CommandContext(
    { pool: executor },
    keyPrefix,
    COMMAND_TIMEOUT_MS,
    commandOptions,
  );
  const Class = clientClass(setup.sets);
  const client = new Class({ setup } as unknown as ClientHost, context);
  return { executor, redis: client as unknown as PlimsollClient };
}

describe('a command', () => {
  test('is encoded, named and classed', async () => {
    const { executor, redis } = setUp();
    await redis.set('key', 'value', { EX: 60 });
    expect(executor.words).toEqual(['SET', 'key', 'value', 'EX', '60']);
    expect(executor.last).toMatchObject({ name: 'SET', retryClass: 'write', timeoutMs: 5_000 });
    await redis.get('key');
    expect(executor.last).toMatchObject({ name: 'GET', retryClass: 'read', ascii: true });
  });

  test('of a container is named with its subcommand', async () => {
    const { executor, redis } = setUp();
    await redis.clientId();
    expect(executor.last.name).toBe('CLIENT ID');
    await redis.objectEncoding('key');
    expect(executor.last).toMatchObject({ name: 'OBJECT ENCODING', retryClass: 'read' });
  });

  test('has the key prefix before every key', async () => {
    const { executor, redis } = setUp({ keyPrefix: 'app:' });
    await redis.mGet(['a', 'b']);
    expect(executor.words).toEqual(['MGET', 'app:a', 'app:b']);
  });

  test('transforms its reply', async () => {
    const { executor, redis } = setUp();
    executor.reply = [['a', 1.5]];
    const ranked = await redis.zRangeWithScores('key', 0, -1);
    expect(ranked).toEqual([{ value: 'a', score: 1.5 }]);
  });

  test('with a wrong argument rejects with INVALID_ARGUMENT and is not sent', async () => {
    const { executor, redis } = setUp();
    await expect(redis.get(5 as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(redis.expire('key', undefined as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      cause: expect.any(TypeError),
      sent: false,
    });
    expect(executor.commands).toEqual([]);
  });

  test('that speaks of its session rejects with LEASE_REQUIRED', async () => {
    const { executor, redis } = setUp();
    for (const refused of [
      redis.watch('key'),
      redis.select(1),
      redis.wait(1, 10),
      redis.sendCommand(['MULTI']),
      redis.sendCommand([Buffer.from('multi')]),
      redis.multi().select(2).exec(),
    ]) {
      await expect(refused).rejects.toMatchObject({ code: 'LEASE_REQUIRED', sent: false });
    }
    expect(executor.commands).toEqual([]);
  });

  test('whose replies nobody could match is refused', async () => {
    const { redis } = setUp();
    for (const words of [['subscribe', 'a'], ['MONITOR'], ['client', 'reply', 'off']]) {
      await expect(redis.sendCommand(words)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});

describe('a blocking command', () => {
  test('gets a connection for itself and its own time on top of the deadline', async () => {
    const { executor, redis } = setUp();
    executor.reply = null;
    await redis.blPop('queue', 2);
    expect(executor.exclusive[0]).toMatchObject({ isBlocking: true, timeoutMs: 7_000 });
    await redis.blPop('queue', 0);
    expect(executor.exclusive[1]).toMatchObject({ isBlocking: true, timeoutMs: 0 });
    await redis.sendCommand(['brpop', 'queue', '1']);
    expect(executor.exclusive[2]).toMatchObject({ name: 'BRPOP', timeoutMs: 6_000 });
  });

  test('that need not block runs on a lane', async () => {
    const { executor, redis } = setUp();
    executor.reply = null;
    await redis.xRead({ key: 'stream', id: '0' });
    expect(executor.last).toMatchObject({ name: 'XREAD', isBlocking: false, retryClass: 'read' });
    await redis.xRead({ key: 'stream', id: '0' }, { BLOCK: 100 });
    expect(executor.exclusive[0]).toMatchObject({ name: 'XREAD', timeoutMs: 5_100 });
  });

  test('is refused in a pipeline, and taken into MULTI, where it does not block', async () => {
    const { executor, redis } = setUp();
    const pipeline = redis.multi().blPop('queue', 1).execAsPipeline();
    await expect(pipeline).rejects.toMatchObject({ code: 'LEASE_REQUIRED' });
    executor.reply = ['OK', 'QUEUED', [null]];
    await expect(redis.multi().blPop('queue', 1).exec()).resolves.toEqual([null]);
  });
});

describe('command options', () => {
  test('reach the command', async () => {
    const { executor, redis } = setUp();
    const typeMapping = { 36: Buffer };
    await redis.withCommandOptions({ timeout: 100, typeMapping, retryWrites: 'always' }).incr('n');
    expect(executor.last.settings).toMatchObject({ timeoutMs: 100, retryWrites: 'always' });
    expect(executor.last.replyTypes).toBe(typeMapping);
    await redis.incr('n');
    expect(executor.last.settings).toMatchObject({ timeoutMs: 5_000, retryWrites: undefined });
    expect(executor.last.replyTypes).toBeUndefined();
  });

  test('of the pool hold for all, and add up', async () => {
    const { executor, redis } = setUp({ commandOptions: { timeout: 0 } });
    await redis.withTypeMapping({ 36: Buffer }).ping();
    expect(executor.last).toMatchObject({ timeoutMs: 0, replyTypes: { 36: Buffer } });
  });

  test.each([
    { timeout: -1 },
    { timeout: '5' },
    { abortSignal: {} },
    { typeMapping: 5 },
    { retryWrites: 'sometimes' },
    { timeOut: 5 },
    { retryWrite: 'never' },
    { returnBuffers: true },
  ])('that are wrong are refused: %j', (options) => {
    const { redis } = setUp();
    expect(() => redis.withCommandOptions(options as object)).toThrow(/^Command options: /);
  });
});

describe('a duplicate', () => {
  const own = { database: 0, socket: { host: 'cache', port: 6_379, tls: false } };
  const override = (overrides: object) => overriddenSetup(clientSetup({}), overrides, own);

  test('may be told what is so anyway, and how to connect', () => {
    const socket = { ...own.socket, connectTimeout: 5 };
    expect(override({ ...own, socket, RESP: 3 }).sets).toBe(clientSetup({}).sets);
  });

  test.each([
    { socket: { host: 'other' } },
    { socket: { port: 1 } },
    { socket: { path: '/run/redis.sock' } },
    { socket: { tls: true } },
    { database: 1 },
    { url: 'redis://cache' },
    { sentinel: {} },
    { RESP: 2 },
  ])('of another server is refused: %j', (overrides) => {
    expect(() => override(overrides)).toThrow(/^duplicate\(\): [\w.]+ belongs to the pool/);
  });
});

test('what has a client in it can be printed', () => {
  const { redis } = setUp({ keyPrefix: 'p:' });
  const host = { description: { name: 'shop' }, isOpen: true, isReady: false };
  Object.assign(redis, { host });
  const printed = JSON.parse(JSON.stringify({ redis }));
  expect(printed).toEqual({ redis: { name: 'shop', isOpen: true, isReady: false } });
});

describe('multi', () => {
  test('sends MULTI, the commands and EXEC as one command', async () => {
    const { executor, redis } = setUp({ keyPrefix: 'p:' });
    executor.reply = ['OK', 'QUEUED', 'QUEUED', ['OK', { f: 'v' }]];
    const replies = await redis.multi().set('a', Buffer.from('x')).hGetAll('h').exec();
    expect(replies).toEqual(['OK', { f: 'v' }]);
    expect(executor.last).toMatchObject({ name: 'EXEC', replyCount: 4, retryClass: 'write' });
    const bytes = [executor.last.payload].flat().join('');
    expect(bytes.replaceAll('\r\n', ' ').replace(/[*$]\d+ /g, '')).toBe(
      'MULTI SET p:a x HGETALL p:h EXEC ',
    );
  });

  test('of reads alone may be repeated', async () => {
    const { executor, redis } = setUp();
    executor.reply = ['OK', 'QUEUED', ['x']];
    await redis.multi().get('a').exec();
    expect(executor.last.retryClass).toBe('read');
  });

  test('without commands answers an empty pipeline at once', async () => {
    const { executor, redis } = setUp();
    await expect(redis.multi().execAsPipeline()).resolves.toEqual([]);
    expect(executor.commands).toEqual([]);
  });

  test('throws at a wrong argument, as there is no promise yet', () => {
    const { redis } = setUp();
    expect(() => redis.multi().get(undefined as never)).toThrow(/must be a string or a Buffer/);
  });
});

describe('the class of a client', () => {
  test('is shared by all configurations without commands of their own', () => {
    const sets = (options: object) => clientSetup(options).sets;
    expect(clientClass(sets({}))).toBe(clientClass(sets({ keyPrefix: 'p' })));
    expect(clientClass(sets({ RESP: 2 }))).not.toBe(clientClass(sets({})));
  });

  test('is shared with duplicates that have the same commands', () => {
    const setup = clientSetup({ modules: { own: {} } });
    expect(overriddenSetup(setup, { keyPrefix: 'p' }).sets).toBe(setup.sets);
    expect(overriddenSetup(setup, { modules: {} }).sets).not.toBe(setup.sets);
  });

  test('is shared by pools with the same modules, functions and scripts', () => {
    const { GET, SET } = COMMAND_DEFINITIONS;
    const own = { GET };
    const of = (options: object) => clientClass(clientSetup(options).sets);
    const first = of({ modules: { own }, scripts: { GET } });
    expect(of({ modules: { own: { ...own } }, scripts: { GET } })).toBe(first);
    for (const other of [
      { modules: { own } },
      { modules: { own: { GET: SET } }, scripts: { GET } },
      { modules: { own: { GET, SET } }, scripts: { GET } },
      { modules: { own }, scripts: { GET }, RESP: 2 },
    ]) {
      expect(of(other)).not.toBe(first);
    }
    Object.assign(own, { SET });
    expect(of({ modules: { own }, scripts: { GET } })).not.toBe(first);
  });

  test('has every command, and no command hides a method of its own', () => {
    const { redis } = setUp();
    const methods = redis as unknown as Record<string, unknown>;
    const missing = Object.keys(COMMAND_DEFINITIONS).filter(
      (name) => typeof methods[name] !== 'function',
    );
    expect(missing).toEqual([]);
    const hidden = Object.getOwnPropertyNames(Client.prototype).filter((name) =>
      Object.hasOwn(COMMAND_DEFINITIONS, name),
    );
    expect(hidden).toEqual([]);
  });

  test('works through a Proxy and through Object.create', async () => {
    const { executor, redis } = setUp();
    await new Proxy(redis, {}).ping();
    await (Object.create(redis) as typeof redis).ping();
    expect(executor.commands).toHaveLength(2);
  });

  test('keeps listeners of derived clients with the client itself', () => {
    const { redis } = setUp();
    const derived = redis.withTypeMapping({} as TypeMapping);
    const heard: unknown[] = [];
    expect(derived.on('ready', () => heard.push('ready'))).toBe(derived);
    redis.emit('ready');
    expect(heard).toEqual(['ready']);
    expect(redis.listenerCount('ready')).toBe(1);
  });
});
