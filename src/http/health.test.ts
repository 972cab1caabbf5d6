import { expect, test } from 'vitest';
import { Statistics } from '../node/statistics.js';
import { ALL_IS_WELL } from '../policy/recommendations.js';
import { type PoolStatus, type SnapshotFacts, takeSnapshot } from '../pool/snapshot.js';
import { EXHAUSTION_WINDOW_MS, healthAnswer, PoolHealth, REPORT_MAX_AGE_MS } from './health.js';

const STATISTICS = new Statistics();
const FACTS: SnapshotFacts = {
  name: 'main',
  state: 'ready',
  address: '127.0.0.1:6379',
  nodes: [],
  serving: [],
  minConnections: 1,
  maxConnections: 40,
  alert: false,
  statistics: STATISTICS,
  now: 0,
};
const HEALTHY = {
  healthy: true,
  latencyMs: 0.456,
  checkedConnections: 1,
  failedConnections: 0,
  error: undefined,
  status: takeSnapshot(FACTS),
};

test('a healthy pool answers 200 with every field that the endpoint promises', () => {
  expect(healthAnswer(HEALTHY, 0)).toEqual({
    statusCode: 200,
    body: {
      healthy: true,
      pool_status: {
        status: 'ready',
        utilization_percent: 0,
        in_use_connections: 0,
        available_connections: 40,
        max_connections: 40,
        open_connections: 0,
        waiting: 0,
        ping_ms: 0.46,
        metrics: {
          pool_exhausted_count: 0,
          connection_errors: 0,
          health_check_failures: 0,
          timeouts: 0,
          retries: 0,
          command_p99_ms: 0,
        },
        last_connect_error: null,
      },
      endpoints: [],
      failover: null,
      recommendations: [ALL_IS_WELL],
    },
  });
});

test('the servers and the endpoints to choose from are named', () => {
  const counts = { open: 2, inUse: 1, leased: 0, connecting: 0, inFlight: 3, waiting: 4 };
  const server = { address: 'a:1', role: 'primary', zone: undefined, state: 'ready', ...counts };
  const endpoint = { id: 'a', address: 'a:1', weight: 2, isActive: true, state: 'healthy' };
  const failover = {
    active: undefined,
    endpoints: [endpoint],
    switches: {},
    lastSwitch: undefined,
  };
  const status = { ...HEALTHY.status, endpoints: [server], failover } as unknown as PoolStatus;
  const { body } = healthAnswer({ ...HEALTHY, status }, 0);
  expect(body.endpoints).toEqual([
    {
      ...{ address: 'a:1', role: 'primary', status: 'ready' },
      ...{ open_connections: 2, in_use_connections: 1, waiting: 4 },
    },
  ]);
  expect(body.failover).toEqual({
    active: null,
    endpoints: [{ id: 'a', address: 'a:1', weight: 2, status: 'healthy' }],
  });
});

test('a server that does not answer is 503, and never called optimal', () => {
  const error = Object.assign(new Error('refused'), { code: 'CONNECT_FAILED' });
  const { statusCode, body } = healthAnswer({ ...HEALTHY, healthy: false, error }, 0);
  expect(statusCode).toBe(503);
  expect(body.recommendations).toEqual([
    'Critical: Redis does not answer (CONNECT_FAILED); check the server, its address and the network.',
  ]);
});

test('those who ask within a second share one check', async () => {
  let now = 0;
  let checks = 0;
  const check = async () => {
    checks++;
    return HEALTHY;
  };
  const pool = { status: () => HEALTHY.status, healthCheck: check };
  const health = new PoolHealth(pool, () => now);
  await Promise.all([health.report(), health.report()]);
  now = REPORT_MAX_AGE_MS - 1;
  await health.report();
  expect(checks).toBe(1);
  now = REPORT_MAX_AGE_MS;
  await health.report();
  expect(checks).toBe(2);
});

test('an exhausted pool is spoken of for five minutes', async () => {
  let now = 0;
  const statistics = new Statistics();
  const pool = {
    status: () => takeSnapshot({ ...FACTS, statistics }),
    healthCheck: async () => ({ ...HEALTHY, status: takeSnapshot({ ...FACTS, statistics }) }),
  };
  const health = new PoolHealth(pool, () => now);
  const sentences = async (at: number) => {
    now = at;
    return (await health.report()).body.recommendations;
  };
  expect(await sentences(0)).toEqual([ALL_IS_WELL]);
  statistics.exhausted = 2;
  expect((await sentences(10_000))[0]).toContain('exhausted 2 times');
  expect((await sentences(EXHAUSTION_WINDOW_MS + 9_000))[0]).toContain('exhausted 2 times');
  expect(await sentences(EXHAUSTION_WINDOW_MS + 10_000)).toEqual([ALL_IS_WELL]);
});
