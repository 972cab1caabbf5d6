// The two entries for operators, as their users have them: built, on a real server.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { healthHandler } from 'plimsoll/http';
import { aggregateWorkerMetrics, registerPoolMetrics } from 'plimsoll/prometheus';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createPool, PoolError, WatchError } from '../src/index.js';
import { describeEachPrivateServer } from './support/servers.js';
import { uncaughtDuring } from './support/uncaught.js';

/** The value of a series, e.g. `name{pool="a"}`. */
function seriesOf(page: string, series: string): number {
  const line = page.split('\n').find((text) => text.startsWith(`${series} `));
  if (line === undefined) throw new Error(`No series ${series} in:\n${page}`);
  return Number(line.slice(series.length + 1));
}

describeEachPrivateServer('for operators', (server) => {
  test('a registry has the pool’s counts, errors by code and cumulative histograms', async () => {
    await using pool = createPool({ url: server().url, name: 'main', maxConnections: 20 }, {});
    const registry = new Registry();
    registerPoolMetrics(pool, { registry });
    await pool.client.set('text', 'x');
    await expect(pool.client.incr('text')).rejects.toThrow('not an integer');
    const aborted = pool.client.withAbortSignal(AbortSignal.abort()).get('text');
    await expect(aborted).rejects.toBeInstanceOf(PoolError);
    const page = await registry.metrics();
    expect(page).toContain('# TYPE redis_pool_utilization_percent gauge');
    expect(page).toContain('# TYPE redis_pool_exhausted_total counter');
    expect(seriesOf(page, 'redis_pool_connections_in_use{pool="main"}')).toBe(0);
    expect(seriesOf(page, 'redis_pool_connections_available{pool="main"}')).toBe(20);
    expect(seriesOf(page, 'redis_pool_errors_total{pool="main",code="ABORTED"}')).toBe(1);
    expect(seriesOf(page, 'redis_pool_errors_total{pool="main",code="ERROR_REPLY"}')).toBe(1);
    expect(seriesOf(page, 'redis_pool_errors_total{pool="main",code="COMMAND_TIMEOUT"}')).toBe(0);
    expect(seriesOf(page, 'redis_pool_evictions_total{pool="main",reason="idle"}')).toBe(0);
    const { host, port } = server();
    const labels = `{pool="main",endpoint="${host}:${port}",role="primary"}`;
    expect(seriesOf(page, `redis_pool_endpoint_up${labels}`)).toBe(1);
    expect(seriesOf(page, `redis_pool_endpoint_connections_open${labels}`)).toBe(1);
    const duration = 'redis_pool_command_duration_seconds';
    expect(seriesOf(page, `${duration}_count{pool="main"}`)).toBe(2);
    expect(seriesOf(page, `${duration}_bucket{pool="main",le="10"}`)).toBe(2);
    expect(seriesOf(page, `${duration}_bucket{pool="main",le="+Inf"}`)).toBe(2);
  });

  test('errors of transactions, pipelines and refusals are counted, a changed key is none', async () => {
    await using pool = createPool({ url: server().url }, {});
    const { client } = pool;
    const counted = () => pool.status().counters.errors;
    await client.set('text', 'x');
    await expect(client.multi().incr('text').exec()).rejects.toThrow();
    await expect(client.multi().incr('text').execAsPipeline()).rejects.toThrow();
    expect(counted()).toEqual({ ERROR_REPLY: 2 });
    await expect(client.multi().select(1).exec()).rejects.toBeInstanceOf(PoolError);
    await expect(client.multi().blPop('list', 0).execAsPipeline()).rejects.toThrow();
    await expect(client.get(5 as never)).rejects.toBeInstanceOf(PoolError);
    await expect(client.sendCommand([])).rejects.toBeInstanceOf(PoolError);
    expect(counted()).toEqual({ ERROR_REPLY: 2, LEASE_REQUIRED: 2, INVALID_ARGUMENT: 2 });
    await pool.withLease(async (leased) => {
      await leased.watch('text');
      await client.set('text', 'y');
      await expect(leased.multi().get('text').exec()).rejects.toBeInstanceOf(WatchError);
    });
    expect(counted()).toEqual({ ERROR_REPLY: 2, LEASE_REQUIRED: 2, INVALID_ARGUMENT: 2 });
  });

  test('pools of one name have series each, until they are closed, also after a clear', async () => {
    const registry = new Registry();
    const open = () => createPool({ url: server().url, name: 'same' }, {});
    const [first, second] = [open(), open()];
    for (const pool of [first, second, first]) registerPoolMetrics(pool, { registry });
    const names = async () =>
      [...(await registry.metrics()).matchAll(/^redis_pool_lanes\{pool="(.+)"\}/gm)].map(
        ([, name]) => name,
      );
    await Promise.all([first.client.connect(), second.client.connect()]);
    expect(await names()).toEqual(['same', 'same-2']);
    await first.close();
    expect(await names()).toEqual(['same-2']);
    registry.clear();
    expect(await names()).toEqual([]);
    await using third = open();
    registerPoolMetrics(third, { registry });
    expect(await names()).toEqual(['same-2', 'same']);
    await second.close();
    expect(await names()).toEqual(['same']);
  });

  test('lanes, bytes, leases, connects, and servers by role', async () => {
    await using pool = createPool({ url: server().url, name: 'main', maxConnections: 2 }, {});
    const registry = new Registry();
    registerPoolMetrics(pool, { registry });
    await pool.client.set('text', 'x'.repeat(50_000));
    await pool.client.get('text');
    const lease = await pool.acquire();
    const page = await registry.metrics();
    expect(seriesOf(page, 'redis_pool_lanes{pool="main"}')).toBe(1);
    expect(seriesOf(page, 'redis_pool_endpoints{pool="main",role="primary"}')).toBe(1);
    expect(seriesOf(page, 'redis_pool_endpoints{pool="main",role="replica"}')).toBe(0);
    expect(page).not.toMatch(/^redis_pool_primaries_without_replica\{/m);
    for (const way of ['received', 'sent']) {
      const bytes = seriesOf(page, `redis_pool_${way}_bytes_total{pool="main"}`);
      expect(bytes).toBeGreaterThan(50_000);
      expect(bytes).toBeLessThan(52_000);
    }
    expect(seriesOf(page, 'redis_pool_connect_duration_seconds_count{pool="main"}')).toBe(2);
    expect(seriesOf(page, 'redis_pool_lease_duration_seconds_count{pool="main"}')).toBe(0);
    await lease.client.get('text');
    await sleep(30);
    lease.destroy();
    const after = await registry.metrics();
    expect(seriesOf(after, 'redis_pool_lease_duration_seconds_count{pool="main"}')).toBe(1);
    const held = seriesOf(after, 'redis_pool_lease_duration_seconds_sum{pool="main"}');
    expect(held).toBeGreaterThan(0.005);
    expect(held).toBeLessThan(1);
    // What a connection carried stays counted once it has ended.
    const received = 'redis_pool_received_bytes_total{pool="main"}';
    expect(seriesOf(after, received)).toBeGreaterThanOrEqual(seriesOf(page, received));
    const kept = await pool.acquire({ isLongLived: true });
    kept.release();
    const end = await registry.metrics();
    expect(seriesOf(end, 'redis_pool_lease_duration_seconds_count{pool="main"}')).toBe(1);
  });

  test('how long the oldest waiter has waited is the age of the oldest of all workers', async () => {
    await using pool = createPool({ url: server().url, name: 'main', maxConnections: 1 }, {});
    const registry = new Registry();
    registerPoolMetrics(pool, { registry });
    const lease = await pool.acquire();
    const waiting = pool.client.ping();
    await sleep(60);
    const metrics = await registry.getMetricsAsJSON();
    const age = 'redis_pool_oldest_waiter_age_seconds{pool="main"}';
    const own = seriesOf(await registry.metrics(), age);
    expect(own).toBeGreaterThan(0.05);
    const both = [
      { worker: '1', metrics },
      { worker: '2', metrics },
    ] as Parameters<typeof aggregateWorkerMetrics>[0];
    const page = await aggregateWorkerMetrics(both);
    expect(seriesOf(page, age)).toBeLessThan(own + 0.05);
    expect(seriesOf(page, 'redis_pool_endpoints{pool="main",role="primary"}')).toBe(1);
    lease.release();
    await waiting;
    expect(seriesOf(await registry.metrics(), age)).toBe(0);
  });

  test('failed connects are counted by code, and what is tried again by class', async () => {
    await using pool = createPool(
      { url: server().url, name: 'main', maxConnections: 1, username: 'nobody', password: 'x' },
      {},
    );
    const registry = new Registry();
    registerPoolMetrics(pool, { registry });
    await expect(pool.client.ping()).rejects.toBeInstanceOf(PoolError);
    const page = await registry.metrics();
    const failures = 'redis_pool_connect_failures_total{pool="main",code=';
    expect(seriesOf(page, `${failures}"AUTH_FAILED"}`)).toBeGreaterThan(0);
    expect(seriesOf(page, `${failures}"MAX_CLIENTS"}`)).toBe(0);
    expect(seriesOf(page, 'redis_pool_breaker_openings_total{pool="main"}')).toBe(1);
    const retries = 'redis_pool_retries_by_class_total{pool="main",class=';
    expect(seriesOf(page, `${retries}"read"}`)).toBe(0);
    expect(seriesOf(page, `${retries}"write"}`)).toBe(0);
  });

  test('which endpoint is used, which are healthy and how often it changed', async () => {
    const endpoints = [
      { id: 'one', url: server().url, weight: 2 },
      { id: 'two', url: `redis://localhost:${server().port}` },
    ];
    await using pool = createPool({ endpoints, name: 'main' }, {});
    const registry = new Registry();
    registerPoolMetrics(pool, { registry });
    await pool.switchTo('two', { force: true });
    const page = await registry.metrics();
    const ofEndpoint = (name: string, id: string) =>
      seriesOf(page, `redis_pool_failover_${name}{pool="main",endpoint="${id}"}`);
    expect([ofEndpoint('active', 'one'), ofEndpoint('active', 'two')]).toEqual([0, 1]);
    expect([ofEndpoint('healthy', 'one'), ofEndpoint('healthy', 'two')]).toEqual([1, 1]);
    const failovers = 'redis_pool_failovers_total{pool="main",reason=';
    expect(seriesOf(page, `${failovers}"manual"}`)).toBe(1);
    expect(seriesOf(page, `${failovers}"breaker"}`)).toBe(0);
  });

  test('two pools share the names of one registry', async () => {
    await using one = createPool({ url: server().url, name: 'one' }, {});
    await using two = createPool({ url: server().url, name: 'two' }, {});
    const registry = new Registry();
    registerPoolMetrics(one, { registry });
    registerPoolMetrics(two, { registry });
    registerPoolMetrics(two, { registry });
    await two.client.ping();
    const page = await registry.metrics();
    expect(seriesOf(page, 'redis_pool_commands_total{pool="one"}')).toBe(0);
    expect(seriesOf(page, 'redis_pool_commands_total{pool="two"}')).toBe(1);
    expect(page.match(/# TYPE redis_pool_commands_total/g)).toHaveLength(1);
  });

  test('workers are summed under the plain names and told apart under worker_', async () => {
    const parts = [];
    for (const worker of ['1', '2']) {
      await using pool = createPool({ url: server().url, name: 'main', maxConnections: 10 }, {});
      const registry = new Registry();
      registerPoolMetrics(pool, { registry });
      await using _lease = worker === '1' ? await pool.acquire() : undefined;
      await pool.client.ping();
      parts.push({ worker, metrics: await registry.getMetricsAsJSON() });
    }
    const page = await aggregateWorkerMetrics(JSON.parse(JSON.stringify(parts)));
    expect(seriesOf(page, 'redis_pool_commands_total{pool="main"}')).toBe(2);
    expect(seriesOf(page, 'redis_pool_connections_max{pool="main"}')).toBe(20);
    expect(seriesOf(page, 'redis_pool_utilization_percent{pool="main"}')).toBe(5);
    const perWorker = 'worker_redis_pool_utilization_percent';
    expect(seriesOf(page, `${perWorker}{pool="main",worker="1"}`)).toBe(10);
    expect(seriesOf(page, `${perWorker}{pool="main",worker="2"}`)).toBe(0);
    const duration = 'redis_pool_command_duration_seconds_count{pool="main"}';
    expect(seriesOf(page, duration)).toBe(2);
  });

  test('the health handler leaves a response alone that somebody answered meanwhile', async () => {
    await using pool = createPool({ url: server().url }, {});
    const handler = healthHandler(pool);
    const http = createServer((request, response) => {
      handler(request, response);
      response.end('early');
    }).listen(0, '127.0.0.1');
    const uncaught = await uncaughtDuring(async () => {
      await new Promise((resolve) => http.once('listening', resolve));
      const answer = await fetch(`http://127.0.0.1:${(http.address() as AddressInfo).port}/`);
      expect(await answer.text()).toBe('early');
      await pool.healthCheck();
    });
    http.closeAllConnections();
    http.close();
    expect(uncaught).toEqual([]);
  });

  test('the health handler answers 200, and 503 with a reason once the server is gone', async () => {
    await using pool = createPool({ url: server().url, connectTimeoutMs: 300 }, {});
    const http = createServer(healthHandler(pool)).listen(0, '127.0.0.1');
    try {
      await new Promise((resolve) => http.once('listening', resolve));
      const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/health/redis`;
      const well = await fetch(url);
      expect(well.status).toBe(200);
      expect(await well.json()).toMatchObject({
        healthy: true,
        pool_status: { status: 'ready', max_connections: 20 },
        recommendations: ['Pool operating optimally'],
      });
      server().kill();
      await sleep(1_100);
      const ill = await fetch(url);
      expect(ill.status).toBe(503);
      const body = (await ill.json()) as { healthy: boolean; recommendations: string[] };
      expect(body.healthy).toBe(false);
      expect(body.recommendations[0]).toMatch(/^Critical: Redis does not answer \(/);
    } finally {
      http.closeAllConnections();
      http.close();
    }
  });
});

test('docs/metrics.md has every metric', async () => {
  const { poolMetrics } = await import('../src/observe/pool-metrics.js');
  const docs = readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8');
  const names = poolMetrics([]).map(({ name }) => name);
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !docs.includes(`| \`${name}`))).toEqual([]);
});
