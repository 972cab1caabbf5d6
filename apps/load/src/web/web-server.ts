// The page's server: who may come in is decided first, then each path has its answer. It serves the
// page and its events, takes three wishes (start, stop, users), and gives out the files of a run.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LoadError, messageOf } from '../errors.js';
import { Access, type Verdict, type WebOptions } from './access.js';
import { readAssets } from './assets.js';
import { downloadOf } from './downloads.js';
import { EventStreams } from './event-streams.js';
import type { Refusal } from './messages.js';
import { type RunSession, WrongPhase } from './run-session.js';
import { type Subject, secondMessage, stateMessage } from './views.js';
import { changeWish, startWish } from './wishes.js';

const MAX_BODY_BYTES = 4096;
const MAX_CONNECTIONS = 256;
const REQUEST_TIMEOUT_MS = 10_000;
/** An answer to a wrong token comes so late, and so many wait for theirs at a time. */
const WRONG_TOKEN_DELAY_MS = 500;
const MAX_WRONG_TOKENS = 20;
/** For the last words to the pages. */
const CLOSE_LIMIT_MS = 500;
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // Not 'no-referrer': with it browsers hide the origin of a form that is sent to this very page.
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};
const REFUSALS: Readonly<Record<Exclude<Verdict, 'allowed'>, readonly [number, Refusal]>> = {
  'foreign-host': [421, { code: 'FOREIGN_HOST', message: 'This host name is not served here.' }],
  'foreign-site': [403, { code: 'FOREIGN_SITE', message: 'Only the page itself may do this.' }],
  'token-missing': [401, { code: 'TOKEN_MISSING', message: 'The web token is needed.' }],
};

/** An answer that is known before anything was done. */
class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export class WebServer {
  readonly #assets = readAssets();
  readonly #streams = new EventStreams();
  readonly #access: Access;
  readonly #server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) =>
    this.#serve(request, response),
  );
  #port = 0;
  #wrongTokens = 0;

  constructor(
    private readonly options: WebOptions,
    private readonly session: RunSession,
    private readonly subject: Subject,
  ) {
    this.#access = new Access(options.token);
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves with the page's URL. Throws `INVALID_OPTION` where it can't listen. */
  async listen(): Promise<string> {
    const { host, port } = this.options;
    const isAll = host === '*';
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen({ port, ...(isAll ? {} : { host }) }, resolve);
      });
    } catch (error) {
      const message = `The page can't be served at ${host}:${port}: ${messageOf(error)}.`;
      throw new LoadError('INVALID_OPTION', message, { cause: error });
    }
    this.#port = (this.#server.address() as AddressInfo).port;
    const name = isAll ? 'localhost' : host.includes(':') ? `[${host}]` : host;
    return `http://${name}:${this.#port}/`;
  }

  /** To be called at each change of the session that is more than a second's figures. */
  tellState(): void {
    this.#streams.send('state', () => stateMessage(this.session, this.subject));
  }

  tellSecond(): void {
    const { phase, record } = this.session;
    this.#streams.send('second', () => secondMessage(phase, record!));
  }

  async close(): Promise<void> {
    this.#streams.close();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const limit = setTimeout(() => this.#server.closeAllConnections(), CLOSE_LIMIT_MS);
    await closed;
    clearTimeout(limit);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    try {
      await this.#answer(request, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else sendRefusal(response, ...refusalOf(error));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://page');
    const { method = 'GET', headers } = request;
    const isWrite = method !== 'GET';
    const isPage = pathname === '/' || pathname === '/token';
    const isPublic = pathname === '/token' || pathname.startsWith('/assets/');
    const verdict = this.#access.judge({ headers, isWrite, isPublic, isPage });
    if (verdict === 'token-missing' && pathname === '/') return redirect(response, '/token');
    if (verdict !== 'allowed') {
      if (headers.authorization !== undefined) await this.#holdUp();
      return sendRefusal(response, ...REFUSALS[verdict]);
    }
    if (!isWrite) return this.#give(pathname, response);
    if (method !== 'POST') throw new Refused(405, 'WRONG_METHOD', 'GET and POST are served.');
    await this.#take(pathname, request, response);
  }

  #give(pathname: string, response: ServerResponse): void {
    const [, folder, name = ''] = /^\/(assets|download)\/([\w.-]+)$/.exec(pathname) ?? [];
    if (pathname === '/') this.#sendAsset('page.html', response);
    else if (pathname === '/api/events') this.#openStream(response);
    else if (folder === 'assets') this.#sendAsset(name, response);
    else if (folder === 'download') this.#sendDownload(name, response);
    else if (pathname !== '/token') throw notFound();
    else if (this.#access.wantsToken) this.#sendAsset('token.html', response);
    else redirect(response, '/');
  }

  async #take(pathname: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (pathname === '/token') return this.#takeToken(await bodyOf(request), response);
    if (request.headers['content-type'] !== 'application/json') {
      throw new Refused(415, 'WRONG_TYPE', 'The body must be of the type application/json.');
    }
    const body = await bodyOf(request);
    if (pathname === '/api/start') await this.session.start(startWish(body));
    else if (pathname === '/api/stop') this.session.stop();
    else if (pathname === '/api/users') this.session.change(changeWish(body));
    else throw notFound();
    response.writeHead(204).end();
  }

  #openStream(response: ServerResponse): void {
    if (this.#streams.isFull) throw new Refused(503, 'TOO_MANY_PAGES', 'Too many pages are open.');
    this.#streams.open(response);
    this.tellState();
  }

  #sendAsset(name: string, response: ServerResponse): void {
    const asset = this.#assets.get(name);
    if (asset === undefined) throw notFound();
    response.setHeader('content-type', asset.type);
    response.end(asset.content);
  }

  #sendDownload(name: string, response: ServerResponse): void {
    const { record } = this.session;
    const file = record && downloadOf(name, record);
    if (file === undefined) throw notFound();
    response.setHeader('content-type', file.type);
    response.setHeader('content-disposition', `attachment; filename="${file.name}"`);
    response.end(file.content);
  }

  async #takeToken(body: string, response: ServerResponse): Promise<void> {
    const token = new URLSearchParams(body).get('token') ?? '';
    if (!this.#access.isToken(token.trim())) {
      await this.#holdUp();
      return redirect(response, '/token#refused');
    }
    response.setHeader('set-cookie', this.#access.cookie(this.#port));
    redirect(response, '/');
  }

  /** Makes guessing slow, without letting it fill the memory. */
  async #holdUp(): Promise<void> {
    if (this.#wrongTokens >= MAX_WRONG_TOKENS) {
      throw new Refused(429, 'TOO_MANY_ATTEMPTS', 'Too many wrong tokens at once.');
    }
    this.#wrongTokens += 1;
    await delay(WRONG_TOKEN_DELAY_MS);
    this.#wrongTokens -= 1;
  }
}

function notFound(): Refused {
  return new Refused(404, 'NOT_FOUND', 'There is nothing here.');
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Refused(413, 'TOO_LARGE', 'The body is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refusalOf(error: unknown): [number, Refusal] {
  const message = messageOf(error);
  if (error instanceof Refused) return [error.status, { code: error.code, message }];
  if (error instanceof WrongPhase) return [409, { code: error.code, message }];
  if (error instanceof LoadError) return [422, { code: error.code, message }];
  return [500, { code: 'FAILED', message }];
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location }).end();
}

function sendRefusal(response: ServerResponse, status: number, refusal: Refusal): void {
  // What is left of a body isn't read, so the connection serves no further request.
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(refusal));
}
