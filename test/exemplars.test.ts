// Exemplars: from a bucket of a latency histogram to the trace of an operation in it, as
// `plimsoll/prometheus` and `plimsoll/opentelemetry` together give them.

import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { AlwaysOffSampler, BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { activeSpan } from 'plimsoll/opentelemetry';
import { registerPoolMetrics } from 'plimsoll/prometheus';
import { type OpenMetricsContentType, Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newKey } from './client/pools.js';
import { usePools } from './support/pools.js';
import { useServer } from './support/servers.js';

const tracer = new BasicTracerProvider().getTracer('test');
const unsampled = new BasicTracerProvider({ sampler: new AlwaysOffSampler() }).getTracer('test');

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => context.disable());

/** Runs within a span. @returns Its trace id. */
async function inSpan(run: () => Promise<unknown>, by = tracer): Promise<string> {
  const span = by.startSpan('request');
  await context.with(trace.setSpan(context.active(), span), run);
  span.end();
  return span.spanContext().traceId;
}

function openMetrics(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

/** `[trace id, bound, value]` of each exemplar of a metric. */
function exemplarsOf(page: string, metric: string): [string, number, number][] {
  const pattern =
    /_bucket\{pool="main",le="([^"]+)"\} \d+ # \{trace_id="(\w{32})",span_id="\w{16}"\} (\S+) (\S+)$/;
  return page
    .split('\n')
    .filter((line) => line.startsWith(`${metric}_bucket`) && line.includes('#'))
    .map((line) => {
      const [, bound, id, value, timestamp] = pattern.exec(line) as RegExpExecArray;
      expect(Math.abs(Number(timestamp) - Date.now() / 1_000)).toBeLessThan(60);
      return [id!, Number(bound), Number(value)];
    });
}

describe('exemplars', () => {
  const server = useServer();
  const open = usePools();

  test('name the span of the command and of the lease that a bucket last had', async () => {
    const pool = open({ url: server().url, name: 'main' });
    const registry = openMetrics();
    registerPoolMetrics(pool, { registry, exemplars: activeSpan });
    await pool.client.ping();
    expect(exemplarsOf(await registry.metrics(), 'redis_pool_command_duration_seconds')).toEqual(
      [],
    );
    const slow = await inSpan(() => pool.client.blPop(newKey(), 0.06));
    const leased = await inSpan(() => pool.withLease((redis) => redis.ping()));
    await inSpan(() => pool.client.get(newKey()), unsampled);
    const page = await registry.metrics();
    expect(page.trimEnd().endsWith('# EOF')).toBe(true);
    const commands = exemplarsOf(page, 'redis_pool_command_duration_seconds');
    const [bound, value] = commands.find(([id]) => id === slow)!.slice(1) as [number, number];
    expect(value).toBeGreaterThan(0.05);
    expect(value).toBeLessThanOrEqual(bound);
    expect(commands.map(([id]) => id).filter((id) => id !== slow && id !== leased)).toEqual([]);
    const leases = exemplarsOf(page, 'redis_pool_lease_duration_seconds').map(([id]) => id);
    expect(leases).toContain(leased);
  });

  test('are left out where their labels are longer than OpenMetrics allows', async () => {
    const pool = open({ url: server().url, name: 'main' });
    const registry = openMetrics();
    registerPoolMetrics(pool, { registry, exemplars: () => ({ trace_id: 'x'.repeat(121) }) });
    await pool.client.ping();
    expect(await registry.metrics()).not.toContain(' # ');
  });

  test('are refused for a registry that could not tell them', () => {
    const pool = open({ url: server().url, name: 'main' });
    const options = { registry: new Registry(), exemplars: activeSpan };
    expect(() => registerPoolMetrics(pool, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
