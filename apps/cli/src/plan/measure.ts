// What things cost on this machine, taken on a real server with the pool that the plan is about.
//
//   CPU      paced: each tick of a timer sends what is due in one batch; two paces with the same ticks
//            give cost = commands x a + batches x b, for this process and for Redis
//   memory   what grows when connections are opened
//
// It reads one key of its own and writes it once; it belongs on a server that nobody else uses.

import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { createPool, type Pool } from 'plimsoll';
import type { MeasuredCosts } from './costs.js';
import { type OpenRedis, openRedis } from './private-redis.js';

const KEY = 'plimsoll:plan:measure';
const VALUE = 'x'.repeat(100);
const KEY_SECONDS = 600;
const ROUND_TRIPS = 2_000;
const WARM_UP_MS = 2_000;
const PACED_MS = 1_000;
/** Each pace is kept so often, and its cheapest round counts: what disturbs a round only adds. */
const ROUNDS = 5;
/** What a machine that is busy with other things missed for longer is not made up for, ms. */
const MOST_MISSED_MS = 20;
/** Nor are commands sent on top of so many that wait for their replies. */
const MOST_IN_FLIGHT = 10_000;
const SLOW_PACE = 1_000;
const FAST_PACE = 50_000;
/** A machine that is busy with other things may take long, and is measured all the same. */
export const MEASURING_POOL = { maxConnections: 2, commandTimeoutMs: 60_000 } as const;
/** Connections that memory is measured with. */
const CONNECTIONS = 200;
/** Somebody else's commands as a share of ours, above which Redis' figures tell of them. */
const STRANGERS = 0.02;

export interface MeasureTerms {
  /** How long a round lasts, of which each of the two paces has five, ms. Default 1,000. */
  readonly pacedMs?: number;
  /** How long each is kept before it counts, ms. Default 2,000. */
  readonly warmUpMs?: number;
  /** Ends it between two of its parts. */
  readonly signal?: AbortSignal;
}

export interface PacedFigures {
  readonly commands: number;
  readonly batches: number;
  readonly lastedMs: number;
  /** CPU of this process, µs. */
  readonly clientUs: number;
  /** CPU of Redis, µs. */
  readonly redisUs: number;
  /** Commands that others sent meanwhile. */
  readonly strangers: number;
}

/**
 * @param warn Told what makes the figures doubtful.
 * @throws Error or PoolError where there is no server, or it can't be asked.
 */
export async function measureCosts(
  environment: NodeJS.ProcessEnv,
  warn: (text: string) => void,
  terms: MeasureTerms = {},
): Promise<MeasuredCosts> {
  const redis = await openRedis(environment);
  try {
    const pool = createPool(MEASURING_POOL, redis.environment) as Pool;
    try {
      return await measureWith(pool, redis, warn, terms);
    } finally {
      await pool.close({ timeoutMs: 1_000 });
    }
  } finally {
    await redis.stop();
  }
}

async function measureWith(
  pool: Pool,
  { environment, isPrivate }: OpenRedis,
  warn: (text: string) => void,
  { pacedMs = PACED_MS, warmUpMs = WARM_UP_MS, signal }: MeasureTerms,
): Promise<MeasuredCosts> {
  await pool.client.set(KEY, VALUE, { EX: KEY_SECONDS });
  const workerBaseBytes = process.memoryUsage().rss;
  const redisBaseBytes = await usedBytes(pool);
  await runPaced(pool, FAST_PACE, warmUpMs);
  await runPaced(pool, SLOW_PACE, warmUpMs);
  const slow = await cheapestPaced(pool, SLOW_PACE, pacedMs, signal);
  const fast = await cheapestPaced(pool, FAST_PACE, pacedMs, signal);
  const roundTripMs = await medianRoundTripMs(pool);
  const strangers = (slow.strangers + fast.strangers) / (slow.commands + fast.commands);
  if (strangers > STRANGERS) {
    const share = Math.round(strangers * 100);
    warn(`Others sent ${share} % as many commands meanwhile; what Redis costs is too high.`);
  }
  const client = solve(slow, fast, 'clientUs');
  const server = solve(slow, fast, 'redisUs');
  const memory = await connectionBytes(pool, environment, CONNECTIONS);
  await pool.client.del(KEY);
  const version = /^redis_version:(\S+)/m.exec(String(await pool.client.info('server')))?.[1];
  const where = isPrivate ? 'a private server here' : 'the server that the environment names';
  const cpus = os.cpus();
  return {
    source: `measured ${new Date().toISOString().slice(0, 10)} on ${cpus.length} x ${cpus[0]?.model.trim()}, Node ${process.versions.node}, Redis ${version}, ${where}`,
    clientCommandUs: client.commandUs,
    clientBatchUs: client.batchUs,
    redisCommandUs: server.commandUs,
    redisBatchUs: server.batchUs,
    roundTripMs,
    redisConnectionBytes: memory.redis,
    redisBaseBytes,
    workerConnectionBytes: memory.worker,
    workerBaseBytes,
  };
}

/**
 * The cheapest of several rounds at that pace, for this process and for Redis each by itself.
 * @param signal Ends it between two rounds.
 */
export async function cheapestPaced(
  pool: Pool,
  commandsPerSecond: number,
  roundMs: number,
  signal?: AbortSignal,
): Promise<PacedFigures> {
  const rounds: PacedFigures[] = [];
  while (rounds.length < ROUNDS) {
    signal?.throwIfAborted();
    rounds.push(await runPaced(pool, commandsPerSecond, roundMs));
  }
  const total = (name: 'commands' | 'batches' | 'lastedMs' | 'strangers') =>
    rounds.reduce((sum, round) => sum + round[name], 0);
  const commands = total('commands');
  const cheapest = (name: 'clientUs' | 'redisUs') =>
    commands * Math.min(...rounds.map((round) => round[name] / round.commands));
  return {
    commands,
    batches: total('batches'),
    lastedMs: total('lastedMs'),
    clientUs: cheapest('clientUs'),
    redisUs: cheapest('redisUs'),
    strangers: total('strangers'),
  };
}

/** GETs at that pace, what is due at each tick together. */
async function runPaced(
  pool: Pool,
  commandsPerSecond: number,
  lastsMs: number,
): Promise<PacedFigures> {
  const before = await redisFacts(pool);
  const cpuBefore = process.cpuUsage();
  const beganAt = performance.now();
  let [commands, batches, inFlight, owed, tickedAt] = [0, 0, 0, 0, beganAt];
  const send = (count: number) => {
    batches++;
    commands += count;
    inFlight += count;
    const replies = Array.from({ length: count }, () => pool.client.get(KEY));
    return Promise.all(replies).then(() => {
      inFlight -= count;
    });
  };
  let last: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    const tick = () => {
      const now = performance.now();
      owed += (commandsPerSecond * Math.min(MOST_MISSED_MS, now - tickedAt)) / 1_000;
      tickedAt = now;
      const due = inFlight > MOST_IN_FLIGHT ? 0 : Math.floor(owed);
      owed -= due;
      if (due > 0) {
        last = send(due);
        last.catch(reject);
      }
      if (now - beganAt < lastsMs) return;
      clearInterval(timer);
      resolve();
    };
    const timer = setInterval(tick, 1);
  });
  await last;
  const lastedMs = performance.now() - beganAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  const after = await redisFacts(pool);
  return {
    commands,
    batches,
    lastedMs,
    clientUs: user + system,
    redisUs: after.cpuUs - before.cpuUs,
    // The questions themselves are commands too.
    strangers: Math.max(0, after.commands - before.commands - commands - QUESTIONS),
  };
}

/** Commands of `redisFacts()` that lie between two of its answers, and the odd PING. */
const QUESTIONS = 4;

async function redisFacts(pool: Pool): Promise<{ cpuUs: number; commands: number }> {
  const text = `${await pool.client.info('stats')}\n${await pool.client.info('cpu')}`;
  const cpu = factOf(text, 'used_cpu_user') + factOf(text, 'used_cpu_sys');
  return { cpuUs: cpu * 1e6, commands: factOf(text, 'total_commands_processed') };
}

function factOf(text: string, name: string): number {
  const value = Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1]);
  if (Number.isFinite(value)) return value;
  throw new Error(`INFO of this server doesn't tell ${name}, so that it can't be measured.`);
}

async function usedBytes(pool: Pool): Promise<number> {
  return factOf(String(await pool.client.info('memory')), 'used_memory');
}

/** cost = commands x a + batches x b, of two runs. */
export function solve(slow: PacedFigures, fast: PacedFigures, what: 'clientUs' | 'redisUs') {
  const determinant = slow.commands * fast.batches - fast.commands * slow.batches;
  const commandUs = (slow[what] * fast.batches - fast[what] * slow.batches) / determinant;
  const batchUs = (slow.commands * fast[what] - fast.commands * slow[what]) / determinant;
  return { commandUs: Math.max(0, commandUs), batchUs: Math.max(0, batchUs) };
}

async function medianRoundTripMs(pool: Pool): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < ROUND_TRIPS; count++) {
    const askedAt = performance.now();
    await pool.client.get(KEY);
    times.push(performance.now() - askedAt);
  }
  return times.sort((left, right) => left - right)[ROUND_TRIPS / 2]!;
}

/** Bytes that a connection takes, in Redis and in this process. */
export async function connectionBytes(
  observer: Pool,
  environment: NodeJS.ProcessEnv,
  connections: number,
): Promise<{ redis: number; worker: number }> {
  const before = { redis: await usedBytes(observer), worker: await heldBytes() };
  const sized = { maxConnections: connections + 1, minConnections: connections };
  const pool = createPool(sized, environment) as Pool;
  try {
    const leases = await Promise.all(Array.from({ length: connections }, () => pool.acquire()));
    await Promise.all(leases.map(({ client }) => client.get(KEY)));
    for (const lease of leases) lease.release();
    await sleep(100);
    const after = { redis: await usedBytes(observer), worker: await heldBytes() };
    const { open } = pool.status().connections;
    return {
      redis: (after.redis - before.redis) / open,
      worker: (after.worker - before.worker) / open,
    };
  } finally {
    await pool.close({ timeoutMs: 1_000 });
  }
}

/** What is held, garbage left out: what ends with a callback is garbage only at the second look. */
async function heldBytes(): Promise<number> {
  // Node has the function only where it is asked to show it.
  v8.setFlagsFromString('--expose-gc');
  const collectGarbage = vm.runInNewContext('gc') as () => void;
  collectGarbage();
  await sleep(50);
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
