// Arguments in, RESP bytes out. It has the interface of node-redis' command parser, so that its
// command definitions write straight into the bytes to send instead of into an array that is
// encoded later; what is no string or Buffer is refused here, before anything is touched.
//
// Text stays one JavaScript string until the socket takes it; a Buffer argument cuts it in parts.

import type { Payload } from '../base/command.js';
import { keySlot } from '../base/key-slot.js';
import { readPayload } from '../base/payload.js';
import { PoolError } from '../errors.js';
import type { CommandParser, RedisArgument } from './protocol.js';

const CRLF = '\r\n';
/** Characters. What is longer is a key or a value, and is not made text of. */
const LONGEST_SUBCOMMAND = 64;
/** Up to this length a loop over the characters is faster than a call of Buffer.byteLength. */
const SHORT_TEXT = 48;
/** Argument headers (CRLF, `$`, length, CRLF) that are kept ready, by length. */
const KEPT_HEADERS = 1024;
const HEADERS = Array.from({ length: KEPT_HEADERS }, (_, length) => `${CRLF}$${length}${CRLF}`);
const COUNTS = Array.from({ length: 64 }, (_, count) => `*${count}`);

function header(length: number): string {
  return length < KEPT_HEADERS ? (HEADERS[length] as string) : `${CRLF}$${length}${CRLF}`;
}

function utf8Length(text: string): number {
  const length = text.length;
  if (length > SHORT_TEXT) return Buffer.byteLength(text);
  for (let index = 0; index < length; index++) {
    if (text.charCodeAt(index) > 127) return Buffer.byteLength(text);
  }
  return length;
}

export class CommandEncoder implements CommandParser {
  preserve: unknown = undefined;
  /** Whether all text so far is ASCII and no Buffer is in it. */
  ascii = true;
  /** The command's name as it was given; what came as bytes, as text. */
  name = '';
  /** Of the keys that were pushed, where it looks for that; `undefined`: there was none. */
  slots: number | 'several' | undefined = undefined;
  #isSharded: boolean;
  #keyPrefix: RedisArgument | undefined;
  #count = 0;
  #text = '';
  #parts: (string | Buffer)[] | undefined;
  #firstKey: RedisArgument | undefined;
  /** Where it looks for slots: all keys but the first; `undefined`: there is none. */
  #otherKeys: RedisArgument[] | undefined;
  #second: RedisArgument | undefined;

  /** @param isSharded Whether keys decide where the command runs, so that it looks for `slots`. */
  constructor(keyPrefix?: RedisArgument, isSharded = false) {
    this.#keyPrefix = keyPrefix;
    this.#isSharded = isSharded;
  }

  /** Forgets all, to be used for another command. What `payload()` returned stays as it is. */
  reset(keyPrefix: RedisArgument | undefined, isSharded: boolean): void {
    if (isSharded !== this.#isSharded) this.#isSharded = isSharded;
    if (this.slots !== undefined) {
      this.slots = undefined;
      this.#otherKeys = undefined;
    }
    this.preserve = undefined;
    this.ascii = true;
    this.name = '';
    this.#second = undefined;
    this.#keyPrefix = keyPrefix;
    this.#count = 0;
    this.#text = '';
    this.#parts = undefined;
    this.#firstKey = undefined;
  }

  /** The argument after the name, if short: a container command's subcommand, else a key, say. */
  get subcommand(): string | undefined {
    const second = this.#second;
    if (second === undefined || second.length > LONGEST_SUBCOMMAND) return undefined;
    return textOf(second);
  }

  get argumentCount(): number {
    return this.#count;
  }

  get firstKey(): RedisArgument | undefined {
    return this.#firstKey;
  }

  get keys(): readonly RedisArgument[] {
    return this.#firstKey === undefined ? [] : [this.#firstKey, ...(this.#otherKeys ?? [])];
  }

  get redisArgs(): readonly RedisArgument[] {
    return readPayload(this.payload());
  }

  get commandIdentifier(): { command: string; subcommand: string | undefined } {
    return { command: this.name, subcommand: this.subcommand };
  }

  push(...args: RedisArgument[]): void {
    for (let index = 0; index < args.length; index++) this.#add(args[index] as RedisArgument);
  }

  pushVariadic(values: RedisArgument | readonly RedisArgument[]): void {
    // Not push(...values): a spread of some 100,000 arguments overflows the stack.
    if (Array.isArray(values)) for (const value of values) this.#add(value);
    else this.#add(values as RedisArgument);
  }

  pushVariadicWithLength(values: RedisArgument | readonly RedisArgument[]): void {
    this.#add(Array.isArray(values) ? String(values.length) : '1');
    this.pushVariadic(values);
  }

  pushVariadicNumber(values: number | readonly number[]): void {
    if (Array.isArray(values)) for (const value of values) this.#add(value.toString());
    else this.#add((values as number).toString());
  }

  pushKey(key: RedisArgument, applyPrefix = true): void {
    const isBytes = typeof key === 'string' || key instanceof Uint8Array;
    // What is no key stays what it is, for `#add` to refuse.
    const prefixed = applyPrefix && isBytes ? prefixKey(this.#keyPrefix, key) : key;
    this.#firstKey ??= prefixed;
    this.#add(prefixed);
    if (this.#isSharded) this.#noteSlot(prefixed);
  }

  pushKeys(keys: RedisArgument | readonly RedisArgument[]): void {
    if (Array.isArray(keys)) for (const key of keys) this.pushKey(key);
    else this.pushKey(keys as RedisArgument);
  }

  pushKeysLength(keys: RedisArgument | readonly RedisArgument[]): void {
    this.#add(Array.isArray(keys) ? String(keys.length) : '1');
    this.pushKeys(keys);
  }

  /** The command in RESP, complete. */
  payload(): Payload {
    const count = COUNTS[this.#count] ?? `*${this.#count}`;
    if (this.#parts === undefined) return count + this.#text + CRLF;
    return [count, ...this.#parts, this.#text + CRLF];
  }

  #add(argument: RedisArgument): void {
    if (typeof argument === 'string') {
      const length = utf8Length(argument);
      if (length !== argument.length) this.ascii = false;
      if (this.#count < 2) this.#identify(argument);
      this.#text += header(length) + argument;
    } else if (argument instanceof Uint8Array) {
      this.ascii = false;
      if (this.#count < 2) this.#identify(argument);
      this.#parts ??= [];
      this.#parts.push(this.#text + header(argument.length), asBuffer(argument));
      this.#text = '';
    } else {
      throw invalidArgument(this.#count, argument);
    }
    this.#count++;
  }

  #noteSlot(key: RedisArgument): void {
    const slot = keySlot(key);
    if (this.slots === undefined) {
      this.slots = slot;
      return;
    }
    if (this.slots !== slot) this.slots = 'several';
    this.#otherKeys ??= [];
    this.#otherKeys.push(key);
  }

  #identify(argument: RedisArgument): void {
    if (this.#count === 0) this.name = textOf(argument);
    else this.#second = argument;
  }
}

function textOf(argument: RedisArgument): string {
  return typeof argument === 'string' ? argument : asBuffer(argument).toString();
}

/** A copy of the bytes: the caller may change its Buffer before the socket has taken it. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

function invalidArgument(index: number, argument: unknown): PoolError {
  const given = argument === null ? 'null' : typeof argument;
  return new PoolError(
    'INVALID_ARGUMENT',
    `Argument ${index} of a command must be a string or a Buffer, not ${given}`,
    { sent: false },
  );
}

export function prefixKey(prefix: RedisArgument | undefined, key: RedisArgument): RedisArgument {
  if (prefix === undefined || prefix.length === 0) return key;
  if (typeof prefix === 'string' && typeof key === 'string') return prefix + key;
  return Buffer.concat([Buffer.from(prefix), Buffer.from(key)]);
}
