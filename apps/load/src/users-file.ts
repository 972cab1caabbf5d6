// The users file: a JSON object a line, with username and password and, where the users shouldn't
// log in at the start, access_token and refresh_token.

import { readFileSync } from 'node:fs';
import { LoadError, messageOf } from './errors.js';
import type { Account } from './user-class.js';

export interface Share {
  readonly count: number;
  readonly first: number;
  readonly step: number;
}

/** Each `step`-th account from `first`. Throws `INVALID_USERS_FILE`. */
export function readUsersFile(file: string, { count, first, step }: Share): Account[] {
  const lines = linesOf(file);
  const needed = count === 0 ? 0 : first + (count - 1) * step + 1;
  if (lines.length < needed) {
    throw new LoadError(
      'INVALID_USERS_FILE',
      `${file} has ${lines.length} accounts for ${needed} users; a user needs one of its own.`,
    );
  }
  return Array.from({ length: count }, (_, index) => {
    const position = first + index * step;
    return parseAccount(lines[position]!, `${file}, account ${position + 1}`);
  });
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
  } catch (error) {
    throw new LoadError('INVALID_USERS_FILE', `The users file can't be read: ${messageOf(error)}`);
  }
}

function parseAccount(line: string, where: string): Account {
  const account = parse(line);
  if (typeof account?.username !== 'string' || typeof account.password !== 'string') {
    throw new LoadError('INVALID_USERS_FILE', `${where} needs JSON with username and password.`);
  }
  return account;
}

function parse(line: string): Account | undefined {
  try {
    return JSON.parse(line) as Account;
  } catch {
    return undefined;
  }
}
