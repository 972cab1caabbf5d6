// Reads HTTP/1.1 responses from bytes, one response at a time: a status line, headers, and a body
// that ends by Content-Length, by chunks, or by the end of the connection (RFC 9112 section 6).
// It exists because a generator shares its cores with the service under test: this reader on a
// plain socket costs about half the CPU of node:http or undici. It never writes to a socket.
//
//   head --> body by length ----------+
//     |----> chunk size <-> chunk data +--> response
//     |----> until close --------------+
//     +----> no body (HEAD, 1xx is skipped, 204, 304)

import { Buffer } from 'node:buffer';
import { ProtocolError, parseHead, type ResponseHead } from './response-head.js';

export const MAX_HEAD_BYTES = 64 * 1024;
export const MAX_BODY_BYTES = 64 * 1024 * 1024;
const MAX_CHUNK_LINE_BYTES = 4096;
const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const CHUNK_SIZE = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i;
const EMPTY = Buffer.alloc(0);

export interface RawResponse {
  readonly head: ResponseHead;
  readonly body: Buffer;
  /** Whether another request may follow on this connection. */
  readonly keepAlive: boolean;
}

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'trailers' | 'until-close';

export class ResponseReader {
  #state: State = 'head';
  #held: Buffer = EMPTY;
  #head: ResponseHead | undefined;
  #parts: Buffer[] = [];
  #bodyBytes = 0;
  #remaining = 0;
  #headOnly = false;
  #waiting = false;

  constructor(private readonly onResponse: (response: RawResponse) => void) {}

  /** Announces the request whose response comes next. */
  expect(method: string): void {
    this.#headOnly = method === 'HEAD';
    this.#waiting = true;
  }

  /** Takes bytes; it copies what it keeps. Throws `ProtocolError`. */
  push(chunk: Buffer): void {
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = EMPTY;
    let at = 0;
    while (at < data.length) {
      if (!this.#waiting) throw new ProtocolError('bytes after the end of the response');
      const used = this.#step(data, at);
      if (used === 0) {
        this.#held = Buffer.from(data.subarray(at));
        return;
      }
      at += used;
    }
  }

  /** The peer closed. Answers whether that completed a response. */
  end(): boolean {
    if (this.#state !== 'until-close') return false;
    this.#finish(false);
    return true;
  }

  /** How many bytes from `at` on one step used; 0 when it needs more. */
  #step(data: Buffer, at: number): number {
    if (this.#state === 'head') return this.#readHead(data, at);
    if (this.#state === 'chunk-size') return this.#readChunkSize(data, at);
    if (this.#state === 'trailers') return this.#readTrailer(data, at);
    if (this.#state === 'chunk-data') return this.#readChunkData(data, at);
    if (this.#state === 'until-close') return this.#keep(data, at, data.length - at);
    const used = this.#keep(data, at, this.#remaining);
    this.#remaining -= used;
    if (this.#remaining === 0) this.#finish(true);
    return used;
  }

  #readHead(data: Buffer, at: number): number {
    const end = data.indexOf(HEAD_END, at);
    if (end === -1 || end - at > MAX_HEAD_BYTES) {
      if (data.length - at > MAX_HEAD_BYTES) throw new ProtocolError('the headers are too long');
      return 0;
    }
    const head = parseHead(data.toString('latin1', at, end));
    const used = end - at + HEAD_END.length;
    if (head.status === 101) throw new ProtocolError('the server switched protocols');
    if (head.status < 200) return used;
    this.#head = head;
    this.#chooseBody(head);
    return used;
  }

  #chooseBody(head: ResponseHead): void {
    if (this.#headOnly || head.status === 204 || head.status === 304) {
      this.#finish(true);
    } else if (head.chunked) {
      this.#state = 'chunk-size';
    } else if (head.contentLength === undefined) {
      this.#state = 'until-close';
    } else if (head.contentLength > MAX_BODY_BYTES) {
      throw new ProtocolError('the body is too long');
    } else if (head.contentLength === 0) {
      this.#finish(true);
    } else {
      this.#state = 'length';
      this.#remaining = head.contentLength;
    }
  }

  #readChunkSize(data: Buffer, at: number): number {
    const line = this.#line(data, at);
    if (line === undefined) return 0;
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) throw new ProtocolError('a chunk size can not be read');
    this.#remaining = Number.parseInt(size, 16);
    this.#state = this.#remaining === 0 ? 'trailers' : 'chunk-data';
    return line.length + LINE_END.length;
  }

  #readChunkData(data: Buffer, at: number): number {
    if (this.#remaining > 0) {
      const used = this.#keep(data, at, this.#remaining);
      this.#remaining -= used;
      return used;
    }
    if (data.length - at < LINE_END.length) return 0;
    if (data[at] !== 13 || data[at + 1] !== 10) throw new ProtocolError('a chunk does not end');
    this.#state = 'chunk-size';
    return LINE_END.length;
  }

  #readTrailer(data: Buffer, at: number): number {
    const line = this.#line(data, at);
    if (line === undefined) return 0;
    if (line === '') this.#finish(true);
    return line.length + LINE_END.length;
  }

  #line(data: Buffer, at: number): string | undefined {
    const end = data.indexOf(LINE_END, at);
    const length = (end === -1 ? data.length : end) - at;
    if (length > MAX_CHUNK_LINE_BYTES) throw new ProtocolError('a line between chunks is too long');
    return end === -1 ? undefined : data.toString('latin1', at, end);
  }

  /** Copies what is there of `length` bytes. */
  #keep(data: Buffer, at: number, length: number): number {
    const end = Math.min(at + length, data.length);
    this.#bodyBytes += end - at;
    if (this.#bodyBytes > MAX_BODY_BYTES) throw new ProtocolError('the body is too long');
    const part = Buffer.allocUnsafe(end - at);
    data.copy(part, 0, at, end);
    this.#parts.push(part);
    return end - at;
  }

  #finish(delimited: boolean): void {
    const head = this.#head!;
    const body = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#state = 'head';
    this.#head = undefined;
    if (this.#parts.length > 0) this.#parts = [];
    this.#bodyBytes = 0;
    this.#waiting = false;
    this.onResponse({ head, body, keepAlive: delimited && head.keepAlive });
  }
}
