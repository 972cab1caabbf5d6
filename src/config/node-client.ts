// Options of one client as node-redis takes them, in the words of ours: what its createCluster() and
// createSentinel() want of all nodes. What has no meaning here is refused, with the name of what has.

import { isObject, kindOf } from './kinds.js';
import type { Problems } from './problems.js';
import { parseUrl } from './url.js';

export type Fields = Readonly<Record<string, unknown>>;

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
  commandOptions: 'it is one of the pool, for all commands',
  credentialsProvider: 'give password as a function, which is asked at every connect',
  disableOfflineQueue: 'breaker.patienceMs says how long commands wait for a server',
  readonly: "give reads: 'prefer-replica'",
  reconnectStrategy: 'retry and breaker say it',
  RESP: 'it is one of the pool, for all servers',
  socketTimeout: 'commandTimeoutMs and healthCheckIntervalMs say it',
  topologyRefreshOnReconnectionAttemptStrategy: 'the cluster is looked at by itself',
};

/** Not of one client, but options of the pool. */
const OURS_TOO = ['commandOptions', 'RESP'];

/** Whether an option beside those of the clients is called otherwise here. */
export function isRefusedByName(name: string): boolean {
  return Object.hasOwn(INSTEAD, name) && !OURS_TOO.includes(name);
}

/** @param path Its last part is what they call it. */
export function refuseByName(problems: Problems, path: string): void {
  problems.refuse(path, `is not an option here: ${INSTEAD[path.split('.').at(-1) as string]}`);
}

export function readFlag(options: Fields, name: string, problems: Problems): boolean {
  const value = options[name];
  if (value !== undefined && typeof value !== 'boolean') {
    problems.refuse(name, `must be true or false, not ${kindOf(value)}`);
  }
  return value === true;
}

/** @param path Stands before each name in a problem. */
export function readNodeClient(
  given: unknown,
  path: string,
  problems: Problems,
): Record<string, unknown> {
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
    } else if (Object.hasOwn(INSTEAD, name)) refuseByName(problems, `${path}.${name}`);
    else if (given.tls === true) tls[name] = value;
    else refuseField(`${path}.${name}`, name, problems);
  }
  if (given.tls === true) read.tls = Object.keys(tls).length === 0 ? true : tls;
  return read;
}

function refuseField(path: string, name: string, problems: Problems): void {
  if (Object.hasOwn(INSTEAD, name)) refuseByName(problems, path);
  else problems.refuse(/^[\w.[\]]{1,80}$/.test(path) ? path : 'A field', 'has no meaning here');
}
