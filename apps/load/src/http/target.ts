// Where the requests go: the host's URL taken apart, and its name resolved once instead of once a
// connection. Of several addresses the first that accepts a connection is taken, since `localhost`
// often resolves to ::1 while the server listens on 127.0.0.1 only.

import dns from 'node:dns/promises';
import net from 'node:net';
import { LoadError } from '../errors.js';
import type { Target } from './connection.js';

const PROBE_TIMEOUT_MS = 2000;

export interface Host {
  readonly url: string;
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number;
  /** The Host header. */
  readonly authority: string;
  /** A path before all paths, without a slash at its end. */
  readonly basePath: string;
}

/** Throws `INVALID_OPTION`. */
export function parseHost(text: string): Host {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new LoadError('INVALID_OPTION', `The host '${text}' is no http:// or https:// URL.`);
  }
  if (url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new LoadError('INVALID_OPTION', `The host '${text}' may have a path, but no more.`);
  }
  const secure = url.protocol === 'https:';
  return {
    url: text,
    secure,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (secure ? 443 : 80),
    authority: url.host,
    basePath: url.pathname.replace(/\/+$/, ''),
  };
}

/** Never rejects: what can't be resolved or reached shows as failures of the requests. */
export async function resolveTarget(host: Host): Promise<Target> {
  const { secure, hostname, port } = host;
  const found = await dns.lookup(hostname, { all: true }).catch(() => []);
  const addresses = found.map((entry) => entry.address);
  let address = addresses[0] ?? hostname;
  if (addresses.length > 1) {
    for (const candidate of addresses) {
      if (!(await accepts(candidate, port))) continue;
      address = candidate;
      break;
    }
  }
  return { secure, hostname, port, address };
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: PROBE_TIMEOUT_MS });
    const answer = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
    socket.once('timeout', () => answer(false));
  });
}
