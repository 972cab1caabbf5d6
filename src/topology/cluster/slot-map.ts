// What nodes of a cluster say of each other, read with care: CLUSTER SLOTS, and the address in
// MOVED and ASK. Pure. What makes no sense is left out, so that a garbled reply covers fewer slots,
// and a view that covers fewer is not taken for a better one.

import { SLOT_COUNT } from '../../base/key-slot.js';
import type { AddressMap, NodeAddress } from '../../config/options.js';
import { mappedAddress, portOf, textOf } from '../addresses.js';

export interface ListedNode {
  /** Its own number for itself, 40 characters; very old servers tell none. */
  readonly id: string | undefined;
  /** Where it is reached from here. */
  readonly address: NodeAddress;
  /** `host:port` by which others may name it, its address among them. */
  readonly names: readonly string[];
}

export interface SlotRange {
  readonly start: number;
  /** The last one, which belongs to it. */
  readonly end: number;
  readonly primary: ListedNode;
  readonly replicas: readonly ListedNode[];
}

/** From where a node says it is to where it is reached. */
export type Locate = (announced: NodeAddress) => NodeAddress;

/** `?` stands where a node is to be named by a host name and has none. */
const NO_NAME = '?';
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/i;

/**
 * How addresses said by the node at `origin` are reached: as the map has it; where it is, if it
 * speaks of itself and its neighbours as loopback; else as it says.
 */
export function locatorFor(origin: NodeAddress, map: AddressMap | undefined): Locate {
  return (announced) => {
    const mapped = mappedAddress(map, announced);
    if (mapped !== undefined) return mapped;
    const isElsewhere = LOOPBACK.test(announced.host) && !LOOPBACK.test(origin.host);
    return isElsewhere ? { host: origin.host, port: announced.port } : announced;
  };
}

/** @param origin The node that said it, as it was reached. */
export function readSlots(reply: unknown, origin: NodeAddress, locate: Locate): SlotRange[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((entry) => readRange(entry, origin, locate) ?? []);
}

/** How many slots have a primary. */
export function coverageOf(ranges: readonly SlotRange[]): number {
  const covered = new Uint8Array(SLOT_COUNT);
  for (const { start, end } of ranges) covered.fill(1, start, end + 1);
  return covered.reduce((sum, one) => sum + one, 0);
}

/** Two replies that say the same have the same signature. */
export function signatureOf(ranges: readonly SlotRange[]): string {
  const nameOf = ({ id, address }: ListedNode) => `${textOf(address)}@${id ?? ''}`;
  return ranges
    .map(({ start, end, primary, replicas }) => {
      const names = replicas.map(nameOf).sort();
      return `${start}-${end} ${nameOf(primary)} ${names.join(' ')}`;
    })
    .sort()
    .join('\n');
}

/**
 * The address in MOVED and ASK: `host:port`, IPv6 without brackets, where no host is that of the
 * sender. `undefined`: it means nothing.
 */
export function parseAddress(text: string, sender: NodeAddress): NodeAddress | undefined {
  const [word = ''] = text.trim().split(/\s/);
  const colon = word.lastIndexOf(':');
  if (colon === -1) return undefined;
  const port = realPort(word.slice(colon + 1), sender);
  const host = word.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  if (port === undefined || host === NO_NAME) return undefined;
  return { host: host === '' ? sender.host : host, port };
}

export function isSlot(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < SLOT_COUNT;
}

function readRange(entry: unknown, origin: NodeAddress, locate: Locate): SlotRange | undefined {
  if (!Array.isArray(entry)) return undefined;
  const [start, end, first, ...others] = entry as readonly unknown[];
  if (!isSlot(start) || !isSlot(end) || start > end) return undefined;
  // A replica is never taken for the primary that can't be read.
  const primary = readNode(first, origin, locate);
  if (primary === undefined) return undefined;
  const own = textOf(primary.address);
  const replicas = others
    .flatMap((node) => readNode(node, origin, locate) ?? [])
    .filter(({ address }) => textOf(address) !== own);
  return { start, end, primary, replicas };
}

function readNode(node: unknown, origin: NodeAddress, locate: Locate): ListedNode | undefined {
  if (!Array.isArray(node)) return undefined;
  const [endpoint, givenPort, id, metadata] = node as readonly unknown[];
  const port = realPort(givenPort, origin);
  const facts = readMetadata(metadata);
  const host = hostOf(endpoint, facts, origin);
  if (port === undefined || host === undefined) return undefined;
  const announced = { host, port };
  const address = locate(announced);
  const others = [facts.ip, facts.hostname].filter(isName).map((name) => ({ host: name, port }));
  return {
    id: isName(id) ? id : undefined,
    address,
    names: [...new Set([address, announced, ...others].map(textOf))],
  };
}

/** Nothing stands for where the answer came from: a node need not know its own address. */
function hostOf(endpoint: unknown, facts: Facts, origin: NodeAddress): string | undefined {
  if (endpoint === null || endpoint === undefined || endpoint === '') return origin.host;
  if (endpoint === NO_NAME) return [facts.ip, facts.hostname].find(isName);
  return typeof endpoint === 'string' ? endpoint : undefined;
}

/** 0 is what a node says that has no port of the kind that the answering one was reached by. */
function realPort(value: unknown, origin: NodeAddress): number | undefined {
  const port = portOf(value);
  return port === 0 ? origin.port : port;
}

interface Facts {
  readonly ip?: unknown;
  readonly hostname?: unknown;
}

/** A map in RESP3, names and values in turn in RESP2. */
function readMetadata(metadata: unknown): Facts {
  if (metadata instanceof Map) return Object.fromEntries(metadata) as Facts;
  if (!Array.isArray(metadata)) return (metadata ?? {}) as Facts;
  const factOf = (name: string) => {
    const index = metadata.findIndex((entry, place) => place % 2 === 0 && entry === name);
    return index === -1 ? undefined : metadata[index + 1];
  };
  return { ip: factOf('ip'), hostname: factOf('hostname') };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value !== NO_NAME;
}
