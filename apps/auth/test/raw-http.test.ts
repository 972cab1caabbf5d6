// Bytes that no client library would send: each gets a problem document or the end of its
// connection, never a second meaning, and the service goes on.

import { connect } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { PROBLEMS, type ProblemCode } from '../src/errors.js';
import { COMMON_HEADERS } from '../src/http/problem-answers.js';
import { listen, useService } from './support/service.js';

const HOST = 'Host: service.test\r\n';
const CLOSE = 'Connection: close\r\n';
const JSON_TYPE = 'Content-Type: application/json\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const LIVE = 'GET /health/live HTTP/1.1\r\n';
const LOGIN = 'POST /auth/login HTTP/1.1\r\n';
/** Beyond the 16 KiB that Node reads of a header. */
const LONG = 'x'.repeat(20_000);

describe('bytes on a socket', () => {
  const server = useServer();
  const service = useService(server);
  let port = 0;
  beforeAll(async () => {
    port = await listen(service);
  });

  /** All that comes back until the service closes the connection. */
  const send = (...pieces: string[]) =>
    new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => {
        for (const piece of pieces) socket.write(piece);
      });
      socket.setEncoding('utf8').on('data', (data: string) => {
        text += data;
      });
      // A reset may follow an answer when there was more to read.
      socket.on('error', () => undefined).on('close', () => resolve(text));
    });

  const parse = (answer: string) => {
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    const [status = '', ...lines] = head.split('\r\n');
    const headers: Record<string, string> = Object.fromEntries(
      lines.map((line) => {
        const [name = '', value = ''] = line.split(/: (.*)/);
        return [name.toLowerCase(), value];
      }),
    );
    return { status: Number(status.split(' ')[1]), headers, body };
  };

  test.each<[string, ProblemCode, string]>([
    ['no host', 'BAD_REQUEST', `${LIVE}${CLOSE}\r\n`],
    ['two hosts', 'BAD_REQUEST', `${LIVE}${HOST}Host: other.test\r\n${CLOSE}\r\n`],
    [
      'two authorizations',
      'BAD_REQUEST',
      `GET /auth/verify HTTP/1.1\r\n${HOST}${CLOSE}Authorization: Bearer a.b.c\r\nauthorization: Basic x\r\n\r\n`,
    ],
    [
      'a length and chunks',
      'BAD_REQUEST',
      `${LOGIN}${HOST}${CHUNKED}Content-Length: 4\r\n\r\n0\r\n\r\n`,
    ],
    [
      'two lengths',
      'BAD_REQUEST',
      `${LOGIN}${HOST}Content-Length: 4\r\nContent-Length: 5\r\n\r\naaaa`,
    ],
    ['a length with a sign', 'BAD_REQUEST', `${LOGIN}${HOST}Content-Length: +4\r\n\r\naaaa`],
    ['two codings', 'BAD_REQUEST', `${LOGIN}${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0`],
    ['an unknown coding', 'BAD_REQUEST', `${LOGIN}${HOST}Transfer-Encoding: xchunked\r\n\r\n0`],
    ['a space before a colon', 'BAD_REQUEST', `${LIVE}${HOST}Name : value\r\n\r\n`],
    ['a folded header', 'BAD_REQUEST', `${LIVE}${HOST}Name: value\r\n more\r\n${CLOSE}\r\n`],
    ['lines without a return', 'BAD_REQUEST', 'GET /health/live HTTP/1.1\nHost: a\n\n'],
    ['a NUL', 'BAD_REQUEST', `${LIVE}${HOST}Name: a\0b\r\n\r\n`],
    ['HTTP/0.9', 'BAD_REQUEST', 'GET /health/live\r\n\r\n'],
    ['HTTP/2', 'BAD_REQUEST', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/3.1', 'BAD_REQUEST', `GET /health/live HTTP/3.1\r\n${HOST}\r\n`],
    ['TLS', 'BAD_REQUEST', '\x16\x03\x01 nonsense\r\n\r\n'],
    ['an unknown method', 'BAD_REQUEST', `FOO /health/live HTTP/1.1\r\n${HOST}\r\n`],
    ['a method in small letters', 'BAD_REQUEST', `get /health/live HTTP/1.1\r\n${HOST}\r\n`],
    ['a wish for a tunnel', 'BAD_REQUEST', `CONNECT other.test:443 HTTP/1.1\r\n${HOST}\r\n`],
    ['a path that is no text', 'BAD_REQUEST', `GET /auth/%zz HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
    ['a NUL in the path', 'NOT_FOUND', `GET /auth/verify%00 HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
    ['a path with dots', 'NOT_FOUND', `GET /auth/../auth/verify HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
    ['no path', 'NOT_FOUND', `OPTIONS * HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
    ['TRACE', 'METHOD_NOT_ALLOWED', `TRACE /auth/login HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
    [
      'another method on a whole URL',
      'METHOD_NOT_ALLOWED',
      `GET http://service.test/auth/login HTTP/1.1\r\n${HOST}${CLOSE}\r\n`,
    ],
    [
      'a method that is told in a header',
      'METHOD_NOT_ALLOWED',
      `GET /auth/login HTTP/1.1\r\n${HOST}${CLOSE}X-HTTP-Method-Override: POST\r\n\r\n`,
    ],
    ['a long header', 'HEADERS_TOO_LARGE', `${LIVE}${HOST}Name: ${LONG}\r\n\r\n`],
    ['a long path', 'HEADERS_TOO_LARGE', `GET /${LONG} HTTP/1.1\r\n${HOST}\r\n`],
    ['a chunk that is none', 'BAD_REQUEST', `${LOGIN}${HOST}${JSON_TYPE}${CHUNKED}\r\nzz\r\n`],
    [
      'a chunk with a long extension',
      'BODY_TOO_LARGE',
      `${LOGIN}${HOST}${JSON_TYPE}${CHUNKED}\r\n1;${LONG}\r\na\r\n0\r\n\r\n`,
    ],
    [
      'more chunks than may be',
      'BODY_TOO_LARGE',
      `${LOGIN}${HOST}${CLOSE}${JSON_TYPE}${CHUNKED}\r\n1388\r\n${LONG.slice(0, 5_000)}\r\n0\r\n\r\n`,
    ],
    [
      'a compressed body',
      'UNSUPPORTED_MEDIA_TYPE',
      `${LOGIN}${HOST}${CLOSE}${JSON_TYPE}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`,
    ],
    [
      'an expectation that nobody knows',
      'BAD_REQUEST',
      `${LOGIN}${HOST}${CLOSE}${JSON_TYPE}Expect: more\r\nContent-Length: 2\r\n\r\n{}`,
    ],
  ])('%s: %s', async (_name, code, bytes) => {
    const answer = await send(bytes);
    // One answer, whatever could be read as a second request.
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    const { status, headers, body } = parse(answer);
    expect([status, JSON.parse(body).code]).toEqual([PROBLEMS[code][0], code]);
    expect(headers).toMatchObject(COMMON_HEADERS);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(Number(headers['content-length'])).toBe(Buffer.byteLength(body));
    expect(Date.parse(headers.date!)).toBeGreaterThan(0);
    if (status === 405) expect(headers.allow).toBe('POST');
  });

  test('a whole URL is as good as a path', async () => {
    const answer = await send(`GET http://a/health/live HTTP/1.1\r\n${HOST}${CLOSE}\r\n`);
    expect(parse(answer).status).toBe(200);
  });

  test('HEAD answers what GET would, without the body', async () => {
    for (const [path, status] of [
      ['/health/live', 200],
      ['/auth/verify', 401],
      ['/auth/login', 405],
    ]) {
      const answer = parse(await send(`HEAD ${path} HTTP/1.1\r\n${HOST}${CLOSE}\r\n`));
      expect([answer.status, answer.body]).toEqual([status, '']);
      expect(Number(answer.headers['content-length'])).toBeGreaterThan(0);
    }
  });

  test('garbage behind a good request is not answered in its place', async () => {
    const body = '{"username":"somebody","password":"correct horse"}';
    const head = `${LOGIN}${HOST}${JSON_TYPE}Content-Length: ${body.length}\r\n\r\n`;
    const answer = await send(`${head}${body}GARBAGE\r\n\r\n`);
    // Closed before the login was answered, or the answer to it: 401, as nobody has the name.
    if (answer !== '') expect(parse(answer).status).toBe(401);
  });

  test('a body that ends too early gets no answer that could be for another', async () => {
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () =>
        socket.end(`${LOGIN}${HOST}${JSON_TYPE}Content-Length: 20\r\n\r\n{}`),
      );
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('close', () => resolve(text));
    });
    expect(answer).not.toContain('200');
    expect(parse(await send(`${LIVE}${HOST}${CLOSE}\r\n`)).status).toBe(200);
  });
});
