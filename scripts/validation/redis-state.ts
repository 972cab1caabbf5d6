// What Redis itself counts and holds, as INFO tells. Pure but for the asking.

import type { Pool } from 'plimsoll';

export interface RedisState {
  /** Connections that the server turned away since it started. */
  readonly rejectedConnections: number;
  /** Keys that the server dropped for want of memory since it started. */
  readonly evictedKeys: number;
  /** `used_memory` without the buffers of connections and of persistence, bytes. */
  readonly dataBytes: number;
}

/** Parts of `used_memory` that come and go with traffic. */
const BUFFERS = ['mem_clients_normal', 'mem_clients_slaves', 'mem_aof_buffer'] as const;

export async function readRedisState({ client }: Pool): Promise<RedisState> {
  return parseRedisState(`${await client.info('stats')}\n${await client.info('memory')}`);
}

/** NaN, which no limit accepts, for what the server doesn't tell. */
export function parseRedisState(info: string): RedisState {
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  const buffers = BUFFERS.reduce((sum, name) => sum + (field(name) || 0), 0);
  return {
    rejectedConnections: field('rejected_connections'),
    evictedKeys: field('evicted_keys'),
    dataBytes: field('used_memory') - buffers,
  };
}
