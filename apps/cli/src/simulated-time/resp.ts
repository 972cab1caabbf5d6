// RESP as a server reads and writes it: commands in, replies out, as latin1 text.

const CRLF = '\r\n';

/** Takes the commands out of what a client sends, in whatever pieces it comes. */
export class CommandReader {
  #text = '';

  push(text: string): void {
    this.#text = this.#text === '' ? text : this.#text + text;
  }

  /** The next command, if all of it has come. */
  next(): string[] | undefined {
    const text = this.#text;
    if (text.length === 0) return undefined;
    if (text[0] !== '*') throw new Error(`No command begins with ${JSON.stringify(text[0])}`);
    let lineEnd = text.indexOf(CRLF, 1);
    if (lineEnd === -1) return undefined;
    const count = Number(text.slice(1, lineEnd));
    let cursor = lineEnd + 2;
    const args: string[] = [];
    for (let index = 0; index < count; index++) {
      lineEnd = text.indexOf(CRLF, cursor);
      if (lineEnd === -1) return undefined;
      const start = lineEnd + 2;
      const stop = start + Number(text.slice(cursor + 1, lineEnd));
      if (text.length < stop + 2) return undefined;
      args.push(text.slice(start, stop));
      cursor = stop + 2;
    }
    this.#text = text.slice(cursor);
    return args;
  }
}

export const OK = '+OK\r\n';

export function simple(text: string): string {
  return `+${text}${CRLF}`;
}

/** @param text Begins with its code, e.g. `MOVED 1 host:port`. */
export function error(text: string): string {
  return `-${text}${CRLF}`;
}

export function integer(value: number): string {
  return `:${value}${CRLF}`;
}

export function bulk(text: string): string {
  return `$${text.length}${CRLF}${text}${CRLF}`;
}

/** @param items Encoded already. */
export function array(items: readonly string[]): string {
  return `*${items.length}${CRLF}${items.join('')}`;
}

export function push(items: readonly string[]): string {
  return `>${items.length}${CRLF}${items.join('')}`;
}

/** A map in RESP3, names and values in turn in RESP2. */
export function map(pairs: readonly (readonly [string, string])[], protocol: 2 | 3): string {
  const items = pairs.map(([name, value]) => bulk(name) + value).join('');
  return protocol === 3 ? `%${pairs.length}${CRLF}${items}` : `*${2 * pairs.length}${CRLF}${items}`;
}

export function nothing(protocol: 2 | 3): string {
  return protocol === 3 ? `_${CRLF}` : `$-1${CRLF}`;
}

/** The absence of an array. */
export function noArray(protocol: 2 | 3): string {
  return protocol === 3 ? `_${CRLF}` : `*-1${CRLF}`;
}
