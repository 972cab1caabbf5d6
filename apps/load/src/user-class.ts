// What a user class is: a name, a wait between tasks, tasks by weight or in sequence, and what happens
// at the start and the end of a user's life. These types are all that a file with a user class needs.

import { LoadError } from './errors.js';
import type { Random } from './random.js';

/** A line of the users file. Extra fields are kept. */
export interface Account {
  username: string;
  password: string;
  access_token?: string;
  refresh_token?: string;
  [field: string]: unknown;
}

export interface LoadResponse {
  /** 0 when no response came: refused, reset, timed out. */
  readonly status: number;
  /** Whether the response was what the request expected. */
  readonly ok: boolean;
  /** Why the request counts as a failure; undefined when `ok`. */
  readonly error: string | undefined;
  /** In ms, as recorded. */
  readonly durationMs: number;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  text(): string;
  /** Declares the response a failure after the fact, for a reason; only the first one counts. */
  fail(reason: string): void;
  /** The parsed body; undefined when it is empty or not JSON. */
  json<T = unknown>(): T | undefined;
}

/** A status, several, or a check that answers `true` or why not. Default: any status below 400. */
export type Expectation = number | readonly number[] | ((response: LoadResponse) => true | string);

/** A file in a body of several parts. */
export interface FilePart {
  filename: string;
  content: string | Uint8Array;
  /** Default application/octet-stream. */
  type?: string;
}

export interface RequestOptions {
  /** A request has one body: `json`, `form`, `multipart` or `body`. */
  json?: unknown;
  form?: Readonly<Record<string, string>>;
  /** Fields and files, as a browser sends a form with files. */
  multipart?: Readonly<Record<string, string | FilePart>>;
  /** As it is; say in `headers` what type it has. */
  body?: string | Uint8Array;
  headers?: Readonly<Record<string, string>>;
  /** The row in the report. Default: the path without its query. */
  name?: string;
  expect?: Expectation;
  /**
   * How many redirects on the same host are followed; time and body are those of all together and of
   * the last one. A status that `expect` names is not followed. Default 5; 0: none.
   */
  redirects?: number;
}

export interface User<State extends object = Record<string, unknown>> {
  /** Number of the user among all users of the run, from 0. */
  readonly index: number;
  readonly random: Random;
  /** The user's line of the users file, when there is one. */
  readonly account: Account | undefined;
  /** Whatever the user class wants to remember. */
  readonly state: State;
  /** Resolves for failures too (they are counted); see `LoadResponse.ok`. */
  request(method: string, path: string, options?: RequestOptions): Promise<LoadResponse>;
  get(path: string, options?: RequestOptions): Promise<LoadResponse>;
  post(path: string, options?: RequestOptions): Promise<LoadResponse>;
  put(path: string, options?: RequestOptions): Promise<LoadResponse>;
  patch(path: string, options?: RequestOptions): Promise<LoadResponse>;
  delete(path: string, options?: RequestOptions): Promise<LoadResponse>;
}

export interface Task<State extends object = Record<string, unknown>> {
  name: string;
  /** How often it is chosen, beside the others. Default 1. */
  weight?: number;
  /** For `--tags` and `--exclude-tags`. */
  tags?: readonly string[];
  run(user: User<State>): Promise<unknown>;
}

/** How long a user waits after a task that took `tookMs`, in ms. */
export type WaitTime = (random: Random, tookMs: number) => number;

export interface UserClass<State extends object = Record<string, unknown>> {
  name: string;
  /** Share of the users, where a run has several classes. Default 1. */
  weight?: number;
  /** So many users in all, whatever the weights; they are the first. */
  fixedCount?: number;
  waitMs: WaitTime;
  tasks: readonly Task<State>[];
  /** In `sequence`, each user runs the tasks from first to last, again and again. Default random. */
  order?: 'random' | 'sequence';
  onStart?(user: User<State>): Promise<unknown>;
  onStop?(user: User<State>): Promise<unknown>;
}

/** Evenly distributed between two waits in ms. */
export function between(minMs: number, maxMs: number): WaitTime {
  return (random) => minMs + random() * (maxMs - minMs);
}

/** Always the same wait in ms. */
export function constant(waitMs: number): WaitTime {
  return () => waitMs;
}

/** Tasks start at most every `paceMs`: the wait is what the task left of it. */
export function constantPacing(paceMs: number): WaitTime {
  return (_random, tookMs) => Math.max(0, paceMs - tookMs);
}

/** At most so many tasks per second and user. */
export function constantThroughput(tasksPerS: number): WaitTime {
  return constantPacing(1000 / tasksPerS);
}

/** Checks a user class and returns it; throws `INVALID_USER_CLASS`. */
export function defineUser<State extends object = Record<string, unknown>>(
  userClass: UserClass<State>,
): UserClass<State> {
  const problem = problemOf(userClass);
  if (problem !== undefined) throw new LoadError('INVALID_USER_CLASS', problem);
  return userClass;
}

function problemOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'A user class is an object.';
  const userClass = value as Partial<UserClass>;
  if (!isText(userClass.name)) return 'A user class needs a name.';
  const who = `User class ${userClass.name}`;
  if (typeof userClass.waitMs !== 'function') return `${who}: waitMs must be a function.`;
  const { weight = 1, fixedCount = 0, order = 'random' } = userClass;
  if (!(Number.isFinite(weight) && weight > 0)) return `${who}: the weight must be above 0.`;
  if (!(Number.isInteger(fixedCount) && fixedCount >= 0)) {
    return `${who}: fixedCount must be a whole number.`;
  }
  if (order !== 'random' && order !== 'sequence') return `${who}: order is random or sequence.`;
  if (!Array.isArray(userClass.tasks) || userClass.tasks.length === 0) {
    return `${who} needs at least one task.`;
  }
  for (const task of userClass.tasks as Partial<Task>[]) {
    if (!isText(task?.name)) return `${who}: every task needs a name.`;
    const problem = taskProblem(task);
    if (problem !== undefined) return `${who}, task '${task.name}': ${problem}`;
  }
  for (const hook of ['onStart', 'onStop'] as const) {
    const type = typeof userClass[hook];
    if (type !== 'undefined' && type !== 'function') return `${who}: ${hook} must be a function.`;
  }
  return undefined;
}

function taskProblem({ weight = 1, tags = [], run }: Partial<Task>): string | undefined {
  if (!(Number.isFinite(weight) && weight > 0)) return 'the weight must be above 0.';
  if (!Array.isArray(tags) || !tags.every(isText)) return 'tags must be a list of texts.';
  return typeof run === 'function' ? undefined : 'run is missing.';
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
