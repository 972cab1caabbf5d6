// A request as the text that goes over the wire. Whatever could break out of its line (a space in
// a path, a line break in a header) is refused, so that a user class can't send two by mistake.

import { Buffer } from 'node:buffer';
import type { RequestOptions } from '../user-class.js';
import type { Host } from './target.js';

const METHOD = /^[A-Z]+$/;
const PATH = /^\/[\x21-\x7e]*$/;
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH']);

/** Throws a `TypeError` for what can't be sent. */
export function requestText(
  host: Host,
  method: string,
  path: string,
  options: RequestOptions,
): string {
  if (!METHOD.test(method)) throw new TypeError(`The method '${method}' can't be sent.`);
  if (!PATH.test(path)) {
    throw new TypeError(`The path '${path}' can't be sent: it starts with / and is encoded.`);
  }
  let text = `${method} ${host.basePath}${path} HTTP/1.1\r\nhost: ${host.authority}\r\n`;
  for (const name in options.headers) {
    const value = options.headers[name]!;
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) {
      throw new TypeError(`The header '${name}' can't be sent.`);
    }
    text += `${name}: ${value}\r\n`;
  }
  const body = bodyOf(options);
  if (body !== undefined) {
    const type =
      options.json === undefined ? 'application/x-www-form-urlencoded' : 'application/json';
    return `${text}content-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  }
  return BODY_METHODS.has(method) ? `${text}content-length: 0\r\n\r\n` : `${text}\r\n`;
}

function bodyOf({ json, form }: RequestOptions): string | undefined {
  if (json !== undefined) return JSON.stringify(json);
  return form === undefined ? undefined : new URLSearchParams(form).toString();
}
