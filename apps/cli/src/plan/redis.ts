// What the load costs one Redis server: CPU and memory. Pure.

import { costOfCommand } from './batches.js';
import type { Costs } from './costs.js';
import { type Demand, ratesOf } from './demand.js';

/** A fork for RDB or the rewriting of an AOF copies, in the worst case, all data (docs/sizing.md). */
export const FORK_FACTOR = 2;

export interface RedisPlan {
  /** CPU of Redis for a command, its part of the batch included, µs. */
  readonly commandUs: number;
  /** Of Redis' one core, a share; 1 and above: one server can't. */
  readonly cpu: number;
  /** Commands/s with which its core would be full. */
  readonly mostCommandsPerSecond: number;
  readonly dataBytes: number;
  readonly connectionBytes: number;
  /** Data, connections and the server itself. */
  readonly totalBytes: number;
  /** The same while it forks, at worst. */
  readonly forkedBytes: number;
}

/**
 * @param commands Commands in one batch, on average.
 * @param connections Of all workers together.
 */
export function planRedis(
  demand: Demand,
  commands: number,
  connections: number,
  costs: Costs,
): RedisPlan {
  const { callsPerSecond } = ratesOf(demand);
  const commandUs = costOfCommand(costs.redisCommandUs, costs.redisBatchUs, commands);
  const dataBytes = demand.users * costs.userBytes;
  const connectionBytes = connections * costs.redisConnectionBytes;
  const restBytes = connectionBytes + costs.redisBaseBytes;
  return {
    commandUs,
    cpu: (callsPerSecond * commandUs) / 1e6,
    mostCommandsPerSecond: 1e6 / commandUs,
    dataBytes,
    connectionBytes,
    totalBytes: dataBytes + restBytes,
    forkedBytes: dataBytes * FORK_FACTOR + restBytes,
  };
}
