// Pools of a test that are closed when it ends, however it does.

import { afterEach } from 'vitest';
import { createPool, type PlimsollOptions, type Pool } from '../../src/index.js';

/**
 * Gives what opens a pool that no variable of the environment reaches, unless `env` has one. Call it
 * where the tests are defined: pools are closed at once after each of them.
 */
export function usePools(): (options: object, env?: NodeJS.ProcessEnv) => Pool {
  const pools: Pool[] = [];
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
  });
  return (options, env = {}) => {
    const pool = createPool(options as PlimsollOptions, env) as unknown as Pool;
    pools.push(pool);
    return pool;
  };
}
