// Options as node-redis' createCluster() takes them, told apart by `rootNodes`, in the words of ours.
// What has no meaning here is refused, with the name of what has.
//
//   { rootNodes: [{ url }], defaults: { password, socket } }  -->  { cluster: { nodes }, password }
//
// There, `rootNodes` log in to find the others, and `defaults` is for those. Here all nodes are one
// cluster with one login: `defaults` says it, else the root nodes, which then have to agree.

import { isDeepStrictEqual } from 'node:util';
import { isObject, kindOf } from './kinds.js';
import type { AddressMap, ClusterOptions } from './options.js';
import type { Problems } from './problems.js';
import { parseUrl } from './url.js';

/** What `createPool()` takes of node-redis' `createCluster()`, in place of `cluster` and `reads`. */
export interface CreateClusterOptions {
  /** As `cluster.nodes`: `{ url }` or `{ socket: { host, port } }` each. */
  rootNodes?: readonly object[];
  /** User, password, `socket.tls` and time-outs of all nodes. */
  defaults?: object;
  /** `true` is `reads: 'prefer-replica'`. */
  useReplicas?: boolean;
  /** As `cluster.addressMap`. */
  nodeAddressMap?: AddressMap;
  /** 16, which is what redirects are bounded by here. */
  maxCommandRedirections?: number;
  /** `true` is `minConnections: 0`. */
  minimizeConnections?: boolean;
}

const SHAPE = ['rootNodes', 'defaults', 'useReplicas', 'nodeAddressMap', 'minimizeConnections'];
const MAX_REDIRECTS = 16;

type Fields = Readonly<Record<string, unknown>>;

/** Of a client in their words, by the names of ours. */
const CLIENT_FIELDS: Readonly<Record<string, string>> = {
  username: 'username',
  password: 'password',
  name: 'name',
  database: 'database',
  disableClientInfo: 'disableClientInfo',
  clientInfoTag: 'clientInfoTag',
  pingInterval: 'healthCheckIntervalMs',
  commandsQueueMaxLength: 'maxWaiters',
};
const SOCKET_FIELDS: Readonly<Record<string, string>> = {
  host: 'host',
  port: 'port',
  family: 'family',
  connectTimeout: 'connectTimeoutMs',
  keepAliveInitialDelay: 'keepAliveMs',
};
/** Always so here. */
const ALWAYS_TRUE = ['keepAlive', 'noDelay'];
/** What they call otherwise, and what is to be used instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  clientSideCache: 'there is no client-side cache yet',
  commandOptions: 'give commandOptions beside defaults',
  credentialsProvider: 'give password as a function, which is asked at every connect',
  disableOfflineQueue: 'breaker.patienceMs says how long commands wait for a server',
  readonly: "give reads: 'prefer-replica'",
  reconnectStrategy: 'retry and breaker say it',
  RESP: 'give RESP beside defaults',
  socketTimeout: 'commandTimeoutMs and healthCheckIntervalMs say it',
  topologyRefreshOnReconnectionAttemptStrategy: 'the cluster is looked at by itself',
};

/** Not in `defaults`, but options of the pool. */
const OURS_TOO = ['commandOptions', 'RESP'];

/** @returns The options themselves where they are not of that kind. */
export function fromCreateCluster(options: unknown, problems: Problems): unknown {
  if (!isObject(options) || options.rootNodes === undefined) return options;
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (SHAPE.includes(name) || name === 'maxCommandRedirections' || value === undefined) continue;
    if (Object.hasOwn(INSTEAD, name) && !OURS_TOO.includes(name)) refuse(problems, name);
    else own[name] = value;
  }
  refuseOverlap(options, own, problems);
  const { maxCommandRedirections: redirects, minimizeConnections } = options;
  if (redirects !== undefined && redirects !== MAX_REDIRECTS) {
    const text = `is not an option: there are ${MAX_REDIRECTS} at most, within commandTimeoutMs`;
    problems.refuse('maxCommandRedirections', text);
  }
  const { nodes, login } = readRootNodes(options.rootNodes, problems);
  const defaults = readClient(options.defaults ?? {}, 'defaults', problems);
  const { host, port, ...shared } = defaults;
  if (host !== undefined || port !== undefined) {
    problems.refuse('defaults', 'must not name a server: rootNodes does');
  }
  const cluster = { nodes, addressMap: options.nodeAddressMap };
  return {
    ...(readFlag(options, 'useReplicas', problems) ? { reads: 'prefer-replica' } : {}),
    ...(minimizeConnections === true ? { minConnections: 0 } : {}),
    ...withoutLoginOf(shared, login),
    ...shared,
    cluster,
    ...own,
  };
}

function refuse(problems: Problems, name: string): void {
  problems.refuse(name, `is not an option here: ${INSTEAD[name.split('.').at(-1) as string]}`);
}

function refuseOverlap(options: Fields, own: Fields, problems: Problems): void {
  if (own.cluster !== undefined) problems.refuse('rootNodes', 'excludes cluster: give one of them');
  if (options.useReplicas !== undefined && own.reads !== undefined) {
    problems.refuse('useReplicas', 'excludes reads: give one of them');
  }
}

function readFlag(options: Fields, name: string, problems: Problems): boolean {
  const value = options[name];
  if (value !== undefined && typeof value !== 'boolean') {
    problems.refuse(name, `must be true or false, not ${kindOf(value)}`);
  }
  return value === true;
}

/** Where `defaults` names a user, the root nodes' password is not his. */
function withoutLoginOf(defaults: Fields, login: Fields): Fields {
  if (defaults.username === undefined && defaults.password === undefined) return login;
  const { username: _user, password: _password, ...rest } = login;
  return rest;
}

interface RootNodes {
  readonly nodes: ClusterOptions['nodes'] | undefined;
  /** All that they say beside their addresses. */
  readonly login: Fields;
}

function readRootNodes(given: unknown, problems: Problems): RootNodes {
  if (!Array.isArray(given) || given.length === 0) {
    problems.refuse('rootNodes', 'must be a list of { url } or { socket: { host, port } }');
    // Its absence is no second problem.
    return { nodes: [{ host: 'localhost' }], login: {} };
  }
  const nodes: { host: string; port?: number }[] = [];
  const login: Record<string, unknown> = {};
  for (const [index, node] of given.entries()) {
    const path = `rootNodes[${index}]`;
    const { host = 'localhost', port, ...rest } = readClient(node, path, problems);
    nodes.push({ host, ...(port === undefined ? {} : { port }) } as { host: string });
    for (const [name, value] of Object.entries(rest)) {
      if (login[name] !== undefined && !isDeepStrictEqual(login[name], value)) {
        problems.refuse('rootNodes', `disagree on ${name}: put it into defaults`);
      }
      login[name] = value;
    }
  }
  return { nodes, login };
}

/** One client's options by the names of ours. @param path Stands before each name in a problem. */
function readClient(given: unknown, path: string, problems: Problems): Record<string, unknown> {
  if (!isObject(given)) {
    problems.refuse(path, `must be an object, not ${kindOf(given)}`);
    return {};
  }
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (name === 'url') Object.assign(read, readAddress(value, `${path}.url`, problems));
    else if (name === 'socket') Object.assign(read, readSocket(value, `${path}.socket`, problems));
    else if (Object.hasOwn(CLIENT_FIELDS, name)) read[CLIENT_FIELDS[name] as string] = value;
    else refuseField(`${path}.${name}`, name, problems);
  }
  return read;
}

function readAddress(url: unknown, name: string, problems: Problems): Fields {
  if (typeof url !== 'string') {
    problems.refuse(name, `must be an address such as redis://host:6379, not ${kindOf(url)}`);
    return {};
  }
  const { path, sentinel, cluster, ...parts } = parseUrl(url, name, problems);
  if (path !== undefined || sentinel !== undefined || cluster !== undefined) {
    problems.refuse(name, 'must be the address of one node, redis://host:6379');
  }
  return { ...parts };
}

/** With `tls: true`, what is no option of the socket is one of node:tls. */
function readSocket(given: unknown, path: string, problems: Problems): Fields {
  if (!isObject(given)) {
    problems.refuse(path, `must be an object, not ${kindOf(given)}`);
    return {};
  }
  const read: Record<string, unknown> = {};
  const tls: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || name === 'tls') continue;
    if (Object.hasOwn(SOCKET_FIELDS, name)) read[SOCKET_FIELDS[name] as string] = value;
    else if (ALWAYS_TRUE.includes(name)) {
      if (value !== true)
        problems.refuse(`${path}.${name}`, 'is always true here; see keepAliveMs');
    } else if (Object.hasOwn(INSTEAD, name)) refuse(problems, `${path}.${name}`);
    else if (given.tls === true) tls[name] = value;
    else refuseField(`${path}.${name}`, name, problems);
  }
  if (given.tls === true) read.tls = Object.keys(tls).length === 0 ? true : tls;
  return read;
}

function refuseField(path: string, name: string, problems: Problems): void {
  if (Object.hasOwn(INSTEAD, name)) refuse(problems, path);
  else problems.refuse(/^[\w.[\]]{1,80}$/.test(path) ? path : 'A field', 'has no meaning here');
}
