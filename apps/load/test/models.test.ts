// The two models measure what they say: the open one counts waiting for a stalled service, the
// closed one shows a slow request per user and goes on when the service does.

import { describe, expect, it } from 'vitest';
import { constant, defineUser } from '../src/user-class.js';
import { generate } from './support/generate.js';
import { answerOk, type HttpService, startHttpService } from './support/http-service.js';

const USERS = 10;
const STALL_MS = 1000;
const RUN_MS = 2500;

/** Answers at once, but for one second after half a second nothing at all. */
async function stallingService(): Promise<HttpService> {
  const startMs = Date.now();
  return startHttpService((_request, response) => {
    const sinceMs = Date.now() - startMs;
    const stalled = sinceMs > 500 && sinceMs < 500 + STALL_MS;
    setTimeout(() => response.end('ok'), stalled ? 500 + STALL_MS - sinceMs : 0);
  });
}

const userClass = defineUser({
  name: 'Getter',
  waitMs: constant(50),
  tasks: [{ name: 'get', weight: 1, run: (user) => user.get('/') }],
});

describe.concurrent('a service that stalls for a second', () => {
  it('is one slow request a user in the closed model', async ({ onTestFinished }) => {
    const service = await stallingService();
    onTestFinished(() => service.close());
    const { ledger } = await generate(userClass, service.url, RUN_MS, { users: USERS });
    const { aggregated } = ledger.totals(Date.now());
    expect(aggregated.count).toBeGreaterThan(150);
    expect(aggregated.max).toBeGreaterThan(700);
    expect(aggregated.p90, 'nine of ten requests were fast').toBeLessThan(100);
  });

  it('shows in p90 and p99 in the open model, since arrivals do not wait', async ({
    onTestFinished,
  }) => {
    const service = await stallingService();
    onTestFinished(() => service.close());
    const overrides = { users: USERS, rate: 200 };
    const { ledger } = await generate(userClass, service.url, RUN_MS, overrides);
    const { aggregated } = ledger.totals(Date.now());
    expect(aggregated.count).toBeGreaterThan(400);
    expect(aggregated.count).toBeLessThan(550);
    expect(aggregated.p90).toBeGreaterThan(300);
    expect(aggregated.p99).toBeGreaterThan(800);
    expect(ledger.failures()).toEqual([]);
  });
});

describe.concurrent('a run', () => {
  it('arrivals that find no connection until the end count as failures, with their wait', async ({
    onTestFinished,
  }) => {
    const service = await startHttpService(() => {});
    onTestFinished(() => service.close());
    const overrides = { users: 1, rate: 50, stopTimeoutMs: 0 };
    const { ledger, windows } = await generate(userClass, service.url, 1000, overrides);
    const { rows } = ledger.totals(Date.now());
    expect(rows.map((row) => row.name)).toEqual(['(not sent)', '/']);
    expect(rows[1], 'the one that was sent').toMatchObject({ count: 1, failures: 1 });
    expect(rows[0]!.failures).toBeGreaterThan(40);
    expect(rows[0]!.max).toBeGreaterThan(800);
    expect(windows.at(-1)!.aborted).toBe(1);
  });

  it('users start at the spawn rate, and the steady state begins after them', async ({
    onTestFinished,
  }) => {
    const service = await startHttpService(answerOk);
    onTestFinished(() => service.close());
    const overrides = { users: 10, spawnRate: 10 };
    const { ledger, windows } = await generate(userClass, service.url, 3300, overrides);
    expect(windows[0]!.users).toBeGreaterThanOrEqual(9);
    expect(windows[0]!.steady).toBe(false);
    const steady = ledger.steady()!;
    expect(steady.durationMs).toBeGreaterThan(900);
    expect(steady.durationMs).toBeLessThan(2500);
    expect(steady.aggregated.rps).toBeGreaterThan(100);
    expect(steady.aggregated.count).toBeLessThan(ledger.totals(Date.now()).aggregated.count);
  }, 10_000);

  it('in the open model has the share of its rate that the share of its users allows', async ({
    onTestFinished,
  }) => {
    const service = await startHttpService(answerOk);
    onTestFinished(() => service.close());
    const overrides = { users: 50, spawnRate: 50, rate: 400 };
    const { ledger } = await generate(userClass, service.url, 2500, overrides);
    const { count, p50 } = ledger.totals(Date.now()).aggregated;
    // Half the rate on average for the first second, then all of it.
    expect(count).toBeGreaterThan(720);
    expect(count).toBeLessThan(880);
    expect(p50, 'nobody had to wait').toBeLessThan(20);
  });
});
