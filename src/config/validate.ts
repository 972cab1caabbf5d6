// From what a caller handed to createPool() to options whose every value is of the right kind.
// What is wrong becomes a problem and is left out of the result, so that all of it is found.

import {
  AUTOSCALE_CHECKS,
  BREAKER_CHECKS,
  type Check,
  CLUSTER_CHECKS,
  ENDPOINT_CHECKS,
  FAILOVER_CHECKS,
  OPTION_CHECKS,
  RETRY_CHECKS,
  SENTINEL_CHECKS,
  TRACING_CHECKS,
} from './checks.js';
import { isObject, kindOf } from './kinds.js';
import type { ClientOptionsSubset, PoolOptions } from './options.js';
import type { Problems } from './problems.js';
import { suggest } from './suggest.js';

/** Names that other Redis libraries give to options of ours. */
const FOREIGN_NAMES: Readonly<Record<string, string>> = {
  acquireTimeout: 'acquireTimeoutMs',
  cleanupDelay: 'idleTimeoutMs',
  db: 'database',
  max: 'maxConnections',
  maximum: 'maxConnections',
  min: 'minConnections',
  minimum: 'minConnections',
  natMap: 'cluster.addressMap',
  nodeAddressMap: 'cluster.addressMap',
  scaleReads: 'reads',
  startupNodes: 'cluster.nodes',
  useReplicas: 'reads',
  user: 'username',
};

/** Options that are objects with options of their own. */
const GROUPS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  autoscale: AUTOSCALE_CHECKS,
  retry: RETRY_CHECKS,
  breaker: BREAKER_CHECKS,
  failover: FAILOVER_CHECKS,
  tracing: TRACING_CHECKS,
};

/** A name that may be repeated in a message; anything else could be a value in the wrong place. */
const PLAIN_NAME = /^[A-Za-z_$][\w$-]{0,39}$/;

/**
 * A copy with the right values alone; `undefined` counts as absent, and the caller's own objects
 * stay as they are.
 */
export function validateOptions(
  options: unknown,
  problems: Problems,
): PoolOptions & ClientOptionsSubset {
  if (!isObject(options)) {
    const hint = typeof options === 'string' ? '; an address goes into { url }' : '';
    problems.refuse('The options', `must be an object, not ${kindOf(options)}${hint}`);
    return {};
  }
  const valid = pickValid(options, OPTION_CHECKS, '', problems);
  for (const [group, checks] of Object.entries(GROUPS)) {
    const parts = valid[group];
    if (isObject(parts)) valid[group] = pickValid(parts, checks, `${group}.`, problems);
  }
  pickValidServer(valid, '', problems);
  if (Array.isArray(valid.endpoints)) {
    valid.endpoints = valid.endpoints.map((endpoint, index) => {
      const prefix = `endpoints[${index}].`;
      const validEndpoint = pickValid(endpoint, ENDPOINT_CHECKS, prefix, problems);
      pickValidServer(validEndpoint, prefix, problems);
      return validEndpoint;
    });
  }
  return valid;
}

/** What names a server and has parts itself. */
function pickValidServer(valid: Record<string, unknown>, prefix: string, problems: Problems): void {
  if (isObject(valid.sentinel)) {
    valid.sentinel = pickValid(valid.sentinel, SENTINEL_CHECKS, `${prefix}sentinel.`, problems);
  }
  if (isObject(valid.cluster)) {
    valid.cluster = pickValid(valid.cluster, CLUSTER_CHECKS, `${prefix}cluster.`, problems);
  }
}

/** @param prefix Stands before each name in a problem: empty, or `retry.`. */
function pickValid(
  given: Record<string, unknown>,
  checks: Readonly<Record<string, Check>>,
  prefix: string,
  problems: Problems,
): Record<string, unknown> {
  const valid: Record<string, unknown> = {};
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (!Object.hasOwn(checks, name)) {
      problems.refuse(...unknownName(name, Object.keys(checks), prefix));
      continue;
    }
    if (value === undefined) continue;
    const problem = checks[name]!(value);
    if (problem === undefined) valid[name] = value;
    else problems.refuse(prefix + name, problem);
  }
  return valid;
}

function unknownName(
  name: string,
  known: readonly string[],
  prefix: string,
): [name: string, text: string] {
  if (!PLAIN_NAME.test(name)) return ['An option', 'has a name that no option has'];
  const isForeign = prefix === '' && Object.hasOwn(FOREIGN_NAMES, name);
  const meant = isForeign ? FOREIGN_NAMES[name] : suggest(name, known);
  const question = meant === undefined ? '' : `; did you mean ${prefix}${meant}?`;
  return [prefix + name, `is not an option${question}`];
}
