// RESP2 and RESP3 bytes in, JavaScript values out. Scalars are read straight from the chunk;
// aggregates are built on an explicit stack, so that a reply cut anywhere resumes without being
// read twice. @redis/client's decoder does the same with continuations; this one is about twice as
// fast on short replies, and `decoder.fuzz.test.ts` holds the two against each other.
//
// Nothing that is handed out aliases the chunk: the caller may reuse it at once.
//
// A reply that grows beyond the limit, or that nobody waits for any more, is skipped: what was read
// of it is dropped, the rest is read past, and the next reply comes as if nothing had been.

import { constants } from 'node:buffer';

import type { ReplyTypes } from '../base/command.js';
import { PoolError } from '../errors.js';
import { addToFrame, type Frame, newContainer } from './aggregate.js';
import { ATTRIBUTE, MAX_INTEGER_BYTES, PendingLine } from './pending-line.js';
import { ErrorReply, RESP_TYPES, SimpleError } from './protocol.js';
import { notResp, readRareBulk, readText, toBigNumber, toDouble } from './scalar.js';

const {
  NULL,
  BOOLEAN,
  NUMBER,
  BIG_NUMBER,
  DOUBLE,
  SIMPLE_STRING,
  BLOB_STRING,
  VERBATIM_STRING,
  SIMPLE_ERROR,
  BLOB_ERROR,
  ARRAY,
  SET,
  MAP,
  PUSH,
} = RESP_TYPES;

const CARRIAGE_RETURN = 13;
const MINUS = 45;
const PLUS = 43;
const DIGIT_ZERO = 48;
const DIGIT_NINE = 57;
const LETTER_T = 116;

/** Aggregates nested deeper than this are refused; Redis' deepest replies have fewer than 10. */
const MAX_DEPTH = 512;
const WRONG_LENGTH = 'a bulk string is longer than its length says';

/** Node makes no longer string; the last chunk of the line may be on its way. */
const MAX_TEXT_LINE_BYTES = constants.MAX_STRING_LENGTH - 1024 * 1024;

const NO_TYPES: ReplyTypes = Object.freeze({});
/** Messages have their texts as bytes: what they carry may be binary. */
export const PUSH_TYPES: ReplyTypes = Object.freeze({ [BLOB_STRING]: Buffer });

/** Returned by readers when the chunk ends inside a value. */
const INCOMPLETE = Symbol('incomplete');

export interface DecoderEvents {
  onReply(reply: unknown): void;
  onErrorReply(error: Error): void;
  onPush(message: unknown[]): void;
  /** In place of a reply that is larger than the limit. */
  onTooLarge(): void;
  /** How the next reply is to be decoded; asked once a reply. */
  replyTypes(): ReplyTypes | undefined;
  /** Whether nobody waits for the reply that is being read; asked when a chunk ends inside it. */
  isUnwanted(): boolean;
}

interface PendingBulk {
  readonly type: number;
  readonly types: ReplyTypes;
  /** Room for the string and its CRLF. */
  readonly bytes: Buffer;
  filled: number;
}

export class Decoder {
  readonly #events: DecoderEvents;
  readonly #maxBytes: number;
  readonly #stack: Frame[] = [];
  #types: ReplyTypes = NO_TYPES;
  #buffer: Buffer = Buffer.alloc(0);
  #end = 0;
  #cursor = 0;
  #line: PendingLine | undefined;
  #bulk: PendingBulk | undefined;
  /** Bytes to come of a bulk string that is skipped, its CRLF included. */
  #bytesToSkip = 0;
  /** Where the reply begins in this chunk. */
  #replyAt = 0;
  /** Bytes of the reply that came with earlier chunks. */
  #earlierBytes = 0;
  /** Why the reply is being skipped. */
  #skipped: 'too large' | 'unwanted' | undefined;

  /**
   * @param maxReplyBytes Over all of a reply but the header and end of a single string. A chunk must
   * not be longer, as only a reply in several chunks is measured.
   */
  constructor(events: DecoderEvents, maxReplyBytes: number) {
    this.#events = events;
    this.#maxBytes = maxReplyBytes + MAX_INTEGER_BYTES;
  }

  /**
   * Reads the first `length` bytes of `chunk`.
   * @throws PoolError PROTOCOL_ERROR where the bytes are not RESP, REPLY_TOO_LARGE where a message
   * is; the decoder is then of no use.
   */
  write(chunk: Buffer, length: number = chunk.length): void {
    this.#buffer = chunk;
    this.#end = length;
    this.#cursor = 0;
    this.#replyAt = 0;
    if (this.#continueLine() && this.#continueSkip() && this.#continueBulk()) this.#readReplies();
    if (this.#stack.length > 0 || this.#line !== undefined || this.#isInsideBulk()) this.#measure();
  }

  #readReplies(): void {
    while (this.#cursor < this.#end) {
      if (this.#stack.length === 0 && this.#readPlainText()) continue;
      const start = this.#cursor;
      if (!this.#step(false)) {
        if (!this.#isInsideBulk()) this.#line = new PendingLine(this.#buffer, start, this.#end);
        return;
      }
    }
  }

  #isInsideBulk(): boolean {
    return this.#bulk !== undefined || this.#bytesToSkip > 0;
  }

  /** The chunk ends inside a reply: is that worth to be gone on with? */
  #measure(): void {
    this.#earlierBytes += this.#end - this.#replyAt;
    if (this.#skipped === 'too large') return;
    const isLineTooLong = (this.#line?.filled ?? 0) > MAX_TEXT_LINE_BYTES;
    if (this.#earlierBytes > this.#maxBytes || isLineTooLong) this.#skip('too large');
    else if (!this.#isInsidePush() && this.#events.isUnwanted()) this.#skip('unwanted');
  }

  #isInsidePush(): boolean {
    return this.#stack.length > 0 && this.#stack[0]?.type === PUSH;
  }

  /** Drops what was read of the reply. */
  #skip(reason: 'too large' | 'unwanted'): void {
    if (this.#isInsidePush()) {
      throw new PoolError('REPLY_TOO_LARGE', 'The server sent a message beyond maxReplyBytes');
    }
    this.#skipped = reason;
    for (const frame of this.#stack) {
      frame.container = undefined;
      frame.key = undefined;
    }
    if (this.#bulk !== undefined) {
      this.#bytesToSkip = this.#bulk.bytes.length - this.#bulk.filled;
      this.#bulk = undefined;
    }
    this.#line?.forgetText();
  }

  /** Adds the chunk to the line it is the middle of; true when no line is open any more. */
  #continueLine(): boolean {
    const line = this.#line;
    if (line === undefined) return true;
    // Only the new bytes are searched, and not what is left in the buffer behind them.
    const { isEndBegun } = line;
    const end = isEndBegun ? -1 : this.#buffer.subarray(0, this.#end).indexOf(CARRIAGE_RETURN);
    const isCut = end === -1 ? !isEndBegun : end + 1 >= this.#end;
    const stop = isCut ? this.#end : end + 2;
    line.append(this.#buffer, 0, stop);
    this.#cursor = stop;
    if (!isCut) this.#readKeptLine(line);
    else if (this.#skipped !== undefined) line.forgetText();
    return !isCut;
  }

  /** Reads a line from beyond the chunk, which goes on at the cursor. */
  #readKeptLine(line: PendingLine): void {
    const chunk = this.#buffer;
    const end = this.#end;
    const stop = this.#cursor;
    this.#line = undefined;
    this.#buffer = line.bytes;
    this.#end = line.filled;
    this.#cursor = 0;
    this.#replyAt = line.filled - stop;
    this.#step(true);
    this.#buffer = chunk;
    this.#end = end;
    this.#cursor = stop;
    this.#replyAt = 0;
  }

  /**
   * The short cut for what most replies are: a whole bulk string that is wanted as text. False, with
   * nothing read, where it is anything else.
   */
  #readPlainText(): boolean {
    const buffer = this.#buffer;
    let cursor = this.#cursor;
    if (buffer[cursor] !== BLOB_STRING) return false;
    let length = 0;
    for (let byte = buffer[++cursor]; byte !== CARRIAGE_RETURN; byte = buffer[++cursor]) {
      if (byte === undefined || byte < DIGIT_ZERO || byte > DIGIT_NINE) return false;
      length = length * 10 + byte - DIGIT_ZERO;
    }
    const start = cursor + 2;
    const stop = start + length;
    if (stop + 2 > this.#end || buffer[stop] !== CARRIAGE_RETURN) return false;
    const types = this.#events.replyTypes();
    if (types !== undefined && types[BLOB_STRING] !== undefined) return false;
    this.#cursor = stop + 2;
    this.#events.onReply(readText(buffer, start, stop));
    return true;
  }

  /** Reads one scalar or one aggregate header; false when the chunk ends inside it. */
  #step(isResumed: boolean): boolean {
    const type = this.#buffer[this.#cursor++] as number;
    if (this.#stack.length === 0 && !isResumed) {
      this.#replyAt = this.#cursor - 1;
      this.#types = type === PUSH ? PUSH_TYPES : (this.#events.replyTypes() ?? NO_TYPES);
    }
    switch (type) {
      case ARRAY:
      case SET:
      case MAP:
      case PUSH:
      case ATTRIBUTE:
        return this.#openAggregate(type);
      default: {
        const value = this.#readScalar(type);
        if (value === INCOMPLETE) return false;
        this.#deliver(value);
        return true;
      }
    }
  }

  #readScalar(type: number): unknown {
    switch (type) {
      case BLOB_STRING:
      case VERBATIM_STRING:
      case BLOB_ERROR:
        return this.#readBulk(type);
      case SIMPLE_STRING:
        return this.#readSimpleString();
      case NUMBER:
        return this.#types[NUMBER] === String ? this.#readLine() : this.#readInteger();
      case SIMPLE_ERROR: {
        const line = this.#readLine();
        return line === INCOMPLETE ? INCOMPLETE : new SimpleError(line);
      }
      case NULL:
        return this.#readLine() === INCOMPLETE ? INCOMPLETE : null;
      case BOOLEAN: {
        const truth = this.#buffer[this.#cursor] === LETTER_T;
        return this.#readLine() === INCOMPLETE ? INCOMPLETE : truth;
      }
      case DOUBLE: {
        const line = this.#readLine();
        return line === INCOMPLETE || this.#types[DOUBLE] === String ? line : toDouble(line);
      }
      case BIG_NUMBER: {
        const line = this.#readLine();
        return line === INCOMPLETE || this.#types[BIG_NUMBER] === String ? line : toBigNumber(line);
      }
      default:
        throw notResp(`unknown type byte 0x${type.toString(16).padStart(2, '0')}`);
    }
  }

  /** Where the line that starts at the cursor ends (its CR), or -1 when it is cut. */
  #lineEnd(): number {
    const end = this.#buffer.indexOf(CARRIAGE_RETURN, this.#cursor);
    // The LF must be here too, or the next chunk would start with it.
    return end === -1 || end + 1 >= this.#end ? -1 : end;
  }

  #readLine(): string | typeof INCOMPLETE {
    const end = this.#lineEnd();
    if (end === -1) return INCOMPLETE;
    const line = this.#buffer.toString('utf8', this.#cursor, end);
    this.#cursor = end + 2;
    return line;
  }

  #readSimpleString(): unknown {
    const buffer = this.#buffer;
    const cursor = this.#cursor;
    const wantsBuffer = this.#types[SIMPLE_STRING] === Buffer && !this.#expectsKey();
    // "+OK" is most of what a server says: no string is made for it.
    if (
      !wantsBuffer &&
      cursor + 4 <= this.#end &&
      buffer[cursor] === 79 &&
      buffer[cursor + 1] === 75 &&
      buffer[cursor + 2] === CARRIAGE_RETURN
    ) {
      this.#cursor = cursor + 4;
      return 'OK';
    }
    if (!wantsBuffer) return this.#readLine();
    // Not by way of a string: a script may answer a status that is no UTF-8.
    const end = this.#lineEnd();
    if (end === -1) return INCOMPLETE;
    this.#cursor = end + 2;
    return Buffer.from(buffer.subarray(cursor, end));
  }

  /** Digits up to CRLF as a number, with an optional sign. */
  #readInteger(): number | typeof INCOMPLETE {
    const buffer = this.#buffer;
    const end = this.#end;
    let cursor = this.#cursor;
    const sign = buffer[cursor];
    if (sign === MINUS || sign === PLUS) cursor++;
    let value = 0;
    for (; cursor < end; cursor++) {
      const byte = buffer[cursor] as number;
      if (byte === CARRIAGE_RETURN) {
        if (cursor + 1 >= end) return INCOMPLETE;
        this.#cursor = cursor + 2;
        return sign === MINUS ? -value : value;
      }
      const digit = byte - DIGIT_ZERO;
      if (digit < 0 || digit > 9) throw notResp('a length or number has a character in it');
      value = value * 10 + digit;
    }
    if (end - this.#cursor > MAX_INTEGER_BYTES) throw notResp('a length or number is too long');
    return INCOMPLETE;
  }

  #readLength(): number | typeof INCOMPLETE {
    const length = this.#readInteger();
    if (length === INCOMPLETE || length <= Number.MAX_SAFE_INTEGER) return length;
    throw notResp('a length is too large');
  }

  #readBulk(type: number): unknown {
    const length = this.#readLength();
    if (length === INCOMPLETE) return INCOMPLETE;
    if (length < 0) return null;
    const start = this.#cursor;
    const stop = start + length;
    if (stop + 2 <= this.#end) {
      if (this.#buffer[stop] !== CARRIAGE_RETURN) throw notResp(WRONG_LENGTH);
      this.#cursor = stop + 2;
      return this.#bulkValue(type, this.#types, this.#buffer, start, stop);
    }
    this.#openBulk(type, length);
    return INCOMPLETE;
  }

  /** The chunk ends inside a bulk string whose content begins at the cursor. */
  #openBulk(type: number, length: number): void {
    const types = this.#types;
    const bytesBefore = this.#earlierBytes + this.#cursor - this.#replyAt;
    const isTooLong = length > constants.MAX_STRING_LENGTH && types[type] !== Buffer;
    if (this.#skipped === undefined && (isTooLong || bytesBefore + length + 2 > this.#maxBytes)) {
      this.#skip('too large');
    }
    if (this.#skipped === undefined) {
      this.#bulk = { type, types, bytes: Buffer.allocUnsafe(length + 2), filled: 0 };
      this.#continueBulk();
    } else {
      this.#bytesToSkip = length + 2;
      this.#continueSkip();
    }
  }

  /** Reads past a bulk string; true when the chunk is not inside one any more. */
  #continueSkip(): boolean {
    const bytes = this.#bytesToSkip;
    if (bytes === 0) return true;
    const stop = this.#cursor + bytes - 2;
    if (bytes >= 2 && stop < this.#end && this.#buffer[stop] !== CARRIAGE_RETURN) {
      throw notResp(WRONG_LENGTH);
    }
    const skipped = Math.min(bytes, this.#end - this.#cursor);
    this.#cursor += skipped;
    this.#bytesToSkip -= skipped;
    if (this.#bytesToSkip > 0) return false;
    this.#deliver(undefined);
    return true;
  }

  /** Adds the chunk to the bulk string it is the middle of; true when that is whole, or there is none. */
  #continueBulk(): boolean {
    const bulk = this.#bulk;
    if (bulk === undefined) return true;
    const copied = this.#buffer.copy(bulk.bytes, bulk.filled, this.#cursor, this.#end);
    bulk.filled += copied;
    this.#cursor += copied;
    if (bulk.filled < bulk.bytes.length) return false;
    this.#bulk = undefined;
    const stop = bulk.bytes.length - 2;
    if (bulk.bytes[stop] !== CARRIAGE_RETURN) throw notResp(WRONG_LENGTH);
    this.#deliver(this.#bulkValue(bulk.type, bulk.types, bulk.bytes, 0, stop));
    return true;
  }

  #bulkValue(
    type: number,
    types: ReplyTypes,
    source: Buffer,
    start: number,
    stop: number,
  ): unknown {
    if (type !== BLOB_STRING) return readRareBulk(type, types, source, start, stop);
    // A map's keys are text whatever the mapping says, as they become property names.
    if (types[BLOB_STRING] === Buffer && !this.#expectsKey()) {
      return Buffer.from(source.subarray(start, stop));
    }
    return readText(source, start, stop);
  }

  /** Whether the value being read is the key of a map that becomes an object or a Map. */
  #expectsKey(): boolean {
    const frame = this.#stack[this.#stack.length - 1];
    return frame !== undefined && frame.type === MAP && frame.remaining % 2 === 0
      ? !Array.isArray(frame.container)
      : false;
  }

  #openAggregate(type: number): boolean {
    const length = this.#readLength();
    if (length === INCOMPLETE) return false;
    if (length < 0) {
      if (type !== ARRAY) throw notResp('a negative length');
      this.#deliver(null);
      return true;
    }
    if (this.#stack.length >= MAX_DEPTH) throw notResp('aggregates are nested too deeply');
    const types = this.#types;
    const remaining = type === MAP || type === ATTRIBUTE ? length * 2 : length;
    const isKept = this.#skipped === undefined;
    const container = isKept ? newContainer(type, remaining, types) : undefined;
    const frame = { type, types, remaining, container, filled: 0, key: undefined };
    if (remaining === 0) this.#finish(frame);
    else this.#stack.push(frame);
    return true;
  }

  /** Adds a value to the aggregate it belongs to, or hands it out when it is a whole reply. */
  #deliver(value: unknown): void {
    const frame = this.#stack[this.#stack.length - 1];
    if (frame === undefined) {
      const verdict = this.#earlierBytes > 0 ? this.#endLongReply() : undefined;
      if (verdict === 'too large') this.#events.onTooLarge();
      else if (verdict === 'unwanted') this.#events.onReply(undefined);
      else if (typeof value === 'object' && value instanceof ErrorReply) {
        this.#events.onErrorReply(value);
      } else {
        this.#events.onReply(value);
      }
      return;
    }
    addToFrame(frame, value);
    if (--frame.remaining === 0) {
      this.#stack.pop();
      this.#finish(frame);
    }
  }

  #finish(frame: Frame): void {
    if (frame.type !== ATTRIBUTE && frame.type !== PUSH) {
      this.#deliver(frame.container);
      return;
    }
    if (this.#stack.length === 0 && this.#earlierBytes > 0) this.#endLongReply();
    if (frame.type === PUSH) this.#events.onPush(frame.container as unknown[]);
  }

  /** A reply of several chunks is whole: whether it was skipped, or should have been. */
  #endLongReply(): 'too large' | 'unwanted' | undefined {
    const bytes = this.#earlierBytes + this.#cursor - this.#replyAt;
    const verdict = bytes > this.#maxBytes ? 'too large' : this.#skipped;
    this.#earlierBytes = 0;
    this.#skipped = undefined;
    return verdict;
  }
}
