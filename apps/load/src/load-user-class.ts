// Finds a user class: one of those that come along, by name, or a module's default export, by the
// path of a file. Modules run in the conductor too, to read their tasks, but no task runs there.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { LoadError, messageOf } from './errors.js';
import { defineUser, type UserClass } from './user-class.js';

/** The user classes that come along, and the modules that they are in. */
const BUILT_IN: Readonly<Record<string, () => Promise<{ default: unknown }>>> = {
  AuthenticationLoadTest: () => import('./users/authentication-load-test.js'),
  MixedWorkloadTest: () => import('./users/mixed-workload-test.js'),
};

export const BUILT_IN_USER_CLASSES = Object.keys(BUILT_IN);

/** A name stays, a path becomes absolute. Throws `UNKNOWN_USER_CLASS`. */
export function locateUserClass(nameOrPath: string): string {
  if (nameOrPath in BUILT_IN) return nameOrPath;
  const file = path.resolve(nameOrPath);
  if (!existsSync(file)) {
    throw new LoadError(
      'UNKNOWN_USER_CLASS',
      `'${nameOrPath}' is no file and none of ${BUILT_IN_USER_CLASSES.join(', ')}.`,
    );
  }
  if (/\.[cm]?tsx?$/.test(file)) {
    throw new LoadError('UNKNOWN_USER_CLASS', `Compile '${nameOrPath}' first: Node runs .js.`);
  }
  return file;
}

/** Takes what `locateUserClass` gave. Throws `INVALID_USER_CLASS`. */
export async function loadUserClass(location: string): Promise<UserClass> {
  const builtIn = BUILT_IN[location];
  try {
    const module = builtIn ? await builtIn() : await import(pathToFileURL(location).href);
    return defineUser((module as { default: UserClass }).default);
  } catch (error) {
    const message = `The user class in '${location}' can't be used: ${messageOf(error)}`;
    throw new LoadError('INVALID_USER_CLASS', message, { cause: error });
  }
}
