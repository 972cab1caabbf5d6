// The judgements of a validation: a figure that misses its limit, or that was never measured, fails.

import { describe, expect, test } from 'vitest';
import { machineLoad, measureUndisturbed, parseMachineTimes } from '../../scripts/machine-load.js';
import { PHASES, scaled, soak } from '../../scripts/validation/phases.js';
import {
  hasPassed,
  toHtml,
  toMarkdown,
  toText,
  type Validation,
} from '../../scripts/validation/report.js';
import { commandPercentileMs, readScrape } from '../../scripts/validation/scrape.js';
import { judgePhase, judgeRestart, type PhaseResult } from '../../scripts/validation/verdict.js';

const ULTIMATE = PHASES.find(({ name }) => name === 'ultimate')!;
const GOOD: PhaseResult = {
  requests: 200_000,
  failures: 0,
  throughput: 1_900,
  p50Ms: 3,
  p95Ms: 20,
  p99Ms: 80,
  utilizationPercent: 5,
  redisP99Ms: 2,
  exhausted: 0,
  rejectedConnections: 0,
  memoryGrowthPercent: undefined,
  isGeneratorLimited: false,
};

function failedRows(result: Partial<PhaseResult>): string[] {
  return judgePhase(ULTIMATE, { ...GOOD, ...result })
    .filter(({ passed }) => !passed)
    .map(({ what }) => what);
}

describe('a phase', () => {
  test('passes when all its figures are within their limits', () => {
    expect(failedRows({})).toEqual([]);
  });

  test.each([
    [{ p50Ms: 100 }, 'p50'],
    [{ p95Ms: 501 }, 'p95'],
    [{ p99Ms: 1_000 }, 'p99'],
    [{ p99Ms: Number.NaN }, 'p99'],
    [{ failures: 2_000 }, 'failures'],
    [{ throughput: 1_499 }, 'throughput'],
    [{ utilizationPercent: 61 }, 'utilisation, highest'],
    [{ redisP99Ms: 5 }, 'Redis operations p99'],
    [{ exhausted: 1 }, 'pool exhaustions'],
    [{ rejectedConnections: 1 }, 'connections rejected by Redis'],
  ])('with %j fails by its %s', (result, what) => {
    expect(failedRows(result)).toEqual([what]);
  });

  test('without a request fails', () => {
    expect(failedRows({ requests: 0, failures: 0 })).toEqual(['failures']);
  });

  test.each([
    [{ memoryGrowthPercent: 4.9, redisP99Ms: 9 }, []],
    [{ memoryGrowthPercent: 5 }, ['memory growth']],
    [{ memoryGrowthPercent: 1, exhausted: 1 }, ['pool exhaustions']],
  ])('of a soak with %j fails by %j', (result, failed) => {
    const rows = judgePhase(soak(600), { ...GOOD, ...result });
    expect(rows.map(({ what }) => what)).toEqual([
      'failures',
      'pool exhaustions',
      'connections rejected by Redis',
      'memory growth',
    ]);
    expect(rows.filter(({ passed }) => !passed).map(({ what }) => what)).toEqual(failed);
  });

  test('of five thousand users has every limit of its row', () => {
    const stress = PHASES.find(({ name }) => name === 'stress')!;
    expect(judgePhase(stress, GOOD).map(({ expected }) => expected)).toEqual([
      '< 50 ms',
      '< 300 ms',
      '< 800 ms',
      '< 0.5 %',
      '>= 1,200 requests/s',
      '< 40 %',
      '< 5 ms',
      '0',
      '0',
    ]);
  });

  test('that is scaled down has fewer users and is over sooner', () => {
    const small = scaled(ULTIMATE, 0.01);
    expect(small.users).toBe(100);
    expect(small.seconds.short).toBeLessThan(10);
  });
});

describe('a restart', () => {
  const good = { recoveryMs: 300, revokedAccepted: 0, revokedShown: 900 };
  const passes = (result: typeof good) => judgeRestart(result).every(({ passed }) => passed);

  test('passes only when the service is back in time and no revoked token was taken', () => {
    expect(passes(good)).toBe(true);
    expect(passes({ ...good, recoveryMs: 2_000 })).toBe(false);
    expect(passes({ ...good, revokedAccepted: 1 })).toBe(false);
    expect(passes({ ...good, revokedShown: 0 })).toBe(false);
  });
});

describe('a scrape', () => {
  const page = (counts: readonly [string, number][]) =>
    [
      '# TYPE redis_pool_utilization_percent gauge',
      'redis_pool_utilization_percent{pool="main"} 12.5',
      'worker_redis_pool_utilization_percent{pool="main",worker="1"} 50',
      'process_resident_memory_bytes 1048576',
      'redis_pool_errors_total{pool="main",code="COMMAND_TIMEOUT"} 2',
      'redis_pool_errors_total{pool="main",code="ERROR_REPLY"} 7',
      ...counts.map(
        ([le, count]) =>
          `redis_pool_command_duration_seconds_bucket{pool="main",le="${le}"} ${count}`,
      ),
    ].join('\n');

  test('has the totals and leaves the workers alone', () => {
    expect(readScrape(page([]))).toMatchObject({
      utilizationPercent: 12.5,
      memoryBytes: 1_048_576,
      poolErrors: 2,
    });
  });

  test('gives the percentile of what came between two of them', () => {
    const before = readScrape(
      page([
        ['0.001', 100],
        ['0.005', 100],
        ['+Inf', 100],
      ]),
    );
    const after = readScrape(
      page([
        ['0.001', 150],
        ['0.005', 200],
        ['+Inf', 200],
      ]),
    );
    expect(commandPercentileMs(before, after, 50)).toBeCloseTo(1);
    expect(commandPercentileMs(before, after, 75)).toBeCloseTo(3);
    expect(commandPercentileMs(before, before, 99)).toBeNaN();
  });
});

describe('the report', () => {
  const validation = (passed: boolean): Validation => ({
    startedAt: '2026-01-01T00:00:00.000Z',
    command: 'npm run validate',
    machine: '2 x CPU',
    versions: 'Node 20',
    isWarmedUp: true,
    sections: [
      {
        title: 'stress',
        how: '<5,000> users',
        rows: [{ what: 'p50', expected: '< 50 ms', measured: '3 ms', passed }],
        details: [{ title: 'Requests', columns: ['name', 'count'], rows: [['GET /a|b', '3']] }],
        notes: [],
      },
    ],
  });

  test('says PASS only when every row passed, and there is a row', () => {
    expect(hasPassed(validation(true))).toBe(true);
    expect(hasPassed(validation(false))).toBe(false);
    expect(hasPassed({ ...validation(true), sections: [] })).toBe(false);
  });

  test('is a table in Markdown and in HTML, with everything escaped', () => {
    expect(toMarkdown(validation(false))).toContain('| p50 | < 50 ms | 3 ms | FAIL |');
    expect(toMarkdown(validation(true))).toContain('| GET /a\\|b | 3 |');
    const html = toHtml(validation(true));
    expect(html).toContain('&lt;5,000&gt; users');
    expect(html).toContain('<td class="PASS">PASS</td>');
  });
});

describe('a section that judges nothing', () => {
  const section = {
    title: 'compared',
    how: 'two rounds',
    rows: [],
    details: [{ title: 'Drivers', columns: ['driver', 'p50'], rows: [['one', '1.5']] }],
    notes: [],
  };

  test('shows its tables on the terminal, and no empty verdict', () => {
    expect(toText(section)).toContain('one     1.5');
    expect(toText(section)).not.toContain('expected');
  });

  test('alone makes no validation pass', () => {
    const validation = { startedAt: '', command: '', machine: '', versions: '', isWarmedUp: false };
    expect(hasPassed({ ...validation, sections: [section] })).toBe(false);
    expect(toMarkdown({ ...validation, sections: [section] })).not.toContain('expected');
  });
});

describe('the load of the machine', () => {
  const before = parseMachineTimes('cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n');
  const after = parseMachineTimes('cpu  150 0 75 880 55 0 10 30 0 0\ncpu0 1 2 3\n');

  test('tells what it did from what its host took away', () => {
    expect(machineLoad(before, after)).toEqual({ busyPercent: 42.5, stolenPercent: 15 });
  });

  test('is unknown where the system does not tell', () => {
    expect(machineLoad(undefined, after)).toBeUndefined();
  });

  test.each([
    ['once on a quiet host', [3], 1],
    ['again on a busy one, until it is quiet', [3.1, 9, 0.5, 0], 3],
    ['no more often than asked, then as it is', [9, 8, 7, 0], 3],
    ['once where the system does not tell', [undefined], 1],
  ])('lets a figure be measured %s', async (_, stolenPercents, expected) => {
    const rest = [...stolenPercents];
    const attempts = await measureUndisturbed(async () => {
      const stolenPercent = rest.shift();
      const machineLoad =
        stolenPercent === undefined ? undefined : { busyPercent: 50, stolenPercent };
      return { machineLoad };
    }, 3);
    expect(attempts.map((attempt) => attempt.machineLoad?.stolenPercent)).toEqual(
      stolenPercents.slice(0, expected),
    );
  });
});
