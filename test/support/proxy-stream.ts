// One direction of one proxied connection: what a socket sent waits here, in order, until the
// other socket may have it. An end and a reset are items of the same queue, so they overtake
// nothing and are held back with the bytes, as on a network that stalls.
//
//   source --data, end, reset--> queue --(held? due? sliced?)--> destination

import type { Socket } from 'node:net';
import { afterPolling } from '../../src/base/event-loop.js';

/** A stalled direction takes this much before it stops reading, as a TCP window would. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/**
 * How long after the last bytes a reset follows. A reader that finds both at once may be told of
 * an end (libuv does so on Linux), and the reset shall show as what it is.
 */
const RESET_DELAY_MS = 3;

type Item = { readonly dueAt: number } & (
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'end' | 'reset' }
);

/** What a direction of all connections of a proxy has to keep to; changes while they run. */
export interface StreamRules {
  /** Nothing is passed on; it waits for `resume`. */
  held: boolean;
  /** What arrives is lost for good, and so is all that follows on the same connection. */
  swallowing: boolean;
  /** How long after its arrival an item is passed on, in milliseconds. */
  delayMs: number;
  /** The size of the next write, or undefined for all that is there. */
  sliceBytes: (() => number) | undefined;
  /** Told of each arrival; answers how many of these bytes may pass before the cut, if any. */
  admit(byteCount: number): number | undefined;
}

export class ProxyStream {
  readonly #queue: Item[] = [];
  #queuedBytes = 0;
  #writing = false;
  #lost = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly source: Socket,
    readonly destination: Socket,
    readonly rules: StreamRules,
    /** Cuts the whole connection once the bytes before the cut have been passed on. */
    readonly cut: () => void,
  ) {
    source.on('data', (bytes: Buffer) => this.#arrive(bytes));
    source.on('end', () => this.#push({ kind: 'end', dueAt: this.#dueAt() }));
    source.on('error', () => this.#push({ kind: 'reset', dueAt: this.#dueAt() }));
    // `destroy()` of a peer that lies in this process may show as a close alone.
    source.on('close', () => this.#push({ kind: 'end', dueAt: this.#dueAt() }));
  }

  /** Goes on after the rules have changed. */
  wake(): void {
    this.#pump();
  }

  /** Passes on bytes as if the source had sent them after those that have arrived. */
  inject(bytes: Buffer): void {
    this.#queuedBytes += bytes.length;
    this.#push({ kind: 'bytes', bytes, dueAt: this.#dueAt() });
  }

  /** Forgets what is queued and passes nothing on any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#lost = true;
    this.#queue.length = 0;
  }

  #dueAt(): number {
    return this.rules.delayMs === 0 ? 0 : performance.now() + this.rules.delayMs;
  }

  #arrive(bytes: Buffer): void {
    if (this.#losesAll()) return;
    const admitted = this.rules.admit(bytes.length);
    const passing = admitted === undefined ? bytes : bytes.subarray(0, admitted);
    this.#queuedBytes += passing.length;
    if (passing.length > 0) this.#push({ kind: 'bytes', bytes: passing, dueAt: this.#dueAt() });
    if (admitted !== undefined) this.#cutAfterQueue();
    if (this.#queuedBytes > MAX_QUEUED_BYTES) this.source.pause();
  }

  #cutAfterQueue(): void {
    this.#push({ kind: 'reset', dueAt: this.#dueAt() });
    this.#lost = true;
  }

  #push(item: Item): void {
    if (this.#losesAll()) return;
    this.#queue.push(item);
    this.#pump();
  }

  /** Whether what arrives now goes nowhere; once that is so, it stays so. */
  #losesAll(): boolean {
    this.#lost ||= this.rules.swallowing;
    return this.#lost;
  }

  /** Passes on the head of the queue, one write at a time, as far as the rules allow. */
  #pump(): void {
    if (this.#writing || this.rules.held) return;
    const head = this.#queue[0];
    if (head === undefined) return;
    const waitMs = head.dueAt - performance.now();
    if (waitMs > 0) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#pump(), waitMs);
      return;
    }
    if (head.kind === 'bytes') this.#write(head.bytes, head.dueAt);
    else this.#finish(head.kind);
  }

  #write(bytes: Buffer, dueAt: number): void {
    const size = Math.max(1, this.rules.sliceBytes?.() ?? bytes.length);
    const piece = bytes.subarray(0, size);
    if (size < bytes.length) {
      this.#queue[0] = { kind: 'bytes', bytes: bytes.subarray(size), dueAt };
    } else this.#queue.shift();
    this.#queuedBytes -= piece.length;
    if (this.source.isPaused() && this.#queuedBytes <= MAX_QUEUED_BYTES) this.source.resume();
    this.#writing = true;
    this.destination.write(piece, () => {
      const next = () => {
        this.#writing = false;
        this.#pump();
      };
      // Lets a reader in this process read the piece before the next one joins it.
      if (this.rules.sliceBytes === undefined) next();
      else afterPolling(next);
    });
  }

  #finish(kind: 'end' | 'reset'): void {
    this.#queue.length = 0;
    this.#lost = true;
    if (kind === 'end') this.destination.end();
    else this.#timer = setTimeout(() => afterPolling(this.cut), RESET_DELAY_MS);
  }
}
