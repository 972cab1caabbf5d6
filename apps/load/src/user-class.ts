// What a user class is: a name, a wait between tasks, weighted tasks, and what happens at the
// start and the end of a user's life. These types are all that a file with a user class needs.

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
  /** The parsed body; undefined when it is empty or not JSON. */
  json<T = unknown>(): T | undefined;
}

/** A status, several, or a check that answers `true` or why not. Default: any status below 400. */
export type Expectation = number | readonly number[] | ((response: LoadResponse) => true | string);

export interface RequestOptions {
  json?: unknown;
  form?: Readonly<Record<string, string>>;
  headers?: Readonly<Record<string, string>>;
  /** The row in the report. Default: the path without its query. */
  name?: string;
  expect?: Expectation;
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
}

export interface Task<State extends object = Record<string, unknown>> {
  name: string;
  weight: number;
  run(user: User<State>): Promise<unknown>;
}

/** Draws how long a user waits after a task, in ms. */
export type WaitTime = (random: Random) => number;

export interface UserClass<State extends object = Record<string, unknown>> {
  name: string;
  waitMs: WaitTime;
  tasks: readonly Task<State>[];
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
  if (!Array.isArray(userClass.tasks) || userClass.tasks.length === 0) {
    return `${who} needs at least one task.`;
  }
  for (const task of userClass.tasks as Partial<Task>[]) {
    if (!isText(task?.name)) return `${who}: every task needs a name.`;
    if (!(typeof task.weight === 'number' && task.weight > 0 && Number.isFinite(task.weight))) {
      return `${who}, task '${task.name}': the weight must be above 0.`;
    }
    if (typeof task.run !== 'function') return `${who}, task '${task.name}': run is missing.`;
  }
  for (const hook of ['onStart', 'onStop'] as const) {
    const type = typeof userClass[hook];
    if (type !== 'undefined' && type !== 'function') return `${who}: ${hook} must be a function.`;
  }
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
