// A pool for a suite on a real server, and keys of its own: with REDIS_URL set, the server may hold
// somebody's data.

import { afterAll, beforeAll } from 'vitest';
import type { ServerAddress } from '../../scripts/redis-server.js';
import { createPool, type PlimsollOptions, type Pool } from '../../src/index.js';

/** Opens a pool before the suite's tests and closes it after them; call it inside `describe`. */
export function usePool(server: () => ServerAddress, options: object = {}): () => Pool {
  let pool: Pool | undefined;
  beforeAll(() => {
    pool = openPool(server(), options);
  });
  afterAll(async () => {
    await pool?.close();
  });
  return () => {
    if (pool === undefined) throw new Error('The pool opens in beforeAll, ask for it later.');
    return pool;
  };
}

/** A pool that no variable of the environment reaches. */
export function openPool(server: ServerAddress, options: object = {}): Pool {
  return createPool({ url: server.url, ...options } as PlimsollOptions, {}) as unknown as Pool;
}

let taken = 0;

/** A key that no other test uses. */
export function newKey(name = 'key'): string {
  taken++;
  return `plimsoll-test:${process.pid}:${taken}:${name}`;
}
