// Addresses as servers and sentinels say them, and where those are reached from here.

import type { AddressMap, NodeAddress } from '../config/options.js';
import { PoolError } from '../errors.js';

const HIGHEST_PORT = 65_535;

/** `host:port`, as servers, sentinels and maps write it: IPv6 without brackets. */
export function textOf({ host, port }: NodeAddress): string {
  return `${host}:${port}`;
}

/** What a server says of an address: host and port, as text or number; `undefined`: none. */
export function addressOf(reply: unknown): NodeAddress | undefined {
  const [host, port] = Array.isArray(reply) ? reply : [];
  const number = portOf(port);
  const isAddress = typeof host === 'string' && host !== '' && number !== undefined;
  return isAddress && number > 0 ? { host, port: number } : undefined;
}

/** 0 too, which some servers say of a port that they don't have. `undefined`: it is none. */
export function portOf(value: unknown): number | undefined {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) {
    return undefined;
  }
  const number = Number(value);
  return Number.isInteger(number) && number >= 0 && number <= HIGHEST_PORT ? number : undefined;
}

/**
 * Where an address that a server gave is reached; `undefined`: the map does not know it.
 * @throws What a function throws; PoolError CONNECT_FAILED where it gives no address.
 */
export function mappedAddress(
  map: AddressMap | undefined,
  address: NodeAddress,
): NodeAddress | undefined {
  if (map === undefined) return undefined;
  const text = textOf(address);
  const mapped =
    typeof map === 'function' ? map(text) : Object.hasOwn(map, text) ? map[text] : undefined;
  if (mapped === undefined) return undefined;
  const found = addressOf([mapped?.host, mapped?.port]);
  if (found !== undefined) return found;
  const problem = `addressMap gave no { host, port } for ${text}`;
  throw new PoolError('CONNECT_FAILED', problem, { sent: false });
}
