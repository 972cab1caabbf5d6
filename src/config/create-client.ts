// Options as node-redis' createClient() takes them, told apart by the names that are theirs alone, in
// the words of ours. What has no meaning here is refused, with the name of what has.
//
//   { url, socket: { connectTimeout, reconnectStrategy }, pingInterval }
//     -->  { url, connectTimeoutMs, reconnectStrategy, healthCheckIntervalMs }

import { isObject, kindOf } from './kinds.js';
import {
  type Fields,
  isRefusedByName,
  ourName,
  readFlag,
  readSocket,
  refuseByName,
} from './node-client.js';
import type { Problems } from './problems.js';

/** What `createPool()` takes of node-redis' `createClient()` besides the options of the same name. */
export interface CreateClientOptions {
  /** `host`, `port`, `path`, `tls` with fields of node:tls beside it, time-outs: as ours. */
  socket?: object;
  /** As `healthCheckIntervalMs`. */
  pingInterval?: number;
  /** `true` is `breaker: { failures: 1, patienceMs: 0 }`: no outage is waited out. */
  disableOfflineQueue?: boolean;
  /** As `maxWaiters`. */
  commandsQueueMaxLength?: number;
  /** `'enabled'` is refused; the others are what is so here. */
  maintNotifications?: 'disabled' | 'enabled' | 'auto';
}

/** What else stands in their `socket`, by the names of ours. */
const OF_ONE_SERVER = { path: 'path' };
const SHAPE = ['socket', 'disableOfflineQueue', 'maintNotifications'];
/** The first failed connect tells all who wait. */
const NO_PATIENCE = { failures: 1, patienceMs: 0 };
const SECURE_URL = /^(rediss|valkeys)\b/i;

/** @returns The options themselves where none of theirs is among them. */
export function fromCreateClient(options: unknown, problems: Problems): unknown {
  if (!isObject(options) || !Object.keys(options).some(isTheirs)) return options;
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (SHAPE.includes(name) || value === undefined) continue;
    const ours = ourName(name) ?? name;
    if (isRefusedByName(name)) refuseByName(problems, name);
    else if (ours !== name && options[ours] !== undefined) refuseBoth(name, ours, problems);
    else own[ours] = value;
  }
  refuseNotifications(options.maintNotifications, problems);
  const socket = readOwnSocket(options, problems);
  for (const name of Object.keys(socket)) {
    if (own[name] !== undefined) refuseBoth(`socket.${name}`, name, problems);
  }
  const isImpatient = readFlag(options, 'disableOfflineQueue', problems);
  const breaker = isImpatient && isObject(own.breaker ?? {});
  return {
    ...socket,
    ...own,
    ...(breaker ? { breaker: { ...NO_PATIENCE, ...(own.breaker as object | undefined) } } : {}),
  };
}

function isTheirs(name: string): boolean {
  const isRenamed = (ourName(name) ?? name) !== name;
  return SHAPE.includes(name) || isRenamed || isRefusedByName(name);
}

/** As there, a `url` says the host, the port and the database, whatever the socket says. */
function readOwnSocket({ url, socket }: Fields, problems: Problems): Fields {
  if (socket === undefined) return {};
  const isSecure = typeof url === 'string' && SECURE_URL.test(url);
  const read = readSocket(socket, 'socket', problems, isSecure, OF_ONE_SERVER);
  if (url === undefined) return read;
  const { host: _host, port: _port, ...rest } = read;
  return rest;
}

function refuseBoth(theirs: string, ours: string, problems: Problems): void {
  problems.refuse(theirs, `is ${ours} here: give one of them`);
}

function refuseNotifications(value: unknown, problems: Problems): void {
  if (value === undefined || value === 'disabled' || value === 'auto') return;
  const isAsked = value === 'enabled';
  const text = isAsked
    ? 'is not an option here: maintenance notifications are not asked for'
    : `must be 'disabled' or 'auto', not ${kindOf(value)}`;
  problems.refuse('maintNotifications', text);
}
