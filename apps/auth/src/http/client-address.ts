// Whose request it is, as far as the network says: what failed logins are counted by. Who has one
// IPv6 address has at least the 2^64 of its /64, so those count as one; a site may have a /48.
// Which hop names the client is Fastify's to find, by AUTH_TRUST_PROXY.

import { BlockList, isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { ClientAddress } from '../attempts.js';
import type { TrustedProxies } from '../config-reader.js';

const IPV6_GROUPS = 8;
/** IPv4 as it looks in IPv6: mapped, and from a translator (RFC 6052). */
const IPV4_PREFIXES = ['0:0:0:0:0:ffff:', '64:ff9b:0:0:0:0:'];
/** Some proxies add the port that the client came from, another one for each connection. */
const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d+)?$/;
/** A socket of the machine itself has none. */
const UNKNOWN: ClientAddress = { address: 'unknown', network: 'unknown', site: 'unknown' };

const PRIVATE_NETWORKS = new BlockList();
for (const [network, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
] as const) {
  PRIVATE_NETWORKS.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  PRIVATE_NETWORKS.addSubnet(network, bits, 'ipv6');
}

/**
 * Whom Fastify believes about X-Forwarded-For. A number of hops says nothing of who they are, so that
 * a client that finds a way around the proxy could name himself; Fastify takes none for that reason.
 * Such clients come from elsewhere: hops count where the nearest has a private address.
 */
export function trustOf(trusted: TrustedProxies) {
  if (typeof trusted !== 'number') return trusted;
  return (address: string, hop: number) => (hop === 0 ? isPrivate(address) : hop < trusted);
}

function isPrivate(text: string): boolean {
  const { address = '' } = parseClientAddress(text) ?? {};
  return PRIVATE_NETWORKS.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** What a proxy wrote that is no address tells nothing: the connection's own address counts then. */
export function clientAddressOf({ ip, socket }: FastifyRequest): ClientAddress {
  return parseClientAddress(ip) ?? parseClientAddress(socket.remoteAddress ?? '') ?? UNKNOWN;
}

/** `undefined` for what is no address. */
export function parseClientAddress(text: string): ClientAddress | undefined {
  const [, bracketed, plain] = WITH_PORT.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  const version = isIP(address);
  if (version === 0) return undefined;
  if (version === 4) return { address, network: address, site: address };
  const groups = groupsOf(address);
  const ipv4 = ipv4In(groups);
  if (ipv4 !== undefined) return { address: ipv4, network: ipv4, site: ipv4 };
  return {
    address,
    network: `${groups.slice(0, 4).join(':')}::/64`,
    site: `${groups.slice(0, 3).join(':')}::/48`,
  };
}

/** The eight groups of an IPv6 address, in the one form that `URL` gives to all its spellings. */
function groupsOf(address: string): string[] {
  const [withoutZone] = address.split('%', 1);
  const { hostname } = new URL(`http://[${withoutZone}]`);
  const [head = [], tail = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = new Array<string>(IPV6_GROUPS - head.length - tail.length).fill('0');
  return [...head, ...zeros, ...tail];
}

function ipv4In(groups: readonly string[]): string | undefined {
  const prefix = `${groups.slice(0, -2).join(':')}:`;
  if (!IPV4_PREFIXES.includes(prefix)) return undefined;
  const bytes = groups.slice(-2).flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
  return bytes.join('.');
}
