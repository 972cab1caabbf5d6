// RESP2 and RESP3 bytes in, JavaScript values out. Scalars are read straight from the chunk;
// aggregates are built on an explicit stack, so that a reply cut anywhere resumes without being
// read twice. @redis/client's decoder does the same with continuations; this one is about twice as
// fast on short replies, and `decoder.fuzz.test.ts` holds the two against each other.
//
// Nothing that is handed out aliases the chunk: the caller may reuse it at once.

import type { ReplyTypes } from '../base/command.js';
import { PoolError } from '../errors.js';
import { BlobError, ErrorReply, RESP_TYPES, SimpleError, VerbatimString } from './protocol.js';

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
const ATTRIBUTE = 124; // '|': metadata ahead of a reply, which is read and dropped.

const CARRIAGE_RETURN = 13;
const MINUS = 45;
const PLUS = 43;
const DIGIT_ZERO = 48;
const DIGIT_NINE = 57;
const LETTER_T = 116;

/** Redis' own limit of a bulk string (`proto-max-bulk-len`), bytes. */
const MAX_BULK_BYTES = 512 * 1024 * 1024;
/** A line (number, simple string, error, length) longer than this is not RESP, bytes. */
const MAX_LINE_BYTES = 64 * 1024;
/** A length or integer, which has 64 bits, is shorter; else each byte would be read ever again. */
const MAX_INTEGER_BYTES = 32;
/** Aggregates nested deeper than this are refused; Redis' deepest replies have fewer than 10. */
const MAX_DEPTH = 512;
/** Arrays up to this length are allocated at once; longer ones grow as elements really come. */
const MAX_PREALLOCATED = 65_536;

const NO_TYPES: ReplyTypes = Object.freeze({});
/** Messages have their texts as bytes: what they carry may be binary. */
export const PUSH_TYPES: ReplyTypes = Object.freeze({ [BLOB_STRING]: Buffer });

/** Returned by readers when the chunk ends inside a value. */
const INCOMPLETE = Symbol('incomplete');

export interface DecoderEvents {
  onReply(reply: unknown): void;
  onErrorReply(error: Error): void;
  onPush(message: unknown[]): void;
  /** How the next reply is to be decoded; asked once a reply. */
  replyTypes(): ReplyTypes | undefined;
}

interface Frame {
  readonly type: number;
  readonly types: ReplyTypes;
  /** Elements to come; a map counts keys and values. */
  remaining: number;
  readonly container: unknown;
  filled: number;
  key: unknown;
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
  readonly #stack: Frame[] = [];
  #types: ReplyTypes = NO_TYPES;
  #buffer: Buffer = Buffer.alloc(0);
  #end = 0;
  #cursor = 0;
  /** Bytes of an unfinished line or header, from the chunk before. */
  #carry: Buffer | undefined;
  #bulk: PendingBulk | undefined;

  constructor(events: DecoderEvents) {
    this.#events = events;
  }

  /**
   * Reads the first `length` bytes of `chunk`.
   * @throws PoolError PROTOCOL_ERROR where the bytes are not RESP; the decoder is then of no use.
   */
  write(chunk: Buffer, length: number = chunk.length): void {
    this.#buffer = chunk;
    this.#end = length;
    this.#cursor = 0;
    if (this.#bulk !== undefined && !this.#continueBulk()) return;
    if (this.#carry !== undefined) this.#prependCarry();
    while (this.#cursor < this.#end) {
      if (this.#stack.length === 0 && this.#readPlainText()) continue;
      const start = this.#cursor;
      if (!this.#step()) {
        if (this.#bulk === undefined) this.#keepRest(start);
        return;
      }
    }
  }

  #prependCarry(): void {
    const carry = this.#carry as Buffer;
    this.#carry = undefined;
    const joined = Buffer.allocUnsafe(carry.length + this.#end);
    carry.copy(joined, 0);
    this.#buffer.copy(joined, carry.length, 0, this.#end);
    this.#buffer = joined;
    this.#end = joined.length;
  }

  #keepRest(start: number): void {
    if (this.#end - start > MAX_LINE_BYTES) throw notResp('a line is too long');
    this.#carry = Buffer.from(this.#buffer.subarray(start, this.#end));
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
  #step(): boolean {
    const type = this.#buffer[this.#cursor++] as number;
    if (this.#stack.length === 0) {
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
        if (line === INCOMPLETE || this.#types[BIG_NUMBER] === String) return line;
        if (!/^[+-]?\d+$/.test(line)) throw notResp('a big number has a character in it');
        return BigInt(line);
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

  #readBulk(type: number): unknown {
    const length = this.#readInteger();
    if (length === INCOMPLETE) return INCOMPLETE;
    if (length < 0) return null;
    const start = this.#cursor;
    const stop = start + length;
    if (stop + 2 <= this.#end) {
      if (this.#buffer[stop] !== CARRIAGE_RETURN) throw wrongLength();
      this.#cursor = stop + 2;
      return this.#bulkValue(type, this.#types, this.#buffer, start, stop);
    }
    if (length > MAX_BULK_BYTES) throw notResp('a bulk string is longer than 512 MiB');
    const bytes = Buffer.allocUnsafe(length + 2);
    const filled = this.#buffer.copy(bytes, 0, start, this.#end);
    this.#cursor = this.#end;
    this.#bulk = { type, types: this.#types, bytes, filled };
    return INCOMPLETE;
  }

  /** Adds the chunk to the bulk string it is the middle of; true when that string is whole. */
  #continueBulk(): boolean {
    const bulk = this.#bulk as PendingBulk;
    const copied = this.#buffer.copy(bulk.bytes, bulk.filled, 0, this.#end);
    bulk.filled += copied;
    this.#cursor = copied;
    if (bulk.filled < bulk.bytes.length) return false;
    this.#bulk = undefined;
    const stop = bulk.bytes.length - 2;
    if (bulk.bytes[stop] !== CARRIAGE_RETURN) throw wrongLength();
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
    if (type === BLOB_STRING) {
      // A map's keys are text whatever the mapping says, as they become property names.
      if (types[BLOB_STRING] === Buffer && !this.#expectsKey()) {
        return Buffer.from(source.subarray(start, stop));
      }
      return readText(source, start, stop);
    }
    if (type === BLOB_ERROR) return new BlobError(source.toString('utf8', start, stop));
    const text = start + 4; // A verbatim string starts with its format and a colon: "txt:".
    if (types[VERBATIM_STRING] === VerbatimString) {
      const format = source.toString('utf8', start, start + 3);
      return new VerbatimString(format, source.toString('utf8', text, stop));
    }
    if (types[VERBATIM_STRING] === Buffer) return Buffer.from(source.subarray(text, stop));
    return source.toString('utf8', text, stop);
  }

  /** Whether the value being read is the key of a map that becomes an object or a Map. */
  #expectsKey(): boolean {
    const frame = this.#stack[this.#stack.length - 1];
    return frame !== undefined && frame.type === MAP && frame.remaining % 2 === 0
      ? !Array.isArray(frame.container)
      : false;
  }

  #openAggregate(type: number): boolean {
    const length = this.#readInteger();
    if (length === INCOMPLETE) return false;
    if (length < 0) {
      if (type !== ARRAY) throw notResp('a negative length');
      this.#deliver(null);
      return true;
    }
    if (this.#stack.length >= MAX_DEPTH) throw notResp('aggregates are nested too deeply');
    const types = this.#types;
    const remaining = type === MAP || type === ATTRIBUTE ? length * 2 : length;
    const container = newContainer(type, remaining, types);
    const frame = { type, types, remaining, container, filled: 0, key: undefined };
    if (remaining === 0) this.#finish(frame);
    else this.#stack.push(frame);
    return true;
  }

  /** Adds a value to the aggregate it belongs to, or hands it out when it is a whole reply. */
  #deliver(value: unknown): void {
    const frame = this.#stack[this.#stack.length - 1];
    if (frame === undefined) {
      if (typeof value === 'object' && value instanceof ErrorReply) {
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
    if (frame.type === ATTRIBUTE) return;
    if (frame.type === PUSH) this.#events.onPush(frame.container as unknown[]);
    else this.#deliver(frame.container);
  }
}

/** `toString('utf8', start, stop)` without its look at the encoding's name. */
function readText(buffer: Buffer, start: number, stop: number): string {
  return (buffer as Buffer & { utf8Slice(start: number, stop: number): string }).utf8Slice(
    start,
    stop,
  );
}

function newContainer(type: number, length: number, types: ReplyTypes): unknown {
  if (type === SET && types[SET] === Set) return new Set();
  if (type === MAP) {
    if (types[MAP] === Map) return new Map();
    if (types[MAP] !== Array) return {};
  }
  return length <= MAX_PREALLOCATED ? new Array(length) : [];
}

function addToFrame(frame: Frame, value: unknown): void {
  const container = frame.container;
  if (Array.isArray(container)) {
    container[frame.filled++] = value;
  } else if (container instanceof Set) {
    container.add(value);
  } else if (frame.remaining % 2 === 0) {
    frame.key = value;
  } else if (container instanceof Map) {
    container.set(frame.key, value);
  } else {
    // What is no text becomes text here, so that no key comes past the look at its name.
    setProperty(container as Record<string, unknown>, String(frame.key), value);
  }
}

function setProperty(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    // A plain assignment would replace the prototype with what the server sent.
    Object.defineProperty(target, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  } else {
    target[key] = value;
  }
}

function toDouble(line: string): number {
  switch (line) {
    case 'inf':
    case '+inf':
      return Number.POSITIVE_INFINITY;
    case '-inf':
      return Number.NEGATIVE_INFINITY;
    case 'nan':
    case '-nan':
      return Number.NaN;
    default:
      return Number(line);
  }
}

function wrongLength(): PoolError {
  return notResp('a bulk string is longer than its length says');
}

function notResp(what: string): PoolError {
  return new PoolError('PROTOCOL_ERROR', `The server does not speak RESP: ${what}`);
}
