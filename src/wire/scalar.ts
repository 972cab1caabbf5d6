// Scalars of RESP as JavaScript values, from bytes that are there as a whole, and the error for
// bytes that are no RESP.

import type { ReplyTypes } from '../base/command.js';
import { PoolError } from '../errors.js';
import { BlobError, RESP_TYPES, VerbatimString } from './protocol.js';

const { VERBATIM_STRING, BLOB_ERROR } = RESP_TYPES;

/** `toString('utf8', start, stop)` without its look at the encoding's name. */
export function readText(buffer: Buffer, start: number, stop: number): string {
  return (buffer as Buffer & { utf8Slice(start: number, stop: number): string }).utf8Slice(
    start,
    stop,
  );
}

/** A verbatim string or an error, which come with a length as bulk strings do. */
export function readRareBulk(
  type: number,
  types: ReplyTypes,
  source: Buffer,
  start: number,
  stop: number,
): unknown {
  if (type === BLOB_ERROR) return new BlobError(readText(source, start, stop));
  const text = start + 4; // A verbatim string starts with its format and a colon: "txt:".
  if (types[VERBATIM_STRING] === VerbatimString) {
    return new VerbatimString(readText(source, start, start + 3), readText(source, text, stop));
  }
  if (types[VERBATIM_STRING] === Buffer) return Buffer.from(source.subarray(text, stop));
  return source.toString('utf8', text, stop);
}

export function toDouble(line: string): number {
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

export function toBigNumber(line: string): bigint {
  if (!/^[+-]?\d+$/.test(line)) throw notResp('a big number has a character in it');
  return BigInt(line);
}

export function notResp(what: string): PoolError {
  return new PoolError('PROTOCOL_ERROR', `The server does not speak RESP: ${what}`);
}
