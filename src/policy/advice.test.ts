import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ADVICE_CODES, type AdviceFacts, adviceFor } from './advice.js';

const WELL: AdviceFacts = {
  utilizationPercent: 10,
  inUse: 4,
  maxConnections: 40,
  workers: 4,
  silentWorkers: 0,
  isDown: false,
  connectFailure: undefined,
  downEndpoints: [],
  waiting: 0,
  oldestWaitMs: 0,
  exhausted: 0,
  timeouts: 0,
  connectionErrors: 0,
  leaks: 0,
  primariesWithoutReplica: 0,
  loopPercent: 20,
};
const codes = (facts: Partial<AdviceFacts>) =>
  adviceFor({ ...WELL, ...facts }).map((one) => one.code);

/** What brings each piece of advice, and nothing else. */
const CAUSES: readonly (readonly [(typeof ADVICE_CODES)[number], Partial<AdviceFacts>])[] = [
  ['REDIS_AWAY', { isDown: true, downEndpoints: ['a:1'], connectionErrors: 3 }],
  ['ENDPOINT_DOWN', { downEndpoints: ['a:1'] }],
  ['POOL_EXHAUSTED', { exhausted: 1 }],
  ['UTILIZATION_CRITICAL', { utilizationPercent: 80.1 }],
  ['UTILIZATION_HIGH', { utilizationPercent: 80 }],
  ['CALLERS_WAIT', { waiting: 1, oldestWaitMs: 100 }],
  ['WORKER_SILENT', { silentWorkers: 1 }],
  ['TIMEOUTS', { timeouts: 1 }],
  ['LEASES_LEAK', { leaks: 1 }],
  ['EVENT_LOOP_BUSY', { loopPercent: 90.5 }],
  ['CONNECTIONS_FAIL', { connectionErrors: 1 }],
  ['NO_REPLICA', { primariesWithoutReplica: 1 }],
  ['ALL_IS_WELL', { utilizationPercent: 60, waiting: 1, oldestWaitMs: 99 }],
];

describe('advice', () => {
  test.each(CAUSES)('%s', (code, facts) => expect(codes(facts)).toEqual([code]));

  test('there is a cause here for each code, and a line in docs/dashboard.md', () => {
    expect(CAUSES.map(([code]) => code)).toEqual(ADVICE_CODES);
    const page = readFileSync(new URL('../../docs/dashboard.md', import.meta.url), 'utf8');
    expect(ADVICE_CODES.filter((code) => !page.includes(`| \`${code}\` |`))).toEqual([]);
  });

  test('what is critical comes first, whatever else there is', () => {
    const facts = { ...WELL, timeouts: 3, exhausted: 2, utilizationPercent: 90, inUse: 36 };
    const severities = adviceFor(facts).map(({ severity }) => severity);
    expect(severities).toEqual(['critical', 'critical', 'warning']);
  });

  test('says by how much: the number that was found, and the one to set', () => {
    const [advice] = adviceFor({ ...WELL, utilizationPercent: 90, inUse: 36 });
    expect(advice?.finding).toBe('90 % of the connections are in use (36 of 40), above 80 %.');
    expect(advice?.change).toContain('Raise REDIS_MAX_CONNECTIONS from 40 to 80');
  });
});
