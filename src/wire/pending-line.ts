// The beginning of a line whose end has not come: a status, an error, a number, or the header of
// something longer. It grows without being read again, however small the pieces are.

import { RESP_TYPES } from './protocol.js';
import { notResp } from './scalar.js';

const { BLOB_STRING, VERBATIM_STRING, BLOB_ERROR, NUMBER } = RESP_TYPES;
const { ARRAY, SET, MAP, PUSH } = RESP_TYPES;
/** '|': metadata ahead of a reply, which is read and dropped. */
export const ATTRIBUTE = 124;

const CARRIAGE_RETURN = 13;
/** A length or integer, which has 64 bits, is shorter than this with its type and end, bytes. */
export const MAX_INTEGER_BYTES = 32;
/** Most lines are shorter than this; where one isn't, its room doubles. */
const FIRST_ROOM_BYTES = 64;

const INTEGERS: ReadonlySet<number> = new Set([
  ...[BLOB_STRING, VERBATIM_STRING, BLOB_ERROR, NUMBER],
  ...[ARRAY, SET, MAP, PUSH, ATTRIBUTE],
]);

/** What stands for a text that is skipped, once its end has come. */
const FORGOTTEN = Buffer.from('+\r\n');

export class PendingLine {
  bytes: Buffer;
  filled = 0;
  readonly #isInteger: boolean;
  #lastByte = 0;

  /** @param start Where its type stands. */
  constructor(chunk: Buffer, start: number, stop: number) {
    this.bytes = Buffer.allocUnsafe(Math.max(FIRST_ROOM_BYTES, stop - start));
    this.#isInteger = INTEGERS.has(chunk[start] as number);
    this.append(chunk, start, stop);
  }

  /** The CR has come, the LF has not. */
  get isEndBegun(): boolean {
    return this.#lastByte === CARRIAGE_RETURN;
  }

  /** @throws PoolError PROTOCOL_ERROR where no number is that long. */
  append(chunk: Buffer, start: number, stop: number): void {
    this.#lastByte = chunk[stop - 1] as number;
    if (this.bytes === FORGOTTEN) return;
    const filled = this.filled + stop - start;
    if (this.#isInteger && filled > MAX_INTEGER_BYTES) {
      throw notResp('a length or number is too long');
    }
    if (filled > this.bytes.length) {
      const bytes = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, filled));
      this.bytes.copy(bytes, 0, 0, this.filled);
      this.bytes = bytes;
    }
    chunk.copy(this.bytes, this.filled, start, stop);
    this.filled = filled;
  }

  /** Drops a text that is skipped, what is still to come of it too. */
  forgetText(): void {
    if (this.#isInteger) return;
    this.bytes = FORGOTTEN;
    this.filled = FORGOTTEN.length;
  }
}
