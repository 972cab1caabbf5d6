// From a handful of users to the internet: hosts, workers, shards, connections and memory. Pure.
//
//   workers  <- CPU of requests and calls          shards <- CPU of commands, memory of users
//   each worker has a lane to each shard it knows:  connections of a shard = workers x lanes
//   more than `maxclients` allows: the users are divided into cells, each with workers and shards
//
// Workers, shards and the size of batches depend on each other; they are found in rounds.

import { commandsPerBatch, commandsPerShard, costOfCommand } from './batches.js';
import type { Costs } from './costs.js';
import { FORK_FACTOR } from './redis.js';

export interface Hardware {
  readonly coresPerHost: number;
  readonly hostBytes: number;
  /** `maxmemory` and what a fork may take besides, of one shard. */
  readonly shardBytes: number;
  /** Of each shard. */
  readonly replicas: number;
  /** `maxclients` of each server. */
  readonly maxClients: number;
  /** Bytes of a command and its reply on the network, without TCP's headers. */
  readonly commandBytes: number;
  /** How full a worker's core may be, a share. */
  readonly workerLimit: number;
  /** How full a Redis core may be, a share. */
  readonly redisLimit: number;
}

export const DEFAULT_HARDWARE: Hardware = Object.freeze({
  coresPerHost: 16,
  hostBytes: 64 * 2 ** 30,
  shardBytes: 16 * 2 ** 30,
  replicas: 1,
  maxClients: 10_000,
  commandBytes: 200,
  workerLimit: 0.6,
  redisLimit: 0.6,
});

/** Of `maxclients`: what others need, and a deployment in which old and new workers overlap. */
export const CLIENTS_LIMIT = 0.5;
/** Of a host's cores one is the kernel's: interrupts and the network. */
const KERNEL_CORES = 1;
const MOST_ROUNDS = 50;

export interface Habits {
  readonly requestsPerUser: number;
  readonly redisCalls: number;
}

export interface ScaleRow {
  readonly users: number;
  readonly requestsPerSecond: number;
  readonly callsPerSecond: number;
  /** Groups of workers and shards that know nothing of each other. */
  readonly cells: number;
  readonly workers: number;
  readonly shards: number;
  /** Primaries and replicas. */
  readonly redisServers: number;
  readonly connectionsPerWorker: number;
  readonly connectionsPerShard: number;
  readonly connections: number;
  /** Commands that a worker sends to one shard together. */
  readonly commandsPerShard: number;
  readonly workerBytes: number;
  readonly redisBytes: number;
  readonly workerHosts: number;
  readonly redisHosts: number;
  readonly hosts: number;
  readonly networkBitsPerSecond: number;
}

export function planScale(
  users: number,
  habits: Habits,
  costs: Costs,
  hardware: Hardware = DEFAULT_HARDWARE,
): ScaleRow {
  const requestsPerSecond = users * habits.requestsPerUser;
  const callsPerSecond = requestsPerSecond * habits.redisCalls;
  const load = { users, callsPerSecond, workUs: costs.requestUs / habits.redisCalls };
  let size: Size = { workers: 1, shards: 1, cells: 1, commands: 1 };
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const next = nextSize(size, load, costs, hardware);
    const isSame = next.workers === size.workers && next.shards === size.shards;
    size = next;
    if (isSame) break;
  }
  return describe(size, { users, requestsPerSecond, callsPerSecond }, costs, hardware);
}

/** The same for ten times as many users, and so on, up to `most`. */
export function scaleSteps(users: number, most: number): number[] {
  const steps = [users];
  for (let next = 10 ** Math.ceil(Math.log10(users + 1)); next < most; next *= 10) steps.push(next);
  if (most > users) steps.push(most);
  return steps;
}

interface Size {
  readonly workers: number;
  readonly shards: number;
  readonly cells: number;
  /** Commands in a worker's batch to one shard. */
  readonly commands: number;
}

interface Load {
  readonly users: number;
  readonly callsPerSecond: number;
  /** Of the application, for each call. */
  readonly workUs: number;
}

function nextSize({ workers, shards, cells }: Size, load: Load, costs: Costs, hardware: Hardware) {
  const { clientCommandUs, clientBatchUs, redisCommandUs, redisBatchUs } = costs;
  const { callsPerSecond, workUs, users } = load;
  // Each shard that a turn's commands go to costs a write and a read of its own.
  const perShard = (shardsOfCell: number) => {
    const turn = { commandUs: clientCommandUs, batchUs: clientBatchUs, workUs };
    return commandsPerShard(commandsPerBatch(callsPerSecond / workers, turn), shardsOfCell);
  };
  const found = perShard(Math.ceil(shards / cells));
  const commands = Number.isFinite(found) ? found : 1;
  const clientUs = workUs + costOfCommand(clientCommandUs, clientBatchUs, commands);
  const nextWorkers = Math.ceil((callsPerSecond * clientUs) / 1e6 / hardware.workerLimit);
  const redisUs = costOfCommand(redisCommandUs, redisBatchUs, commands);
  const byCpu = (callsPerSecond * redisUs) / 1e6 / hardware.redisLimit;
  const clients = Math.min(hardware.maxClients * CLIENTS_LIMIT, Math.ceil(workers / cells));
  const fixedBytes = costs.redisBaseBytes + clients * costs.redisConnectionBytes;
  const byMemory = (users * costs.userBytes * FORK_FACTOR) / (hardware.shardBytes - fixedBytes);
  const nextCells = Math.ceil(nextWorkers / (hardware.maxClients * CLIENTS_LIMIT));
  const nextShards = Math.max(nextCells, Math.ceil(Math.max(byCpu, byMemory, 1)));
  return { workers: Math.max(1, nextWorkers), shards: nextShards, cells: nextCells, commands };
}

function describe(
  { workers, shards, cells, commands }: Size,
  load: { users: number; requestsPerSecond: number; callsPerSecond: number },
  costs: Costs,
  hardware: Hardware,
): ScaleRow {
  const connectionsPerWorker = Math.ceil(shards / cells);
  const connectionsPerShard = Math.ceil(workers / cells);
  const redisServers = shards * (1 + hardware.replicas);
  const workerBytes = costs.workerBaseBytes + connectionsPerWorker * costs.workerConnectionBytes;
  const connectionBytes = connectionsPerShard * costs.redisConnectionBytes;
  const dataBytes = load.users * costs.userBytes * FORK_FACTOR * (1 + hardware.replicas);
  const redisBytes = dataBytes + redisServers * (costs.redisBaseBytes + connectionBytes);
  const usableCores = Math.max(1, hardware.coresPerHost - KERNEL_CORES);
  const hostsFor = (processes: number, bytes: number) =>
    Math.ceil(Math.max(processes / usableCores, bytes / hardware.hostBytes));
  const workerHosts = hostsFor(workers, workers * workerBytes);
  const redisHosts = hostsFor(redisServers, redisBytes);
  return {
    ...load,
    cells,
    workers,
    shards,
    redisServers,
    connectionsPerWorker,
    connectionsPerShard,
    connections: workers * connectionsPerWorker,
    commandsPerShard: commands,
    workerBytes: workers * workerBytes,
    redisBytes,
    workerHosts,
    redisHosts,
    hosts: workerHosts + redisHosts,
    networkBitsPerSecond: load.callsPerSecond * hardware.commandBytes * 8,
  };
}
