// Explicit options beat environment variables, which beat presets and defaults; the outcome is
// one frozen object that the pool runs on, or one error that lists all that is wrong. Nothing else
// in the library reads the environment.

import { heaviest } from '../policy/failback.js';
import {
  connectionsPerWorker,
  ENVIRONMENTS,
  type Environment,
  PRESETS,
  shareOfTotal,
} from '../policy/sizing.js';
import { resolveAddress } from './address.js';
import { type CreateClientOptions, fromCreateClient } from './create-client.js';
import { type CreateClusterOptions, fromCreateCluster } from './create-cluster.js';
import { type CreateSentinelOptions, fromCreateSentinel } from './create-sentinel.js';
import { DEFAULTS } from './defaults.js';
import { resolveEndpoints } from './endpoints.js';
import { EnvironmentReader } from './environment.js';
import type {
  AutoscaleOptions,
  BreakerOptions,
  ClientOptionsSubset,
  ConnectionTarget,
  EndpointTarget,
  FailoverOptions,
  PoolOptions,
  ResolvedOptions,
  RetryOptions,
} from './options.js';
import { Problems } from './problems.js';
import { formatNumber, NUMBER_RANGES } from './ranges.js';
import { validateOptions } from './validate.js';

/**
 * Complete, checked, frozen options, printable without secrets. The options of the client's
 * commands (`modules`, `keyPrefix`, ...) are checked and not part of it; `RESP` sets
 * `target.protocol`.
 * @param env Default `process.env`. Read once, here; REDIS_PASSWORD_FILE's file is read too.
 * @throws InvalidOptionsError with all problems of options and environment.
 */
export function resolveOptions(
  options: PoolOptions &
    ClientOptionsSubset &
    CreateClientOptions &
    CreateClusterOptions &
    CreateSentinelOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): ResolvedOptions {
  const problems = new Problems();
  const given = validateOptions(fromTheirs(options, problems), problems);
  const reader = new EnvironmentReader(env, problems);
  const size = resolveSize(given, reader, problems);
  const endpoints = resolveEndpoints(given, reader, problems, (options, within) =>
    resolveTarget(options, reader, within),
  );
  const target = targetOf(endpoints) ?? resolveTarget(given, reader, problems);
  const retry = resolveRetry(given.retry ?? {}, problems);
  const depths = resolveDepths(given, problems);
  const autoscale = resolveAutoscale(given, size, reader, problems);
  problems.throwIfAny();
  return Object.freeze({
    ...size,
    ...depths,
    autoscale,
    target,
    endpoints,
    failover: resolveFailover(given),
    tracing: Object.freeze({ ...DEFAULTS.tracing, ...given.tracing }),
    maxWaiters: given.maxWaiters ?? DEFAULTS.maxWaiters,
    maxQueuedBytes: given.maxQueuedBytes ?? DEFAULTS.maxQueuedBytes,
    acquireTimeoutMs: given.acquireTimeoutMs ?? DEFAULTS.acquireTimeoutMs,
    commandTimeoutMs: given.commandTimeoutMs ?? DEFAULTS.commandTimeoutMs,
    healthCheckIntervalMs: given.healthCheckIntervalMs ?? DEFAULTS.healthCheckIntervalMs,
    idleTimeoutMs: given.idleTimeoutMs ?? DEFAULTS.idleTimeoutMs,
    maxLifetimeMs: given.maxLifetimeMs ?? DEFAULTS.maxLifetimeMs,
    leakThresholdMs: given.leakThresholdMs ?? DEFAULTS.leakThresholdMs,
    retry,
    retryWrites: given.retryWrites ?? DEFAULTS.retryWrites,
    breaker: Object.freeze<BreakerOptions>({ ...DEFAULTS.breaker, ...given.breaker }),
    reconnectStrategy: given.reconnectStrategy,
    fallback: given.fallback,
    warnings: problems.warnings,
  });
}

/** Options of node-redis' clients, in our words. */
function fromTheirs(options: object, problems: Problems): unknown {
  const several = fromCreateSentinel(fromCreateCluster(options, problems), problems);
  return fromCreateClient(several, problems);
}

type Size = Pick<ResolvedOptions, 'environment' | 'workers' | 'minConnections' | 'maxConnections'>;

function resolveSize(given: PoolOptions, reader: EnvironmentReader, problems: Problems): Size {
  const environment = given.environment ?? detectEnvironment(reader);
  const workers = given.workers ?? detectWorkers(reader) ?? PRESETS[environment].workers;
  const minConnections = given.minConnections ?? DEFAULTS.minConnections;
  const maxConnections =
    given.maxConnections ??
    connectionsPerWorker({
      environment,
      workers,
      total: reader.wholeNumber('REDIS_MAX_CONNECTIONS', NUMBER_RANGES.maxConnections),
    });
  const isJudgeable = !problems.concern(
    ...['environment', 'workers', 'maxConnections', 'minConnections'],
    ...['DEPLOYMENT_ENV', 'WEB_CONCURRENCY', 'UVICORN_WORKERS', 'REDIS_MAX_CONNECTIONS'],
  );
  if (isJudgeable && minConnections > maxConnections) {
    problems.refuse(
      'minConnections',
      `(${formatNumber(minConnections)}) is above maxConnections (${formatNumber(maxConnections)})`,
    );
  }
  return { environment, workers, minConnections, maxConnections };
}

/** The ceiling in the environment is a total, as the maximum there is. */
function resolveAutoscale(
  { autoscale: given = {} }: PoolOptions,
  { workers, maxConnections }: Size,
  reader: EnvironmentReader,
  problems: Problems,
): AutoscaleOptions {
  const total =
    given.ceiling === undefined
      ? reader.wholeNumber('REDIS_AUTOSCALE_CEILING', NUMBER_RANGES['autoscale.ceiling'])
      : undefined;
  const share = total === undefined || total === 0 ? undefined : shareOfTotal(total, workers);
  const growAbovePercent = given.growAbovePercent ?? DEFAULTS.autoscale.growAbovePercent;
  const shrinkBelowPercent =
    given.shrinkBelowPercent ??
    Math.min(DEFAULTS.autoscale.shrinkBelowPercent, Math.floor(growAbovePercent * 0.75));
  const ceiling = given.ceiling ?? share ?? DEFAULTS.autoscale.ceiling;
  const isJudgeable = !problems.concern(
    ...['maxConnections', 'REDIS_MAX_CONNECTIONS', 'workers', 'WEB_CONCURRENCY', 'UVICORN_WORKERS'],
  );
  if (isJudgeable && ceiling !== 0 && ceiling < maxConnections) {
    problems.refuse(
      share === undefined ? 'autoscale.ceiling' : 'REDIS_AUTOSCALE_CEILING',
      `(${formatNumber(ceiling)} for this process) is below maxConnections (${formatNumber(maxConnections)})`,
    );
  }
  if (shrinkBelowPercent >= growAbovePercent) {
    problems.refuse(
      'autoscale.shrinkBelowPercent',
      `(${shrinkBelowPercent}) must be below autoscale.growAbovePercent (${growAbovePercent})`,
    );
  }
  return Object.freeze({
    ...DEFAULTS.autoscale,
    ...given,
    ...{ ceiling, growAbovePercent, shrinkBelowPercent },
  });
}

/** NODE_ENV belongs to others too (`test`, ...), so that an unknown value there is no mistake. */
function detectEnvironment(reader: EnvironmentReader): Environment {
  const deployment = reader.choice('DEPLOYMENT_ENV', ENVIRONMENTS);
  if (deployment !== undefined) return deployment;
  const nodeEnvironment = reader.text('NODE_ENV')?.trim().toLowerCase();
  return ENVIRONMENTS.find((name) => name === nodeEnvironment) ?? DEFAULTS.environment;
}

function detectWorkers(reader: EnvironmentReader): number | undefined {
  return (
    reader.wholeNumber('WEB_CONCURRENCY', NUMBER_RANGES.workers) ??
    reader.wholeNumber('UVICORN_WORKERS', NUMBER_RANGES.workers)
  );
}

function resolveTarget(
  given: PoolOptions & ClientOptionsSubset,
  reader: EnvironmentReader,
  problems: Problems,
): ConnectionTarget {
  return Object.freeze({
    ...resolveAddress(given, reader, problems),
    disableClientInfo: given.disableClientInfo ?? DEFAULTS.disableClientInfo,
    clientInfoTag: given.clientInfoTag,
    keepAliveMs: given.keepAliveMs ?? DEFAULTS.keepAliveMs,
    maxReplyBytes: given.maxReplyBytes ?? DEFAULTS.maxReplyBytes,
  });
}

function targetOf(endpoints: readonly EndpointTarget[]): ConnectionTarget | undefined {
  return endpoints.length === 0 ? undefined : heaviest(endpoints).target;
}

/** Who waits must not be refused before there was a chance that another endpoint takes over. */
function resolveFailover({ breaker, failover }: PoolOptions): FailoverOptions {
  const { patienceMs } = { ...DEFAULTS.breaker, ...breaker };
  const least = Math.min(DEFAULTS.failover.patienceMs, Math.floor(patienceMs / 2));
  return Object.freeze({ ...DEFAULTS.failover, patienceMs: least, ...failover });
}

/** Where an explicit value contradicts a default, the default gives way; two explicit ones don't. */
function resolveDepths(
  given: PoolOptions,
  problems: Problems,
): Pick<ResolvedOptions, 'maxInFlight' | 'laneDepth'> {
  const maxInFlight = given.maxInFlight ?? Math.max(DEFAULTS.maxInFlight, given.laneDepth ?? 0);
  const laneDepth = given.laneDepth ?? Math.min(DEFAULTS.laneDepth, maxInFlight);
  if (laneDepth > maxInFlight) {
    problems.refuse(
      'laneDepth',
      `(${formatNumber(laneDepth)}) is above maxInFlight (${formatNumber(maxInFlight)})`,
    );
  }
  return { maxInFlight, laneDepth };
}

/** As with the depths: an explicit base raises the default cap, an explicit cap lowers the base. */
function resolveRetry(given: Partial<RetryOptions>, problems: Problems): RetryOptions {
  const capMs = given.capMs ?? Math.max(DEFAULTS.retry.capMs, given.baseMs ?? 0);
  const baseMs = given.baseMs ?? Math.min(DEFAULTS.retry.baseMs, capMs);
  if (baseMs > capMs) {
    problems.refuse(
      'retry.baseMs',
      `(${formatNumber(baseMs)}) is above retry.capMs (${formatNumber(capMs)})`,
    );
  }
  return Object.freeze({ ...DEFAULTS.retry, ...given, baseMs, capMs });
}
