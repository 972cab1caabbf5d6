// One user's keep-alive connection: connects when needed, sends one request at a time, and tells
// how each exchange ended. A connection that the server closed between two requests is replaced
// without a word, as browsers do; one that breaks under a request is that request's failure.

import { Buffer } from 'node:buffer';
import net from 'node:net';
import tls from 'node:tls';
import { LoadError, messageOf } from '../errors.js';
import { ProtocolError } from './response-head.js';
import { type RawResponse, ResponseReader } from './response-reader.js';

const READ_BUFFER_BYTES = 64 * 1024;
/** All sockets read into one buffer: the reader copies what it keeps before the next read. */
const sharedReadBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

export interface Target {
  readonly secure: boolean;
  /** An address, or a name where it couldn't be resolved. */
  readonly address: string;
  /** The name for TLS. */
  readonly hostname: string;
  readonly port: number;
}

export type Outcome =
  | { readonly response: RawResponse; readonly failure?: undefined }
  | { readonly response?: undefined; readonly failure: string };

const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset while sending',
  ENOTFOUND: 'host not found',
  ETIMEDOUT: 'connecting timed out',
  EMFILE: 'no file descriptor left in the load tester',
  EADDRNOTAVAIL: 'no local port left in the load tester',
};
/** Failures that are the load tester's, not the server's. */
export const OWN_FAILURE = /in the load tester/;

export class Connection {
  #socket: net.Socket | undefined;
  #reader: ResponseReader | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;
  #opened = 0;

  constructor(private readonly target: Target) {}

  /** How many sockets this user opened; above 1 means that the server closed some. */
  get opened(): number {
    return this.#opened;
  }

  /** Whether a request waits for its response. */
  get isBusy(): boolean {
    return this.#settle !== undefined;
  }

  /** Sends a whole request; never rejects. */
  exchange(method: string, request: string | Buffer): Promise<Outcome> {
    if (this.#settle !== undefined) {
      throw new LoadError(
        'CONCURRENT_REQUEST',
        'A user has one connection and one request at a time: await each request.',
      );
    }
    return new Promise((resolve) => {
      this.#settle = resolve;
      const socket = this.#socket ?? this.#open();
      this.#reader!.expect(method);
      socket.write(request);
    });
  }

  /** Ends the request under way, if any, as a failure, and closes. */
  abort(failure: string): void {
    this.#drop({ failure });
  }

  close(): void {
    this.#drop({ failure: 'closed' });
  }

  #open(): net.Socket {
    this.#opened += 1;
    const reader = new ResponseReader((response) => this.#finish(response));
    const socket = this.target.secure ? this.#openSecure(reader) : this.#openPlain(reader);
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#lost(socket, describe(error)));
    socket.on('end', () => {
      if (socket !== this.#socket) return;
      if (!reader.end()) this.#lost(socket, 'connection closed before the response was complete');
    });
    socket.on('close', () => this.#lost(socket, 'connection closed'));
    this.#socket = socket;
    this.#reader = reader;
    return socket;
  }

  #openPlain(reader: ResponseReader): net.Socket {
    const { address: host, port } = this.target;
    const onread = {
      buffer: sharedReadBuffer,
      callback: (length: number, buffer: Uint8Array) => {
        this.#read(socket, reader, (buffer as Buffer).subarray(0, length));
        return true;
      },
    };
    const socket: net.Socket = net.connect({ host, port, onread });
    return socket;
  }

  #openSecure(reader: ResponseReader): net.Socket {
    const { address: host, port, hostname } = this.target;
    const name = net.isIP(hostname) === 0 ? { servername: hostname } : {};
    const socket = tls.connect({ host, port, ...name });
    return socket.on('data', (chunk: Buffer) => this.#read(socket, reader, chunk));
  }

  #read(socket: net.Socket, reader: ResponseReader, chunk: Buffer): void {
    if (socket !== this.#socket) return;
    try {
      reader.push(chunk);
    } catch (error) {
      this.#lost(socket, describe(error));
    }
  }

  #finish(response: RawResponse): void {
    const settle = this.#settle;
    this.#settle = undefined;
    if (!response.keepAlive) this.#drop(undefined);
    settle?.({ response });
  }

  #lost(socket: net.Socket, failure: string): void {
    if (socket === this.#socket) this.#drop({ failure });
  }

  #drop(outcome: Outcome | undefined): void {
    const [socket, settle] = [this.#socket, this.#settle];
    this.#socket = undefined;
    this.#reader = undefined;
    this.#settle = undefined;
    socket?.destroy();
    if (outcome !== undefined) settle?.(outcome);
  }
}

function describe(error: unknown): string {
  if (error instanceof ProtocolError) return `protocol error: ${error.message}`;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return messageOf(error);
  const meaning = MEANINGS[code];
  return meaning === undefined ? `${messageOf(error)} (${code})` : `${meaning} (${code})`;
}
