// Options of one client as node-redis takes them, in the words of ours: those of its createClient(), and
// what its createCluster() and createSentinel() want of all nodes. What has no meaning here is refused,
// with the name of what has.

import { isObject, kindOf } from './kinds.js';
import type { Problems } from './problems.js';
import { parseUrl } from './url.js';

export type Fields = Readonly<Record<string, unknown>>;

/** Of a client in their words, by the names of ours. */
const CLIENT_FIELDS: Readonly<Record<string, string>> = {
  username: 'username',
  password: 'password',
  credentialsProvider: 'credentialsProvider',
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
  reconnectStrategy: 'reconnectStrategy',
};
/** Always so here. */
const ALWAYS_TRUE = ['keepAlive', 'noDelay'];
/** What they call otherwise, and what is to be used instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  clientSideCache: 'there is no client-side cache yet',
  commandOptions: 'it is one of the pool, for all commands',
  disableOfflineQueue: 'it is one of the pool, for all servers',
  emitInvalidate: 'there is no client-side cache yet',
  himportRegistry: 'it is internal to node-redis',
  maintEndpointType: 'maintenance notifications are not asked for',
  maintRelaxedCommandTimeout: 'maintenance notifications are not asked for; see commandTimeoutMs',
  maintRelaxedSocketTimeout: 'maintenance notifications are not asked for; see connectTimeoutMs',
  readonly: "give reads: 'prefer-replica'",
  RESP: 'it is one of the pool, for all servers',
  socketTimeout: 'commandTimeoutMs and healthCheckIntervalMs say it',
  topologyRefreshOnReconnectionAttemptStrategy: 'the cluster is looked at by itself',
};

/** Not of one client, but options of the pool. */
const OURS_TOO = ['commandOptions', 'disableOfflineQueue', 'readonly', 'RESP'];

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

/** What a field of a client is called here; `undefined`: it has no name of its own. */
export function ourName(name: string): string | undefined {
  return Object.hasOwn(CLIENT_FIELDS, name) ? CLIENT_FIELDS[name] : undefined;
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
    else if (ourName(name) !== undefined) read[ourName(name) as string] = value;
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

/**
 * With TLS, what is no option of the socket is one of node:tls.
 * @param isSecure The address asks for TLS. @param others Further fields, by the names of ours.
 */
export function readSocket(
  given: unknown,
  path: string,
  problems: Problems,
  isSecure = false,
  others: Readonly<Record<string, string>> = {},
): Fields {
  if (!isObject(given)) {
    problems.refuse(path, `must be an object, not ${kindOf(given)}`);
    return {};
  }
  const fields = { ...SOCKET_FIELDS, ...others };
  const read: Record<string, unknown> = {};
  const tls: Record<string, unknown> = {};
  const hasTls = given.tls === true || isSecure;
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || name === 'tls') continue;
    if (Object.hasOwn(fields, name)) read[fields[name] as string] = value;
    else if (ALWAYS_TRUE.includes(name)) {
      if (value !== true)
        problems.refuse(`${path}.${name}`, 'is always true here; see keepAliveMs');
    } else if (Object.hasOwn(INSTEAD, name)) refuseByName(problems, `${path}.${name}`);
    else if (hasTls) tls[name] = value;
    else refuseField(`${path}.${name}`, name, problems);
  }
  if (hasTls) read.tls = Object.keys(tls).length === 0 ? true : tls;
  return read;
}

function refuseField(path: string, name: string, problems: Problems): void {
  if (Object.hasOwn(INSTEAD, name)) refuseByName(problems, path);
  else problems.refuse(/^[\w.[\]]{1,80}$/.test(path) ? path : 'A field', 'has no meaning here');
}
