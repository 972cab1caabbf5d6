import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { headerOf } from './response-head.js';
import { MAX_HEAD_BYTES, type RawResponse, ResponseReader } from './response-reader.js';

function read(text: string, pieceBytes = text.length, method = 'GET'): RawResponse[] {
  const responses: RawResponse[] = [];
  const reader = new ResponseReader((response) => responses.push(response));
  const bytes = Buffer.from(text, 'latin1');
  reader.expect(method);
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    // A buffer of its own that is overwritten afterwards: the reader must have copied.
    const piece = Buffer.from(bytes.subarray(start, start + pieceBytes));
    reader.push(piece);
    piece.fill(0);
  }
  reader.end();
  return responses;
}

const LENGTH = 'HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\nx-a: 2\r\n\r\nhello';
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
  '3;note=x\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: t\r\n\r\n';

describe('ResponseReader', () => {
  it.each([
    ['a length', LENGTH],
    ['chunks', CHUNKED],
    ['the end of the connection', 'HTTP/1.1 200 OK\r\n\r\nhello'],
    ['a length after 1xx', `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${LENGTH}`],
  ])('reads a body that ends by %s, in pieces of any size', (_name, text) => {
    for (let size = 1; size <= text.length; size += 1) {
      const [response, ...more] = read(text, size);
      expect(response!.head.status).toBe(200);
      expect(response!.body.toString()).toBe('hello');
      expect(more).toEqual([]);
    }
  });

  it('joins headers of the same name', () => {
    expect(headerOf(read(LENGTH)[0]!.head.text, 'x-a')).toBe('1, 2');
  });

  it.each(['204 No Content', '304 Not Modified'])('%s has no body', (status) => {
    const [response] = read(`HTTP/1.1 ${status}\r\ncontent-length: 7\r\n\r\n`);
    expect(response!.body.length).toBe(0);
    expect(response!.keepAlive).toBe(true);
  });

  it('an answer to HEAD has no body, whatever its length says', () => {
    const [response] = read('HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n', 9, 'HEAD');
    expect(response!.body.length).toBe(0);
  });

  it('knows which connections may be used again', () => {
    const keepAlive = (head: string) => read(`${head}\r\ncontent-length: 0\r\n\r\n`)[0]!.keepAlive;
    expect(keepAlive('HTTP/1.1 200 OK')).toBe(true);
    expect(keepAlive('HTTP/1.1 200 OK\r\nConnection: Close')).toBe(false);
    expect(keepAlive('HTTP/1.0 200 OK')).toBe(false);
    expect(keepAlive('HTTP/1.0 200 OK\r\nconnection: keep-alive')).toBe(true);
    expect(read('HTTP/1.1 200 OK\r\n\r\nx')[0]!.keepAlive).toBe(false);
    const both =
      'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n';
    expect(read(both)[0]!.keepAlive).toBe(false);
  });

  it.each([
    ['no HTTP', 'SSH-2.0-x\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n'],
    ['an endless length', 'HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n'],
    ['an unknown coding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n'],
    ['a bad chunk size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['a chunk without end', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc'],
    ['endless headers', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(MAX_HEAD_BYTES)}`],
    ['surplus bytes', `${LENGTH}HTTP/1.1 200 OK\r\n\r\n`],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ])('refuses %s', (_name, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ name: 'ProtocolError' }));
  });

  it('reads one response after the other', () => {
    let count = 0;
    const reader = new ResponseReader(() => {
      count += 1;
    });
    for (const text of [CHUNKED, LENGTH, CHUNKED]) {
      reader.expect('GET');
      reader.push(Buffer.from(text));
    }
    expect(count).toBe(3);
  });
});
