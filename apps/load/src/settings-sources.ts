// Where flags come from beside the command line, as with locust: variables of the environment
// (LOCUST_RUN_TIME=5m) and files of lines `run-time = 5m`. The command line beats the environment,
// which beats the files: ~/.locust.conf, ./locust.conf, and last, so that it wins, the one that
// --config names.

import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Command, Option } from 'commander';
import { LoadError, messageOf } from './errors.js';

const FILE_NAME = 'locust.conf';
const TRUE = ['true', 'yes', '1'];
const FALSE = ['false', 'no', '0'];

/** The variable that sets a flag. */
export function variableOf(option: Option): string {
  return `LOCUST_${option.name().replaceAll('-', '_').toUpperCase()}`;
}

/**
 * Sets what files and the environment say; call it before the arguments are parsed.
 * @throws LoadError `INVALID_OPTION` for what can't be read or isn't a flag.
 */
export function applySources(
  program: Command,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): void {
  const named = configFileOf(args) ?? environment.LOCUST_CONFIG;
  const files = [path.join(os.homedir(), `.${FILE_NAME}`), path.resolve(FILE_NAME)].filter((file) =>
    existsSync(file),
  );
  for (const file of named === undefined ? files : [...files, named]) applyFile(program, file);
  for (const option of program.options) {
    const text = environment[variableOf(option)];
    if (text !== undefined && text !== '') set(program, option, text, 'env');
  }
}

/** Before the arguments are parsed, since what they say beats the file. */
function configFileOf(args: readonly string[]): string | undefined {
  const index = args.findIndex((arg) => arg === '--config' || arg.startsWith('--config='));
  if (index === -1) return undefined;
  const [, value] = args[index]!.split(/=(.*)/s);
  return value ?? args[index + 1];
}

function applyFile(program: Command, file: string): void {
  for (const [index, line] of linesOf(file).entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#') || text.startsWith(';') || text.startsWith('['))
      continue;
    const [, name = '', value = 'true'] =
      /^(?:--)?([\w-]+)(?:\s*[=:]\s*|\s+|$)(.*)$/.exec(text) ?? [];
    const option = program.options.find((one) => one.name() === name.replaceAll('_', '-'));
    if (option === undefined) {
      throw new LoadError('INVALID_OPTION', `${file}, line ${index + 1}: '${name}' is no flag.`);
    }
    set(program, option, value === '' ? 'true' : value.replace(/^(["'])(.*)\1$/, '$2'), 'config');
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    throw new LoadError('INVALID_OPTION', `${file} can't be read: ${messageOf(error)}`);
  }
}

function set(program: Command, option: Option, text: string, source: 'env' | 'config'): void {
  program.setOptionValueWithSource(option.attributeName(), parsedValue(option, text), source);
}

function parsedValue(option: Option, text: string): unknown {
  if (option.isBoolean()) {
    const word = text.toLowerCase();
    if (TRUE.includes(word)) return true;
    if (FALSE.includes(word)) return undefined;
    throw new LoadError('INVALID_OPTION', `--${option.name()} is true or false, not '${text}'.`);
  }
  const parse = option.parseArg as ((text: string, before: unknown) => unknown) | undefined;
  if (parse === undefined) return text;
  if (!option.variadic) return parse(text, undefined);
  return listOf(text).reduce<unknown>((before, one) => parse(one, before), undefined);
}

/** `a b`, `a, b` and `[a, b]`. */
function listOf(text: string): string[] {
  return text
    .replace(/^\[(.*)\]$/, '$1')
    .split(/[\s,]+/)
    .filter((word) => word !== '');
}
