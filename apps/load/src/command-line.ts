// The flags, named as locust names them where locust has them, and how they become options.

import { Command, CommanderError, Option } from 'commander';
import { parseDuration } from './duration.js';
import { LoadError } from './errors.js';
import { BUILT_IN_USER_CLASSES } from './load-user-class.js';
import type { LoadOptions } from './options.js';

const DEFAULT_USERS = 1;
const DEFAULT_SPAWN_RATE = 1;
const DEFAULT_EXIT_CODE_ON_ERROR = 1;
const MAX_EXIT_CODE = 255;

export interface CommandLine {
  readonly options: LoadOptions;
  readonly headless: boolean;
  /** For a run whose only fault is errors that no threshold judges. */
  readonly exitCodeOnError: number;
}

/** Takes the arguments after the program's name. Throws `LoadError`, or `CommanderError`. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const program = createProgram();
  program.parse(args, { from: 'user' });
  const flags = program.opts();
  const [userClass] = program.args;
  const options: Record<string, unknown> = {
    userClass,
    host: flags.host,
    users: flags.users,
    spawnRate: flags.spawnRate,
    runTimeMs: flags.runTime,
    stopTimeoutMs: flags.stopTimeout,
    requestTimeoutMs: flags.requestTimeout,
    rate: flags.rate,
    processes: flags.processes,
    usersFile: flags.usersFile,
    metricsUrl: flags.metricsUrl,
    thresholds: flags.threshold,
    seed: flags.seed,
    waitScale: flags.waitScale,
    csv: flags.csv,
    html: flags.html,
    json: flags.json,
  };
  // Absent flags stay absent, so that the defaults have one home.
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return {
    options: Object.fromEntries(given) as unknown as LoadOptions,
    headless: flags.headless === true,
    exitCodeOnError: flags.exitCodeOnError,
  };
}

/** Every long flag, for the documentation's test. */
export function flagNames(): string[] {
  return createProgram().options.map((option) => option.long!);
}

function createProgram(): Command {
  return new Command('plimsoll-load')
    .description('Loads an HTTP service with virtual users and reports honest latencies.')
    .argument('<user-class>', `${BUILT_IN_USER_CLASSES.join(', ')}, or the path of a .js file`)
    .requiredOption('-H, --host <url>', 'the service under test, e.g. http://127.0.0.1:3000')
    .option('-u, --users <number>', 'virtual users', number('users'), DEFAULT_USERS)
    .option(
      '-r, --spawn-rate <number>',
      'users started per second',
      number('spawn rate'),
      DEFAULT_SPAWN_RATE,
    )
    .option(
      '-t, --run-time <duration>',
      'e.g. 300, 20s, 5m, 1h30m; default: until Ctrl-C',
      (text) => parseDuration(text),
    )
    .option('-s, --stop-timeout <duration>', 'for tasks under way at the end (default: 5s)', stop)
    .option('--request-timeout <duration>', 'then a request has failed (default: 60s)', (text) =>
      parseDuration(text, 'request timeout'),
    )
    .option('--rate <number>', 'open model: tasks started per second in all', number('rate'))
    .option('--processes <number>', 'generator processes (default: 1)', number('processes'))
    .option('--users-file <file>', 'accounts, a JSON object a line')
    .option('--metrics-url <url>', "the service's Prometheus metrics, read each second")
    .addOption(
      new Option('--threshold <threshold...>', 'e.g. p95<500 or "GET /x:fail%<1"').argParser(
        (text: string, before: string[] | undefined) => [...(before ?? []), text],
      ),
    )
    .option(
      '--exit-code-on-error <code>',
      'when requests failed or tasks threw and no threshold judges that',
      exitCode,
      DEFAULT_EXIT_CODE_ON_ERROR,
    )
    .option('--seed <number>', 'of tasks and waits (default: 1)', number('seed'))
    .option('--wait-scale <factor>', 'multiplies all waits (default: 1)', number('wait scale'))
    .option('--headless', 'no web UI; there is none, so this only silences the hint')
    .option('--csv <prefix>', "prefix of locust's four CSV files")
    .option('--html <file>', 'the report as one page')
    .option('--json <file>', 'the report for programs')
    .exitOverride()
    .configureOutput({ outputError: () => {} });
}

function number(name: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isFinite(value)) return value;
    throw new LoadError('INVALID_OPTION', `The ${name} '${text}' is no number.`);
  };
}

function exitCode(text: string): number {
  const code = number('exit code')(text);
  if (Number.isInteger(code) && code >= 0 && code <= MAX_EXIT_CODE) return code;
  throw new LoadError('INVALID_OPTION', `The exit code '${text}' is not from 0 to 255.`);
}

/** 0 is allowed here: cut off at once. */
function stop(text: string): number {
  return text === '0' ? 0 : parseDuration(text, 'stop timeout');
}

/** What commander found wrong, as this program's own error; undefined for --help. */
export function asLoadError(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0) return undefined;
  return new LoadError('INVALID_OPTION', error.message.replace(/^error: /, ''));
}
