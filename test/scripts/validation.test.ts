// The judgements of a validation: a figure that misses its limit, or that was never measured, fails.

import { describe, expect, test } from 'vitest';
import { machineLoad, measureUndisturbed, parseMachineTimes } from '../../scripts/machine-load.js';
import { memoryGrowthPercent, refuseCrash } from '../../scripts/validation/drive.js';
import { offeredRate, PHASES, scaled, soak } from '../../scripts/validation/phases.js';
import { parseRedisState } from '../../scripts/validation/redis-state.js';
import {
  notRun,
  toHtml,
  toMarkdown,
  toText,
  type Validation,
  verdictOf,
} from '../../scripts/validation/report.js';
import {
  commandPercentileMs,
  evictionsBetween,
  readScrape,
} from '../../scripts/validation/scrape.js';
import {
  type FailoverResult,
  judgeFailover,
  judgePhase,
  judgeRestart,
  type PhaseResult,
} from '../../scripts/validation/verdict.js';

const ULTIMATE = PHASES.find(({ name }) => name === 'ultimate')!;
const GOOD: PhaseResult = {
  requests: 200_000,
  failures: 0,
  exceptions: 0,
  throughput: 1_900,
  p50Ms: 3,
  p95Ms: 20,
  p99Ms: 80,
  utilizationPercent: 5,
  redisP99Ms: 2,
  exhausted: 0,
  waited: 0,
  evictions: {},
  loopLagP99Ms: 12,
  workerRestarts: 0,
  rejectedConnections: 0,
  evictedKeys: 0,
  redisBytesPerUser: 900,
  redisBytesPerRequest: Number.NaN,
  memoryGrowthPercent: Number.NaN,
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
    [{ exceptions: 1 }, 'exceptions of users'],
    [{ throughput: 1_499 }, 'throughput'],
    [{ utilizationPercent: 61 }, 'utilisation, highest'],
    [{ redisP99Ms: 5 }, 'Redis operations p99'],
    [{ exhausted: 1 }, 'pool exhaustions'],
    [{ rejectedConnections: 1 }, 'connections rejected by Redis'],
    [{ rejectedConnections: Number.NaN }, 'connections rejected by Redis'],
    [{ waited: 1 }, 'callers that waited for a connection'],
    [{ evictions: { idle: 3, lost: 1 } }, 'connections evicted for a fault'],
    [{ evictions: { unhealthy: 1 } }, 'connections evicted for a fault'],
    [{ loopLagP99Ms: 100 }, 'event-loop lag of a worker, p99'],
    [{ loopLagP99Ms: Number.NaN }, 'event-loop lag of a worker, p99'],
    [{ workerRestarts: 1 }, 'workers that died'],
    [{ evictedKeys: 1 }, 'keys evicted by Redis'],
    [{ redisBytesPerUser: 1_400 }, 'Redis memory a user'],
  ])('with %j fails by its %s', (result, what) => {
    expect(failedRows(result)).toEqual([what]);
  });

  test('without a request fails', () => {
    expect(failedRows({ requests: 0, failures: 0 })).toEqual(['failures']);
  });

  test.each([
    [{ memoryGrowthPercent: 4.9, redisP99Ms: 9 }, []],
    [{ memoryGrowthPercent: 5 }, ['memory growth']],
    [{ exhausted: 1 }, ['pool exhaustions']],
    [{ redisBytesPerRequest: 46 }, ['Redis memory kept a request']],
    [{ memoryGrowthPercent: Number.NaN }, ['memory growth']],
    [{ redisBytesPerRequest: Number.NaN }, ['Redis memory kept a request']],
  ])('of a soak with %j fails by %j', (result, failed) => {
    const grown = { memoryGrowthPercent: 1, redisBytesPerRequest: 0.7 };
    const rows = judgePhase(soak(600), { ...GOOD, ...grown, ...result });
    expect(rows.map(({ what }) => what)).toEqual([
      'failures',
      'exceptions of users',
      'pool exhaustions',
      'callers that waited for a connection',
      'connections evicted for a fault',
      'connections rejected by Redis',
      'keys evicted by Redis',
      'workers that died',
      'event-loop lag of a worker, p99',
      'memory growth',
      'Redis memory kept a request',
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
      '0',
      '>= 1,200 requests/s of 1,282 offered',
      '< 40 %',
      '< 5 ms',
      ...['0', '0', '0', '0', '0', '0'],
      '< 100 ms',
      '< 1,400 B',
    ]);
  });

  test('counts utilisation as no proof, and fails by it all the same', () => {
    const weak = (utilizationPercent: number) =>
      judgePhase(ULTIMATE, { ...GOOD, utilizationPercent })
        .filter(({ isProof }) => !isProof)
        .map(({ what, passed }) => [what, passed]);
    expect(weak(2.5)).toEqual([['utilisation, highest', true]]);
    expect(weak(61)).toEqual([['utilisation, highest', false]]);
  });

  test('that was measured again fails by what failed in an attempt before, not by its times', () => {
    const rowsAfter = (discarded: Partial<PhaseResult>) =>
      judgePhase(ULTIMATE, GOOD, [{ ...GOOD, ...discarded }])
        .filter(({ passed }) => !passed)
        .map(({ what }) => what);
    expect(rowsAfter({ p99Ms: 5_000, redisP99Ms: 9, loopLagP99Ms: 500 })).toEqual([]);
    expect(rowsAfter({ failures: 2_000 })).toEqual(['failures, worst of 2 attempts']);
    expect(rowsAfter({ exhausted: 1 })).toEqual(['pool exhaustions, all 2 attempts']);
    expect(rowsAfter({ evictions: { lost: 1 } })).toEqual([
      'connections evicted for a fault, all 2 attempts',
    ]);
    expect(rowsAfter({ workerRestarts: 1 })).toEqual(['workers that died, all 2 attempts']);
  });

  test('offers what its row of the requirements asks for, and 7 % more', () => {
    expect(offeredRate(ULTIMATE)).toBeCloseTo(1_500 * 1.07, -1);
  });

  test('that is scaled down has fewer users and is over sooner', () => {
    const small = scaled(ULTIMATE, 0.01);
    expect(small.users).toBe(100);
    expect(small.seconds.short).toBeLessThan(15);
  });

  test.each(PHASES.map((phase) => [phase.name, phase] as const))(
    'of %s has time with all users, at any scale',
    (_, phase) => {
      for (const scale of [0.01, 0.02, 0.1, 0.2, 0.5, 0.9, 1, 2]) {
        const { users, spawnRate, seconds } = scaled(phase, scale);
        expect(seconds.short - users / spawnRate, `at ${scale}`).toBeGreaterThanOrEqual(3);
      }
    },
  );

  test('that is as it is, is not scaled', () => {
    expect(scaled(ULTIMATE, 1)).toBe(ULTIMATE);
  });
});

describe('a restart', () => {
  const good = {
    recoveryMs: 300,
    revokedAccepted: 0,
    revokedShown: 900,
    sessionsLost: 0,
    sessionsWatched: 300,
    refreshesRetried: 30,
  };
  const passes = (result: typeof good) => judgeRestart(result).every(({ passed }) => passed);

  test('passes only when the service is back in time and no revoked token was taken', () => {
    expect(passes(good)).toBe(true);
    expect(passes({ ...good, recoveryMs: 2_000 })).toBe(false);
    expect(passes({ ...good, revokedAccepted: 1 })).toBe(false);
    expect(passes({ ...good, revokedShown: 0 })).toBe(false);
  });

  test('fails when a session was lost, or when none was at stake', () => {
    expect(passes({ ...good, sessionsLost: 1 })).toBe(false);
    expect(passes({ ...good, sessionsWatched: 0 })).toBe(false);
    expect(passes({ ...good, refreshesRetried: 0 })).toBe(false);
  });
});

describe('a failover', () => {
  const good: FailoverResult = {
    recoveryMs: 120,
    replacedMs: 3_000,
    affectedShown: 2_000,
    revokedAccepted: 0,
    revokedShown: 500,
    sessionsLost: 0,
    sessionsWatched: 300,
    refreshesRetried: 30,
    logouts: 400,
    logoutsRetried: 20,
    logoutsRefused: 0,
    logoutsUndone: 0,
    loginsAcknowledged: 30,
    loginsLost: 3,
    othersShown: 4_000,
    othersFailed: 0,
    othersP99BeforeMs: 20,
    othersP99Ms: 30,
  };
  const failed = (result: Partial<FailoverResult>) =>
    judgeFailover({ ...good, ...result }).flatMap(({ what, passed }) => (passed ? [] : [what]));

  test('may lose what nobody had confirmed, and nothing else', () => {
    expect(failed({})).toEqual([]);
    expect(failed({ logoutsUndone: 1 })).toEqual(['logouts answered, and undone']);
    expect(failed({ logoutsRefused: 1 })).toEqual(['logouts never answered']);
    expect(failed({ sessionsLost: 1 })).toEqual(['sessions lost that a replica had']);
    expect(failed({ revokedAccepted: 1 })).toEqual(['revoked tokens accepted']);
  });

  test('is over soon after a replica took over, and was met by somebody', () => {
    expect(failed({ recoveryMs: 2_000 })).toEqual(['serves again after a replica took over']);
    expect(failed({ affectedShown: 0, refreshesRetried: 0 })).toHaveLength(2);
  });

  test('is not felt at other primaries, where there are any', () => {
    expect(failed({ othersFailed: 1 })).toEqual(['requests that failed at other primaries']);
    expect(failed({ othersP99Ms: 40 })).toEqual(['p99 at other primaries meanwhile']);
    const none = { othersShown: 0, othersP99Ms: Number.NaN, othersP99BeforeMs: Number.NaN };
    expect(failed(none)).toEqual([]);
  });
});

test('a run whose generator crashed is no measurement', () => {
  const crashed = {
    endReason: 'generator-crashed',
    notes: ['Generator 1 crashed: SIGKILL'],
  } as const;
  expect(() => refuseCrash({ ...crashed, notes: [...crashed.notes] })).toThrow('SIGKILL');
  expect(() => refuseCrash({ endReason: 'run-time', notes: [] })).not.toThrow();
});

describe('memory', () => {
  const samples = (grownBytes: number, seconds: number) =>
    Array.from({ length: seconds / 2 }, (_, index) => ({
      atMs: index * 2_000,
      memoryBytes: 100 + (index * 2 > 160 ? grownBytes : 0),
    }));

  test('grows from the third minute on', () => {
    expect(memoryGrowthPercent(samples(7, 300))).toBeCloseTo(7);
    expect(memoryGrowthPercent(samples(0, 300))).toBe(0);
  });

  test('is no number where the run was too short to say', () => {
    expect(memoryGrowthPercent(samples(7, 150))).toBeNaN();
    expect(memoryGrowthPercent([])).toBeNaN();
  });
});

describe('what Redis tells', () => {
  test('is its data without the buffers of traffic', () => {
    const info =
      'rejected_connections:2\r\nevicted_keys:3\r\nused_memory:1000\r\nused_memory_rss:9000\r\n' +
      'mem_clients_normal:200\r\nmem_aof_buffer:50\r\n';
    expect(parseRedisState(info)).toEqual({
      rejectedConnections: 2,
      evictedKeys: 3,
      dataBytes: 750,
    });
  });

  test('is no number where it tells nothing', () => {
    expect(parseRedisState('').dataBytes).toBeNaN();
    expect(parseRedisState('').evictedKeys).toBeNaN();
  });
});

describe('a scrape', () => {
  const page = (counts: readonly [string, number][]) =>
    [
      '# TYPE redis_pool_utilization_percent gauge',
      'redis_pool_utilization_percent{pool="main"} 12.5',
      'worker_redis_pool_utilization_percent{pool="main",worker="1"} 50',
      'process_resident_memory_bytes 1048576',
      'redis_pool_waiters{pool="main"} 4',
      'redis_pool_wait_duration_seconds_count{pool="main"} 6',
      'redis_pool_evictions_total{pool="main",reason="idle"} 3',
      'redis_pool_evictions_total{pool="main",reason="lost"} 1',
      'auth_worker_restarts_total 1',
      'nodejs_eventloop_lag_p99_seconds 0.012',
      'worker_nodejs_eventloop_lag_p99_seconds{worker="1"} 0.011',
      'worker_nodejs_eventloop_lag_p99_seconds{worker="2"} 0.035',
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
      waiters: 4,
      waited: 6,
      evictions: { idle: 3, lost: 1 },
      workerRestarts: 1,
    });
  });

  test('has the lag of the latest worker, without the pauses of the monitor', () => {
    expect(readScrape(page([])).loopLagP99Ms).toBeCloseTo(25);
    expect(readScrape('').loopLagP99Ms).toBeNaN();
  });

  test('tells which connections were closed since another', () => {
    const before = readScrape(page([]));
    const after = { ...before, evictions: { idle: 3, lost: 2, lifetime: 1 } };
    expect(evictionsBetween(before, after)).toEqual({ lost: 1, lifetime: 1 });
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
  const ROW = { what: 'p50', expected: '< 50 ms', measured: '3 ms', passed: true, isProof: true };
  const section = (rows: Validation['sections'][number]['rows']) => ({
    title: 'stress',
    how: '<5,000> users',
    rows,
    details: [{ title: 'Requests', columns: ['name', 'count'], rows: [['GET /a|b', '3']] }],
    notes: [],
  });
  const of = (...sections: Validation['sections']): Validation => ({
    startedAt: '2026-01-01T00:00:00.000Z',
    command: 'npm run validate',
    machine: '2 x CPU',
    versions: 'Node 20',
    isWarmedUp: true,
    scale: 1,
    planned: sections.map(({ title }) => title),
    sections,
  });
  const passed = of(section([ROW]));
  const failed = of(section([{ ...ROW, passed: false }]));
  const unrun = notRun('restart', 'REDIS_URL names a server that is not ours to kill');

  test('says PASS only when every row passed and everything ran', () => {
    expect(verdictOf(passed)).toBe('PASS');
    expect(verdictOf(failed)).toBe('FAIL');
    expect(verdictOf(of(section([ROW]), unrun))).toBe('INCOMPLETE');
    expect(verdictOf({ ...passed, planned: ['stress', 'ultimate'] })).toBe('INCOMPLETE');
    expect(verdictOf({ ...passed, planned: ['stress'], sections: [] })).toBe('INCOMPLETE');
  });

  test('says FAIL where a row failed, whatever did not run', () => {
    expect(verdictOf(of(section([{ ...ROW, passed: false }]), unrun))).toBe('FAIL');
  });

  test('calls nothing PASS that no row proves', () => {
    expect(verdictOf(of(section([])))).toBe('COMPARED');
    expect(verdictOf(of(section([{ ...ROW, isProof: false }])))).toBe('COMPARED');
  });

  test('names the rows that failed and what did not run, above everything else', () => {
    expect(toMarkdown(failed)).toContain('Failed: stress, p50: 3 ms, not < 50 ms.');
    expect(toMarkdown({ ...of(section([ROW]), unrun), planned: ['stress', 'soak'] })).toContain(
      'Not run: restart: REDIS_URL names a server that is not ours to kill; soak: not reached.',
    );
    expect(toMarkdown({ ...passed, scale: 0.1 })).toContain('A trial at scale 0.1');
  });

  test('marks what is required and proves nothing', () => {
    const weak = of(section([ROW, { ...ROW, what: 'utilisation', isProof: false }]));
    expect(toMarkdown(weak)).toContain('| utilisation | < 50 ms | 3 ms | met |');
    expect(toMarkdown(weak)).toContain('no proof');
    expect(toMarkdown(passed)).not.toContain('no proof');
  });

  test('is a table in Markdown and in HTML, with everything escaped', () => {
    expect(toMarkdown(failed)).toContain('| p50 | < 50 ms | 3 ms | FAIL |');
    expect(toMarkdown(passed)).toContain('| GET /a\\|b | 3 |');
    const html = toHtml(passed);
    expect(html).toContain('&lt;5,000&gt; users');
    expect(html).toContain('<td class="PASS">PASS</td>');
  });

  test('shows the tables of a section that judges nothing, and no empty verdict', () => {
    expect(toText(section([]))).toContain('GET /a|b      3');
    expect(toText(section([]))).not.toContain('expected');
    expect(toMarkdown(of(section([])))).not.toContain('expected');
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
