// Pools on a cluster of a test, with a script of their own, and keys that are spread over its slots.

import { afterAll, beforeAll } from 'vitest';

import type { PrivateServer } from '../../scripts/redis-server.js';
import { createPool, defineScript, type PlimsollOptions, type Pool } from '../../src/index.js';
import type { CommandParser } from '../../src/wire/protocol.js';
import type { TestCluster } from './clusters.js';

export const range = (count: number) => Array.from({ length: count }, (_, index) => index);
export const keysOf = (name: string, count: number) =>
  range(count).map((index) => `${name}:${index}`);

const raise = defineScript({
  SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
  NUMBER_OF_KEYS: 1,
  parseCommand(parser: CommandParser, key: string, by: string) {
    parser.pushKey(key);
    parser.push(by);
  },
  transformReply: (reply: unknown) => reply,
} as never) as never;

/** A client that has the script `raise`, which is INCRBY. */
export type Scripted = Pool['client'] & { raise(key: string, by: string): Promise<unknown> };

/** A pool on the cluster, for all tests of a suite; call it inside `describe`. */
export function usePoolOn(cluster: () => TestCluster, options: object = {}): () => Pool {
  let pool: Pool | undefined;
  beforeAll(() => {
    const { nodes } = cluster();
    const given = { cluster: { nodes }, scripts: { raise }, ...options };
    pool = createPool(given as PlimsollOptions, {}) as unknown as Pool;
  });
  afterAll(async () => {
    await pool?.close();
  });
  return () => {
    if (pool === undefined) throw new Error('The pool opens in beforeAll, ask for it later.');
    return pool;
  };
}

/** Another primary than the one that has the slot. */
export async function otherThan(cluster: TestCluster, slot: number): Promise<PrivateServer> {
  const owner = await cluster.ownerOf(slot);
  const other = (await cluster.primaries()).find((server) => server !== owner);
  if (other === undefined) throw new Error('The cluster has one primary alone.');
  return other;
}
