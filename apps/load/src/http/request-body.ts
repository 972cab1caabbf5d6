// The body of a request and what its headers say of it: JSON, a form, several parts (RFC 7578), or
// whatever the user class has made itself.

import { Buffer } from 'node:buffer';
import type { FilePart, RequestOptions } from '../user-class.js';

export interface RequestBody {
  readonly content: string | Buffer;
  /** Undefined where only the user class knows. */
  readonly type: string | undefined;
}

/** Between parts; long enough that no content has it by chance. */
const BOUNDARY = '----plimsoll-load-7c1e5b0f9a3d42e8';
const BODIES = ['json', 'form', 'multipart', 'body'] as const;

/** Undefined without a body. Throws a `TypeError` where there are two. */
export function bodyOf(options: RequestOptions): RequestBody | undefined {
  const [kind, ...more] = BODIES.filter((name) => options[name] !== undefined);
  if (more.length > 0) throw new TypeError(`A request has one body, not ${kind} and ${more[0]}.`);
  const { json, form, multipart, body } = options;
  if (json !== undefined) return { content: JSON.stringify(json), type: 'application/json' };
  if (form !== undefined) {
    const content = new URLSearchParams(form).toString();
    return { content, type: 'application/x-www-form-urlencoded' };
  }
  if (multipart !== undefined) {
    const type = `multipart/form-data; boundary=${BOUNDARY}`;
    return { content: multipartOf(multipart), type };
  }
  if (body === undefined) return undefined;
  return { content: typeof body === 'string' ? body : Buffer.from(body), type: undefined };
}

function multipartOf(parts: Readonly<Record<string, string | FilePart>>): Buffer {
  const pieces: Buffer[] = [];
  for (const [name, part] of Object.entries(parts)) {
    const file = typeof part === 'string' ? undefined : part;
    const disposition =
      `form-data; name="${quoted(name)}"` +
      (file === undefined ? '' : `; filename="${quoted(file.filename)}"`);
    const type =
      file === undefined ? '' : `content-type: ${file.type ?? 'application/octet-stream'}\r\n`;
    const head = `--${BOUNDARY}\r\ncontent-disposition: ${disposition}\r\n${type}\r\n`;
    pieces.push(Buffer.from(head), Buffer.from(file?.content ?? (part as string)), LINE_END);
  }
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

const LINE_END = Buffer.from('\r\n');

/** As browsers write names (WHATWG HTML, multipart form data): a quote or a line break ends none. */
function quoted(text: string): string {
  return text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
