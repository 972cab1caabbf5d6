// A request as the text or bytes that go over the wire. Whatever could break out of its line (a space
// in a path, a line break in a header) is refused, so that a user class can't send two by mistake.

import { Buffer } from 'node:buffer';
import type { RequestOptions } from '../user-class.js';
import { bodyOf } from './request-body.js';
import type { Host } from './target.js';

const METHOD = /^[A-Z]+$/;
const PATH = /^\/[\x21-\x7e]*$/;
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Takes a path below the host's own, and cookies for a request that names none itself.
 * Throws a `TypeError` for what can't be sent.
 */
export function requestText(
  host: Host,
  method: string,
  path: string,
  options: RequestOptions,
  cookies = '',
): string | Buffer {
  if (!METHOD.test(method)) throw new TypeError(`The method '${method}' can't be sent.`);
  if (!PATH.test(path)) {
    throw new TypeError(`The path '${path}' can't be sent: it starts with / and is encoded.`);
  }
  let text = `${method} ${host.basePath}${path} HTTP/1.1\r\nhost: ${host.authority}\r\n`;
  let [hasType, hasCookies] = [false, cookies === ''];
  for (const name in options.headers) {
    const value = options.headers[name]!;
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) {
      throw new TypeError(`The header '${name}' can't be sent.`);
    }
    if (name.length === TYPE.length) hasType ||= name.toLowerCase() === TYPE;
    if (name.length === COOKIE.length) hasCookies ||= name.toLowerCase() === COOKIE;
    text += `${name}: ${value}\r\n`;
  }
  if (!hasCookies && HEADER_VALUE.test(cookies)) text += `${COOKIE}: ${cookies}\r\n`;
  const body = bodyOf(options);
  if (body === undefined) {
    return BODY_METHODS.has(method) ? `${text}content-length: 0\r\n\r\n` : `${text}\r\n`;
  }
  const { content, type } = body;
  if (type !== undefined && !hasType) text += `${TYPE}: ${type}\r\n`;
  text += `content-length: ${Buffer.byteLength(content)}\r\n\r\n`;
  return typeof content === 'string' ? text + content : Buffer.concat([Buffer.from(text), content]);
}

const TYPE = 'content-type';
const COOKIE = 'cookie';
