// Runs a fault, round after round, on one pool under load. Memory must not grow over the rounds, and
// after the last one the pool is closed and leaves nothing behind.

import type { FoundServer } from '../../scripts/redis-server.js';
import type { Pool } from '../../src/index.js';
import { resources, surplus } from '../support/resources.js';
import { seededRandom } from '../support/seeded-random.js';
import { until } from '../support/until.js';
import type { Fault, World } from './fault.js';
import { fixedValues } from './load.js';
import { openPool } from './one-server.js';
import { addUp, type FaultResult, type RoundResult } from './result.js';
import { Round } from './round.js';

/** What the rounds may leave in memory, over all rounds after the second. */
const MAX_GROWTH_BYTES = 1024 * 1024;
/** The first rounds warm up: code is compiled, buffers are made. */
const WARM_ROUNDS = 2;

export interface RunOptions {
  readonly found: FoundServer;
  readonly seed: number;
  readonly rounds: number;
}

export async function runFault(fault: Fault, options: RunOptions): Promise<FaultResult> {
  const random = seededRandom(seedOf(options.seed, fault.name));
  const stray = watchForStrays();
  let world: World | undefined;
  const results: RoundResult[] = [];
  const leftovers: string[] = [];
  try {
    world = await fault.build({ found: options.found, random });
    await world.auditor.client.ping();
    const before = resources();
    const pool = openPool(world);
    await writeFixedValues(pool, world);
    const heard = new Set<string>();
    await pool.client.subscribe('plimsoll', (message) => heard.add(message));
    for (let round = 1; round <= options.rounds; round++) {
      const run = new Round(fault, world, pool, random, round, heard);
      const result = await run.run().catch((error: Error) => run.broken(error));
      results.push({ ...result, violations: [...result.violations, ...stray.take()] });
      if (result.isBroken) break;
    }
    await pool.close();
    leftovers.push(...(await leftBehind(world, before)), ...stray.take());
  } catch (error) {
    leftovers.push(`the fault could not be run: ${(error as Error).stack}`);
  } finally {
    stray.stop();
    await world?.stop();
  }
  const growthBytes = growth(results);
  if (growthBytes > MAX_GROWTH_BYTES) {
    leftovers.push(`${Math.round(growthBytes / 1024)} KiB more in memory after the rounds`);
  }
  return addUp(fault, options.found, results, { growthBytes, leftovers });
}

/** Each fault has its own, so that one can be run again without the others. */
function seedOf(seed: number, name: string): number {
  let mixed = seed >>> 0;
  for (const character of name) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x01000193);
  return mixed >>> 0;
}

async function writeFixedValues(pool: Pool, { isLossy, lend }: World): Promise<void> {
  const entries = [...fixedValues()];
  await Promise.all(entries.map(([key, value]) => pool.client.set(key, value)));
  if (!isLossy) return;
  // What was written on a connection before is at the replica too, once that has the last of it.
  for (const [key, value] of entries.slice(0, 50)) {
    await lend(pool, key, async (redis) => {
      await redis.set(key, value);
      await redis.wait(1, 5_000);
    });
  }
}

/** Errors that nobody caught, and warnings of listeners that gather. */
function watchForStrays() {
  const seen: string[] = [];
  const note = (error: Error) => {
    seen.push(`${error.name}: ${error.message}`);
  };
  const events = ['unhandledRejection', 'uncaughtException', 'warning'] as const;
  for (const event of events) process.on(event as 'warning', note);
  return {
    take: () => seen.splice(0),
    stop: () => {
      for (const event of events) process.off(event, note);
    },
  };
}

async function leftBehind(world: World, before: Record<string, number>): Promise<string[]> {
  const isClosed = async () => ((await world.openConnections()) ?? 0) === 0;
  const isEmpty = () => Object.keys(surplus(before)).length === 0;
  const left: string[] = [];
  await until(isClosed, 2_000).catch(() => left.push('a closed pool has connections open'));
  world.letGo?.();
  await until(isEmpty, 2_000).catch(() =>
    left.push(`a closed pool leaves ${JSON.stringify(surplus(before))} behind`),
  );
  return left;
}

/** Over all rounds after those that warmed up, bytes. */
function growth(results: readonly RoundResult[]): number {
  const first = results[WARM_ROUNDS - 1]?.bytesInUse ?? Number.POSITIVE_INFINITY;
  return Math.max(0, (results.at(-1)?.bytesInUse ?? 0) - first);
}
