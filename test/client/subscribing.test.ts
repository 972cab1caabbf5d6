// Subscribing itself: many channels at once, calls that the server refuses, and calls that give
// up. Whatever becomes of one call, the channels and listeners of others have no gap.

import { expect, test } from 'vitest';
import type { Pool } from '../../src/index.js';
import { outcomeOf, outcomesOf } from '../support/outcome.js';
import { afterHandshake, CLOSE, startScriptedServer } from '../support/scripted-server.js';
import { describeEachPrivateServer, describeEachServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool, usePool } from './pools.js';

const MANY_CALLS = 20_000;
const FEW_CALLS = 2_000;
/** Ten times as many took a hundred times as long when each confirmation looked through them all. */
const MAX_RATIO = 40;

const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const nothing = () => undefined;

for (const RESP of [3, 2] as const) {
  describeEachServer(`subscribing over RESP${RESP}`, (server) => {
    const pool = usePool(server, { RESP });

    test(`${MANY_CALLS} times in one turn costs as much for each as once`, async () => {
      const redis = pool().client;
      const msFor = async (calls: number): Promise<number> => {
        const name = newKey('single');
        const heard: string[] = [];
        const startedAt = performance.now();
        const subscribe = (index: number) =>
          redis.subscribe(`${name}:${index}`, (message) => heard.push(message));
        await Promise.all(range(calls).map(subscribe));
        await redis.publish(`${name}:${calls - 1}`, 'last');
        await until(() => heard.length === 1);
        await Promise.all(range(calls).map((index) => redis.unsubscribe(`${name}:${index}`)));
        expect(redis.isPubSubActive).toBe(false);
        return performance.now() - startedAt;
      };
      await msFor(FEW_CALLS);
      const few = await msFor(FEW_CALLS);
      expect(await msFor(MANY_CALLS)).toBeLessThan(MAX_RATIO * few);
    });

    test('to 130,000 channels at once works, and so does giving them up', async () => {
      const redis = pool().client;
      const name = newKey('array');
      const channels = range(130_000).map((index) => `${name}:${index}`);
      const heard: string[] = [];
      await redis.subscribe(channels, (message) => heard.push(message));
      expect(await redis.publish(channels.at(-1) as string, 'last')).toBe(1);
      await until(() => heard.length === 1);
      await redis.unsubscribe(channels);
      expect(await redis.publish(channels[0] as string, 'nobody')).toBe(0);
      expect(redis.isPubSubActive).toBe(false);
    });
  });

  describeEachPrivateServer(`a refused subscription over RESP${RESP}`, (server) => {
    const pool = usePool(server, { RESP });

    /** A pool whose user may have the channels `free*` alone. */
    async function limitedPool(name: string): Promise<Pool> {
      const rights = ['on', '>secret', '+@all', '~*', 'resetchannels', '&free*'];
      await pool().client.aclSetUser(name, rights);
      return openPool(server(), { RESP, username: name, password: 'secret' });
    }

    test('rejects its caller alone: no reconnect, no gap, no listener lost', async () => {
      await using limited = await limitedPool('limited');
      const redis = limited.client;
      const admin = pool().client;
      const trouble: unknown[] = [];
      redis.on('error', (error) => trouble.push(error));
      const heard: string[] = [];
      const listener = (message: string) => heard.push(message);
      await redis.subscribe('free-1', listener);
      const opened = limited.status().counters.opened;
      const calls = [
        redis.subscribe('forbidden', nothing),
        redis.subscribe(['free-1', 'free-2', 'forbidden-2'], listener),
        redis.subscribe('free-3', listener),
        redis.pSubscribe('*', nothing),
        redis.pSubscribe('free*', nothing),
        redis.sSubscribe('forbidden', nothing),
        redis.subscribe(['free-4', 'free-5'], listener),
      ];
      const settled = outcomesOf(calls);
      let published = 0;
      // No message between is lost: each is sent when the one before has arrived.
      while (published < 20) {
        await admin.publish('free-1', `${published}`);
        published++;
        await until(() => heard.length >= published);
      }
      const codes = (await settled).map(({ code }) => code);
      expect(codes).toEqual(['NOPERM', 'NOPERM', 'ok', 'NOPERM', 'ok', 'NOPERM', 'ok']);
      expect(heard).toEqual(range(20).map(String));
      const channels = [...redis.getPubSubListeners('CHANNELS').keys()].sort();
      expect(channels).toEqual(['free-1', 'free-3', 'free-4', 'free-5']);
      // The pattern alone: the call that was refused has left nothing.
      expect(await admin.publish('free-2', 'x')).toBe(1);
      expect(trouble).toEqual([]);
      expect(limited.status().counters.opened).toBe(opened);
      expect(limited.status().counters.evictions).toMatchObject({ lost: 0, destroyed: 0 });
    });

    test('of a channel that two ask for reaches both, and neither is answered before', async () => {
      await using limited = await limitedPool('two');
      const redis = limited.client;
      const [first, second] = [() => undefined, () => undefined];
      const answers: string[] = [];
      const note = (name: string) => (outcome: { code: string }) =>
        answers.push(`${name} ${outcome.code}`);
      const ask = (name: string, channel: string, listener: () => void) =>
        outcomeOf(redis.subscribe(channel, listener)).then(note(name));
      // On an open connection the first call has asked already when the second one comes.
      await redis.subscribe('free-0', nothing);
      await Promise.all([ask('1', 'forbidden', first), ask('2', 'forbidden', second)]);
      expect(answers.sort()).toEqual(['1 NOPERM', '2 NOPERM']);
      expect([...redis.getPubSubListeners('CHANNELS').keys()]).toEqual(['free-0']);
      const asked = [ask('3', 'free', first), ask('4', 'free', second)];
      await Promise.resolve();
      expect(answers).toHaveLength(2);
      await Promise.all(asked);
      expect(await pool().client.publish('free', 'x')).toBe(1);
    });

    test('among thousands in the same turn is found', async () => {
      await using limited = await limitedPool('crowd');
      const names = range(3_000).map((index) =>
        index % 500 === 7 ? `no-${index}` : `free-${index}`,
      );
      const outcomes = await outcomesOf(
        names.map((name) => limited.client.subscribe(name, nothing)),
      );
      for (const [index, { code }] of outcomes.entries()) {
        expect(code).toBe(index % 500 === 7 ? 'NOPERM' : 'ok');
      }
      expect(limited.client.getPubSubListeners('CHANNELS').size).toBe(2_994);
    });

    test('leaves nothing behind when it was the only one', async () => {
      await using limited = await limitedPool('lonely');
      const redis = limited.client;
      const refused = await outcomeOf(redis.subscribe('forbidden', nothing));
      expect(refused.code).toBe('NOPERM');
      expect(redis.isPubSubActive).toBe(false);
      await until(() => limited.status().connections.leased === 0);
    });

    test('of a right that was taken away is told, asked for again, and had again', async () => {
      await using limited = await limitedPool('fallen');
      const redis = limited.client;
      const trouble: Error[] = [];
      redis.on('error', (error) => trouble.push(error));
      const heard: string[] = [];
      await redis.subscribe(['free-a', 'free-b'], (message) => heard.push(message));
      await pool().client.aclSetUser('fallen', ['resetchannels', '&free-b']);
      await until(() => trouble.some(({ message }) => message.startsWith('NOPERM')));
      await until(async () => (await pool().client.publish('free-b', 'b')) === 1);
      await pool().client.aclSetUser('fallen', ['&free-a']);
      await until(async () => (await pool().client.publish('free-a', 'a')) === 1);
      await until(() => heard.includes('a') && heard.includes('b'));
    });

    test('of a command that the user may not run is a refusal like any other', async () => {
      const rights = ['on', '>secret', '+@all', '-subscribe', '-unsubscribe', '~*', '&*'];
      await pool().client.aclSetUser('mute', rights);
      await using limited = openPool(server(), { RESP, username: 'mute', password: 'secret' });
      const redis = limited.client;
      const heard: string[] = [];
      await redis.pSubscribe('p*', (message) => heard.push(message));
      expect((await outcomeOf(redis.subscribe('a', nothing))).code).toBe('NOPERM');
      await pool().client.publish('p1', 'still');
      await until(() => heard.length === 1);
      expect(await redis.get('a')).toBeNull();
    });
  });
}

describeEachPrivateServer(
  'a server that has no SUBSCRIBE',
  (server) => {
    test('refuses it to its caller, and serves everything else', async () => {
      await using pool = openPool(server());
      const heard: string[] = [];
      await pool.client.pSubscribe('p*', (message) => heard.push(message));
      expect((await outcomeOf(pool.client.subscribe('a', nothing))).code).toBe('ERR');
      await pool.client.publish('p1', 'still');
      await until(() => heard.length === 1);
    });
  },
  { args: ['--rename-command', 'SUBSCRIBE', ''] },
);

describeEachPrivateServer('a call that gives up', (server) => {
  const pool = usePool(server);

  test('takes back its own listener and nobody else is', async () => {
    const redis = pool().client;
    const name = newKey('shared');
    const heard: string[] = [];
    const listener = (message: string) => heard.push(message);
    const abort = new AbortController();
    const given = outcomeOf(redis.withAbortSignal(abort.signal).subscribe([name], listener));
    const kept = redis.subscribe(name, listener);
    abort.abort();
    expect((await given).code).toBe('ABORTED');
    await kept;
    await redis.publish(name, 'kept');
    await until(() => heard.length === 1);
    await redis.unsubscribe(name, listener);
    expect(redis.isPubSubActive).toBe(false);
  });

  test('at its own deadline or signal, of a derived client, while the server is silent', async () => {
    const derived = [
      { code: 'COMMAND_TIMEOUT', options: () => ({ timeout: 60 }) },
      { code: 'ABORTED', options: () => ({ abortSignal: AbortSignal.timeout(60) }) },
    ];
    const name = newKey('silent');
    await pool().client.subscribe(name, nothing);
    await pool().client.pSubscribe(`${name}*`, nothing);
    server().pause();
    try {
      for (const { code, options } of derived) {
        const of = pool().client.withCommandOptions(options());
        const outcomes = await outcomesOf<unknown>([
          of.subscribe(`${name}:late`, nothing),
          of.pSubscribe([`${name}:late*`, `${name}:later*`], nothing),
          of.sSubscribe(`${name}:late`, nothing),
          code === 'ABORTED' ? of.unsubscribe(name) : of.pUnsubscribe(`${name}*`),
          of.monitor(nothing),
        ]);
        for (const outcome of outcomes) {
          expect(outcome.code).toBe(code);
          expect(outcome.tookMs).toBeLessThan(1_000);
        }
      }
    } finally {
      server().resume();
    }
    // All of it was taken back, and what was to end has ended.
    expect(await pool().client.publish(`${name}:late`, 'x')).toBe(0);
    expect(await pool().client.publish(name, 'x')).toBe(0);
    await until(() => pool().status().connections.leased === 0);
  });

  test('whose signal was aborted before asks for nothing', async () => {
    const redis = pool().client.withAbortSignal(AbortSignal.abort());
    for (const call of [
      redis.subscribe('a', nothing),
      redis.unsubscribe('a'),
      redis.monitor(nothing),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'ABORTED', sent: false });
    }
    expect(redis.isPubSubActive).toBe(false);
    expect(pool().status().connections.leased).toBe(0);
  });
});

describeEachPrivateServer(
  'a server that refuses the password',
  (server) => {
    test('rejects subscribe() and monitor() at once, as waiting would be in vain', async () => {
      const { host, port } = server();
      await using pool = openPool({ url: `redis://:wrong@${host}:${port}` } as never);
      for (const call of [pool.client.subscribe('a', nothing), pool.client.monitor(nothing)]) {
        const { code, tookMs } = await outcomeOf(call as Promise<unknown>);
        expect(code).toBe('AUTH_FAILED');
        expect(tookMs).toBeLessThan(2_000);
      }
      expect(pool.client.isPubSubActive).toBe(false);
    });
  },
  { password: 'right' },
);

test('a server that hangs up on SUBSCRIBE and MONITOR is not asked for ever', async () => {
  const hangsUp = afterHandshake(([name]) => (name === 'GET' ? '$1\r\nx\r\n' : CLOSE));
  await using server = await startScriptedServer(hangsUp);
  await using pool = openPool(server as never);
  const calls = await outcomesOf<unknown>([
    pool.client.subscribe('a', nothing),
    pool.client.pSubscribe('a*', nothing),
    pool.client.monitor(nothing),
  ]);
  for (const { code } of calls) expect(code).toBe('CONNECTION_LOST');
  expect(pool.client.isPubSubActive).toBe(false);
  expect(await pool.client.get('a')).toBe('x');
});
