// The program `plimsoll`: finds the command, and makes an exit code of whatever becomes of it.

import { createRequire } from 'node:module';
import { PoolError } from 'plimsoll';
import { type Command, type Context, EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK } from './command.js';
import { doctorCommand } from './doctor/command.js';
import { planCommand } from './plan/command.js';
import { topCommand } from './top/command.js';

/** By name, in the order in which they are listed. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  doctor: doctorCommand,
  top: topCommand,
  plan: planCommand,
};

const BAD_INPUT: ReadonlySet<string> = new Set(['INVALID_ARGUMENT', 'INVALID_OPTIONS']);

/** Runs what the arguments behind the program's name ask for; gives the exit code, never rejects. */
export async function runProgram(args: readonly string[], context: Context): Promise<number> {
  const [name, ...rest] = args;
  const { stdout, stderr } = context;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? stderr : stdout).write(overview());
    return name === undefined ? EXIT_BAD_INPUT : EXIT_OK;
  }
  if (name === '--version' || name === '-V') {
    stdout.write(`${version()}\n`);
    return EXIT_OK;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    const names = Object.keys(COMMANDS).join(', ');
    stderr.write(`plimsoll: there is no command ${JSON.stringify(name)}; there are ${names}\n`);
    return EXIT_BAD_INPUT;
  }
  const command = COMMANDS[name]!;
  if (rest.includes('--help') || rest.includes('-h')) {
    stdout.write(command.help);
    return EXIT_OK;
  }
  try {
    return await command.run(rest, context);
  } catch (error) {
    stderr.write(`plimsoll ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    const isInput = error instanceof PoolError && BAD_INPUT.has(error.code);
    if (isInput) stderr.write(`See plimsoll ${name} --help.\n`);
    return isInput ? EXIT_BAD_INPUT : EXIT_FAILED;
  }
}

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`,
  );
  return `Usage: plimsoll COMMAND [FLAGS]

${lines.join('')}
plimsoll COMMAND --help has the flags, plimsoll --version the version. The server is the one that
the environment names to the pool too: REDIS_URL, REDIS_HOST, REDIS_PASSWORD_FILE, ...
`;
}

function version(): string {
  const { version: text } = createRequire(import.meta.url)('plimsoll/package.json') as {
    version: string;
  };
  return text;
}
