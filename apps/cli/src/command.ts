// What a command of `plimsoll` is, and what all of them share: how flags are read, and the exit codes.

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { PoolError } from 'plimsoll';

/** The command did what it was asked to; commands have further codes of their own. */
export const EXIT_OK = 0;
/** Wrong flags or arguments: EX_USAGE, which no command uses for its answer. */
export const EXIT_BAD_INPUT = 64;
/** The command itself failed: EX_SOFTWARE. */
export const EXIT_FAILED = 70;

/** Where text goes: a terminal, or a file or pipe. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

/** The surroundings of a command; handed in, so that tests have others. */
export interface Context {
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborts when the command has to end: a signal, or nobody reads any more. */
  readonly signal: AbortSignal;
}

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `plimsoll NAME --help` prints. */
  readonly help: string;
  /**
   * @param args What stands behind the command's name.
   * @returns The exit code.
   * @throws PoolError INVALID_ARGUMENT, INVALID_OPTIONS for what the caller got wrong.
   */
  run(args: readonly string[], context: Context): Promise<number>;
}

type Flags = NonNullable<ParseArgsConfig['options']>;

/** @throws PoolError INVALID_ARGUMENT for unknown flags, missing values, and anything that is no flag. */
export function parseFlags<T extends Flags>(
  args: readonly string[],
  options: T,
): ReturnType<typeof parseArgs<{ options: T; strict: true }>>['values'] {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new PoolError('INVALID_ARGUMENT', (error as Error).message, { cause: error });
  }
}

/** @throws PoolError INVALID_ARGUMENT unless it is a number from `least` to `most`. */
export function numberFlag(name: string, text: string, least: number, most: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= least && value <= most) return value;
  const message = `--${name} must be a number from ${least} to ${most}`;
  throw new PoolError('INVALID_ARGUMENT', message);
}
