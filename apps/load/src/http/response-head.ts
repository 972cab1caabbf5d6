// The status line and headers of a response, read from text. Strict where a lenient reading would
// lose its place in the stream: lengths that contradict each other, unknown transfer codings. The
// text stays whole and is searched: to cut every head into lines costs more than all of the rest.

/** The bytes are not a response that this client can follow; the connection must be closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export interface ResponseHead {
  readonly status: number;
  readonly keepAlive: boolean;
  readonly chunked: boolean;
  readonly contentLength: number | undefined;
  /** The status line and all headers, for `headerOf`. */
  readonly text: string;
}

const STATUS_LINE = /^HTTP\/1\.[01] \d{3}(?: |\r|$)/;
const VERSION_AT = 'HTTP/1.'.length;
const STATUS_AT = 'HTTP/1.1 '.length;
const DIGITS = /^\d{1,15}$/;
const LINE_END = '\r\n';
const COLON = 58;

/** Throws `ProtocolError`. */
export function parseHead(text: string): ResponseHead {
  if (!STATUS_LINE.test(text)) throw new ProtocolError('this is no HTTP/1.1 response');
  const coding = headerOf(text, 'transfer-encoding')?.toLowerCase();
  if (coding !== undefined && coding !== 'chunked') {
    throw new ProtocolError(`the transfer coding '${coding}' is unknown`);
  }
  const connection = headerOf(text, 'connection')?.toLowerCase() ?? '';
  const keepAlive =
    text[VERSION_AT] === '1' ? !connection.includes('close') : connection.includes('keep-alive');
  const chunked = coding === 'chunked';
  const contentLength = contentLengthOf(text);
  // Both at once is how requests are smuggled: such a connection is not used again.
  const ambiguous = chunked && contentLength !== undefined;
  return {
    status: Number(text.slice(STATUS_AT, STATUS_AT + 3)),
    keepAlive: keepAlive && !ambiguous,
    chunked,
    contentLength: chunked ? undefined : contentLength,
    text,
  };
}

function contentLengthOf(text: string): number | undefined {
  const values = headerOf(text, 'content-length');
  if (values === undefined) return undefined;
  if (DIGITS.test(values)) return Number(values);
  const distinct = new Set(values.split(',').map((value) => value.trim()));
  const [value] = distinct;
  if (distinct.size !== 1 || !DIGITS.test(value!)) {
    throw new ProtocolError(`the content length '${values}' can not be read`);
  }
  return Number(value);
}

/** All values of a header by its lower-case name, a line each. */
export function headerLinesOf(text: string, name: string): string[] {
  const found: string[] = [];
  let start = text.indexOf(LINE_END);
  while (start !== -1) {
    start += LINE_END.length;
    const end = text.indexOf(LINE_END, start);
    const colon = start + name.length;
    if (text.charCodeAt(colon) === COLON && text.slice(start, colon).toLowerCase() === name) {
      found.push(text.slice(colon + 1, end === -1 ? text.length : end).trim());
    }
    start = end;
  }
  return found;
}

/** A header's value by its lower-case name; several lines are joined by commas. */
export function headerOf(text: string, name: string): string | undefined {
  const found = headerLinesOf(text, name);
  return found.length > 1 ? found.join(', ') : found[0];
}
