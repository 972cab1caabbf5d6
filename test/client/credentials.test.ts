// Credentials that a provider gives, and newer ones while connections live: who is logged in as whom is
// what the server says.

import { setTimeout as sleep } from 'node:timers/promises';
import { CredentialsError } from '@redis/client/dist/lib/authx/index.js';
import { expect, test } from 'vitest';
import type { Credentials, PoolError, StreamingCredentialsProvider } from '../../src/index.js';
import { outcomeOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool } from './pools.js';

const password = 'hush-1';

/** What an identity service does, by hand. */
class Stream implements StreamingCredentialsProvider {
  readonly type = 'streaming-credentials-provider';
  subscriptions = 0;
  isDisposed = false;
  readonly refused: Error[] = [];
  listener: Parameters<StreamingCredentialsProvider['subscribe']>[0] | undefined;

  async subscribe(listener: NonNullable<Stream['listener']>) {
    this.subscriptions++;
    this.listener = listener;
    const dispose = () => {
      this.isDisposed = true;
    };
    return [{ username: 'first', password }, { dispose }] as [Credentials, { dispose(): void }];
  }

  onReAuthenticationError(error: Error): void {
    this.refused.push(error);
  }
}

for (const RESP of [3, 2] as const) {
  describeEachPrivateServer(`a credentials provider, over RESP${RESP}`, (server) => {
    const addUsers = async (...names: string[]) => {
      await using root = openPool(server());
      for (const name of names) {
        await root.client.sendCommand([
          ...['ACL', 'SETUSER', name, 'on', `>${password}`, '~*', '&*', '+@all'],
        ]);
      }
    };

    test('is asked at every connect, and wins over user and password', async () => {
      await addUsers('first', 'second');
      let asked = 0;
      const credentialsProvider = {
        type: 'async-credentials-provider',
        credentials: async () => ({ username: asked++ === 0 ? 'first' : 'second', password }),
      } as const;
      await using pool = openPool(server(), { RESP, username: 'x', password, credentialsProvider });
      await pool.client.connect();
      expect(await pool.client.aclWhoAmI()).toBe('first');
      expect(await pool.withLease((leased) => leased.aclWhoAmI())).toBe('second');
      expect(JSON.stringify(pool.options)).not.toContain('hush');
    });

    test('that tells of newer ones has live connections log in anew, none in a transaction', async () => {
      await addUsers('first', 'second');
      const provider = new Stream();
      await using pool = openPool(server(), { RESP, credentialsProvider: provider });
      const failures: unknown[] = [];
      let isOver = false;
      const load = Array.from({ length: 20 }, async () => {
        while (!isOver) {
          const { code } = await outcomeOf(pool.client.multi().incr('n').get('n').exec());
          if (code !== 'ok') failures.push(code);
        }
      });
      const heard: string[] = [];
      const channel = newKey('news');
      await pool.client.subscribe(channel, (message) => heard.push(message));
      const [idle, watching] = await Promise.all([pool.acquire(), pool.acquire()]);
      await watching.client.watch('unchanged');
      provider.listener?.onNext({ username: 'second', password });
      const usersOfAll = async () => {
        const clients = await pool.client.clientList();
        return clients.map(({ user }) => user).filter((user) => user !== 'default');
      };
      const named = (users: (string | undefined)[], name: string) =>
        users.filter((user) => user === name).length;
      await until(async () => named(await usersOfAll(), 'first') === 1, 8_000);
      expect(await idle.client.aclWhoAmI()).toBe('second');
      expect(await watching.client.aclWhoAmI()).toBe('first');
      expect(await watching.client.multi().get('unchanged').exec()).toEqual([null]);
      await until(async () => named(await usersOfAll(), 'first') === 0, 4_000);
      expect(await watching.client.aclWhoAmI()).toBe('second');
      isOver = true;
      await Promise.all(load);
      await pool.client.publish(channel, 'still here');
      await until(() => heard.length === 1);
      expect([failures, provider.subscriptions]).toEqual([[], 1]);
      idle.release();
      watching.release();
      await pool.close();
      expect(provider.isDisposed).toBe(true);
    });

    test('is told what was refused, and nothing is cut off for it', async () => {
      await addUsers('first');
      const provider = new Stream();
      await using pool = openPool(server(), { RESP, credentialsProvider: provider });
      await pool.client.connect();
      const told: PoolError[] = [];
      pool.on('connectError', (error) => told.push(error));
      provider.listener?.onNext({ username: 'first', password: 'wrong-hush' });
      await until(() => provider.refused.length > 0);
      expect(provider.refused[0]).toBeInstanceOf(CredentialsError);
      expect(told[0]).toMatchObject({ code: 'AUTH_FAILED' });
      expect(told[0]?.message).not.toContain('hush');
      expect(await pool.client.aclWhoAmI()).toBe('first');
      provider.listener?.onError(new Error('expired'));
      expect(provider.refused[1]?.constructor.name).toBe('UnableToObtainNewCredentialsError');
      await sleep(600);
      expect([provider.refused.length, provider.isDisposed]).toEqual([2, true]);
    });
  });
}
