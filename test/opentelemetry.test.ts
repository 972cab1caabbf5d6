// `plimsoll/opentelemetry`, as its users have it: built, with OpenTelemetry's SDK, on real servers.

import { readFileSync } from 'node:fs';
import { context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { DURATION_BUCKETS_SECONDS, type Instrumentation, instrument } from 'plimsoll/opentelemetry';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keySlot } from '../src/base/key-slot.js';
import { newKey } from './client/pools.js';
import { otherThan, usePoolOn } from './support/cluster-pools.js';
import { useCluster } from './support/clusters.js';
import { usePools } from './support/pools.js';
import { describeEachPrivateServer } from './support/servers.js';
import { startTcpProxy } from './support/tcp-proxy.js';
import { until } from './support/until.js';

const CLIENT = 2;
const ERROR = 2;
const SECRET = 'a value that nobody may see';

const spanExporter = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(spanExporter)],
});
const metricExporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
const reader = new PeriodicExportingMetricReader({
  exporter: metricExporter,
  exportIntervalMillis: 2 ** 31 - 1,
});
const meterProvider = new MeterProvider({ readers: [reader] });
const contexts = new AsyncLocalStorageContextManager().enable();
let instrumentation: Instrumentation;

beforeAll(() => {
  context.setGlobalContextManager(contexts);
  trace.setGlobalTracerProvider(tracerProvider);
  metrics.setGlobalMeterProvider(meterProvider);
});

beforeEach(async () => {
  await reader.forceFlush();
  spanExporter.reset();
  metricExporter.reset();
  instrumentation = instrument();
});

afterEach(() => instrumentation.stop());

afterAll(async () => {
  await meterProvider.shutdown();
  trace.disable();
  metrics.disable();
  context.disable();
});

const spans = () => spanExporter.getFinishedSpans();
const last = () => spans().at(-1) as ReadableSpan;

/** What was measured since the test began. */
async function measured(): Promise<(name: string) => MetricData | undefined> {
  await reader.forceFlush();
  const all = metricExporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  return (name) => all.find(({ descriptor }) => descriptor.name === name);
}

/** Values of a metric by one of its attributes. */
function valuesBy(metric: MetricData | undefined, attribute: string): Record<string, unknown> {
  const points = metric?.dataPoints ?? [];
  return Object.fromEntries(
    points.map(({ attributes, value }) => [
      String(attributes[attribute]),
      typeof value === 'number' ? value : (value as { count: number }).count,
    ]),
  );
}

describeEachPrivateServer('OpenTelemetry', (server) => {
  const open = usePools();
  const place = () => ({ 'server.address': server().host, 'server.port': server().port });

  test('gets a span and a duration of a command, and no value', async () => {
    const pool = open({ url: server().url, database: 2 });
    await pool.client.set('key', SECRET);
    await pool.client.get('key');
    const { name, kind, attributes, status } = last();
    expect(name).toBe(`GET ${server().host}:${server().port}`);
    expect(kind).toBe(CLIENT);
    const common = { 'db.system.name': 'redis', 'db.namespace': '2', ...place() };
    expect(attributes).toEqual({ ...common, 'db.operation.name': 'GET' });
    expect(status.code).toBe(0);
    expect(JSON.stringify(spans().map((span) => span.attributes))).not.toContain(SECRET);
    const duration = (await measured())('db.client.operation.duration');
    expect(duration?.descriptor.unit).toBe('s');
    expect(valuesBy(duration, 'db.operation.name')).toEqual({ SET: 1, GET: 1 });
    const [point] = duration!.dataPoints;
    expect(point?.attributes).toEqual({ ...common, 'db.operation.name': 'SET' });
    const { boundaries } = (point!.value as { buckets: { boundaries: number[] } }).buckets;
    expect(boundaries).toEqual(DURATION_BUCKETS_SECONDS);
  });

  test('gets the code of an error reply, and not its words', async () => {
    const pool = open({ url: server().url });
    const key = newKey();
    await pool.client.rPush(key, SECRET);
    await expect(pool.client.get(key)).rejects.toThrow('WRONGTYPE');
    const failure = { 'error.type': 'WRONGTYPE', 'db.response.status_code': 'WRONGTYPE' };
    expect(last().attributes).toMatchObject(failure);
    expect(last().status).toEqual({ code: ERROR, message: 'WRONGTYPE' });
    await expect(pool.client.sendCommand(['NONSENSE', SECRET])).rejects.toThrow(SECRET);
    expect(last().attributes).toMatchObject({ 'error.type': 'ERR' });
    expect(JSON.stringify([last().attributes, last().status])).not.toContain(SECRET);
    const duration = (await measured())('db.client.operation.duration');
    const byType = valuesBy(duration, 'error.type');
    expect(byType).toEqual({ undefined: 1, WRONGTYPE: 1, ERR: 1 });
  });

  test('gets the pool’s code of a time-out, and how often it was tried', async () => {
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const pool = open({ url: proxy.url, maxConnections: 1, commandTimeoutMs: 400 });
    await pool.client.get('key');
    void proxy.closeAfter({ from: 'client', bytes: 1 });
    await pool.client.get('key');
    expect(last().attributes).toMatchObject({ 'plimsoll.retries': 1 });
    expect(last().attributes).not.toHaveProperty('error.type');
    proxy.hold('replies');
    await expect(pool.client.get('key')).rejects.toMatchObject({ code: 'COMMAND_TIMEOUT' });
    expect(last().attributes).toMatchObject({ 'error.type': 'COMMAND_TIMEOUT' });
    expect(last().attributes).not.toHaveProperty('db.response.status_code');
    await proxy.stop();
  });

  test('gets one span of a transaction or a pipeline', async () => {
    const pool = open({ url: server().url });
    const key = newKey();
    await pool.client.multi().set(key, 'text').get(key).exec();
    await pool.client.multi().get(key).get(key).get(key).execAsPipeline();
    await pool.client.multi().get(key).exec();
    await expect(pool.client.multi().get(key).incr(key).exec()).rejects.toThrow();
    const size = 'db.operation.batch.size';
    const told = spans().map(({ attributes }) => [
      attributes['db.operation.name'],
      attributes[size],
    ]);
    expect(told).toEqual([
      ['MULTI', 2],
      ['PIPELINE GET', 3],
      ['MULTI GET', undefined],
      ['MULTI', 2],
    ]);
    expect(last().attributes).toMatchObject({ 'db.response.status_code': 'ERR' });
  });

  test('has each caller’s span as parent, on however few connections', async () => {
    const pool = open({ url: server().url, maxConnections: 2 });
    const tracer = trace.getTracer('test');
    const callers = Array.from({ length: 100 }, (_, id) =>
      tracer.startActiveSpan(`caller ${id}`, async (parent) => {
        await pool.client.get(`${id}`);
        expect(trace.getActiveSpan()).toBe(parent);
        await pool.client.multi().get(`${id}`).exec();
        await pool.withLease((leased) => leased.get(`${id}`));
        expect(trace.getActiveSpan()).toBe(parent);
        parent.end();
        return parent.spanContext();
      }),
    );
    const parents = await Promise.all(callers);
    for (const { spanId, traceId } of parents) {
      const own = spans().filter(({ parentSpanContext }) => parentSpanContext?.spanId === spanId);
      expect(own.map(({ attributes }) => attributes['db.operation.name'])).toEqual([
        ...['GET', 'MULTI GET', 'GET'],
      ]);
      expect(own.every((span) => span.spanContext().traceId === traceId)).toBe(true);
    }
  });

  test('gets spans only within others, where that is asked', async () => {
    instrumentation.stop();
    instrumentation = instrument({ requireParentSpan: true, metrics: false });
    const pool = open({ url: server().url });
    await pool.client.get('alone');
    await trace.getTracer('test').startActiveSpan('request', async (span) => {
      await pool.client.get('within');
      span.end();
    });
    expect(spans().map(({ name }) => name.split(' ')[0])).toEqual(['GET', 'request']);
    expect((await measured())('db.client.operation.duration')).toBeUndefined();
  });

  test('gets redacted words as text of the query, where the pool tells them', async () => {
    const pool = open({ url: server().url, tracing: { arguments: 'redacted' } });
    await pool.client.set('key', SECRET, { EX: 10 });
    expect(last().attributes['db.query.text']).toBe('SET key ? ? ?');
  });

  test('gets connections by state, and how long they took to make, to wait for and were lent', async () => {
    const options = { url: server().url, name: 'counted', maxConnections: 3, minConnections: 1 };
    const pool = open({ ...options, acquireTimeoutMs: 300 });
    instrumentation.watch(pool);
    await pool.client.get('key');
    const leases = [await pool.acquire(), await pool.acquire()];
    // The last one is for those who need none of their own.
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    leases[0]!.release();
    await until(() => pool.status().connections.idle === 2);
    const connection = await measured();
    const of = (name: string) => connection(`db.client.connection.${name}`);
    expect(valuesBy(of('count'), 'db.client.connection.state')).toEqual({ used: 1, idle: 2 });
    const byPool = (name: string) => valuesBy(of(name), 'db.client.connection.pool.name').counted;
    expect(byPool('max')).toBe(3);
    expect(byPool('idle.max')).toBe(3);
    expect(byPool('idle.min')).toBe(1);
    expect(byPool('pending_requests')).toBe(0);
    expect(byPool('timeouts')).toBe(1);
    expect(byPool('create_time')).toBe(pool.status().counters.opened);
    expect(byPool('wait_time')).toBeGreaterThan(0);
    expect(byPool('use_time')).toBe(1);
    leases[1]!.release();
  });

  test('gets nothing more after stop()', async () => {
    const pool = open({ url: server().url });
    instrumentation.stop();
    await pool.client.get('key');
    expect(spans()).toEqual([]);
  });
});

describe('in a cluster', () => {
  const cluster = useCluster();
  const pool = usePoolOn(cluster);

  test('the span names the server that has answered, and the redirect', async () => {
    const key = newKey();
    await pool().client.set(key, 'value');
    const slot = keySlot(key);
    const next = await otherThan(cluster(), slot);
    await cluster().moveSlot(slot, next);
    await pool().client.get(key);
    expect(last().attributes).toMatchObject({ 'server.port': next.port, 'plimsoll.redirects': 1 });
    expect(last().name).toBe(`GET ${next.host}:${next.port}`);
  });
});

test('docs/tracing.md has every metric and attribute', () => {
  const page = readFileSync(new URL('../docs/tracing.md', import.meta.url), 'utf8');
  const source = ['opentelemetry', 'operation-facts']
    .map((file) => readFileSync(new URL(`../src/observe/${file}.ts`, import.meta.url), 'utf8'))
    .join('\n');
  const whole = source.matchAll(/'((?:db|server|error|plimsoll)\.[\w.]+)'/g);
  const connection = source.matchAll(/(?:counter\('|\{connection\}\.)([\w.]+)[`']/g);
  const names = [
    ...[...whole].map(([, name]) => name!).filter((name) => name !== 'db.client.connection'),
    ...[...connection].map(([, name]) => `db.client.connection.${name}`),
  ];
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
