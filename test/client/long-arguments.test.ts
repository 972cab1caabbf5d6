// Lists that a program made long: no family of commands may put them on the stack, where some
// 100,000 are too many. What a definition of node-redis can't take is refused, and nothing of it
// stays anywhere.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { defineScript } from '../../src/index.js';
import { describeEachServer } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { newKey, openPool, usePool } from './pools.js';

const MANY = 300_000;
/** A slow machine needs its time for each of them. */
const TIMEOUT_MS = 60_000;

const sum = defineScript({
  SCRIPT: 'return #KEYS + #ARGV',
  parseCommand(parser, keys: string[], args: string[]) {
    parser.pushKeysLength(keys);
    parser.pushVariadic(args);
  },
  transformReply: (reply: number) => reply,
});

describeEachServer(`commands with ${MANY} arguments`, (server) => {
  const pool = usePool(server, { scripts: { sum }, commandTimeoutMs: TIMEOUT_MS });
  const names = Array.from({ length: MANY }, (_, index) => `plimsoll-test:{long}:${index}`);
  const redis = () => pool().client;

  test('of typed methods', { timeout: TIMEOUT_MS }, async () => {
    const [list, hash, set] = [newKey('list'), newKey('hash'), newKey('set')];
    expect(await redis().rPush(list, names)).toBe(MANY);
    expect(await redis().lRange(list, 0, -1)).toHaveLength(MANY);
    expect(await redis().hSet(hash, Object.fromEntries(names.map((name) => [name, ''])))).toBe(
      MANY,
    );
    expect(await redis().hmGet(hash, names)).toHaveLength(MANY);
    expect(
      await redis().sAdd(
        set,
        names.map((name) => Buffer.from(name)),
      ),
    ).toBe(MANY);
    expect(await redis().mGet(names)).toHaveLength(MANY);
    expect(await redis().del([list, hash, set, ...names])).toBe(3);
  });

  test('of sendCommand(), on lanes and leases', { timeout: TIMEOUT_MS }, async () => {
    const words = ['EXISTS', ...names];
    expect(await redis().sendCommand(words)).toBe(0);
    expect(await redis().sendCommand(words.map((word) => Buffer.from(word)))).toBe(0);
    expect(await pool().withLease((leased) => leased.sendCommand(words))).toBe(0);
  });

  test('of scripts, by digest and by text', { timeout: TIMEOUT_MS }, async () => {
    const options = { keys: names, arguments: names };
    await redis().scriptFlush();
    // The first is answered NOSCRIPT and goes out again with the text.
    const run = (redis() as unknown as { sum(...lists: string[][]): Promise<number> }).sum;
    expect(await run.call(redis(), names, names)).toBe(2 * MANY);
    expect(await run.call(redis(), names, names)).toBe(2 * MANY);
    expect(await redis().eval('return #ARGV', options)).toBe(MANY);
    expect(await redis().evalRo('return #KEYS', options)).toBe(MANY);
    expect(await redis().evalSha(sum.SHA1, options)).toBe(2 * MANY);
    await expect(redis().fCall('none', options)).rejects.toThrow(/Function not found/);
  });

  test('in transactions and pipelines, which may be as long', { timeout: TIMEOUT_MS }, async () => {
    const commands = { text: redis().multi(), bytes: redis().multi(), pipeline: redis().multi() };
    const bytes = Buffer.from(names[0] as string);
    for (const name of names) {
      commands.text.exists(name);
      commands.bytes.exists(bytes);
      commands.pipeline.exists(name);
    }
    expect(await commands.text.exec()).toHaveLength(MANY);
    expect(await commands.bytes.exec()).toHaveLength(MANY);
    expect(await commands.pipeline.execAsPipeline()).toHaveLength(MANY);
    expect(await redis().multi().mGet(names).exists(names).exec()).toHaveLength(2);
  });

  test('go out again whole when their connection is lost', { timeout: TIMEOUT_MS }, async () => {
    const { host, port } = server();
    await using proxy = await startTcpProxy({ host, port });
    await using cut = openPool({ url: `redis://${proxy.host}:${proxy.port}` } as never, {
      commandTimeoutMs: TIMEOUT_MS,
    });
    const reads = cut.client.multi();
    for (const name of names) reads.get(name);
    await cut.client.set(names[0] as string, 'first');
    proxy.hold('replies');
    const answers = Promise.all([
      cut.client.mGet(names),
      cut.client.mGet(names.map((name) => Buffer.from(name))),
      reads.execAsPipeline(),
    ]);
    await until(() => cut.status().inFlight >= 3);
    await sleep(200);
    proxy.resetAll();
    proxy.resume();
    for (const answer of await answers) {
      expect(answer).toHaveLength(MANY);
      expect(answer[0]).toBe('first');
    }
    expect(cut.status().counters.retries).toBeGreaterThanOrEqual(3);
    await redis().del(names[0] as string);
  });

  test('that a definition spreads are refused, and nothing is left of them', async () => {
    const pairs = names.flatMap((name) => [name, '']) as unknown as [string, string][];
    for (const refused of [
      redis().aclDryRun('default', ['MGET', ...names]),
      redis().commandInfo(names),
      redis().commandGetKeys(['MGET', ...names]),
      redis().hSetEx('hash', pairs),
    ]) {
      await expect(refused).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('sendCommand()'),
        sent: false,
      });
    }
    expect(pool().status()).toMatchObject({ inFlight: 0, waiting: 0 });
    expect(await redis().ping()).toBe('PONG');
  });
});
