// Pub/sub and MONITOR on real servers: listeners, lost connections, refusals.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Pool } from '../../src/index.js';
import { outcomeOf } from '../support/outcome.js';
import { describeEachPrivateServer, describeEachServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool, usePool } from './pools.js';

for (const RESP of [3, 2] as const) {
  describeEachServer(`subscriptions over RESP${RESP}`, (server) => {
    const pool = usePool(server, { RESP });

    test('bring messages to all listeners of a channel, until each is taken off', async () => {
      const redis = pool().client;
      const channel = newKey('channel');
      const heard: string[] = [];
      const first = (message: string, from: string) =>
        heard.push(`1 ${from === channel} ${message}`);
      const second = (message: string) => heard.push(`2 ${message}`);
      await redis.subscribe(channel, first);
      await redis.subscribe(channel, second);
      expect(redis.isPubSubActive).toBe(true);
      expect(await redis.publish(channel, 'ahoy')).toBe(1);
      await until(() => heard.length === 2);
      await redis.unsubscribe(channel, first);
      await redis.publish(channel, 'again');
      await until(() => heard.length === 3);
      await redis.unsubscribe(channel, second);
      expect(heard).toEqual(['1 true ahoy', '2 ahoy', '2 again']);
      expect(await redis.publish(channel, 'nobody')).toBe(0);
      expect(redis.isPubSubActive).toBe(false);
    });

    test('take patterns and shards, several at once, and end all together', async () => {
      const redis = pool().client;
      const name = newKey('many');
      const heard: string[] = [];
      const listener = (message: string, channel: string) =>
        heard.push(`${message} ${channel.slice(name.length)}`);
      await redis.pSubscribe(`${name}:p*`, listener);
      await redis.sSubscribe(`${name}:s`, listener);
      await redis.subscribe([`${name}:a`, `${name}:b`], listener);
      await redis.publish(`${name}:p1`, 'pattern');
      await redis.sPublish(`${name}:s`, 'shard');
      await redis.publish(`${name}:b`, 'channel');
      await until(() => heard.length === 3);
      expect(heard.sort()).toEqual(['channel :b', 'pattern :p1', 'shard :s']);
      await redis.unsubscribe();
      expect(await redis.publish(`${name}:a`, 'x')).toBe(0);
      expect(await redis.publish(`${name}:p1`, 'x')).toBe(1);
      await Promise.all([redis.pUnsubscribe(), redis.sUnsubscribe()]);
      expect(redis.isPubSubActive).toBe(false);
      await until(() => pool().status().connections.leased === 0);
    });

    test('give Buffers to those who ask for them', async () => {
      const redis = pool().client;
      const channel = newKey('buffers');
      const heard: unknown[] = [];
      await redis.subscribe(channel, (message) => heard.push(message), true);
      await redis.subscribe(channel, (message) => heard.push(message));
      await redis.publish(channel, 'both');
      await until(() => heard.length === 2);
      expect(heard).toEqual([Buffer.from('both'), 'both']);
      await redis.unsubscribe(channel);
    });

    test('come back by themselves when the connection is killed', async () => {
      const redis = pool().client.duplicate();
      const trouble: unknown[] = [];
      redis.on('error', (error) => trouble.push(error));
      const name = newKey('killed');
      const heard: string[] = [];
      await redis.subscribe([`${name}:a`, `${name}:b`], (message) => heard.push(message));
      await redis.pSubscribe(`${name}:p*`, (message) => heard.push(message));
      await killSubscribers(pool());
      await until(async () => (await redis.publish(`${name}:a`, 'a')) === 1);
      await until(async () => (await redis.publish(`${name}:p1`, 'p')) === 1);
      await until(() => heard.includes('a') && heard.includes('p'));
      expect(trouble).toHaveLength(1);
      await redis.close();
      expect(await pool().client.publish(`${name}:a`, 'x')).toBe(0);
      expect(redis.isPubSubActive).toBe(false);
    });

    test('asked for and given up at once leave nothing behind', async () => {
      const redis = pool().client;
      const channel = newKey('brief');
      const noted = () => undefined;
      await Promise.all([
        redis.subscribe(channel, noted),
        redis.unsubscribe(channel),
        redis.subscribe(channel, noted),
        redis.unsubscribe(channel, noted),
      ]);
      expect(redis.isPubSubActive).toBe(false);
      await until(async () => (await redis.publish(channel, 'x')) === 0);
      await until(() => pool().status().connections.leased === 0);
    });
  });
}

describeEachPrivateServer('subscriptions and a server that goes away', (server) => {
  test('are there again after its restart', async () => {
    await using pool = openPool(server());
    const redis = pool.client;
    const heard: string[] = [];
    await redis.subscribe('channel', (message) => heard.push(message));
    await server().restart();
    await until(async () => (await redis.publish('channel', 'back').catch(() => 0)) === 1);
    await until(() => heard.includes('back'));
  });

  test('that are asked for meanwhile are kept, and made once it is back', async () => {
    await using pool = openPool(server());
    const redis = pool.client;
    const trouble: unknown[] = [];
    redis.on('error', (error) => trouble.push(error));
    await redis.ping();
    await server().kill();
    const heard: string[] = [];
    const bounded = redis.withCommandOptions({ timeout: 100 });
    const abort = new AbortController();
    const kept = redis.subscribe(['kept', 'kept-2'], (message) => heard.push(message));
    const late = outcomeOf(bounded.subscribe('late', () => undefined));
    const aborted = outcomeOf(
      redis.withAbortSignal(abort.signal).pSubscribe('aborted', () => undefined),
    );
    expect((await late).code).toBe('COMMAND_TIMEOUT');
    abort.abort();
    expect((await aborted).code).toBe('ABORTED');
    expect([...redis.getPubSubListeners('CHANNELS').keys()]).toEqual(['kept', 'kept-2']);
    expect(redis.getPubSubListeners('PATTERNS').size).toBe(0);
    await sleep(600);
    await server().restart();
    await kept;
    await until(async () => (await redis.publish('kept-2', 'made').catch(() => 0)) === 1);
    await until(() => heard.includes('made'));
    expect(await redis.publish('late', 'x')).toBe(0);
    expect(trouble.length).toBeGreaterThan(0);
  });

  test('that are asked for at the start, before there is a server, are made', async () => {
    await server().kill();
    await using pool = openPool(server());
    const subscribed = pool.client.subscribe('early', () => undefined);
    await sleep(300);
    await server().restart();
    await subscribed;
  });

  test('end with the pool while they wait', async () => {
    await server().kill();
    const pool = openPool(server());
    const waiting = [
      outcomeOf(pool.client.subscribe('never', () => undefined)),
      outcomeOf(pool.client.duplicate().subscribe('never', () => undefined)),
      outcomeOf(pool.client.monitor(() => undefined)),
    ];
    await sleep(300);
    await pool.close();
    const codes = (await Promise.all(waiting)).map(({ code }) => code);
    expect(codes).toEqual(['POOL_CLOSED', 'POOL_CLOSED', 'POOL_CLOSED']);
    await server().restart();
  });

  test('reject with COMMAND_TIMEOUT when the server is silent', async () => {
    const pool = openPool(server(), { commandTimeoutMs: 200 });
    await pool.client.subscribe('first', () => undefined);
    server().pause();
    await expect(pool.client.subscribe('second', () => undefined)).rejects.toMatchObject({
      code: 'COMMAND_TIMEOUT',
    });
    server().resume();
    await until(async () => (await pool.client.publish('second', 'x')) === 0);
    expect(await pool.client.publish('first', 'x')).toBe(1);
    await pool.close();
  });
});

describeEachServer('the ends of pub/sub', (server) => {
  test('close() rejects what is being subscribed and does not wait for subscriptions', async () => {
    const pool = openPool(server());
    await pool.client.subscribe('channel', () => undefined);
    const startedAt = performance.now();
    await pool.close();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await expect(pool.client.subscribe('channel', () => undefined)).rejects.toMatchObject({
      code: 'POOL_CLOSED',
    });
  });

  test('wrong arguments are refused, and a lease has no subscriptions', async () => {
    await using pool = openPool(server());
    const wrong = [
      pool.client.subscribe(5 as never, () => undefined),
      pool.client.subscribe([], () => undefined),
      pool.client.subscribe('channel', undefined as never),
      pool.withLease((leased) => leased.subscribe('channel', () => undefined)),
    ];
    for (const refused of wrong) {
      await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(pool.client.isPubSubActive).toBe(false);
  });

  test('monitor brings what the server executes, until it is stopped', async () => {
    await using pool = openPool(server());
    const lines: string[] = [];
    const stop = (await pool.client.monitor((line) => lines.push(line))) as unknown as () => void;
    const key = newKey('monitored');
    await pool.client.set(key, 'x');
    await until(() => lines.some((line) => line.includes(key)));
    stop();
    await sleep(20);
    const seen = lines.length;
    await pool.client.get(key);
    await sleep(20);
    expect(lines).toHaveLength(seen);
  });
});

async function killSubscribers(pool: Pool): Promise<void> {
  await pool.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
}
