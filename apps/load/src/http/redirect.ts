// Where a redirect leads (RFC 9110 section 15.4): the next request, or nowhere. Only on the same
// host, since a user has one connection, and what another server takes is not to be measured here.

import type { RequestOptions } from '../user-class.js';
import { headerOf } from './response-head.js';
import type { RawResponse } from './response-reader.js';
import type { Host } from './target.js';

export interface RequestLine {
  readonly method: string;
  /** From the root of the host, its base path included. */
  readonly path: string;
  readonly options: RequestOptions;
}

/** With these a body is sent again; with the others a POST becomes a GET. */
const SAME_METHOD = [307, 308];
const REDIRECTS = [301, 302, 303, ...SAME_METHOD];

export function isRedirect({ head }: RawResponse): boolean {
  return REDIRECTS.includes(head.status);
}

function originOf({ secure, authority }: Host): string {
  return `${secure ? 'https' : 'http'}://${authority}`;
}

/** Undefined where it leads nowhere, or to another host. */
export function redirectOf(
  host: Host,
  { method, path, options }: RequestLine,
  response: RawResponse,
): RequestLine | undefined {
  if (!isRedirect(response)) return undefined;
  const { head } = response;
  const location = headerOf(head.text, 'location');
  const origin = originOf(host);
  const base = `${origin}${path}`;
  if (location === undefined || !URL.canParse(location, base)) return undefined;
  const url = new URL(location, base);
  if (url.origin !== origin) return undefined;
  const next = `${url.pathname}${url.search}`;
  const keepsMethod = SAME_METHOD.includes(head.status) || method === 'GET' || method === 'HEAD';
  if (keepsMethod) return { method, path: next, options };
  const { headers, ...rest } = options;
  const { json: _, form: __, multipart: ___, body: ____, ...bodiless } = rest;
  // A content type speaks of the body that is left behind.
  const kept = Object.entries(headers ?? {}).filter(([name]) => !/^content-/i.test(name));
  return { method: 'GET', path: next, options: { ...bodiless, headers: Object.fromEntries(kept) } };
}
