// Listeners are other people's code: they throw, they reject, they subscribe, unsubscribe and
// destroy while they are called. Nothing that Plimsoll does may end by that, and nothing that they
// throw may be lost.

import { expect, test } from 'vitest';
import { describeEachPrivateServer } from '../support/servers.js';
import { uncaughtDuring } from '../support/uncaught.js';
import { until } from '../support/until.js';
import { newKey, openPool, usePool } from './pools.js';

const nothing = () => undefined;

function throwing(text: string): () => never {
  return () => {
    throw new Error(text);
  };
}

for (const RESP of [3, 2] as const) {
  describeEachPrivateServer(`a listener over RESP${RESP}`, (server) => {
    const pool = usePool(server, { RESP });

    test('that throws, from its first message on, gets the next one, and so do others', async () => {
      const redis = pool().client;
      const name = newKey('throwing');
      const heard: string[] = [];
      let calls = 0;
      const uncaught = await uncaughtDuring(async () => {
        await redis.subscribe(name, () => {
          calls++;
          throw new Error(`call ${calls}`);
        });
        await redis.subscribe(name, (message) => heard.push(message));
        await redis.pSubscribe(`${name}*`, throwing('pattern'));
        for (const message of ['a', 'b', 'c']) await redis.publish(name, message);
        await until(() => heard.length === 3);
      });
      const texts = uncaught.map(({ message }) => message).sort();
      expect(texts).toEqual(['call 1', 'call 2', 'call 3', 'pattern', 'pattern', 'pattern']);
      await Promise.all([redis.unsubscribe(name), redis.pUnsubscribe()]);
      expect(redis.isPubSubActive).toBe(false);
    });

    test('that is async and rejects is an unhandled rejection, and goes on', async () => {
      const redis = pool().client;
      const name = newKey('rejecting');
      let calls = 0;
      const uncaught = await uncaughtDuring(async () => {
        await redis.subscribe(name, async () => {
          calls++;
          throw new Error('rejected');
        });
        for (const message of ['a', 'b']) await redis.publish(name, message);
        await until(() => calls === 2);
      });
      expect(uncaught.map(({ message }) => message)).toEqual(['rejected', 'rejected']);
      await redis.unsubscribe(name);
    });

    test('may unsubscribe itself and others, and subscribe, while it is called', async () => {
      const redis = pool().client;
      const name = newKey('busy');
      const heard: string[] = [];
      const changes: Promise<void>[] = [];
      const late = (message: string) => heard.push(`late ${message}`);
      const other = (message: string) => heard.push(`other ${message}`);
      const once = (message: string) => {
        heard.push(`once ${message}`);
        changes.push(redis.unsubscribe(name, once), redis.unsubscribe(name, other));
        changes.push(redis.subscribe(name, late));
        // A listener that is added meanwhile is not called for the same message, or never an end.
        changes.push(redis.subscribe(name, () => changes.push(redis.subscribe(name, nothing))));
      };
      await redis.subscribe(name, once);
      await redis.subscribe(name, other);
      await redis.publish(name, '1');
      await until(() => heard.length === 2);
      await Promise.all(changes);
      await redis.publish(name, '2');
      await until(() => heard.length === 3);
      expect(heard).toEqual(['once 1', 'other 1', 'late 2']);
      await redis.unsubscribe(name);
    });

    test('may give up its last channel while it is called', async () => {
      const redis = pool().client.duplicate();
      const name = newKey('last');
      let calls = 0;
      await redis.subscribe(name, () => {
        calls++;
        void redis.unsubscribe();
      });
      // Both come in one read, so that the second finds nobody.
      await pool().client.multi().publish(name, '1').publish(name, '2').exec();
      await until(() => !redis.isPubSubActive);
      await until(async () => (await pool().client.publish(name, '3')) === 0);
      expect(calls).toBe(1);
      await redis.subscribe(name, () => calls++);
      await pool().client.publish(name, '4');
      await until(() => calls === 2);
      redis.destroy();
    });

    test('may destroy its client while it is called', async () => {
      const redis = pool().client.duplicate();
      const name = newKey('end');
      let calls = 0;
      await redis.subscribe(name, () => {
        calls++;
        redis.destroy();
      });
      await pool().client.multi().publish(name, '1').publish(name, '2').exec();
      await until(() => !redis.isOpen);
      await until(async () => (await pool().client.publish(name, '3')) === 0);
      expect(calls).toBe(1);
      await until(() => pool().status().connections.leased === 0);
    });

    test('of MONITOR may throw and may stop it', async () => {
      const redis = pool().client;
      let lines = 0;
      const uncaught = await uncaughtDuring(async () => {
        const stop = (await redis.monitor(() => {
          lines++;
          if (lines < 3) throw new Error('of the listener');
          stop();
        })) as unknown as () => void;
        await until(async () => (await redis.ping()) === 'PONG' && lines === 3);
        await redis.ping();
      });
      expect(uncaught.map(({ message }) => message)).toEqual([
        'of the listener',
        'of the listener',
      ]);
      expect(lines).toBe(3);
    });
  });
}

describeEachPrivateServer('a listener of events', (server) => {
  test('that throws ends no subscription, no MONITOR and no other listener', async () => {
    const pool = openPool(server());
    const redis = pool.client.duplicate();
    const told: string[] = [];
    const heard: string[] = [];
    let lines = 0;
    for (const event of ['error', 'reconnecting', 'ready', 'connect', 'end'] as const) {
      redis.on(event, throwing(`client ${event}`));
      pool.client.on(event, () => told.push(event));
    }
    for (const event of ['open', 'evict', 'connectError', 'breakerOpen', 'breakerClose'] as const) {
      pool.on(event, throwing(`pool ${event}`));
    }
    const uncaught = await uncaughtDuring(async () => {
      await redis.subscribe('channel', (message) => heard.push(message));
      await redis.monitor(() => lines++);
      await server().restart();
      await until(async () => (await pool.client.publish('channel', 'x').catch(() => 0)) === 1);
      await until(() => heard.length > 0);
      const before = lines;
      await until(async () => (await pool.client.ping()) === 'PONG' && lines > before);
      await pool.close();
      await until(() => told.includes('end'));
    });
    const texts = new Set(uncaught.map(({ message }) => message));
    for (const event of ['client error', 'client reconnecting', 'client end', 'pool evict']) {
      expect(texts).toContain(event);
    }
    expect([...texts].every((text) => /^(client|pool) /.test(text))).toBe(true);
  });
});
