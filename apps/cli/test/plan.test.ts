// The plan's two ways beyond arithmetic: the pool's own code on simulated time, and the costs of a
// real server.

import { describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import type { CheckoutTerms } from '../src/plan/checkout-run.js';
import { planCommand } from '../src/plan/command.js';
import { queueAnswer } from '../src/plan/erlang.js';
import { measureCosts, solve } from '../src/plan/measure.js';
import { simulateCheckouts } from '../src/plan/simulate.js';
import { Chance } from '../src/simulated-time/chance.js';

/** On a machine that does much else besides, ms: who is cut off in simulated time leaves it behind. */
const PATIENCE_MS = 120_000;

const server = useServer();

describe("the checkout queue by the pool's own code", { timeout: PATIENCE_MS }, () => {
  const load = { connections: 4, callsPerSecond: 200, holdMs: 10 };
  const terms = { ...load, calls: 4_000, acquireTimeoutMs: 5_000 };

  test('is what a queue in order of arrival makes of the same calls', async () => {
    const simulated = await simulateCheckouts(terms, 1);
    const expected = servedInOrder(terms, new Chance(1));
    expect(simulated.refused).toBe(0);
    for (const name of ['waitProbability', 'meanWaitMs', 'p99WaitMs'] as const) {
      expect(Math.abs(simulated[name] / expected[name] - 1), name).toBeLessThan(0.02);
    }
  });

  test('that queue comes to what Erlang C says when calls come without end', () => {
    const expected = servedInOrder({ ...load, calls: 1_000_000 }, new Chance(1));
    const answer = queueAnswer(load);
    for (const name of ['waitProbability', 'meanWaitMs', 'p99WaitMs'] as const) {
      expect(Math.abs(expected[name] / answer[name] - 1), name).toBeLessThan(0.02);
    }
  });

  test('is the same with the same seed, and leaves time as it was', async () => {
    const few = { ...terms, calls: 500 };
    const [first, again, other] = [
      await simulateCheckouts(few, 7),
      await simulateCheckouts(few, 7),
      await simulateCheckouts(few, 8),
    ];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    const before = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(performance.now() - before).toBeGreaterThan(3);
  });

  test('counts who waited too long, where more come than leave', async () => {
    const { refused, utilization } = await simulateCheckouts(
      { ...load, callsPerSecond: 600, calls: 2_000, acquireTimeoutMs: 100 },
      1,
    );
    expect(refused).toBeGreaterThan(300);
    expect(utilization).toBeGreaterThan(0.95);
  });
});

describe('--measure', () => {
  test('takes costs that can be, and its source names no address', async () => {
    const terms = { pacedMs: 200, warmUpMs: 300 };
    const costs = await measureCosts({ REDIS_URL: server().url }, () => undefined, terms);
    expect(costs.source).toMatch(/measured \d{4}-\d\d-\d\d on .*Node .*(Redis|Valkey)/);
    expect(costs.source).not.toContain(server().url);
    expect(costs.clientCommandUs).toBeGreaterThan(0.05);
    expect(costs.clientCommandUs).toBeLessThan(50);
    expect(costs.redisBatchUs).toBeGreaterThan(costs.redisCommandUs);
    expect(costs.roundTripMs).toBeLessThan(20);
    expect(costs.redisConnectionBytes).toBeGreaterThan(1_000);
    expect(costs.redisConnectionBytes).toBeLessThan(200_000);
    expect(costs.workerConnectionBytes).toBeGreaterThan(1_000);
  });

  test('where no server answers the exit code is 70, with the reason and without the password', async () => {
    let said = '';
    const code = await planCommand.run(['--measure'], {
      env: { REDIS_URL: 'redis://:secret-word@127.0.0.1:1' },
      stdout: { write: () => undefined },
      stderr: { write: (text) => (said += text) },
      signal: new AbortController().signal,
    });
    expect(code).toBe(70);
    expect(said).toMatch(/127\.0\.0\.1:1/);
    expect(said).not.toContain('secret-word');
  });

  test('two paces tell what a command costs and what a batch does', () => {
    const run = (commands: number, batches: number) => ({
      commands,
      batches,
      lastedMs: 1_000,
      clientUs: 3 * commands + 40 * batches,
      redisUs: commands + 9 * batches,
      strangers: 0,
    });
    const [slow, fast] = [run(1_000, 900), run(50_000, 800)];
    expect(solve(slow, fast, 'clientUs').commandUs).toBeCloseTo(3, 9);
    expect(solve(slow, fast, 'clientUs').batchUs).toBeCloseTo(40, 9);
    expect(solve(slow, fast, 'redisUs').batchUs).toBeCloseTo(9, 9);
  });
});

/** The textbook's queue: each call gets the connection that is free first. */
function servedInOrder(
  { connections, callsPerSecond, holdMs, calls }: CheckoutTerms,
  chance: Chance,
) {
  const freeAt = new Array<number>(connections).fill(0);
  const exponential = (mean: number) => -mean * Math.log1p(-chance.next());
  const warmUp = Math.ceil(calls * 0.1);
  const waits: number[] = [];
  let now = 0;
  for (let call = 0; call < calls + warmUp; call++) {
    now += exponential(1_000 / callsPerSecond);
    const first = freeAt.indexOf(Math.min(...freeAt));
    const lentAt = Math.max(now, freeAt[first]!);
    freeAt[first] = lentAt + exponential(holdMs);
    if (call >= warmUp) waits.push(lentAt - now);
  }
  waits.sort((left, right) => left - right);
  return {
    waitProbability: waits.filter((wait) => wait > 0).length / calls,
    meanWaitMs: waits.reduce((sum, wait) => sum + wait, 0) / calls,
    p99WaitMs: waits[Math.floor(calls * 0.99)]!,
  };
}
