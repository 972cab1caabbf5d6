// A user's cookies, as a browser keeps them (RFC 6265), for the one host that a run knows: there are
// no other domains, so what is left is names, values, paths, and when they end.

import { unixNow } from '../clock.js';
import { headerLinesOf } from './response-head.js';
import type { RawResponse } from './response-reader.js';

/** As browsers do; beyond it the oldest cookie goes. */
const MAX_COOKIES = 180;

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  readonly secure: boolean;
  /** Unix ms. */
  readonly endsMs: number;
}

export class Cookies {
  readonly #cookies = new Map<string, Cookie>();

  constructor(
    private readonly secure: boolean,
    private readonly now: () => number = unixNow,
  ) {}

  /** The value of the header of a request to this path; empty for none. */
  for(path: string): string {
    if (this.#cookies.size === 0) return '';
    const nowMs = this.now();
    return [...this.#cookies.values()]
      .filter(
        (cookie) =>
          cookie.endsMs > nowMs && (this.secure || !cookie.secure) && covers(cookie.path, path),
      )
      .sort((left, right) => right.path.length - left.path.length)
      .map(({ name, value }) => (name === '' ? value : `${name}=${value}`))
      .join('; ');
  }

  /** Takes what a response to a request of this path sets. */
  keep(path: string, { head }: RawResponse): void {
    for (const line of headerLinesOf(head.text, 'set-cookie')) {
      const cookie = parseCookie(line, path, this.now());
      const key = `${cookie.name};${cookie.path}`;
      this.#cookies.delete(key);
      if (cookie.endsMs <= this.now() || (cookie.secure && !this.secure)) continue;
      this.#cookies.set(key, cookie);
      const [oldest] = this.#cookies.keys();
      if (this.#cookies.size > MAX_COOKIES) this.#cookies.delete(oldest!);
    }
  }
}

function parseCookie(line: string, requestPath: string, nowMs: number): Cookie {
  const [pair = '', ...rest] = line.split(';');
  const [name, value] = splitAt(pair, '=');
  const attributes = new Map(
    rest.map((text) => splitAt(text, '=')).map(([key, one]) => [key.toLowerCase(), one]),
  );
  const path = attributes.get('path');
  return {
    // Without an equals sign all of it is the value.
    name: pair.includes('=') ? name : '',
    value: pair.includes('=') ? value : name,
    path: path?.startsWith('/') ? path : folderOf(requestPath),
    secure: attributes.has('secure'),
    endsMs: endOf(attributes, nowMs),
  };
}

/** Max-Age beats Expires; neither: as long as the user lives. */
function endOf(attributes: ReadonlyMap<string, string>, nowMs: number): number {
  const maxAge = attributes.get('max-age');
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return nowMs + Number(maxAge) * 1000;
  const expires = Date.parse(attributes.get('expires') ?? '');
  return Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires;
}

function splitAt(text: string, separator: string): [string, string] {
  const index = text.indexOf(separator);
  if (index === -1) return [text.trim(), ''];
  return [text.slice(0, index).trim(), text.slice(index + 1).trim()];
}

/** `/a` for `/a/b?c`, and `/` for `/a`. */
function folderOf(requestPath: string): string {
  const path = requestPath.split('?')[0]!;
  const end = path.lastIndexOf('/');
  return end <= 0 ? '/' : path.slice(0, end);
}

function covers(cookiePath: string, requestPath: string): boolean {
  const path = requestPath.split('?')[0]!;
  if (!path.startsWith(cookiePath)) return false;
  return (
    path.length === cookiePath.length || cookiePath.endsWith('/') || path[cookiePath.length] === '/'
  );
}
