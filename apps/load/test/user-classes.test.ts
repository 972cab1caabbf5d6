// The user classes that come along keep to the authentication service's rules, so that each of
// their failures is the service's.

import { describe, expect, it } from 'vitest';
import type { Ledger } from '../src/stats/ledger.js';
import type { UserClass } from '../src/user-class.js';
import AuthenticationLoadTest from '../src/users/authentication-load-test.js';
import MixedWorkloadTest from '../src/users/mixed-workload-test.js';
import { startAuthenticationStub } from './support/authentication-stub.js';
import { generate } from './support/generate.js';

const MIN_TASKS = 800;
/** A busy machine may need longer than the second that it usually takes. */
const MAX_RUN_MS = 12_000;

describe.concurrent.each([
  [AuthenticationLoadTest as UserClass, 0.8],
  [MixedWorkloadTest as UserClass, 0.55],
])('$name', (userClass, verifyShare) => {
  it('never fails against a service that is right, and keeps its mix', async ({
    onTestFinished,
  }) => {
    const service = await startAuthenticationStub();
    onTestFinished(() => service.close());
    const overrides = { users: 20, waitScale: 0.002 };
    // The rarest task is one in 500: by chance, MIN_TASKS tasks can pass without one.
    const isEnough = (books: Ledger) => {
      const { aggregated, rows } = books.totals(Date.now());
      return aggregated.count > MIN_TASKS + 100 && rows.some((row) => row.name === '/auth/logout');
    };
    const { ledger } = await generate(userClass, service.url, MAX_RUN_MS, overrides, isEnough);
    expect(ledger.failures()).toEqual([]);
    expect(ledger.exceptions()).toEqual([]);
    const { rows } = ledger.totals(Date.now());
    const count = (name: string) => rows.find((row) => row.name === name)?.count ?? 0;
    const tasks = rows.reduce((sum, row) => sum + row.count, 0) - count('/auth/logout') - 40;
    expect(tasks).toBeGreaterThan(MIN_TASKS);
    expect(count('/auth/verify') / tasks).toBeCloseTo(verifyShare, 1);
    expect(count('/auth/logout')).toBeGreaterThan(0);
    expect(count('/auth/login')).toBe(20 + count('/auth/logout'));
  });
});

it('10,000 users with the waits of AuthenticationLoadTest make about 1,900 requests/s', () => {
  const meanWaitMs = AuthenticationLoadTest.waitMs(() => 0.5, 0);
  const requestsPerTask = 1.01;
  expect((10_000 / (meanWaitMs / 1000)) * requestsPerTask).toBeGreaterThan(1850);
  expect((10_000 / (meanWaitMs / 1000)) * requestsPerTask).toBeLessThan(2000);
});
