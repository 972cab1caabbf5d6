// Options as node-redis' createSentinel() takes them, told apart by `sentinelRootNodes`, in the words of
// ours. What has no meaning here is refused, with the name of what has.
//
//   { name, sentinelRootNodes, nodeClientOptions, sentinelClientOptions, replicaPoolSize: 1 }
//     -->  { sentinel: { name, nodes, password }, password, reads: 'prefer-replica' }

import { isDeepStrictEqual } from 'node:util';
import { isObject, kindOf } from './kinds.js';
import { type Fields, isRefusedByName, readNodeClient, refuseByName } from './node-client.js';
import type { AddressMap } from './options.js';
import type { Problems } from './problems.js';

/** What `createPool()` takes of node-redis' `createSentinel()`, in place of `sentinel` and `reads`. */
export interface CreateSentinelOptions {
  /** As `sentinel.nodes`. Where it is given, `name` is that of the primary, `sentinel.name`. */
  sentinelRootNodes?: readonly { readonly host: string; readonly port?: number }[];
  /** User, password, `socket.tls`, time-outs and name of the connections to servers. */
  nodeClientOptions?: object;
  /** User, password and `socket.tls` of the sentinels; the rest is as for the servers. */
  sentinelClientOptions?: object;
  /** As `minConnections`. */
  masterPoolSize?: number;
  /** Above 0 it is `reads: 'prefer-replica'`; how many connections that takes the pool decides. */
  replicaPoolSize?: number;
  /** As `sentinel.addressMap`. */
  nodeAddressMap?: AddressMap;
  /** 5,000 or more: the sentinels are asked so often, and listened to. 0: the same. */
  scanInterval?: number;
  /** 16; how often a command is tried `retry` says. */
  maxCommandRediscovers?: number;
  /** Always true here: leases don't take the last lane. */
  reserveClient?: boolean;
  /** Always true here: errors are told to whoever listens. */
  passthroughClientErrorEvents?: boolean;
}

const SHAPE = [
  ...['name', 'sentinelRootNodes', 'nodeClientOptions', 'sentinelClientOptions'],
  ...['masterPoolSize', 'replicaPoolSize', 'nodeAddressMap', 'scanInterval'],
  ...['maxCommandRediscovers', 'reserveClient', 'passthroughClientErrorEvents'],
];
const ALWAYS_TRUE: Readonly<Record<string, string>> = {
  reserveClient: "leases don't take the last lane",
  passthroughClientErrorEvents: 'errors are told to whoever listens',
};
/** The sentinels are asked so often, ms. */
const LOOK_MS = 5_000;
const MAX_REDISCOVERS = 16;
/** Of a sentinel's client alone. */
const OWN_FIELDS = ['username', 'password', 'tls'];

/** @returns The options themselves where they are not of that kind. */
export function fromCreateSentinel(options: unknown, problems: Problems): unknown {
  if (!isObject(options) || options.sentinelRootNodes === undefined) return options;
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (SHAPE.includes(name) || value === undefined) continue;
    if (isRefusedByName(name)) refuseByName(problems, name);
    else own[name] = value;
  }
  refuseOverlap(options, own, problems);
  refuseOtherHabits(options, problems);
  const server = readClient(options, 'nodeClientOptions', problems);
  const login = readLogin(readClient(options, 'sentinelClientOptions', problems), server, problems);
  const replicas = readCount(options, 'replicaPoolSize', 0, problems);
  const primary = readCount(options, 'masterPoolSize', 1, problems);
  const nodes = readNodes(options.sentinelRootNodes, problems);
  const { name, nodeAddressMap: addressMap } = options;
  return {
    ...(replicas !== undefined && replicas > 0 ? { reads: 'prefer-replica' } : {}),
    ...(primary === undefined ? {} : { minConnections: primary }),
    ...server,
    // One mistake is one problem.
    ...(own.cluster === undefined ? { sentinel: { name, nodes, addressMap, ...login } } : {}),
    ...own,
  };
}

function refuseOverlap(options: Fields, own: Fields, problems: Problems): void {
  for (const name of ['sentinel', 'cluster']) {
    if (own[name] === undefined) continue;
    problems.refuse('sentinelRootNodes', `excludes ${name}: give one of them`);
  }
  if (options.replicaPoolSize !== undefined && own.reads !== undefined) {
    problems.refuse('replicaPoolSize', 'excludes reads: give one of them');
  }
  if (options.masterPoolSize !== undefined && own.minConnections !== undefined) {
    problems.refuse('masterPoolSize', 'excludes minConnections: give one of them');
  }
}

/** What is so here and can't be otherwise. */
function refuseOtherHabits(options: Fields, problems: Problems): void {
  for (const [name, why] of Object.entries(ALWAYS_TRUE)) {
    const value = options[name];
    if (value !== undefined && value !== true) problems.refuse(name, `is always true here: ${why}`);
  }
  const { scanInterval, maxCommandRediscovers } = options;
  const isRareEnough = Number(scanInterval) === 0 || Number(scanInterval) >= LOOK_MS;
  if (scanInterval !== undefined && !isRareEnough) {
    const text = `is not an option: sentinels are listened to, and asked each ${LOOK_MS} ms`;
    problems.refuse('scanInterval', text);
  }
  if (maxCommandRediscovers !== undefined && maxCommandRediscovers !== MAX_REDISCOVERS) {
    const text = 'is not an option: retry says how often a command is tried';
    problems.refuse('maxCommandRediscovers', text);
  }
}

function readClient(options: Fields, path: string, problems: Problems): Fields {
  const { host, port, ...fields } = readNodeClient(options[path] ?? {}, path, problems);
  if (host !== undefined || port !== undefined) {
    problems.refuse(path, 'must not name a server: sentinelRootNodes and the sentinels do');
  }
  return fields;
}

/** Time-outs and names are the same for sentinels and servers. */
function readLogin(sentinel: Fields, server: Fields, problems: Problems): Fields {
  const login: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(sentinel)) {
    if (OWN_FIELDS.includes(name)) login[name] = value;
    else if (!isDeepStrictEqual(value, server[name])) {
      const text = `has another ${name} than nodeClientOptions: it is the same for both`;
      problems.refuse('sentinelClientOptions', text);
    }
  }
  return login;
}

function readNodes(given: unknown, problems: Problems): unknown {
  if (Array.isArray(given) && given.length > 0) return given;
  problems.refuse('sentinelRootNodes', 'must be a list of { host, port }');
  // Its absence is no second problem.
  return [{ host: 'localhost' }];
}

function readCount(
  options: Fields,
  name: string,
  least: number,
  problems: Problems,
): number | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least) return value;
  const found = typeof value === 'number' ? value : kindOf(value);
  problems.refuse(name, `must be an integer of at least ${least}, not ${found}`);
  return undefined;
}
