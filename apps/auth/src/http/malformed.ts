// What is no proper request, on every level: bytes that are no HTTP, hosts that are none or two,
// bodies in another encoding than they say, parameters twice, methods that a path doesn't have.
// Two readers who understand such things in different ways are how requests are smuggled, so they
// are refused, not repaired.

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../errors.js';
import { rawAnswerOf, sendProblem } from './problem-answers.js';

/** Where a decoder put it, something was there that is no text. */
const REPLACEMENT = '\uFFFD';

/** The answer that is due on a socket is where Node's own handler of such errors looks for it. */
interface ServerSocket extends Duplex {
  readonly _httpMessage?: ServerResponse | null;
}

export function refuseMalformed(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => done(problemIn(request.raw)));
  // An expectation that nobody knows changes nothing (RFC 9110 §10.1.1).
  app.server.on('checkExpectation', (request, response) => app.routing(request, response));
  // Without a listener Node closes the socket and says nothing.
  app.server.on('connect', (_request, socket) => endWith(socket, new Problem('BAD_REQUEST')));
  readBodies(app);
  answerUnknownRoutes(app);
}

/** Node's parser has given up on a connection; what comes next can't be told from what came. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  const due = (socket as ServerSocket)._httpMessage;
  // What is said now would be taken for the answer to a request before, which was good, or stand
  // in the middle of it.
  const isAnotherDue = due !== undefined && due !== null && (due.req.complete || due.headersSent);
  if (error.code === 'ECONNRESET' || !socket.writable || isAnotherDue) socket.destroy(error);
  else endWith(socket, problemOfParser(error.code));
}

function problemOfParser(code: string | undefined): Problem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Problem('HEADERS_TOO_LARGE');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new Problem('BODY_TOO_LARGE');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem('REQUEST_TIMEOUT');
    default:
      return new Problem('BAD_REQUEST');
  }
}

function endWith(socket: Duplex, problem: Problem): void {
  socket.end(rawAnswerOf(problem, new Date()), () => socket.destroy());
}

/** What Node's parser lets through, and proxies may read in another way than we. */
function problemIn({ httpVersionMinor, headers, rawHeaders }: IncomingMessage) {
  const hosts = countOf('host', rawHeaders);
  // RFC 9112 §3.2.
  if (hosts > 1 || (hosts === 0 && httpVersionMinor >= 1)) return new Problem('BAD_REQUEST');
  if (headers.authorization !== undefined && countOf('authorization', rawHeaders) > 1) {
    return new Problem('BAD_REQUEST');
  }
  if (!isKnown(headers['transfer-encoding'], 'chunked')) return new Problem('BAD_REQUEST');
  if (!isKnown(headers['content-encoding'], 'identity')) {
    return new Problem('UNSUPPORTED_MEDIA_TYPE');
  }
  return undefined;
}

function isKnown(coding: string | undefined, known: string): boolean {
  return coding === undefined || coding.toLowerCase() === known;
}

/** Node keeps the first of those that may stand once, and drops the others in silence. */
function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index]!;
    if (header.length === name.length && header.toLowerCase() === name) count++;
  }
  return count;
}

/** JSON and forms, and nothing else; both are UTF-8. */
function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    (request, body, done) => {
      // Many clients name JSON whether they send anything or not. No body is no body: a route that
      // needs one says what is missing, and the others don't mind.
      if (body.length === 0) done(null, undefined);
      else if (isUtf8(body)) parseJson(request, body.toString(), done);
      else done(new Problem('BAD_REQUEST', 'body is not UTF-8'));
    },
  );
  app.addContentTypeParser<Buffer>(
    'application/x-www-form-urlencoded',
    { parseAs: 'buffer' },
    ({ headers }, body, done) => {
      try {
        refuseFormOfPage(headers.origin);
        done(null, parseForm(body.toString()));
      } catch (error) {
        done(error as Problem);
      }
    },
  );
}

/**
 * Any page may send a form from its visitor's browser, without asking: failed logins by the name
 * and from the address of who looks at it. What isn't a form asks first, and is told no. Browsers
 * tell where a form comes from; servers, for which OAuth has forms, say nothing.
 * @throws Problem UNSUPPORTED_MEDIA_TYPE
 */
function refuseFormOfPage(origin: string | undefined): void {
  if (origin === undefined) return;
  throw new Problem('UNSUPPORTED_MEDIA_TYPE', 'pages have to send JSON, not forms');
}

/** @throws Problem BAD_REQUEST */
function parseForm(text: string): Record<string, string> {
  const parameters = [...new URLSearchParams(text)];
  if (parameters.some((pair) => pair.join().includes(REPLACEMENT))) {
    throw new Problem('BAD_REQUEST', 'body is not UTF-8');
  }
  // RFC 6749 §3.1: who reads the first and who reads the last would see two requests.
  if (new Set(parameters.map(([name]) => name)).size < parameters.length) {
    throw new Problem('BAD_REQUEST', 'body has a parameter more than once');
  }
  return Object.fromEntries(parameters);
}

/** 404, or 405 with `Allow` where the path exists with another method. */
function answerUnknownRoutes(app: FastifyInstance): void {
  const methodsOf = new Map<string, string[]>();
  app.addHook('onRoute', ({ url, method }) => {
    methodsOf.set(url, [...(methodsOf.get(url) ?? []), ...[method].flat()]);
  });
  app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
    const path = pathOf(request.url);
    const methods = [...methodsOf].filter(([pattern]) => isOf(pattern, path)).flatMap(last);
    if (methods.length === 0) return sendProblem(reply, new Problem('NOT_FOUND'));
    reply.header('allow', methods.join(', '));
    return sendProblem(reply, new Problem('METHOD_NOT_ALLOWED'));
  });
}

/** A request may name its whole URL (RFC 9112 §3.2.2). */
function pathOf(url: string): string {
  return url.replace(/^https?:\/\/[^/?#]*/i, '').split('?', 1)[0]!;
}

/** Whether a route's pattern, such as `/things/:id`, is that of a path. */
function isOf(pattern: string, path: string): boolean {
  const [expected, found] = [pattern.split('/'), path.split('/')];
  return (
    expected.length === found.length &&
    expected.every((part, index) => part === found[index] || part.startsWith(':'))
  );
}

function last<T>([, value]: readonly [unknown, T]): T {
  return value;
}
