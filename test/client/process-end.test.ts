// unref() and ref(): what keeps a process alive. Each case is a program of its own that uses the
// built library and is left alone; it ends by itself, or it does not.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeEachPrivateServer } from '../support/servers.js';

const LIBRARY = path.join(import.meta.dirname, '..', '..', 'dist', 'index.js');
/** A program that ends by itself has ended by then, ms, on a busy machine too. */
const END_MS = 15_000;
/** One that stays alive is looked at for so long, ms. */
const LOOK_MS = 1_500;

/** Runs a program with `pool` and `redis`; gives its exit code, or `alive`, and what it printed. */
async function run(url: string, text: string, lookMs: number) {
  const program = `
    import { createPool } from ${JSON.stringify(LIBRARY)};
    const pool = createPool({ url: ${JSON.stringify(url)}, maxConnections: 4 }, {});
    const redis = pool.client;
    redis.on('error', () => undefined);
    ${text}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const ended = new Promise<number | string>((resolve) => child.once('close', resolve));
  let timer: NodeJS.Timeout | undefined;
  const looked = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('alive'), lookMs);
  });
  const result = await Promise.race([ended, looked]);
  clearTimeout(timer);
  if (result === 'alive') child.kill('SIGKILL');
  await ended;
  return { result, output };
}

const ENDS: Readonly<Record<string, string>> = {
  'before the first connection': 'redis.unref();',
  'with idle connections': 'await redis.ping(); pool.unref();',
  'with connections that are made afterwards': `
    pool.unref();
    const soon = setTimeout(() => undefined, 300);
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    for (const lease of leases) lease.release();
    clearTimeout(soon);`,
  'with a subscription and MONITOR': `
    await redis.subscribe('a', () => undefined);
    await redis.monitor(() => undefined);
    redis.unref();`,
  'with a subscription that is made afterwards': `
    redis.unref();
    const soon = setTimeout(() => undefined, 5_000);
    await redis.subscribe('a', () => undefined);
    clearTimeout(soon);`,
  'with a command that blocks': `
    redis.blPop('nothing', 0).catch(() => undefined);
    setTimeout(() => redis.unref(), 100);`,
  'when ref() was undone again': 'await redis.ping(); redis.unref(); redis.ref(); redis.unref();',
  'when the pool is closed': 'await redis.ping(); await pool.close();',
  'when it is destroyed in the middle of it all': `
    redis.subscribe('a', () => undefined).catch(() => undefined);
    redis.blPop('nothing', 0).catch(() => undefined);
    const other = redis.duplicate();
    other.connect().catch(() => undefined);
    redis.destroy();
    other.destroy();`,
  'when all its clients have quit': `
    const other = redis.duplicate();
    await other.connect();
    await redis.quit();
    await other.quit();`,
};

const STAYS: Readonly<Record<string, string>> = {
  'with idle connections': 'await redis.ping();',
  'with a subscription alone': `await redis.subscribe('a', () => undefined);`,
  'when unref() was undone': 'await redis.ping(); redis.unref(); redis.ref();',
  'when a duplicate is open, though pool.client has quit': `
    await redis.duplicate().connect();
    await redis.quit();`,
  'when a duplicate alone was unref()ed': 'redis.duplicate().unref(); await redis.ping();',
};

describeEachPrivateServer('a process', (server) => {
  test.each(Object.keys(ENDS))('ends %s', async (name) => {
    const { result, output } = await run(server().url, ENDS[name] as string, END_MS);
    expect([result, output]).toEqual([0, '']);
  });

  test.concurrent.each(Object.keys(STAYS))('stays alive %s', async (name) => {
    const { result, output } = await run(server().url, STAYS[name] as string, LOOK_MS);
    expect([result, output]).toEqual(['alive', '']);
  });
});

describe('a process without a server', () => {
  const nowhere = () => 'redis://127.0.0.1:1';

  test('ends after unref(), though callers wait and connects are tried', async () => {
    const text = `
      redis.unref();
      redis.get('a').catch(() => undefined);
      redis.connect().catch(() => undefined);
      redis.subscribe('a', () => undefined).catch(() => undefined);
      redis.monitor(() => undefined).catch(() => undefined);`;
    expect(await run(nowhere(), text, END_MS)).toEqual({ result: 0, output: '' });
  });

  test('ends after unref() in the middle of a subscription’s attempts to connect', async () => {
    const text = `
      const away = createPool({ port: 1, breaker: { failures: 1, patienceMs: 0 } }, {});
      away.client.on('error', () => undefined);
      away.client.subscribe('a', () => undefined).catch(() => undefined);
      setTimeout(() => {
        away.unref();
        pool.unref();
      }, 300);`;
    expect(await run(nowhere(), text, END_MS)).toEqual({ result: 0, output: '' });
  });

  test.concurrent.each([
    ['connect()', 'await redis.connect();'],
    ['subscribe()', `await redis.subscribe('a', () => undefined);`],
    ['monitor()', 'await redis.monitor(() => undefined);'],
  ])('stays alive while %s waits for it', async (_name, text) => {
    expect(await run(nowhere(), text, 2 * LOOK_MS)).toEqual({ result: 'alive', output: '' });
  });
});
