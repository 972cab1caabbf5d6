// The process' end of a simulated connection: what the library uses of `net.Socket`. What comes from
// the network is read when the process polls, in pieces of any size.

import { EventEmitter } from 'node:events';
import type { EventLoop } from './event-loop.js';
import type { NetworkConnection } from './network.js';

/** What a socket gives at once, bytes. */
const MOST_BYTES_READ = 64 * 1024;
/** What the kernel takes before a socket's own buffer fills, bytes. */
const KERNEL_BUFFER_BYTES = 200_000;

export interface ReadBuffer {
  readonly buffer: Buffer;
  readonly callback: (length: number) => boolean;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly onread?: ReadBuffer;
}

export type Signal =
  | { readonly kind: 'connect' | 'drain' | 'end' | 'close' }
  | { readonly kind: 'data'; text: string }
  | { readonly kind: 'error'; readonly code: string };

export class SimulatedSocket extends EventEmitter {
  connecting = true;
  destroyed = false;
  readonly bytesRead = 0;
  readonly bytesWritten = 0;
  readonly #connection: NetworkConnection;
  readonly #onread: ReadBuffer | undefined;
  readonly #loop: EventLoop;
  #signals: Signal[] = [];
  #isRef = true;
  #unsentBytes = 0;
  #needsDrain = false;

  constructor(connection: NetworkConnection, onread: ReadBuffer | undefined) {
    super();
    this.#connection = connection;
    this.#onread = onread;
    this.#loop = connection.network.loop;
    this.#loop.holds++;
  }

  get writableLength(): number {
    return Math.max(0, this.#unsentBytes - KERNEL_BUFFER_BYTES);
  }

  write(data: string | Buffer, encoding?: 'latin1' | 'utf8'): boolean {
    if (this.destroyed) return false;
    const isText = typeof data === 'string' && encoding === 'latin1';
    const text = isText ? data : Buffer.from(data as string).toString('latin1');
    this.#unsentBytes += text.length;
    this.#needsDrain = this.writableLength > 0;
    this.#connection.write(text);
    return !this.#needsDrain;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.connecting = false;
    this.#signals = [];
    if (this.#isRef) this.#loop.holds--;
    this.#connection.close();
    this.#loop.input(() => this.emit('close'));
    return this;
  }

  ref(): this {
    if (!this.#isRef && !this.destroyed) this.#loop.holds++;
    this.#isRef = true;
    return this;
  }

  unref(): this {
    if (this.#isRef && !this.destroyed) this.#loop.holds--;
    this.#isRef = false;
    return this;
  }

  cork(): void {}

  uncork(): void {}

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  /** The other end has taken so many bytes. */
  onTaken(bytes: number): void {
    this.#unsentBytes -= bytes;
    if (!this.#needsDrain || this.writableLength > 0) return;
    this.#needsDrain = false;
    this.signal({ kind: 'drain' });
  }

  /** Something came from the network; the process learns of it when it polls. */
  signal(signal: Signal): void {
    if (this.destroyed) return;
    const last = this.#signals.at(-1);
    // A reset throws away what was not read.
    if (signal.kind === 'error') this.#signals = [];
    else if (signal.kind === 'data' && last?.kind === 'data') {
      last.text += signal.text;
      return;
    }
    this.#signals.push(signal);
    if (this.#signals.length === 1) this.#loop.input(this.#poll);
  }

  readonly #poll = (): void => {
    const signal = this.#signals.shift();
    if (this.destroyed || signal === undefined) return;
    if (signal.kind === 'data') this.#read(signal.text);
    else this.#react(signal);
    if (this.#signals.length > 0) this.#loop.input(this.#poll);
  };

  #read(text: string): void {
    const { chance, sliceShare } = this.#connection.network;
    const isSliced = text.length > 1 && chance.happens(sliceShare);
    const most = isSliced ? chance.integer(1, text.length - 1) : text.length;
    const length = Math.min(most, MOST_BYTES_READ);
    if (length < text.length) this.#signals.unshift({ kind: 'data', text: text.slice(length) });
    const onread = this.#onread;
    if (onread === undefined) return;
    onread.buffer.write(text.slice(0, length), 'latin1');
    onread.callback(length);
  }

  #react(signal: Exclude<Signal, { kind: 'data' }>): void {
    if (signal.kind === 'connect') this.connecting = false;
    if (signal.kind === 'error') {
      const text = `simulated ${signal.code} of ${this.#connection.address}`;
      this.emit('error', Object.assign(new Error(text), { code: signal.code }));
      this.destroy();
    } else {
      this.emit(signal.kind);
      if (signal.kind === 'end') this.destroy();
    }
  }
}
