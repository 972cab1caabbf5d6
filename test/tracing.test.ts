// The tracing channels on real servers: what is told, when, in whose context, and that no value is.

import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { createClient } from '@redis/client';
import { afterEach, describe, expect, test } from 'vitest';
import { keySlot } from '../src/base/key-slot.js';
import type {
  BatchTrace,
  CommandTrace,
  ConnectTrace,
  LeaseTrace,
  WaitTrace,
} from '../src/index.js';
import { newKey } from './client/pools.js';
import { otherThan, usePoolOn } from './support/cluster-pools.js';
import { useCluster } from './support/clusters.js';
import { usePools } from './support/pools.js';
import { describeEachPrivateServer } from './support/servers.js';
import { startTcpProxy } from './support/tcp-proxy.js';
import { until } from './support/until.js';

const SECRET = 'a value that nobody may see';

interface Told<C> {
  /** Names of what was told, in order. */
  readonly names: string[];
  readonly started: C[];
  readonly ended: C[];
}

const unsubscribes: (() => void)[] = [];
afterEach(() => {
  for (const unsubscribe of unsubscribes.splice(0)) unsubscribe();
});

function listen<C>(channel: string, on?: (name: string, context: C) => void): Told<C> {
  const told: Told<C> = { names: [], started: [], ended: [] };
  const note = (name: string) => (context: unknown) => {
    told.names.push(name);
    if (name === 'start') told.started.push(context as C);
    if (name === 'asyncEnd') told.ended.push(context as C);
    on?.(name, context as C);
  };
  const names = ['start', 'end', 'error', 'asyncStart', 'asyncEnd'];
  const listeners = Object.fromEntries(names.map((name) => [name, note(name)])) as never;
  tracingChannel(channel).subscribe(listeners);
  unsubscribes.push(() => tracingChannel(channel).unsubscribe(listeners));
  return told;
}

describeEachPrivateServer('who listens', (server) => {
  const open = usePools();
  const place = () => ({ serverAddress: server().host, serverPort: server().port });

  test('is told of a command from call to answer, and of no value', async () => {
    const pool = open({ url: server().url, name: 'told', database: 3 });
    const told = listen<CommandTrace>('plimsoll:command');
    await pool.client.set('key', SECRET);
    expect(await pool.client.get('key')).toBe(SECRET);
    const once = ['start', 'end', 'asyncStart', 'asyncEnd'];
    expect(told.names).toEqual([...once, ...once]);
    const common = { poolName: 'told', database: 3, isOnLease: false, attempts: 1, redirects: 0 };
    const more = { ...place(), ...common, words: undefined };
    expect(told.ended[0]).toMatchObject({ ...more, command: 'SET', argumentCount: 2 });
    expect(told.ended[1]).toMatchObject({ ...more, command: 'GET', argumentCount: 1 });
    expect(told.ended[1]!.requestBytes).toBe(Buffer.byteLength('*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n'));
    expect(JSON.stringify(told.ended)).not.toContain(SECRET);
    expect(JSON.stringify(told.ended)).not.toContain('key');
  });

  test('is told of errors of the server and of the pool, which callers get as ever', async () => {
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const pool = open({ url: proxy.url, maxConnections: 1, commandTimeoutMs: 300 });
    await pool.client.set('text', 'x');
    const told = listen<CommandTrace>('plimsoll:command');
    await expect(pool.client.incr('text')).rejects.toThrow('not an integer');
    proxy.hold('replies');
    await expect(pool.client.get('text')).rejects.toMatchObject({ code: 'COMMAND_TIMEOUT' });
    await expect(pool.client.sendCommand([] as never)).rejects.toThrow();
    const once = ['start', 'end', 'error', 'asyncStart', 'asyncEnd'];
    expect(told.names).toEqual([...once, ...once]);
    expect(String(told.ended[0]!.error)).toContain('not an integer');
    expect(told.ended[1]!.error).toMatchObject({ code: 'COMMAND_TIMEOUT' });
    await proxy.stop();
  });

  test('hears in the context of the caller whose command it is', async () => {
    const pool = open({ url: server().url });
    const storage = new AsyncLocalStorage<number>();
    const seen: [string, number | undefined][] = [];
    listen('plimsoll:command', (name) => seen.push([name, storage.getStore()]));
    const callers = Array.from({ length: 50 }, (_, id) =>
      storage.run(id, async () => {
        await pool.client.get(newKey());
        expect(storage.getStore()).toBe(id);
        await pool.client.get(newKey());
      }),
    );
    await Promise.all(callers);
    for (const name of ['start', 'end', 'asyncStart', 'asyncEnd']) {
      const ids = seen.filter(([told]) => told === name).map(([, id]) => id as number);
      const sorted = ids.sort((one, other) => one - other);
      expect(sorted).toEqual(Array.from({ length: 100 }, (_, index) => index >> 1));
    }
  });

  test('may bind a store, which is then seen when all is over', async () => {
    const pool = open({ url: server().url });
    const storage = new AsyncLocalStorage<string>();
    const { start } = tracingChannel('plimsoll:command');
    start.bindStore(storage, (context) => `span of ${(context as CommandTrace).command}`);
    unsubscribes.push(() => start.unbindStore(storage));
    const seen = new Set<string | undefined>();
    listen('plimsoll:command', (name) => name === 'asyncEnd' && seen.add(storage.getStore()));
    await pool.client.get(newKey());
    expect(storage.getStore()).toBeUndefined();
    expect([...seen]).toEqual(['span of GET']);
  });

  test('gets redacted words where the option asks', async () => {
    const pool = open({ url: server().url, tracing: { arguments: 'redacted' } });
    const told = listen<CommandTrace>('plimsoll:command');
    await pool.client.mSet(['{a}1', SECRET, '{a}2', SECRET]);
    await pool.client.eval('return ARGV[1]', { keys: ['{a}1'], arguments: [SECRET] });
    await pool.client.sendCommand(['CLIENT', 'GETNAME']);
    await pool.client.set('k'.repeat(1_000), SECRET);
    expect(told.ended.map(({ words }) => words)).toEqual([
      ['MSET', '{a}1', '?', '{a}2', '?'],
      ['EVAL', '?', '?', '{a}1', '?'],
      ['CLIENT', 'GETNAME'],
      ['SET', 'k'.repeat(128), '?'],
    ]);
    expect(told.ended[2]).toMatchObject({ command: 'CLIENT GETNAME', argumentCount: 1 });
  });

  test('is told of a retry as another attempt', async () => {
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const pool = open({ url: proxy.url, maxConnections: 1 });
    await pool.client.set('key', 'value');
    const told = listen<CommandTrace>('plimsoll:command');
    void proxy.closeAfter({ from: 'client', bytes: 1 });
    expect(await pool.client.get('key')).toBe('value');
    expect(told.ended).toMatchObject([{ command: 'GET', attempts: 2, redirects: 0 }]);
    await proxy.stop();
  });

  test('is told of a batch as a whole', async () => {
    const pool = open({ url: server().url });
    const told = listen<BatchTrace>('plimsoll:batch');
    const commands = listen<CommandTrace>('plimsoll:command');
    const key = newKey();
    await pool.client.multi().set(key, SECRET).get(key).exec();
    await pool.client.multi().get(key).get(key).get(key).execAsPipeline();
    await expect(pool.client.multi().incr(key).exec()).rejects.toThrow();
    expect(told.ended).toMatchObject([
      { mode: 'MULTI', size: 2, command: undefined, ...place(), attempts: 1 },
      { mode: 'PIPELINE', size: 3, command: 'GET', ...place(), attempts: 1 },
      { mode: 'MULTI', size: 1, command: 'INCR', ...place(), attempts: 1 },
    ]);
    expect(told.ended.map(({ error }) => error !== undefined)).toEqual([false, false, true]);
    expect(commands.names).toEqual([]);
  });

  test('is told of connects, waits and loans', async () => {
    const connects = listen<ConnectTrace>('plimsoll:connect');
    const waits = listen<WaitTrace>('plimsoll:wait');
    const loans = listen<LeaseTrace>('plimsoll:lease');
    const pool = open({ url: server().url, maxConnections: 1, acquireTimeoutMs: 200 });
    await pool.client.get('key');
    expect(connects.ended).toMatchObject([place()]);
    expect(waits.ended).toMatchObject([{ kind: 'command', command: 'GET' }]);
    const lease = await pool.acquire();
    expect(loans.started).toMatchObject([{ connectionId: 1, isLongLived: false, ...place() }]);
    expect(loans.ended).toEqual([]);
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    expect(waits.ended[1]).toMatchObject({ kind: 'lease', error: { code: 'ACQUIRE_TIMEOUT' } });
    const commands = listen<CommandTrace>('plimsoll:command');
    await lease.client.get('key');
    expect(commands.ended).toMatchObject([{ isOnLease: true, ...place() }]);
    lease.release();
    await until(() => loans.ended.length === 1);
    expect(loans.ended[0]!.error).toBeUndefined();
    await pool.client.blPop('absent', 0.01);
    await until(() => loans.ended.length === 2);
    const lost = await pool.acquire();
    await expect(lost.client.sendCommand(['QUIT'])).resolves.toBe('OK');
    await until(() => loans.ended.length === 3);
    expect(loans.ended[2]!.error).toBeInstanceOf(Error);
  });

  test('is told of a failed connect', async () => {
    const connects = listen<ConnectTrace>('plimsoll:connect');
    const pool = open({ host: '127.0.0.1', port: 1, breaker: { failures: 1, patienceMs: 0 } });
    await expect(pool.client.get('key')).rejects.toThrow();
    expect(connects.ended[0]).toMatchObject({ serverPort: 1, error: { code: 'CONNECT_FAILED' } });
  });

  test('hears the same under node-redis’ names, where the option asks, as node-redis says it', async () => {
    const names = ['node-redis:command', 'node-redis:batch', 'node-redis:connect'];
    const ours = await shapesOf(names, async () => {
      const tracing = { nodeRedisChannels: true, arguments: 'redacted' };
      const pool = open({ url: server().url, tracing });
      await pool.client.get('key');
      await pool.client.multi().get('key').get('key').exec();
      await expect(pool.client.incrBy('key', 'x' as never)).rejects.toThrow();
    });
    const theirs = await shapesOf(names, async () => {
      const client = createClient({ url: server().url, RESP: 3 } as never);
      await client.connect();
      await client.get('key');
      await client.multi().get('key').get('key').exec();
      await expect(client.incrBy('key', 'x' as never)).rejects.toThrow();
      client.destroy();
    });
    expect(ours).toEqual(theirs);
    const plain = await shapesOf(names, () => open({ url: server().url }).client.get('key'));
    expect(Object.values(plain).flat()).toEqual([]);
  });
});

/** For each channel what was told when all was over; who connects how often doesn't count. */
async function shapesOf(names: readonly string[], act: () => Promise<unknown>) {
  const told = names.map((name) => listen<Record<string, unknown>>(name));
  await act();
  for (const unsubscribe of unsubscribes.splice(0)) unsubscribe();
  const shapeOf = (context: Record<string, unknown>) => {
    const { clientId, args, error, ...others } = context;
    const shape = { ...others, clientId: typeof clientId, error: (error as Error)?.message };
    return args === undefined ? shape : { ...shape, args: (args as string[]).slice(0, 2) };
  };
  // A pool greets each connection by itself; node-redis' greeting is told as commands are.
  const isOwn = ({ args }: { args?: string[] }) => !/HELLO|CLIENT/.test(args?.[0] ?? '');
  return Object.fromEntries(
    names.map((name, index) => [name, told[index]!.ended.filter(isOwn).map(shapeOf)]),
  );
}

describe('in a cluster', () => {
  const cluster = useCluster();
  const pool = usePoolOn(cluster);

  test('who listens is told of redirects, and which server has answered', async () => {
    const key = newKey();
    await pool().client.set(key, 'value');
    const slot = keySlot(key);
    const next = await otherThan(cluster(), slot);
    await cluster().moveSlot(slot, next);
    const told = listen<CommandTrace>('plimsoll:command');
    expect(await pool().client.get(key)).toBe('value');
    expect(told.ended).toMatchObject([{ redirects: 1, attempts: 2, serverPort: next.port }]);
  });
});

test('docs/tracing.md has every channel and each field of what is told', () => {
  const page = readFileSync(new URL('../docs/tracing.md', import.meta.url), 'utf8');
  const source = readFileSync(new URL('../src/base/tracing.ts', import.meta.url), 'utf8');
  const interfaces = [...source.matchAll(/interface \w*Trace \w*.*?\{\n(.*?)\n\}/gs)];
  const fields = interfaces.flatMap(([, body]) =>
    [...body!.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map((match) => match[1]!),
  );
  const channels = [...source.matchAll(/'((?:plimsoll|node-redis):\w+)'/g)].map(
    ([, name]) => name!,
  );
  expect(interfaces).toHaveLength(6);
  expect(channels).toHaveLength(8);
  const missing = [...fields, ...channels].filter((name) => !page.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});
