// `plimsoll/opentelemetry`: listens to the tracing channels and makes spans and metrics of what is
// told there, by OpenTelemetry's conventions for databases; how many connections there are is read
// from the pools at each export. Spans begin in the caller's context, so that parents are right
// however many callers share a connection.
//
//   plimsoll:command, plimsoll:batch --> span, db.client.operation.duration
//   plimsoll:connect, :wait, :lease  --> db.client.connection.create_time, .wait_time, .use_time
//   pool.status()                    --> db.client.connection.count, .max, .pending_requests, ...

import type { TracingChannel } from 'node:diagnostics_channel';
import {
  type Attributes,
  type BatchObservableResult,
  type Context,
  context,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import {
  BATCH,
  type BatchTrace,
  COMMAND,
  CONNECT,
  type CommandTrace,
  LEASE,
  type Trace,
  WAIT,
  type WaitTrace,
} from '../base/tracing.js';
import type { PoolStatus } from '../pool/snapshot.js';
import { LIBRARY_VERSION } from '../wire/version.js';
import {
  detailAttributes,
  effortAttributes,
  errorAttributes,
  operationAttributes,
  serverAttributes,
  spanName,
} from './operation-facts.js';

const SCOPE = 'plimsoll';
/** Upper bounds that the conventions recommend, s. */
export const DURATION_BUCKETS_SECONDS: readonly number[] = [
  0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10,
];
const POOL_NAME = 'db.client.connection.pool.name';
const STATE = 'db.client.connection.state';

export interface InstrumentedPool {
  status(): PoolStatus;
}

export interface InstrumentOptions {
  /** Whose connections are counted; further ones by `watch()`. All pools' operations are told. */
  readonly pools?: readonly InstrumentedPool[];
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider;
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider;
  /** Whether spans are made. Default true. */
  readonly spans?: boolean;
  /** Whether metrics are made. Default true. */
  readonly metrics?: boolean;
  /** Spans only for what is done within another span, as a request's. Default false. */
  readonly requireParentSpan?: boolean;
}

export interface Instrumentation {
  /** Counts the connections of another pool too. */
  watch(pool: InstrumentedPool): void;
  /** Listens no more. */
  stop(): void;
}

/** Makes spans and metrics of all that pools of this process do, from now until `stop()`. */
export function instrument(options: InstrumentOptions = {}): Instrumentation {
  const { spans = true, metrics: withMetrics = true, requireParentSpan = false } = options;
  const { tracerProvider = trace, meterProvider = metrics } = options;
  const pools = new Set(options.pools);
  const tracer = spans ? tracerProvider.getTracer(SCOPE, LIBRARY_VERSION) : undefined;
  const meter = withMetrics ? meterProvider.getMeter(SCOPE, LIBRARY_VERSION) : undefined;
  const stops = [
    listenToOperations(tracer, meter && durationOf(meter), requireParentSpan),
    ...(meter === undefined ? [] : [listenToConnections(meter), countConnections(meter, pools)]),
  ];
  return {
    watch: (pool) => void pools.add(pool),
    stop() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

/** Ids of the active span, for `exemplars` of `plimsoll/prometheus`; `undefined`: none is sampled. */
export function activeSpan(): Record<'trace_id' | 'span_id', string> | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || (span.traceFlags & TraceFlags.SAMPLED) === 0) return undefined;
  return { trace_id: span.traceId, span_id: span.spanId };
}

interface Operation {
  readonly startedAt: number;
  readonly span: Span | undefined;
  /** With the span in it, so that what is measured can lead to it. */
  readonly context: Context;
  /** When it began to wait for a connection, and for how long it did, ms. */
  waitingSince: number | undefined;
  waitedMs: number | undefined;
}

function listenToOperations(
  tracer: Tracer | undefined,
  duration: Histogram | undefined,
  requireParentSpan: boolean,
): () => void {
  const operations = new WeakMap<object, Operation>();
  const waits = new WeakMap<object, Operation>();
  /** Whose call has not returned yet: what begins to wait meanwhile is its command. */
  let called: Operation | undefined;
  const start = (told: CommandTrace | BatchTrace) => {
    const parent = context.active();
    const isWanted = !requireParentSpan || trace.getSpan(parent) !== undefined;
    const span = isWanted
      ? tracer?.startSpan(spanName(told), spanOptions(told), parent)
      : undefined;
    called = {
      startedAt: performance.now(),
      span,
      context: span === undefined ? parent : trace.setSpan(parent, span),
      waitingSince: undefined,
      waitedMs: undefined,
    };
    operations.set(told, called);
  };
  const asyncEnd = (told: CommandTrace | BatchTrace) => {
    const operation = operations.get(told);
    if (operation === undefined) return;
    operations.delete(told);
    const endedAt = performance.now();
    const failure = told.error === undefined ? undefined : errorAttributes(told.error);
    const seconds = (endedAt - operation.startedAt) / 1_000;
    duration?.record(
      seconds,
      present({ ...operationAttributes(told), ...failure }),
      operation.context,
    );
    if (operation.span !== undefined) endSpan(operation.span, told, operation, endedAt);
  };
  const end = () => {
    called = undefined;
  };
  const listeners = { start, end, asyncEnd };
  const stops = [
    listen(COMMAND, listeners),
    listen(BATCH, listeners),
    listen(WAIT, {
      start: (wait: WaitTrace) => {
        if (called?.span === undefined || wait.kind !== 'command') return;
        called.waitingSince = performance.now();
        waits.set(wait, called);
      },
      asyncEnd: (wait: WaitTrace) => {
        const operation = waits.get(wait);
        if (operation?.waitingSince === undefined) return;
        operation.waitedMs = performance.now() - operation.waitingSince;
      },
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function spanOptions(told: CommandTrace | BatchTrace) {
  const attributes = present({ ...operationAttributes(told), ...detailAttributes(told) });
  return { kind: SpanKind.CLIENT, attributes };
}

/** Who served is known only now, where that is one of several. */
function endSpan(
  span: Span,
  told: CommandTrace | BatchTrace,
  { waitingSince, waitedMs }: Operation,
  endedAt: number,
): void {
  const waited = waitingSince === undefined ? undefined : (waitedMs ?? endedAt - waitingSince);
  span.setAttributes(
    present({
      ...serverAttributes(told),
      ...effortAttributes(told),
      'db.system.name': told.system,
      'plimsoll.wait_seconds': waited === undefined ? undefined : waited / 1_000,
    }),
  );
  span.updateName(spanName(told));
  if (told.error !== undefined) {
    const failure = errorAttributes(told.error);
    span.setAttributes(present(failure));
    span.setStatus({ code: SpanStatusCode.ERROR, message: failure['error.type'] });
  }
  span.end();
}

function listenToConnections(meter: Meter): () => void {
  const connection = 'db.client.connection';
  const timeouts = meter.createCounter(`${connection}.timeouts`, {
    unit: '{timeout}',
    description: 'Callers that waited for a connection in vain.',
  });
  const create = seconds(meter, `${connection}.create_time`, 'From a dial to the connection.');
  const wait = seconds(meter, `${connection}.wait_time`, 'How long who had to wait has waited.');
  const use = seconds(meter, `${connection}.use_time`, 'How long connections were lent.');
  const onTimeout = ({ poolName, error }: Trace) => {
    if (errorAttributes(error)['error.type'] === 'ACQUIRE_TIMEOUT')
      timeouts.add(1, { [POOL_NAME]: poolName });
  };
  const stops = [
    measure(CONNECT, create, hasSucceeded),
    measure(WAIT, wait, hasSucceeded, onTimeout),
    // What is kept for good on purpose says nothing of how long work takes.
    measure(LEASE, use, ({ isLongLived }) => !isLongLived),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function hasSucceeded({ error }: Trace): boolean {
  return error === undefined;
}

/** Records how long those take that count. @returns What ends that. */
function measure<C extends Trace>(
  channel: TracingChannel<C, C>,
  histogram: Histogram,
  counts: (told: C) => boolean,
  onError?: (told: C) => void,
): () => void {
  const startedAt = new WeakMap<object, number>();
  return listen(channel, {
    start: (told: C) => startedAt.set(told, performance.now()),
    error: (told: C) => onError?.(told),
    asyncEnd: (told: C) => {
      const since = startedAt.get(told);
      if (since === undefined || !counts(told)) return;
      histogram.record((performance.now() - since) / 1_000, { [POOL_NAME]: told.poolName });
    },
  });
}

/** Of pools of one name the sum. */
function countConnections(meter: Meter, pools: ReadonlySet<InstrumentedPool>): () => void {
  const counter = (name: string, unit: string, description: string) =>
    meter.createObservableUpDownCounter(`db.client.connection.${name}`, { unit, description });
  const count = counter('count', '{connection}', 'Open connections, by state.');
  const idleMax = counter('idle.max', '{connection}', 'Idle connections there may be.');
  const idleMin = counter('idle.min', '{connection}', 'Connections that are kept when idle.');
  const max = counter('max', '{connection}', 'Connections there may be.');
  const pending = counter('pending_requests', '{request}', 'Callers that wait for a connection.');
  const all = [count, idleMax, idleMin, max, pending];
  const observe = (result: BatchObservableResult) => {
    for (const [poolName, sum] of sumsByName(pools)) {
      const pool = { [POOL_NAME]: poolName };
      result.observe(count, sum.used, { ...pool, [STATE]: 'used' });
      result.observe(count, sum.idle, { ...pool, [STATE]: 'idle' });
      // All that are open may be idle, until they are closed for that.
      result.observe(idleMax, sum.max, pool);
      result.observe(idleMin, sum.min, pool);
      result.observe(max, sum.max, pool);
      result.observe(pending, sum.waiting, pool);
    }
  };
  meter.addBatchObservableCallback(observe, all);
  return () => meter.removeBatchObservableCallback(observe, all);
}

function sumsByName(pools: ReadonlySet<InstrumentedPool>) {
  const sums = new Map<string, Record<'used' | 'idle' | 'min' | 'max' | 'waiting', number>>();
  for (const pool of pools) {
    const { name, state, connections, waiting } = pool.status();
    if (state === 'closed') continue;
    const sum = sums.get(name) ?? { used: 0, idle: 0, min: 0, max: 0, waiting: 0 };
    sum.used += connections.inUse;
    sum.idle += connections.idle;
    sum.min += connections.min;
    sum.max += connections.max;
    sum.waiting += waiting;
    sums.set(name, sum);
  }
  return sums;
}

function durationOf(meter: Meter): Histogram {
  return seconds(meter, 'db.client.operation.duration', 'Commands and batches, call to answer.');
}

function seconds(meter: Meter, name: string, description: string): Histogram {
  const advice = { explicitBucketBoundaries: [...DURATION_BUCKETS_SECONDS] };
  return meter.createHistogram(name, { unit: 's', description, advice });
}

function listen<C extends object>(
  channel: TracingChannel<C, C>,
  listeners: Record<string, (told: C) => void>,
): () => void {
  channel.subscribe(listeners as never);
  return () => channel.unsubscribe(listeners as never);
}

function present(attributes: Record<string, string | number | undefined>): Attributes {
  // Not by deletion, which makes objects slow for whoever reads them.
  const found: Attributes = {};
  for (const name of Object.keys(attributes)) {
    const value = attributes[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}
