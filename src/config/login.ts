// How the environment says to log in: REDIS_USERNAME, REDIS_PASSWORD or the file that
// REDIS_PASSWORD_FILE names, REDIS_DB. What the options have is not read.

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { PoolError } from '../errors.js';
import type { EnvironmentReader } from './environment.js';
import type { PasswordSource } from './options.js';
import type { Problems } from './problems.js';
import { NUMBER_RANGES } from './ranges.js';

export interface Login {
  username?: string | undefined;
  password?: PasswordSource | undefined;
  database?: number | undefined;
}

export function environmentLogin(
  inOptions: Login,
  reader: EnvironmentReader,
  problems: Problems,
): Defined<Login> {
  return withoutUndefined({
    username: inOptions.username ?? reader.text('REDIS_USERNAME'),
    password: inOptions.password ?? environmentPassword(reader, problems),
    database: inOptions.database ?? reader.wholeNumber('REDIS_DB', NUMBER_RANGES.database),
  });
}

function environmentPassword(
  reader: EnvironmentReader,
  problems: Problems,
): PasswordSource | undefined {
  const text = reader.text('REDIS_PASSWORD');
  const file = reader.text('REDIS_PASSWORD_FILE');
  if (file === undefined) return text;
  if (text !== undefined) {
    problems.refuse('REDIS_PASSWORD_FILE', 'and REDIS_PASSWORD exclude each other: set one');
    return text;
  }
  return filePassword(file, problems);
}

/** Read once now, so that a wrong file is refused at start, and again at each connect. */
function filePassword(file: string, problems: Problems): PasswordSource | undefined {
  try {
    if (withoutLineEnd(readFileSync(file, 'utf8')) === '') {
      problems.refuse('REDIS_PASSWORD_FILE', 'names an empty file');
    }
  } catch (error) {
    // Not the path: someone may have put the password itself there.
    const code = (error as NodeJS.ErrnoException).code ?? 'no reason given';
    problems.refuse('REDIS_PASSWORD_FILE', `names a file that cannot be read (${code})`);
    return undefined;
  }
  return () => rereadPassword(file);
}

async function rereadPassword(file: string): Promise<string> {
  const refuse = (what: string) => {
    const message = `The file that REDIS_PASSWORD_FILE names ${what}`;
    return new PoolError('AUTH_FAILED', message, { sent: false });
  };
  let text: string;
  try {
    text = withoutLineEnd(await readFile(file, 'utf8'));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'no reason given';
    throw refuse(`cannot be read any more (${code})`);
  }
  if (text === '') throw refuse('is empty by now');
  return text;
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}

export type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

export function withoutUndefined<T extends object>(parts: T): Defined<T> {
  const entries = Object.entries(parts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}
