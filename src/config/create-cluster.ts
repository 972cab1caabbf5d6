// Options as node-redis' createCluster() takes them, told apart by `rootNodes`, in the words of ours.
// What has no meaning here is refused, with the name of what has.
//
//   { rootNodes: [{ url }], defaults: { password, socket } }  -->  { cluster: { nodes }, password }
//
// There, `rootNodes` log in to find the others, and `defaults` is for those. Here all nodes are one
// cluster with one login: `defaults` says it, else the root nodes, which then have to agree.

import { isDeepStrictEqual } from 'node:util';
import { isObject } from './kinds.js';
import {
  type Fields,
  isRefusedByName,
  readFlag,
  readNodeClient,
  refuseByName,
} from './node-client.js';
import type { AddressMap, ClusterOptions } from './options.js';
import type { Problems } from './problems.js';

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

/** @returns The options themselves where they are not of that kind. */
export function fromCreateCluster(options: unknown, problems: Problems): unknown {
  if (!isObject(options) || options.rootNodes === undefined) return options;
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (SHAPE.includes(name) || name === 'maxCommandRedirections' || value === undefined) continue;
    if (isRefusedByName(name)) refuseByName(problems, name);
    else own[name] = value;
  }
  refuseOverlap(options, own, problems);
  const { maxCommandRedirections: redirects, minimizeConnections } = options;
  if (redirects !== undefined && redirects !== MAX_REDIRECTS) {
    const text = `is not an option: there are ${MAX_REDIRECTS} at most, within commandTimeoutMs`;
    problems.refuse('maxCommandRedirections', text);
  }
  const { nodes, login } = readRootNodes(options.rootNodes, problems);
  const defaults = readNodeClient(options.defaults ?? {}, 'defaults', problems);
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

function refuseOverlap(options: Fields, own: Fields, problems: Problems): void {
  if (own.cluster !== undefined) problems.refuse('rootNodes', 'excludes cluster: give one of them');
  if (options.useReplicas !== undefined && own.reads !== undefined) {
    problems.refuse('useReplicas', 'excludes reads: give one of them');
  }
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
    const { host = 'localhost', port, ...rest } = readNodeClient(node, path, problems);
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
