// The command line becomes options.

import { CommanderError } from 'commander';
import { LoadError } from './errors.js';
import { createProgram, DEFAULT_WEB_HOST, DEFAULT_WEB_PORT } from './flags.js';
import type { LoadOptions } from './options.js';
import { applySources } from './settings-sources.js';
import type { WebOptions } from './web/access.js';

/** What is shown instead of a run. */
export type Listing = 'classes' | 'task-ratio' | 'task-ratio-json';

export interface WebCommand extends WebOptions {
  /** The first run starts by itself. */
  readonly autostart: boolean;
  /** How long after it the program ends; undefined: it goes on. */
  readonly autoquitMs: number | undefined;
}

export interface CommandLine {
  /** With `web`, the host may be empty: the page asks for it. */
  readonly options: LoadOptions;
  readonly headless: boolean;
  /** Undefined: the run is this terminal's. */
  readonly web: WebCommand | undefined;
  readonly listing: Listing | undefined;
  readonly output: 'progress' | 'tables' | 'summary';
  /** For a run whose only fault is errors that no threshold judges. */
  readonly exitCodeOnError: number;
}

/** Takes the arguments after the program's name. Throws `LoadError`, or `CommanderError`. */
export function parseCommandLine(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): CommandLine {
  const program = createProgram();
  applySources(program, args, environment);
  program.parse(args, { from: 'user' });
  const flags = program.opts();
  const listing = listingOf(flags);
  const web = webOf(flags);
  if (flags.host === undefined && listing === undefined && web === undefined) {
    throw new LoadError('INVALID_OPTION', "required option '-H, --host <url>' not specified");
  }
  const options: Record<string, unknown> = {
    userClass: program.args.length === 0 ? undefined : program.args,
    locustfiles: flags.locustfile?.split(',').map((file: string) => file.trim()),
    tags: flags.tags,
    excludeTags: flags.excludeTags,
    host: flags.host ?? '',
    users: flags.users,
    spawnRate: flags.spawnRate,
    runTimeMs: flags.runTime,
    iterations: flags.iterations,
    stopTimeoutMs: flags.stopTimeout,
    requestTimeoutMs: flags.requestTimeout,
    rate: flags.rate,
    processes: flags.processes,
    usersFile: flags.usersFile,
    metricsUrl: flags.metricsUrl,
    thresholds: flags.threshold,
    seed: flags.seed,
    waitScale: flags.waitScale,
    resetStats: flags.resetStats,
    csv: flags.csv,
    csvFullHistory: flags.csvFullHistory,
    html: flags.html,
    json: flags.json,
  };
  // Absent flags stay absent, so that the defaults have one home.
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return {
    options: Object.fromEntries(given) as unknown as LoadOptions,
    headless: flags.headless === true,
    web,
    listing,
    output: flags.onlySummary ? 'summary' : flags.printStats ? 'tables' : 'progress',
    exitCodeOnError: flags.exitCodeOnError,
  };
}

function webOf(flags: Record<string, unknown>): WebCommand | undefined {
  const { web, webHost, webPort, webToken, autostart, autoquit } = flags;
  if (web && flags.headless) {
    throw new LoadError('INVALID_OPTION', '--web and --headless exclude each other.');
  }
  // A team's settings for the page may stand in the environment of a run without one.
  const isWanted = web || autostart || webHost !== undefined || webPort !== undefined;
  if (!isWanted || flags.headless) return undefined;
  if (autoquit !== undefined && !autostart) {
    throw new LoadError('INVALID_OPTION', '--autoquit is for the run of --autostart.');
  }
  return {
    host: (webHost as string | undefined) ?? DEFAULT_WEB_HOST,
    port: (webPort as number | undefined) ?? DEFAULT_WEB_PORT,
    token: webToken as string | undefined,
    autostart: autostart === true,
    autoquitMs: autoquit as number | undefined,
  };
}

function listingOf(flags: Record<string, unknown>): Listing | undefined {
  if (flags.list) return 'classes';
  if (flags.showTaskRatioJson) return 'task-ratio-json';
  return flags.showTaskRatio ? 'task-ratio' : undefined;
}

/** Every long flag, for the documentation's test. */
export function flagNames(): string[] {
  return createProgram().options.map((option) => option.long!);
}

/** What commander found wrong, as this program's own error; undefined for --help. */
export function asLoadError(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0) return undefined;
  return new LoadError('INVALID_OPTION', error.message.replace(/^error: /, ''));
}
