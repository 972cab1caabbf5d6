import { expect, test } from 'vitest';
import { DEFAULT_COSTS } from './costs.js';
import { planRedis } from './redis.js';
import { CLIENTS_LIMIT, DEFAULT_HARDWARE, planScale, scaleSteps } from './scale.js';

const HABITS = { requestsPerUser: 0.1, redisCalls: 2 };
/** Round figures: 600 µs a request, 30 µs a Redis command however large the batch. */
const COSTS = {
  ...DEFAULT_COSTS,
  clientCommandUs: 0,
  clientBatchUs: 0,
  redisCommandUs: 30,
  redisBatchUs: 0,
  requestUs: 600,
  userBytes: 1_000,
  redisConnectionBytes: 0,
  redisBaseBytes: 0,
};

test('workers follow CPU, shards the greater of CPU and memory', () => {
  const row = planScale(1_000_000, HABITS, COSTS);
  expect(row).toMatchObject({ requestsPerSecond: 100_000, callsPerSecond: 200_000, cells: 1 });
  // 100,000 x 600 µs = 60 cores, 60 % full; 200,000 x 30 µs = 6 cores, 60 % full.
  expect(row).toMatchObject({ workers: 100, shards: 10, redisServers: 20 });
  expect(row).toMatchObject({ connectionsPerWorker: 10, connectionsPerShard: 100 });
  expect(row).toMatchObject({ connections: 1_000, workerHosts: 7, redisHosts: 2, hosts: 9 });
  const gibibyte = { ...DEFAULT_HARDWARE, shardBytes: 100_000_000 };
  expect(planScale(1_000_000, HABITS, COSTS, gibibyte).shards).toBe(20);
});

test('at 100,000,000 users no shard has more connections than maxclients allows', () => {
  const row = planScale(100_000_000, HABITS, DEFAULT_COSTS);
  expect(row.connectionsPerShard).toBeLessThanOrEqual(DEFAULT_HARDWARE.maxClients * CLIENTS_LIMIT);
  expect(row.cells).toBe(Math.ceil(row.workers / (DEFAULT_HARDWARE.maxClients * CLIENTS_LIMIT)));
  expect(Object.values(row).every(Number.isFinite)).toBe(true);
});

test('more users never need less of anything', () => {
  const rows = scaleSteps(10, 1e9).map((users) => planScale(users, HABITS, DEFAULT_COSTS));
  for (const name of ['workers', 'shards', 'hosts', 'workerBytes', 'redisBytes'] as const) {
    const figures = rows.map((row) => row[name]);
    expect(figures, name).toEqual([...figures].sort((left, right) => left - right));
  }
});

test('the steps go by tens from the users that are asked for to the last row', () => {
  expect(scaleSteps(10_000, 1e8)).toEqual([10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]);
  expect(scaleSteps(2_500, 30_000)).toEqual([2_500, 10_000, 30_000]);
  expect(scaleSteps(50, 50)).toEqual([50]);
});

test('Redis takes data twice while it forks, connections once', () => {
  const demand = { users: 1_000, workers: 1, requestsPerUser: 1, redisCalls: 1, requestMs: 1 };
  const plan = planRedis(demand, 1, 10, { ...COSTS, redisConnectionBytes: 100, redisBaseBytes: 7 });
  expect(plan).toMatchObject({ cpu: 0.03, totalBytes: 1_001_007, forkedBytes: 2_001_007 });
});
