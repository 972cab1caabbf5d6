// What every option must be, one check each. A check says what is wrong with a value and never
// repeats a text: see problems.ts. Rules that combine options stand in resolve.ts and address.ts.

import { isIPv6 } from 'node:net';
import { ENVIRONMENTS } from '../policy/sizing.js';
import { checkCredentialsProvider } from './credentials.js';
import { isObject, kindOf } from './kinds.js';
import type {
  AutoscaleOptions,
  BreakerOptions,
  ClientOptionsSubset,
  ClusterOptions,
  EndpointOptions,
  FailoverOptions,
  PoolOptions,
  RetryOptions,
  SentinelOptions,
  TracingOptions,
} from './options.js';
import {
  describeRange,
  isInRange,
  NUMBER_RANGES,
  type NumberRange,
  WEIGHT_RANGE,
} from './ranges.js';
import { suggest } from './suggest.js';
import { checkTls } from './tls.js';

/** Gives what the value must be, to go on from the option's name; `undefined` where it is right. */
export type Check = (value: unknown) => string | undefined;

export type OptionName = keyof PoolOptions | keyof ClientOptionsSubset;

const PROBE_POLICIES = ['all', 'majority', 'any'] as const;
/** Each is checked over a connection of its own. */
const MAX_ENDPOINTS = 32;
const ENDPOINT_ID = /^[!-~]{1,128}$/;
const RETRY_WRITES = ['safe', 'always', 'never'] as const;
const READS = ['primary', 'prefer-replica', 'nearest-zone'] as const;
/** CLIENT SETNAME and SETINFO take the characters from `!` to `~`; longer ones fill CLIENT LIST. */
const CONNECTION_NAME = /^[!-~]{1,128}$/;
/** Marks of an address or of a URL; a colon is right only inside an IPv6 address. */
const NOT_IN_A_HOST = /[\s/@:?#[\]]/;

const ranges = NUMBER_RANGES;

/** Complete by its type: an option without a check does not compile. */
export const OPTION_CHECKS: Readonly<Record<OptionName, Check>> = {
  url: nonEmptyText('an address such as redis://host:6379'),
  host: checkHost,
  port: numberIn(ranges.port),
  family: (value) =>
    value === 0 || value === 4 || value === 6 ? undefined : 'must be 4, 6 or 0 (both)',
  path: nonEmptyText('the path of a unix socket'),
  sentinel: anObject,
  cluster: anObject,
  reads: oneOf(READS),
  zone: nonEmptyText('the name of an availability zone'),
  endpoints: checkEndpoints,
  failover: anObject,
  username: nonEmptyText('the name of an ACL user'),
  password: checkPassword,
  credentialsProvider: checkCredentialsProvider,
  database: numberIn(ranges.database),
  readonly: trueOrFalse,
  tls: checkTls,
  name: printable('CLIENT SETNAME'),
  disableClientInfo: trueOrFalse,
  clientInfoTag: printable('CLIENT SETINFO'),
  environment: oneOf(ENVIRONMENTS),
  workers: numberIn(ranges.workers),
  minConnections: numberIn(ranges.minConnections),
  maxConnections: numberIn(ranges.maxConnections),
  autoscale: anObject,
  maxInFlight: numberIn(ranges.maxInFlight),
  laneDepth: numberIn(ranges.laneDepth),
  maxWaiters: numberIn(ranges.maxWaiters),
  maxQueuedBytes: numberIn(ranges.maxQueuedBytes),
  acquireTimeoutMs: numberIn(ranges.acquireTimeoutMs),
  connectTimeoutMs: numberIn(ranges.connectTimeoutMs),
  commandTimeoutMs: numberIn(ranges.commandTimeoutMs),
  healthCheckIntervalMs: numberIn(ranges.healthCheckIntervalMs),
  idleTimeoutMs: numberIn(ranges.idleTimeoutMs),
  maxLifetimeMs: numberIn(ranges.maxLifetimeMs),
  leakThresholdMs: numberIn(ranges.leakThresholdMs),
  keepAliveMs: numberIn(ranges.keepAliveMs),
  maxReplyBytes: numberIn(ranges.maxReplyBytes),
  retry: anObject,
  retryWrites: oneOf(RETRY_WRITES),
  breaker: anObject,
  reconnectStrategy: checkReconnectStrategy,
  tracing: anObject,
  fallback: (value) =>
    typeof value === 'function' ? undefined : `must be a function, not ${kindOf(value)}`,
  RESP: (value) => (value === 2 || value === 3 ? undefined : 'must be 2 or 3'),
  modules: anObject,
  scripts: anObject,
  functions: anObject,
  keyPrefix: (value) =>
    typeof value === 'string' || Buffer.isBuffer(value)
      ? undefined
      : `must be text or a Buffer, not ${kindOf(value)}`,
  commandOptions: anObject,
  clock: (value) =>
    isObject(value) && typeof value.now === 'function' ? undefined : 'must have a now() function',
};

export const AUTOSCALE_CHECKS: Readonly<Record<keyof AutoscaleOptions, Check>> = {
  ceiling: numberIn(ranges['autoscale.ceiling']),
  step: numberIn(ranges['autoscale.step']),
  growAbovePercent: numberIn(ranges['autoscale.growAbovePercent']),
  growAfterMs: numberIn(ranges['autoscale.growAfterMs']),
  shrinkBelowPercent: numberIn(ranges['autoscale.shrinkBelowPercent']),
  shrinkAfterMs: numberIn(ranges['autoscale.shrinkAfterMs']),
  reserve: numberIn(ranges['autoscale.reserve']),
};

export const RETRY_CHECKS: Readonly<Record<keyof RetryOptions, Check>> = {
  retries: numberIn(ranges['retry.retries']),
  baseMs: numberIn(ranges['retry.baseMs']),
  factor: numberIn(ranges['retry.factor']),
  capMs: numberIn(ranges['retry.capMs']),
  jitter: trueOrFalse,
};

export const BREAKER_CHECKS: Readonly<Record<keyof BreakerOptions, Check>> = {
  failures: numberIn(ranges['breaker.failures']),
  maxPauseMs: numberIn(ranges['breaker.maxPauseMs']),
  patienceMs: numberIn(ranges['breaker.patienceMs']),
};

export const TRACING_CHECKS: Readonly<Record<keyof TracingOptions, Check>> = {
  nodeRedisChannels: trueOrFalse,
  arguments: oneOf(['none', 'redacted']),
};

export const FAILOVER_CHECKS: Readonly<Record<keyof FailoverOptions, Check>> = {
  checkIntervalMs: numberIn(ranges['failover.checkIntervalMs']),
  checkTimeoutMs: numberIn(ranges['failover.checkTimeoutMs']),
  probes: numberIn(ranges['failover.probes']),
  probePauseMs: numberIn(ranges['failover.probePauseMs']),
  policy: oneOf(PROBE_POLICIES),
  patienceMs: numberIn(ranges['failover.patienceMs']),
  graceMs: numberIn(ranges['failover.graceMs']),
  failbackIntervalMs: numberIn(ranges['failover.failbackIntervalMs']),
  drainMs: numberIn(ranges['failover.drainMs']),
};

const { url, host, port, family, path, sentinel, cluster, reads, zone } = OPTION_CHECKS;
const { username, password, database, tls } = OPTION_CHECKS;

export const ENDPOINT_CHECKS: Readonly<Record<keyof EndpointOptions, Check>> = {
  ...{ url, host, port, family, path, sentinel, cluster, reads, zone },
  ...{ username, password, database, tls },
  id: (value) =>
    typeof value === 'string' && ENDPOINT_ID.test(value)
      ? undefined
      : 'must be 1 to 128 printable ASCII characters without spaces',
  weight: numberIn(WEIGHT_RANGE),
};

function checkEndpoints(value: unknown): string | undefined {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= MAX_ENDPOINTS;
  if (isList && value.every(isObject)) return undefined;
  return `must be a list of 1 to ${MAX_ENDPOINTS} endpoints, each as { url, weight }`;
}

export const SENTINEL_CHECKS: Readonly<Record<keyof SentinelOptions, Check>> = {
  name: nonEmptyText('the name of a primary, as sentinel monitor gives it'),
  nodes: checkNodes,
  username: nonEmptyText('the name of an ACL user'),
  password: checkPassword,
  tls: checkTls,
  addressMap: checkAddressMap,
};

export const CLUSTER_CHECKS: Readonly<Record<keyof ClusterOptions, Check>> = {
  nodes: checkNodes,
  addressMap: checkAddressMap,
};

function checkAddressMap(value: unknown): string | undefined {
  return isObject(value) || typeof value === 'function'
    ? undefined
    : `must be an object or a function, not ${kindOf(value)}`;
}

function checkNodes(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length === 0) return 'must be a list of { host, port }';
  const checkPort = numberIn(ranges.port);
  for (const node of value) {
    if (!isObject(node)) return 'must be a list of { host, port }';
    const problem =
      checkHost(node.host) ?? (node.port === undefined ? undefined : checkPort(node.port));
    if (problem !== undefined) return `has an entry whose host or port is wrong: it ${problem}`;
  }
  return undefined;
}

export function checkHost(value: unknown): string | undefined {
  const isHost = typeof value === 'string' && value !== '' && !NOT_IN_A_HOST.test(value);
  if (isHost || (typeof value === 'string' && isIPv6(withoutBrackets(value)))) return undefined;
  return 'must be a host name or an IP address alone; a whole address goes into url (REDIS_URL)';
}

/** `::1` for `[::1]`, as sockets want it. */
export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

export function oneOf(choices: readonly string[]): Check {
  return (value) => {
    if (typeof value === 'string' && choices.includes(value)) return undefined;
    const meant = typeof value === 'string' ? suggest(value, choices) : undefined;
    const question = meant === undefined ? '' : `; did you mean ${meant}?`;
    return `must be ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}${question}`;
  };
}

function numberIn(range: NumberRange): Check {
  return (value) => {
    if (typeof value !== 'number') return `must be ${describeRange(range)}, not ${kindOf(value)}`;
    return isInRange(value, range) ? undefined : `must be ${describeRange(range)}, not ${value}`;
  };
}

function nonEmptyText(meaning: string): Check {
  return (value) =>
    typeof value === 'string' && value !== ''
      ? undefined
      : `must be ${meaning}, not ${kindOf(value)}`;
}

function printable(command: string): Check {
  return (value) =>
    typeof value === 'string' && CONNECTION_NAME.test(value)
      ? undefined
      : `must be 1 to 128 printable ASCII characters without spaces, as ${command} wants it`;
}

function trueOrFalse(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : `must be true or false, not ${kindOf(value)}`;
}

function anObject(value: unknown): string | undefined {
  return isObject(value) ? undefined : `must be an object, not ${kindOf(value)}`;
}

function checkReconnectStrategy(value: unknown): string | undefined {
  if (typeof value === 'function') return undefined;
  if (value === false) return 'must not be false: a pool connects again; breaker ends the waiting';
  return numberIn(ranges['breaker.maxPauseMs'])(value)?.replace(
    /^must be/,
    'must be a function, or',
  );
}

function checkPassword(value: unknown): string | undefined {
  const isPassword = typeof value === 'function' || (typeof value === 'string' && value !== '');
  return isPassword ? undefined : `must be text or a function that gives it, not ${kindOf(value)}`;
}

/** A user without a password would silently become the default user. */
export function lacksPassword(login: { username?: string; password?: unknown }): boolean {
  const { username, password } = login;
  return username !== undefined && username !== 'default' && password === undefined;
}
