// The live page over HTTP: a listener for Node's requests, and a plugin for Fastify.
//
//   GET <anywhere>           the page; 401 with a form where a token is needed
//   GET <anywhere>/events    server-sent events: see messages.ts

import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Access, type TokenOptions, type Verdict } from './access.js';
import { type Document, readDocument } from './document.js';
import { EventStreams } from './event-streams.js';
import { type DashboardFeed, DashboardHub } from './hub.js';
import { PoolReporter, type WatchedPool } from './reporter.js';

/** An answer to a wrong token comes so late, ms, and so many wait for theirs at a time. */
const WRONG_TOKEN_DELAY_MS = 500;
const MAX_WRONG_TOKENS = 20;
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  // Compression on the way would hold events back until it has a block of them.
  'cache-control': 'no-store, no-transform',
  vary: 'accept-encoding, authorization, cookie',
  // nginx would else keep events until it has a page of them.
  'x-accel-buffering': 'no',
};
const REFUSALS: Readonly<Record<Exclude<Verdict, 'allowed'>, readonly [number, string, string]>> = {
  foreign: [403, 'FOREIGN_SITE', 'Only the page itself may ask for this.'],
  'needs-token': [403, 'NO_TOKEN_SET', 'From other machines this needs a token, and none is set.'],
  'token-missing': [401, 'TOKEN_REQUIRED', 'The token is needed.'],
  'token-wrong': [403, 'TOKEN_WRONG', 'That was not the token.'],
};

export interface DashboardOptions extends TokenOptions {
  /** Told of a request with a wrong token; must not throw. */
  readonly onRefused?: ((request: IncomingMessage) => void) | undefined;
}

/** A listener for Node's requests. */
export interface DashboardHandler {
  (request: IncomingMessage, response: ServerResponse): void;
  /** Ends the streams and the watching, for good; pages say that what they show is old. */
  close(): void;
}

/**
 * The live page of a pool, or of what a `DashboardHub` was told of many. `GET` of a path that ends in
 * `/events` gets the events, any other the page.
 * @throws PoolError INVALID_ARGUMENT for a token that is too short.
 */
export function dashboardHandler(
  source: WatchedPool | DashboardFeed,
  options: DashboardOptions = {},
): DashboardHandler {
  const dashboard = new Dashboard(source, options);
  return Object.assign(
    (request: IncomingMessage, response: ServerResponse) => {
      // Who has gone meanwhile can't be answered.
      dashboard.serve(request, response).catch(() => response.destroy());
    },
    { close: () => dashboard.close() },
  );
}

/** What is needed of Fastify. */
export interface FastifyHost {
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's own types are not the library's to know.
  get(path: string, handler: (request: any, reply: any) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  addHook(name: 'preClose', hook: (done: any) => void): unknown;
}

export interface DashboardPluginOptions {
  /** Closed with the app. */
  readonly handler: DashboardHandler;
  /** Default: `/dashboard`. */
  readonly path?: string;
}

/** `app.register(dashboardPlugin, { handler: dashboardHandler(pool) })`. */
export async function dashboardPlugin(
  app: FastifyHost,
  { handler, path = '/dashboard' }: DashboardPluginOptions,
): Promise<void> {
  for (const route of [path, `${path}/events`]) {
    app.get(route, (request, reply) => {
      reply.hijack();
      handler(request.raw, reply.raw);
    });
  }
  app.addHook('preClose', (done: () => void) => {
    handler.close();
    done();
  });
}

class Dashboard {
  readonly #access: Access;
  readonly #feed: DashboardFeed;
  readonly #onRefused: DashboardOptions['onRefused'];
  readonly #streams = new EventStreams(() => this.#unsubscribe());
  readonly #endings: (() => void)[] = [];
  readonly #page = readDocument('page');
  readonly #form = readDocument('token');
  #endSubscription: (() => void) | undefined;
  #wrongTokens = 0;
  #isClosed = false;

  constructor(source: WatchedPool | DashboardFeed, options: DashboardOptions) {
    this.#access = new Access(options);
    this.#onRefused = options.onRefused;
    this.#feed = 'subscribe' in source ? source : this.#watch(source);
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (this.#isClosed) {
      // Pages come back over another connection, which may be one to another process.
      response.setHeader('connection', 'close');
      return refuse(response, 503, 'CLOSED', 'The service is ending.');
    }
    const { method = 'GET', url = '/' } = request;
    const isStream = /\/events(\?|$)/.test(url);
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return refuse(response, 405, 'METHOD_NOT_ALLOWED', 'GET is served.');
    }
    const verdict = this.#access.judge(request, !isStream);
    if (verdict === 'token-missing' && !isStream) {
      return sendDocument(request, response, 401, this.#form);
    }
    if (verdict === 'token-wrong' && !(await this.#holdUp(request))) {
      return refuse(response, 429, 'TOO_MANY_ATTEMPTS', 'Too many wrong tokens at once.');
    }
    if (verdict !== 'allowed') return refuse(response, ...REFUSALS[verdict]);
    if (isStream && this.#streams.isFull) {
      return refuse(response, 503, 'TOO_MANY_PAGES', 'Too many pages are open.');
    }
    if (isStream) return this.#openStream(response, method);
    const cookie = this.#access.cookieFor(request);
    if (cookie !== undefined) response.setHeader('set-cookie', cookie);
    sendDocument(request, response, 200, this.#page);
  }

  close(): void {
    this.#isClosed = true;
    this.#streams.close();
    this.#unsubscribe();
    for (const end of this.#endings.splice(0)) end();
  }

  #watch(pool: WatchedPool): DashboardHub {
    const hub = new DashboardHub();
    const reporter = new PoolReporter(pool, (report) => hub.take(String(process.pid), report));
    this.#endings.push(
      () => reporter.stop(),
      () => hub.stop(),
    );
    return hub;
  }

  #openStream(response: ServerResponse, method: string): void {
    if (method === 'HEAD') {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).end();
      return;
    }
    this.#streams.open(response);
    // Anew for each page: what it begins with does the others no harm.
    this.#unsubscribe();
    this.#endSubscription = this.#feed.subscribe((message) => {
      this.#streams.send(message.type, () => message);
    });
  }

  #unsubscribe(): void {
    this.#endSubscription?.();
    this.#endSubscription = undefined;
  }

  /** Makes guessing slow, without letting it fill the memory. */
  async #holdUp(request: IncomingMessage): Promise<boolean> {
    this.#onRefused?.(request);
    if (this.#wrongTokens >= MAX_WRONG_TOKENS) return false;
    this.#wrongTokens++;
    await delay(WRONG_TOKEN_DELAY_MS);
    this.#wrongTokens--;
    return true;
  }
}

function sendDocument(
  { headers, method }: IncomingMessage,
  response: ServerResponse,
  status: number,
  { html, gzipped, contentSecurityPolicy }: Document,
): void {
  const isGzipped = /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));
  const body = isGzipped ? gzipped : html;
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': body.length,
    'content-security-policy': contentSecurityPolicy,
    ...(isGzipped ? { 'content-encoding': 'gzip' } : {}),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  });
  response.end(JSON.stringify({ code, message }));
}
