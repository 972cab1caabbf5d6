// One simulated user: its connection, its account, its chance, and how a request becomes a row of
// the report. A request never rejects for what the service did: failures are counted, and the
// user class sees `ok: false`, as with locust's `catch_response`.

import type { Buffer } from 'node:buffer';
import { messageOf } from '../errors.js';
import { Connection, type Outcome, type Target } from '../http/connection.js';
import { Cookies } from '../http/cookies.js';
import { isRedirect, type RequestLine, redirectOf } from '../http/redirect.js';
import { requestText } from '../http/request-text.js';
import { headerOf } from '../http/response-head.js';
import type { RawResponse } from '../http/response-reader.js';
import type { Host } from '../http/target.js';
import type { Random } from '../random.js';
import type { Account, Expectation, LoadResponse, RequestOptions, User } from '../user-class.js';
import { DeadlineEntry, type Deadlines } from './deadlines.js';
import type { Recorder, RequestRecord } from './recorder.js';

const FIRST_FAILING_STATUS = 400;
/** As locust's fast client has it. */
const MAX_REDIRECTS = 5;
/** The failure of a request that was still open when the run was over. */
export const CUT_OFF = 'no response until the run was over';

/** Thrown into a task that goes on after the end of the run; the generator swallows it. */
export class RunOver extends Error {
  override readonly name = 'RunOver';
}

/** What all users of a process share. */
export interface UserContext {
  readonly host: Host;
  readonly target: Target;
  readonly recorder: Recorder;
  readonly deadlines: Deadlines;
  readonly requestTimeoutMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Whether the run is being stopped: what begins from here on is no part of the steady state. */
  readonly isStopping: () => boolean;
  readonly onCutOff: () => void;
}

export class VirtualUser implements User {
  readonly state: Record<string, unknown> = {};
  /** Open model: when the next request should have been sent. Only the first of a task is late. */
  dueMs: number | undefined;
  requests = 0;
  tasksRun = 0;
  /** Whether a task, onStart or onStop is under way. */
  isBusy = false;
  /** It has finished onStart. */
  isReady = false;
  /** There is no more place for it: its life ends after the task under way. */
  isLeaving = false;
  readonly #connection: Connection;
  readonly #cookies: Cookies;
  readonly #deadline = new DeadlineEntry(this);
  #over = false;

  constructor(
    readonly index: number,
    readonly random: Random,
    readonly account: Account | undefined,
    private readonly context: UserContext,
  ) {
    this.#connection = new Connection(context.target);
    this.#cookies = new Cookies(context.host.secure);
  }

  get isWaiting(): boolean {
    return this.#connection.isBusy;
  }

  get reconnects(): number {
    return Math.max(0, this.#connection.opened - 1);
  }

  get(path: string, options?: RequestOptions): Promise<LoadResponse> {
    return this.request('GET', path, options);
  }

  post(path: string, options?: RequestOptions): Promise<LoadResponse> {
    return this.request('POST', path, options);
  }

  put(path: string, options?: RequestOptions): Promise<LoadResponse> {
    return this.request('PUT', path, options);
  }

  patch(path: string, options?: RequestOptions): Promise<LoadResponse> {
    return this.request('PATCH', path, options);
  }

  delete(path: string, options?: RequestOptions): Promise<LoadResponse> {
    return this.request('DELETE', path, options);
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<LoadResponse> {
    if (this.#over) throw new RunOver();
    const { context } = this;
    const cookies = this.#cookies.for(context.host.basePath + path);
    const text = requestText(context.host, method, path, options, cookies);
    const startMs = this.dueMs ?? context.now();
    const late = context.isStopping();
    this.dueMs = undefined;
    this.requests += 1;
    const exchange = this.#connection.exchange(method, text);
    context.deadlines.begin(this.#deadline);
    let outcome = await exchange;
    if (outcome.response !== undefined) {
      const rootPath = context.host.basePath + path;
      this.#cookies.keep(rootPath, outcome.response);
      if (isRedirect(outcome.response)) {
        outcome = await this.#follow(outcome.response, { method, path: rootPath, options });
      }
    }
    context.deadlines.end(this.#deadline);
    const response = new Response(outcome, context.now() - startMs);
    response.error ??= this.#disappointment(options.expect, response);
    const record: RequestRecord = {
      method,
      name: options.name ?? withoutQuery(path),
      durationMs: response.durationMs,
      bytes: outcome.response?.body.length ?? 0,
      failure: response.error,
      late,
    };
    context.recorder.record(record);
    response.onLateFailure = (reason) => context.recorder.recordLateFailure(record, reason);
    if (outcome.failure === CUT_OFF) context.onCutOff();
    if (this.#over) throw new RunOver();
    return response;
  }

  /** Follows where a response leads, unless it is what the request waits for. */
  async #follow(first: RawResponse, line: RequestLine): Promise<Outcome> {
    const { expect, redirects = MAX_REDIRECTS } = line.options;
    // A redirect says where from the root on.
    const root = { ...this.context.host, basePath: '' };
    let response = first;
    let { method, path, options } = line;
    for (let followed = 0; ; followed += 1) {
      if (redirects === 0 || names(expect, response.head.status)) break;
      const next = redirectOf(root, { method, path, options }, response);
      if (next === undefined) break;
      if (followed === redirects) return { failure: `more than ${redirects} redirects` };
      ({ method, path, options } = next);
      const text = requestText(root, method, path, options, this.#cookies.for(path));
      const outcome = await this.#connection.exchange(method, text);
      if (outcome.response === undefined) return outcome;
      response = outcome.response;
      this.#cookies.keep(path, response);
    }
    return { response };
  }

  timeOut(): void {
    this.#connection.abort(`timed out after ${this.context.requestTimeoutMs} ms`);
  }

  close(): void {
    this.#connection.close();
  }

  /** Cuts off a request under way, which is a failure; later ones throw `RunOver`. */
  end(): void {
    this.#over = true;
    this.#connection.abort(CUT_OFF);
  }

  /** A check that throws has found a response that it wasn't made for: a failure, and a defect. */
  #disappointment(expect: Expectation | undefined, response: LoadResponse): string | undefined {
    try {
      return disappointment(expect, response);
    } catch (error) {
      this.context.recorder.recordException(error);
      return `expect threw: ${messageOf(error)}`;
    }
  }
}

class Response implements LoadResponse {
  readonly status: number;
  error: string | undefined;
  onLateFailure: ((reason: string) => void) | undefined;
  readonly #raw: RawResponse | undefined;

  constructor(
    outcome: Outcome,
    readonly durationMs: number,
  ) {
    this.#raw = outcome.response;
    this.status = outcome.response?.head.status ?? 0;
    this.error = outcome.failure;
  }

  get ok(): boolean {
    return this.error === undefined;
  }

  get #body(): Buffer | undefined {
    return this.#raw?.body;
  }

  header(name: string): string | undefined {
    return this.#raw === undefined ? undefined : headerOf(this.#raw.head.text, name);
  }

  fail(reason: string): void {
    if (this.error !== undefined) return;
    this.error = reason;
    this.onLateFailure?.(reason);
  }

  text(): string {
    return this.#body?.toString('utf8') ?? '';
  }

  json<T>(): T | undefined {
    try {
      return JSON.parse(this.text()) as T;
    } catch {
      return undefined;
    }
  }
}

/** Why a response is not what was expected; undefined when it is. */
function disappointment(
  expect: Expectation | undefined,
  response: LoadResponse,
): string | undefined {
  const { status } = response;
  if (typeof expect === 'function') {
    const verdict = expect(response);
    return verdict === true ? undefined : String(verdict);
  }
  if (expect === undefined) {
    return status < FIRST_FAILING_STATUS ? undefined : `unexpected status ${status}`;
  }
  const expected = typeof expect === 'number' ? [expect] : expect;
  return expected.includes(status) ? undefined : `expected ${expected.join(' or ')}, got ${status}`;
}

/** Whether a status is what a request waits for, so that a redirect is its end. */
function names(expect: Expectation | undefined, status: number): boolean {
  return typeof expect === 'object' ? expect.includes(status) : expect === status;
}

function withoutQuery(path: string): string {
  const end = path.indexOf('?');
  return end === -1 ? path : path.slice(0, end);
}
