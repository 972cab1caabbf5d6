// One connection on a real server: pipelining, batches, replies in any pieces, deadlines and ends.

import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, type Mock, test, vi } from 'vitest';
import type { Command } from '../../src/base/command.js';
import { outcomeOf } from '../support/outcome.js';
import { seededRandom } from '../support/seeded-random.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { useConnections } from '../support/wire-connection.js';

/** What was written, of the pieces that have a command in them. */
function echoes(writes: Mock<Socket['write']>): string[] {
  return writes.mock.calls.map(([text]) => String(text)).filter((text) => text.includes('ECHO'));
}

describeEachPrivateServer('a connection', (server) => {
  const open = useConnections();
  const address = () => ({ host: server().host, port: server().port });

  test('brings the replies of pipelined commands to their callers', async () => {
    const { connection, redis } = await open(address());
    const keys = Array.from({ length: 5_000 }, (_, index) => `value ${index}`);
    const replies = keys.map((key) => redis.read('ECHO', key));
    expect(connection.inFlight).toBe(keys.length);
    expect(await Promise.all(replies)).toEqual(keys);
    expect(connection.inFlight).toBe(0);
  });

  test('keeps the order of text, Buffers, long values and what is no ASCII', async () => {
    const { redis } = await open(address());
    const long = 'long '.repeat(40_000);
    const bytes = Buffer.from([0, 13, 10, 36, 255]);
    const sent = ['a', 'ünïcödé 船 🚢', bytes, long, 'b', Buffer.from(long), '', bytes, 'c'];
    const replies = sent.map((value) => redis.with({ buffers: true }).read<Buffer>('ECHO', value));
    const received = await Promise.all(replies);
    for (const [index, value] of sent.entries()) {
      expect(received[index]?.equals(Buffer.from(value as string))).toBe(true);
    }
  });

  test('sends what one turn of the event loop issues in one write, whoever issues it', async () => {
    const { redis } = await open(address());
    const issueLater = (value: string) =>
      new Promise((resolve) => setImmediate(() => resolve(redis.read('ECHO', value))));
    await sleep(5);
    using writes = vi.spyOn(Socket.prototype, 'write');
    expect(await Promise.all(['a', 'b', 'c'].map(issueLater))).toEqual(['a', 'b', 'c']);
    expect(echoes(writes)).toHaveLength(1);
  });

  test('counts the time of a command from its own call, not from the first of its turn', async () => {
    const { connection, redis } = await open(address());
    const latencies: number[] = [];
    connection.listener.onLatency = (latencyMs, count) => {
      for (let left = count; left > 0; left--) latencies.push(latencyMs);
    };
    await sleep(5);
    const first = redis.read('ECHO', 'first');
    const issuedAt = performance.now();
    while (performance.now() - issuedAt < 30);
    await Promise.all([first, redis.read('ECHO', 'second')]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(latencies).toHaveLength(2);
    expect(latencies[0]! - latencies[1]!).toBeGreaterThanOrEqual(30);
  });

  test('sends what is issued in answer to replies before the next socket is read', async () => {
    const { redis } = await open(address());
    await Promise.all(['a', 'b'].map((value) => redis.read('ECHO', value)));
    using writes = vi.spyOn(Socket.prototype, 'write');
    const replies = ['c', 'd'].map((value) => redis.read('ECHO', value));
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(echoes(writes)).toHaveLength(1);
    expect(await Promise.all(replies)).toEqual(['c', 'd']);
  });

  test('reads replies that come byte by byte, or in random pieces', async () => {
    const random = seededRandom();
    console.log(`replies in pieces: TEST_SEED=${random.seed}`);
    await using proxy = await startTcpProxy(address());
    proxy.sliceReplies({ bytes: 1 });
    const { redis } = await open({ host: proxy.host, port: proxy.port });
    await redis.write('DEL', 'list', 'hash');
    await redis.write('HSET', 'hash', 'name', 'plimsoll', 'ünï', '船');
    await redis.write('RPUSH', 'list', 'a', '', 'c');
    for (const slicing of [{ bytes: 1 }, { maxBytes: 5, random }]) {
      proxy.sliceReplies(slicing);
      const replies = await Promise.all([
        redis.read('HGETALL', 'hash'),
        redis.read('LRANGE', 'list', '0', '-1'),
        redis.read('GET', 'nothing'),
        outcomeOf(redis.read('INCR', 'list')),
        redis.with({ buffers: true }).read('ECHO', Buffer.from([255, 13, 10])),
        redis.read('PING'),
      ]);
      expect(replies).toEqual([
        { name: 'plimsoll', ünï: '船' },
        ['a', '', 'c'],
        null,
        expect.objectContaining({ code: 'WRONGTYPE' }),
        Buffer.from([255, 13, 10]),
        'PONG',
      ]);
    }
  });

  test('collects the replies of a transaction', async () => {
    const { connection, redis } = await open(address());
    const command: Command = redis.command('write', ['MULTI']);
    const payload = '*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n*1\r\n$4\r\nEXEC\r\n';
    Object.defineProperty(command, 'payload', { value: payload });
    command.replyCount = 3;
    connection.send(command);
    expect(await command.promise).toEqual(['OK', 'QUEUED', ['x']]);
    expect(await redis.read('PING')).toBe('PONG');
  });

  test('drops the late reply of a command whose deadline has passed', async () => {
    await using proxy = await startTcpProxy(address());
    const { connection, redis } = await open({ host: proxy.host, port: proxy.port });
    proxy.hold('replies');
    const late = outcomeOf(redis.with({ timeout: 1 }).read('ECHO', 'late'));
    const next = redis.with({ timeout: 60_000 }).read('ECHO', 'next');
    expect(connection.waitingSince).toBeDefined();
    expect(connection.expire(performance.now() + 100)).toBe(1);
    const { code, error } = await late;
    expect([code, error?.sent]).toEqual(['COMMAND_TIMEOUT', true]);
    expect(error?.message).toMatch(/^ECHO had no reply within 1 ms/);
    proxy.resume();
    expect(await next).toBe('next');
    expect(connection.waitingSince).toBeUndefined();
  });

  test('says at its end which commands were sent and which were not', async () => {
    await using proxy = await startTcpProxy(address());
    const { connection, redis } = await open({ host: proxy.host, port: proxy.port });
    const ends: unknown[] = [];
    connection.listener.onEnd = (error, { sent, unsent }) => {
      ends.push([(error as { code?: string }).code, sent.length, unsent.length]);
      for (const command of [...sent, ...unsent]) command.fail(error);
    };
    proxy.hold('replies');
    const sent = outcomeOf(redis.read('ECHO', 'sent'));
    const binary = outcomeOf(redis.read('ECHO', Buffer.from('sent')));
    await new Promise((resolve) => setImmediate(resolve));
    const unsent = outcomeOf(redis.read('ECHO', 'unsent'));
    connection.destroy(new Error('the end'));
    connection.destroy(new Error('a second end'));
    expect(ends).toEqual([[undefined, 2, 1]]);
    for (const outcome of [sent, binary, unsent]) {
      expect((await outcome).error?.message).toBe('the end');
    }
    expect([connection.inFlight, connection.writable]).toEqual([0, false]);
  });

  test('ends with CONNECTION_LOST when the server closes it', async () => {
    const { connection } = await open(address());
    const admin = await open(address());
    const ended = new Promise<Error>((resolve) => {
      connection.listener.onEnd = (error) => resolve(error);
    });
    await admin.redis.write('CLIENT', 'KILL', 'ID', String(connection.serverClientId));
    expect(await ended).toMatchObject({ code: 'CONNECTION_LOST' });
    expect(connection.endError).toBeDefined();
  });

  test('drains: takes what is in flight to its end, then closes', async () => {
    const { connection, redis } = await open(address());
    const reply = redis.read('ECHO', 'last');
    connection.drain();
    expect(connection.writable).toBe(false);
    expect(connection.endError).toBeUndefined();
    expect(await reply).toBe('last');
    expect(connection.endError).toMatchObject({ code: 'CONNECTION_LOST' });
  });

  test('takes no more commands while its write buffer is full, and says when it does again', async () => {
    await using proxy = await startTcpProxy(address());
    const { connection, redis } = await open({ host: proxy.host, port: proxy.port });
    let progress = 0;
    connection.listener.onProgress = () => progress++;
    server().pause();
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const replies: Promise<unknown>[] = [];
    // As much as sockets and the proxy take, and 1 MiB more.
    for (let sent = 0; connection.writable; sent++) {
      replies.push(redis.with({ timeout: 0, buffers: true }).read('ECHO', chunk));
      expect(sent).toBeLessThan(400);
      if (sent % 8 === 7) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(progress).toBe(0);
    server().resume();
    await until(() => connection.writable);
    expect(progress).toBeGreaterThan(0);
    await Promise.all(replies);
  });

  test('hands pushes to its listener, between replies', async () => {
    const { connection, redis } = await open(address());
    const pushes: unknown[][] = [];
    connection.listener.onPush = (message) => pushes.push([...message].map(String));
    connection.sendUnanswered('*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n');
    const publisher = await open(address());
    await until(() => pushes.length === 1);
    await publisher.redis.write('PUBLISH', 'news', 'ahoy');
    expect(await redis.read('PING')).toBe('PONG');
    await until(() => pushes.length === 2);
    expect(pushes).toEqual([
      ['subscribe', 'news', '1'],
      ['message', 'news', 'ahoy'],
    ]);
  });
});
