// What the plan says against what is measured, as rows: each quantity at three loads.

import { createPool, type Pool } from 'plimsoll';
import {
  type CheckoutFigures,
  checkoutPoolOptions,
  runCheckouts,
} from 'plimsoll-cli/plan/checkout-run.js';
import type { MeasuredCosts } from 'plimsoll-cli/plan/costs.js';
import { queueAnswer } from 'plimsoll-cli/plan/erlang.js';
import { cheapestPaced, connectionBytes, MEASURING_POOL } from 'plimsoll-cli/plan/measure.js';
import { bytes, percent, round } from 'plimsoll-cli/plan/report.js';
import { simulateCheckouts } from 'plimsoll-cli/plan/simulate.js';
import { Chance, seedOf } from 'plimsoll-cli/simulated-time/chance.js';
import { RealStage } from './real-stage.js';

/** How far a prediction may be off, as a share of what is measured. */
export const TOLERANCE = 0.1;

/** Connections of a checkout pool, and how long a call holds one, ms. */
const LENT = 10;
const HOLD_MS = 50;
const UTILIZATIONS = [0.6, 0.75, 0.85];
/** So many pools side by side, each with calls of its own, for so long: chance has less of a say. */
const POOLS = 20;
const SECONDS = 60;
const SEED = 1;
const ACQUIRE_TIMEOUT_MS = 60_000;

/** Commands/s, other ones than those that the costs were taken at. */
const PACES = [5_000, 20_000, 80_000];
const ROUND_MS = 1_500;
const CONNECTIONS = [50, 150, 400];

export interface Row {
  readonly load: string;
  readonly what: string;
  readonly predicted: number;
  /** By the pool's code on simulated time, where there is such a thing. */
  readonly simulated: number | undefined;
  readonly measured: number;
  readonly text: (value: number) => string;
}

export function differenceOf({ predicted, measured }: Row): number {
  return (predicted - measured) / measured;
}

const milliseconds = (value: number) => `${round(value)} ms`;

export async function compareCheckouts(
  environment: NodeJS.ProcessEnv,
  tell: (text: string) => void,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const utilization of UTILIZATIONS) {
    tell(`${POOLS} pools of ${LENT} connections, ${percent(utilization)} in use, ${SECONDS} s`);
    rows.push(...(await compareCheckout(environment, utilization)));
  }
  return rows;
}

async function compareCheckout(environment: NodeJS.ProcessEnv, utilization: number) {
  const callsPerSecond = (utilization * LENT * 1_000) / HOLD_MS;
  const load = { connections: LENT, holdMs: HOLD_MS, callsPerSecond };
  const terms = { ...load, calls: Math.round(callsPerSecond * SECONDS) };
  const seeds = Array.from({ length: POOLS }, (_, index) => seedOf(SEED, index));
  const simulated: CheckoutFigures[] = [];
  for (const seed of seeds) {
    const simulation = { ...terms, acquireTimeoutMs: ACQUIRE_TIMEOUT_MS };
    simulated.push(await simulateCheckouts(simulation, seed));
  }
  const measured = await Promise.all(seeds.map((seed) => oneCheckout(environment, terms, seed)));
  const answer = queueAnswer(load);
  const row = (
    what: string,
    name: 'utilization' | 'waitProbability' | 'meanWaitMs',
    text: Row['text'],
  ): Row => ({
    load: `${round(callsPerSecond)} leases/s of ${HOLD_MS} ms`,
    what,
    predicted: answer[name],
    simulated: mean(simulated.map((figures) => figures[name])),
    measured: mean(measured.map((figures) => figures[name])),
    text,
  });
  return [
    row('connections in use', 'utilization', percent),
    row('finds the pool exhausted', 'waitProbability', percent),
    row('wait, on average', 'meanWaitMs', milliseconds),
  ];
}

async function oneCheckout(
  environment: NodeJS.ProcessEnv,
  terms: Parameters<typeof runCheckouts>[1],
  seed: number,
): Promise<CheckoutFigures> {
  const options = { ...checkoutPoolOptions(LENT), acquireTimeoutMs: ACQUIRE_TIMEOUT_MS };
  await using pool = createPool(options, environment) as Pool;
  const stage = new RealStage();
  try {
    return await runCheckouts(pool, terms, stage, new Chance(seed));
  } finally {
    stage.close();
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export async function compareCpu(
  environment: NodeJS.ProcessEnv,
  costs: MeasuredCosts,
  tell: (text: string) => void,
): Promise<Row[]> {
  await using pool = createPool(MEASURING_POOL, environment) as Pool;
  const rows: Row[] = [];
  for (const pace of PACES) {
    tell(`${round(pace)} commands/s`);
    const { commands, batches, lastedMs, clientUs, redisUs } = await cheapestPaced(
      pool,
      pace,
      ROUND_MS,
    );
    const share = (us: number) => us / 1_000 / lastedMs;
    const predicted = (commandUs: number, batchUs: number) =>
      share(commands * commandUs + batches * batchUs);
    const load = `${round(pace)} commands/s, ${round(commands / batches)} a batch`;
    const row = (what: string, expected: number, us: number): Row => ({
      load,
      what,
      predicted: expected,
      simulated: undefined,
      measured: share(us),
      text: percent,
    });
    rows.push(
      row('CPU of the worker', predicted(costs.clientCommandUs, costs.clientBatchUs), clientUs),
      row('CPU of Redis', predicted(costs.redisCommandUs, costs.redisBatchUs), redisUs),
    );
  }
  return rows;
}

export async function compareMemory(
  environment: NodeJS.ProcessEnv,
  costs: MeasuredCosts,
  tell: (text: string) => void,
): Promise<Row[]> {
  await using observer = createPool(MEASURING_POOL, environment) as Pool;
  const rows: Row[] = [];
  for (const connections of CONNECTIONS) {
    tell(`${connections} connections`);
    const each = await connectionBytes(observer, environment, connections);
    const row = (what: string, costBytes: number, measuredBytes: number): Row => ({
      load: `${connections} connections`,
      what,
      predicted: costBytes * connections,
      simulated: undefined,
      measured: measuredBytes * connections,
      text: bytes,
    });
    rows.push(
      row('memory of Redis for them', costs.redisConnectionBytes, each.redis),
      row('heap and buffers of the worker for them', costs.workerConnectionBytes, each.worker),
    );
  }
  return rows;
}
