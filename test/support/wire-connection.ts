// One connection without a pool, for tests of `wire`: opened from ordinary options, closed after
// the test, with the few ways to ask it that tests need.

import { inspect } from 'node:util';
import { afterEach } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import type { ClientOptionsSubset, PoolOptions } from '../../src/config/options.js';
import { resolveOptions } from '../../src/config/resolve.js';
import type { Connection } from '../../src/wire/connection.js';
import { openConnection } from '../../src/wire/connector.js';
import { CoreClient } from './core-client.js';

export interface OpenedConnection {
  readonly connection: Connection;
  /** Runs commands on it. */
  readonly redis: CoreClient;
}

export type Opener = (
  options: PoolOptions & ClientOptionsSubset,
  signal?: AbortSignal,
) => Promise<OpenedConnection>;

/** Call it inside `describe`; what the tests open is closed after each of them. */
export function useConnections(): Opener {
  const opened: Connection[] = [];
  afterEach(() => {
    for (const connection of opened.splice(0)) connection.destroy(new Error('The test is over'));
  });
  return async (options, signal = new AbortController().signal) => {
    const { target } = resolveOptions(options, {});
    const connection = await openConnection(target, systemClock, signal);
    connection.listener = {
      onProgress() {},
      onLatency() {},
      onErrorReply: () => false,
      onEnd(error, { sent, unsent }) {
        for (const command of [...sent, ...unsent]) command.fail(error);
      },
      onPush() {},
      onUnasked: () => false,
    };
    opened.push(connection);
    const redis = new CoreClient({
      execute(command) {
        connection.send(command);
        return command.promise;
      },
    });
    return { connection, redis };
  };
}

/** All that an error shows of itself, however it is looked at, its causes included. */
export function everythingShownBy(error: unknown): string {
  const shown: string[] = [];
  for (let current = error; current !== undefined; current = (current as Error).cause) {
    const { message, stack } = current as Error;
    shown.push(String(current), message, String(stack), JSON.stringify(current));
    shown.push(inspect(current, { depth: 20, showHidden: true }));
    shown.push(
      ...Object.getOwnPropertyNames(current).map((key) =>
        String(Reflect.get(current as object, key)),
      ),
    );
  }
  return shown.join('\n');
}
