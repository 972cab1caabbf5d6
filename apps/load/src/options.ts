// What a run is told, and the check of it: everything wrong is said before anything is sent.

import { accessSync, constants, mkdirSync } from 'node:fs';
import path from 'node:path';
import { LoadError } from './errors.js';
import { parseHost } from './http/target.js';
import type { LoadPlan, LoadShape, LoadStage } from './load-shape.js';
import { locateUserClasses, type UserClassChoice } from './load-user-class.js';
import type { LoadProgress, LoadReport } from './report/load-report.js';
import type { Figures } from './stats/ledger.js';
import { parseThreshold, type Threshold } from './thresholds.js';
import { readUsersFile } from './users-file.js';

/** The options of `runLoad`; they mirror the flags of the command line. */
export interface LoadOptions {
  /**
   * The name of a built-in user class, or the path of a file that exports some, or several of these;
   * with `locustfiles` also names of classes in them. Default: all of `locustfiles`, and without any
   * a `locustfile.js` (or .mjs, .ts, .mts) in the working directory.
   */
  userClass?: string | readonly string[];
  /** Files that export user classes. */
  locustfiles?: readonly string[];
  /** Only tasks with one of these tags. Default: all. */
  tags?: readonly string[];
  /** No task with one of these tags. */
  excludeTags?: readonly string[];
  /** http:// or https:// URL of the service under test. */
  host: string;
  /** Default 1. */
  users?: number;
  /** Users started per second. Default 1. */
  spawnRate?: number;
  /**
   * How many users there are when, in place of `users` and `spawnRate`. Default: what one of
   * `locustfiles` exports, if any does.
   */
  shape?: LoadShape;
  /** From the first user's start. Default: until `signal` is aborted. */
  runTimeMs?: number;
  /** Tasks to run in all; the run then ends. Closed model only. */
  iterations?: number;
  /** How long tasks under way may go on at the end. Default 5,000. */
  stopTimeoutMs?: number;
  /** After this a request counts as failed. Default 60,000. */
  requestTimeoutMs?: number;
  /** Tasks started per second over all users (open model). Default: the closed model. */
  rate?: number;
  /** Generator processes. Default 1. */
  processes?: number;
  /** A JSON object a line: username, password, access_token, refresh_token. */
  usersFile?: string;
  /** Prometheus metrics of the service, read each second. */
  metricsUrl?: string;
  /** E.g. `p95<500`. */
  thresholds?: readonly string[];
  /** Of tasks and waits. Default 1. */
  seed?: number;
  /** All waits are multiplied by it. Default 1. */
  waitScale?: number;
  /** What was counted before all users were up is left out of the whole run's figures. */
  resetStats?: boolean;
  /** Prefix of locust's four CSV files. */
  csv?: string;
  /** A row of history a second for each request, beside that of all. */
  csvFullHistory?: boolean;
  /** File of the HTML report. */
  html?: string;
  /** File of the `LoadReport`. */
  json?: string;
  /** Ends the run early, cleanly, with a report. */
  signal?: AbortSignal;
  /** Called each second. */
  onProgress?: (progress: LoadProgress) => void;
  /** Called each second with all rows of the run so far. */
  onTable?: (figures: Figures, elapsedMs: number) => void;
  /** Called with what the user should know before the run starts. */
  onWarning?: (warning: string) => void;
}

export type { LoadProgress, LoadReport };

export const MAX_USERS = 200_000;
export const MAX_PROCESSES = 64;
const MAX_RATE = 1_000_000;
const MIN_SPAWN_RATE = 0.001;
const MAX_DURATION_MS = 24 * 3600 * 1000;

export interface CheckedOptions {
  readonly userClasses: UserClassChoice;
  readonly host: string;
  readonly users: number;
  readonly spawnRate: number;
  readonly plan: LoadPlan | undefined;
  readonly runTimeMs: number | undefined;
  readonly iterations: number | undefined;
  readonly stopTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly rate: number | undefined;
  readonly processes: number;
  readonly usersFile: string | undefined;
  readonly metricsUrl: string | undefined;
  readonly thresholds: readonly Threshold[];
  readonly seed: number;
  readonly waitScale: number;
  readonly resetStats: boolean;
}

/** Throws a `LoadError` for the first thing that is wrong. */
export function checkOptions(options: LoadOptions, plan?: LoadPlan): CheckedOptions {
  const users = within('users', plan?.users ?? options.users ?? 1, 1, MAX_USERS, true);
  const processes = within('processes', options.processes ?? 1, 1, MAX_PROCESSES, true);
  if (processes > users) {
    throw new LoadError('INVALID_OPTION', `${processes} processes need at least as many users.`);
  }
  parseHost(options.host);
  for (const file of outputFiles(options)) checkWritable(file);
  const usersFile = options.usersFile && path.resolve(options.usersFile);
  if (usersFile) readUsersFile(usersFile, { count: users, first: 0, step: 1 });
  const { runTimeMs, rate, metricsUrl, iterations } = options;
  if (iterations !== undefined && rate !== undefined) {
    throw new LoadError('INVALID_OPTION', 'Iterations are counted in the closed model only.');
  }
  if (plan !== undefined && rate !== undefined) {
    throw new LoadError('INVALID_OPTION', 'A load shape is of users, and not for the open model.');
  }
  if (metricsUrl !== undefined) parseHost(metricsUrl);
  return {
    userClasses: locateChoice(options),
    host: options.host,
    users,
    processes,
    spawnRate: within('spawn rate', options.spawnRate ?? 1, MIN_SPAWN_RATE, MAX_RATE),
    plan,
    runTimeMs: runTimeOf(runTimeMs, plan),
    iterations:
      iterations === undefined ? undefined : within('iterations', iterations, 1, 1e12, true),
    stopTimeoutMs: within('stop timeout', options.stopTimeoutMs ?? 5000, 0, MAX_DURATION_MS),
    requestTimeoutMs: within(
      'request timeout',
      options.requestTimeoutMs ?? 60_000,
      1,
      MAX_DURATION_MS,
    ),
    rate: rate === undefined ? undefined : within('rate', rate, 0.001, MAX_RATE),
    usersFile: usersFile || undefined,
    metricsUrl,
    thresholds: (options.thresholds ?? []).map(parseThreshold),
    seed: within('seed', options.seed ?? 1, 0, 2 ** 32 - 1, true),
    waitScale: within('wait scale', options.waitScale ?? 1, 0, 1000),
    resetStats: options.resetStats ?? false,
  };
}

/** Whether a run may go on with so many users, none included. Throws a `LoadError`. */
export function checkStage({ plan, rate, usersFile }: CheckedOptions, stage: LoadStage): LoadStage {
  if (plan !== undefined) {
    throw new LoadError('INVALID_OPTION', 'A load shape decides how many users there are.');
  }
  if (rate !== undefined) {
    const message = 'In the open model the rate is the load: its users stay as many as they are.';
    throw new LoadError('INVALID_OPTION', message);
  }
  const users = within('users', stage.users, 0, MAX_USERS, true);
  const spawnRate = within('spawn rate', stage.spawnRate, MIN_SPAWN_RATE, MAX_RATE);
  if (usersFile !== undefined) readUsersFile(usersFile, { count: users, first: 0, step: 1 });
  return { users, spawnRate };
}

/** What ends first. */
function runTimeOf(runTimeMs: number | undefined, plan: LoadPlan | undefined): number | undefined {
  if (runTimeMs === undefined) return plan?.runTimeMs;
  const checkedMs = within('run time', runTimeMs, 100, MAX_DURATION_MS);
  return plan === undefined ? checkedMs : Math.min(checkedMs, plan.runTimeMs);
}

/** Throws `UNKNOWN_USER_CLASS`. */
export function locateChoice(options: LoadOptions): UserClassChoice {
  const { userClass = [], locustfiles = [], tags = [], excludeTags = [] } = options;
  const names = typeof userClass === 'string' ? [userClass] : userClass;
  return locateUserClasses({ locustfiles, names, tags, excludeTags });
}

function within(name: string, value: number, min: number, max: number, whole = false): number {
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? 'a whole number' : 'a number';
  throw new LoadError('INVALID_OPTION', `The ${name} must be ${kind} from ${min} to ${max}.`);
}

function outputFiles({ csv, html, json }: LoadOptions): string[] {
  return [csv, html, json].filter((file) => file !== undefined);
}

function checkWritable(file: string): void {
  const folder = path.dirname(path.resolve(file));
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const message = `The folder ${folder} can't be written to.`;
    throw new LoadError('OUTPUT_NOT_WRITABLE', message, { cause });
  }
}
