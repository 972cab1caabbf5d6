// The status line and headers of a response, read from text. Strict where a lenient reading would
// lose its place in the stream: lengths that contradict each other, unknown transfer codings.

/** The bytes are not a response that this client can follow; the connection must be closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export interface ResponseHead {
  readonly status: number;
  readonly keepAlive: boolean;
  readonly chunked: boolean;
  readonly contentLength: number | undefined;
  /** All lines, for `headerOf`. */
  readonly lines: readonly string[];
}

const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: |$)/;
const DIGITS = /^\d{1,15}$/;

/** Throws `ProtocolError`. */
export function parseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const match = STATUS_LINE.exec(lines[0]!);
  if (match === null) throw new ProtocolError('this is no HTTP/1.1 response');
  const coding = headerOf(lines, 'transfer-encoding')?.toLowerCase();
  if (coding !== undefined && coding !== 'chunked') {
    throw new ProtocolError(`the transfer coding '${coding}' is unknown`);
  }
  const connection = headerOf(lines, 'connection')?.toLowerCase() ?? '';
  const keepAlive =
    match[1] === '1' ? !connection.includes('close') : connection.includes('keep-alive');
  const chunked = coding === 'chunked';
  const contentLength = contentLengthOf(lines);
  // Both at once is how requests are smuggled: such a connection is not used again.
  const ambiguous = chunked && contentLength !== undefined;
  return {
    status: Number(match[2]),
    keepAlive: keepAlive && !ambiguous,
    chunked,
    contentLength: chunked ? undefined : contentLength,
    lines,
  };
}

function contentLengthOf(lines: readonly string[]): number | undefined {
  const values = headerOf(lines, 'content-length');
  if (values === undefined) return undefined;
  const distinct = new Set(values.split(',').map((value) => value.trim()));
  const [value] = distinct;
  if (distinct.size !== 1 || !DIGITS.test(value!)) {
    throw new ProtocolError(`the content length '${values}' can not be read`);
  }
  return Number(value);
}

/** A header's value by its lower-case name; several lines are joined by commas. */
export function headerOf(lines: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index]!;
    if (line.charCodeAt(name.length) !== 58) continue;
    if (line.slice(0, name.length).toLowerCase() !== name) continue;
    const value = line.slice(name.length + 1).trim();
    found = found === undefined ? value : `${found}, ${value}`;
  }
  return found;
}
