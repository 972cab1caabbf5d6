// The flags, named as locust names them where locust has them. All can be set by the environment
// (LOCUST_SPAWN_RATE) and by a file (spawn-rate = 10) as well: `settings-sources.ts`.

import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { parseDuration } from './duration.js';
import { LoadError } from './errors.js';
import { BUILT_IN_USER_CLASSES } from './load-user-class.js';

const DEFAULT_USERS = 1;
const DEFAULT_SPAWN_RATE = 1;
const DEFAULT_EXIT_CODE_ON_ERROR = 1;
const MAX_EXIT_CODE = 255;
export const DEFAULT_WEB_HOST = '127.0.0.1';
/** As locust has it. */
export const DEFAULT_WEB_PORT = 8089;

export function createProgram(): Command {
  const program = new Command('plimsoll-load')
    .description('Loads an HTTP service with virtual users and reports honest latencies.')
    .argument('[user-class...]', `${BUILT_IN_USER_CLASSES.join(', ')}, classes or paths of files`)
    .version(version(), '-V, --version')
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const option of [
    ...loadFlags(),
    ...choiceFlags(),
    ...resultFlags(),
    ...webFlags(),
    ...otherFlags(),
  ]) {
    program.addOption(option);
  }
  return program;
}

function loadFlags(): Option[] {
  return [
    flag('-H, --host <url>', 'the service under test, e.g. http://127.0.0.1:3000'),
    flag('-u, --users <number>', 'virtual users', number('users')).default(DEFAULT_USERS),
    flag('-r, --spawn-rate <number>', 'users started per second', number('spawn rate')).default(
      DEFAULT_SPAWN_RATE,
    ),
    flag('-t, --run-time <duration>', 'e.g. 300, 20s, 5m, 1h30m; default: until Ctrl-C', (text) =>
      parseDuration(text),
    ),
    flag('-i, --iterations <number>', 'tasks to run in all, then end', number('iterations')),
    flag('-s, --stop-timeout <duration>', 'for tasks under way at the end (default: 5s)', (text) =>
      zeroOr(text, 'stop timeout'),
    ),
    flag('--request-timeout <duration>', 'then a request has failed (default: 60s)', (text) =>
      parseDuration(text, 'request timeout'),
    ),
    flag('--rate <number>', 'open model: tasks started per second in all', number('rate')),
    flag('--processes <number>', 'generator processes (default: 1)', number('processes')),
    flag('--seed <number>', 'of tasks and waits (default: 1)', number('seed')),
    flag('--wait-scale <factor>', 'multiplies all waits (default: 1)', number('wait scale')),
  ];
}

function choiceFlags(): Option[] {
  return [
    flag('-f, --locustfile <files>', 'files with user classes, separated by commas'),
    flag('-T, --tags <tag...>', 'only tasks with one of these tags', collect),
    flag('-E, --exclude-tags <tag...>', 'no task with one of these tags', collect),
    flag('--users-file <file>', 'accounts, a JSON object a line'),
    flag('-l, --list', 'show the user classes and end'),
    flag('--show-task-ratio', 'show the tasks and their shares, and end'),
    flag('--show-task-ratio-json', 'the same for programs'),
  ];
}

function resultFlags(): Option[] {
  return [
    flag('--csv <prefix>', "prefix of locust's four CSV files"),
    flag('--csv-full-history', 'a row of history a second for each request, not for all alone'),
    flag('--html <file>', 'the report as one page'),
    flag('--json <file>', 'the report for programs'),
    flag('--metrics-url <url>', "the service's Prometheus metrics, read every 2 s"),
    flag('--threshold <threshold...>', 'e.g. p95<500 or "GET /x:fail%<1"', collect),
    flag(
      '--exit-code-on-error <code>',
      'when requests failed or tasks threw and no threshold judges that',
      exitCode,
    ).default(DEFAULT_EXIT_CODE_ON_ERROR),
    flag('--print-stats', 'print the table of requests while the run lasts, every 10 s'),
    flag('--only-summary', 'print only the tables at the end'),
    flag('--reset-stats', 'count anew when all users are up'),
  ];
}

function webFlags(): Option[] {
  return [
    flag('--web', 'serve a page that starts, shows and stops runs; so does each flag below'),
    flag(
      '--web-host <address>',
      `where it listens (default: ${DEFAULT_WEB_HOST}); * is everywhere`,
    ),
    flag('-P, --web-port <port>', `default: ${DEFAULT_WEB_PORT}`, number('web port')),
    flag('--web-token <secret>', 'what the page asks for; better as LOCUST_WEB_TOKEN, unseen'),
    flag('--autostart', 'start the first run without the button'),
    flag('--autoquit <seconds>', 'after the run of --autostart, end the program', (text) =>
      zeroOr(text, 'autoquit'),
    ),
  ];
}

function otherFlags(): Option[] {
  return [
    flag('--config <file>', 'lines of "flag = value"; also ~/.locust.conf and ./locust.conf'),
    flag('--headless', 'no page, and no hint that there could be one'),
  ];
}

function flag(
  names: string,
  description: string,
  parse?: (text: string, before: string[] | undefined) => unknown,
): Option {
  const option = new Option(names, description);
  return parse === undefined ? option : option.argParser<unknown>(parse as never);
}

function collect(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

function number(name: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isFinite(value)) return value;
    throw new LoadError('INVALID_OPTION', `The ${name} '${text}' is no number.`);
  };
}

/** 0 is allowed here: at once. */
function zeroOr(text: string, name: string): number {
  return text === '0' ? 0 : parseDuration(text, name);
}

function exitCode(text: string): number {
  const code = number('exit code')(text);
  if (Number.isInteger(code) && code >= 0 && code <= MAX_EXIT_CODE) return code;
  throw new LoadError('INVALID_OPTION', `The exit code '${text}' is not from 0 to 255.`);
}

function version(): string {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
