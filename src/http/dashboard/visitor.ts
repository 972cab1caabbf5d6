// What a request tells of who sent it: the host that he thinks this is, whether another site's page
// made his browser ask, and secrets compared so that the time it takes says nothing. Pure.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** A name or an address, with or without brackets. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return isIP(name) === 4 ? name.startsWith('127.') : name === '::1';
}

/** The header `host`: as text in lower case, and its name without the port. */
export function hostOf(text: string | undefined): { text: string; name: string } | undefined {
  if (text === undefined || !URL.canParse(`http://${text}`)) return undefined;
  return { text: text.toLowerCase(), name: new URL(`http://${text}`).hostname };
}

/** Another site's page asks. Programs and links that somebody follows are none. */
export function isForeignFetch(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

/** Of equal length, so that they can be compared in constant time. */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** @param digest As `digestOf()` gives it, of the secret that is right. */
export function isSecret(text: string, digest: Buffer): boolean {
  return timingSafeEqual(digestOf(text), digest);
}

/** The values of all cookies whose name begins so. */
export function cookiesOf(header: string, nameStart: string): string[] {
  return header
    .split('; ')
    .filter((one) => one.startsWith(nameStart))
    .map((one) => one.slice(one.indexOf('=') + 1));
}
