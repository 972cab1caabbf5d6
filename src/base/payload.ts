// Reads a command's arguments back out of its RESP bytes. Arguments aren't kept apart from the
// bytes, as the rare paths that want them (fallback, EVAL after NOSCRIPT) can afford this.

import type { Payload } from './command.js';

const CRLF = '\r\n';

/** The arguments in a payload, the command's name first; Buffers where they were no text. */
export function readPayload(payload: Payload): (string | Buffer)[] {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : joinParts(payload);
  const args: (string | Buffer)[] = [];
  let cursor = bytes.indexOf(CRLF) + CRLF.length;
  while (cursor < bytes.length) {
    const lengthEnd = bytes.indexOf(CRLF, cursor);
    const start = lengthEnd + CRLF.length;
    const stop = start + Number(bytes.toString('latin1', cursor + 1, lengthEnd));
    const argument = bytes.subarray(start, stop);
    const text = argument.toString();
    args.push(Buffer.from(text).equals(argument) ? text : Buffer.from(argument));
    cursor = stop + CRLF.length;
  }
  return args;
}

function joinParts(parts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

/** What a payload takes in memory, in bytes: text that is no ASCII has two for each character. */
export function payloadBytes(payload: Payload, isAscii: boolean): number {
  const perCharacter = isAscii ? 1 : 2;
  if (typeof payload === 'string') return payload.length * perCharacter;
  let bytes = 0;
  for (const part of payload) {
    bytes += part.length * (typeof part === 'string' ? perCharacter : 1);
  }
  return bytes;
}

/** RESP bytes of a command whose arguments are ASCII text: the pool's own PING, UNWATCH, ... */
export function textPayload(args: readonly string[]): string {
  return `*${args.length}${CRLF}${args.map((arg) => `$${arg.length}${CRLF}${arg}${CRLF}`).join('')}`;
}
