// Finds user classes: those that come along, by name, and those that a module exports, as its
// default, in a list, or by name. Modules run in the conductor too, to read their tasks, but no task
// runs there. A module may lie in any folder: `plimsoll-load` in it means this package, also where no
// node_modules near it has one.

import { existsSync, statSync } from 'node:fs';
import { register } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { LoadError, messageOf } from './errors.js';
import { defineUser, type Task, type UserClass } from './user-class.js';

/** The user classes that come along, and the modules that they are in. */
const BUILT_IN: Readonly<Record<string, () => Promise<object>>> = {
  AuthenticationLoadTest: () => import('./users/authentication-load-test.js'),
  MixedWorkloadTest: () => import('./users/mixed-workload-test.js'),
};
export const BUILT_IN_USER_CLASSES = Object.keys(BUILT_IN);

/** What is looked for where neither a class nor a file is named, as locust does. */
const DEFAULT_FILES = ['locustfile.js', 'locustfile.mjs', 'locustfile.ts', 'locustfile.mts'];

/** Which classes, and which of their tasks; all paths are absolute. */
export interface UserClassChoice {
  /** Files with user classes. */
  readonly locustfiles: readonly string[];
  /** Names of classes in those files or of those that come along, or paths of files. Empty: all. */
  readonly names: readonly string[];
  readonly tags: readonly string[];
  readonly excludeTags: readonly string[];
}

/** Makes paths absolute. Throws `UNKNOWN_USER_CLASS` for a file that isn't there. */
export function locateUserClasses(choice: UserClassChoice): UserClassChoice {
  const { names } = choice;
  const locustfiles = choice.locustfiles.map((file) => absoluteFile(file));
  if (locustfiles.length === 0 && names.length === 0) {
    const found = DEFAULT_FILES.find((file) => existsSync(file));
    if (found === undefined) {
      throw unknown(`No user class is named, and there is no ${DEFAULT_FILES[0]} here.`);
    }
    return { ...choice, locustfiles: [path.resolve(found)] };
  }
  const isFile = (name: string) => existsSync(name) && statSync(name).isFile();
  const located = names.map((name) => {
    if (name in BUILT_IN) return name;
    // With files at hand a name may be a class of theirs; that is seen when they are loaded.
    return locustfiles.length > 0 && !isFile(name) ? name : absoluteFile(name);
  });
  return { ...choice, locustfiles, names: located };
}

function absoluteFile(nameOrPath: string): string {
  const file = path.resolve(nameOrPath);
  if (existsSync(file)) return file;
  throw unknown(`'${nameOrPath}' is no file and none of ${BUILT_IN_USER_CLASSES.join(', ')}.`);
}

function unknown(message: string): LoadError {
  return new LoadError('UNKNOWN_USER_CLASS', message);
}

/**
 * Takes what `locateUserClasses` gave; at least one class.
 * Throws `UNKNOWN_USER_CLASS` and `INVALID_USER_CLASS`.
 */
export async function loadUserClasses(choice: UserClassChoice): Promise<UserClass[]> {
  const inFiles = (await Promise.all(choice.locustfiles.map(classesOf))).flat();
  const chosen: UserClass[] = choice.names.length === 0 ? inFiles : [];
  for (const name of choice.names) {
    const named = inFiles.filter((userClass) => userClass.name === name);
    if (named.length === 0 && !(name in BUILT_IN) && !path.isAbsolute(name)) {
      const known = [...inFiles.map((userClass) => userClass.name), ...BUILT_IN_USER_CLASSES];
      throw unknown(`'${name}' is no file and none of ${known.join(', ')}.`);
    }
    chosen.push(...(named.length > 0 ? named : await classesOf(name)));
  }
  const tagged = chosen.map((userClass) => withTags(userClass, choice));
  const usable = tagged.filter((userClass) => userClass.tasks.length > 0);
  if (usable.length > 0) return usable;
  throw new LoadError('INVALID_USER_CLASS', 'No user class has a task with these tags.');
}

/** The classes of one module, at least one. */
async function classesOf(location: string): Promise<UserClass[]> {
  const classes = Object.values(await loadModule(location))
    .flat()
    .filter(isMeantAsClass);
  const distinct = [...new Set(classes)] as UserClass[];
  try {
    if (distinct.length === 0) throw new Error('it exports none');
    return distinct.map((userClass) => defineUser(userClass));
  } catch (error) {
    throw unusable(location, error);
  }
}

/** A module that comes along, or of an absolute path. Throws `INVALID_USER_CLASS`. */
export async function loadModule(location: string): Promise<Record<string, unknown>> {
  const builtIn = BUILT_IN[location];
  try {
    if (builtIn === undefined) resolveOwnName();
    const module = builtIn ? await builtIn() : await import(pathToFileURL(location).href);
    return module as Record<string, unknown>;
  } catch (error) {
    throw unusable(location, error);
  }
}

/** Anything with tasks, so that a class with a mistake is told and not overlooked. */
function isMeantAsClass(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'tasks' in value;
}

function unusable(location: string, error: unknown): LoadError {
  const isTypeScript = /\.[cm]?tsx?$/.test(location);
  const isUnknown = (error as NodeJS.ErrnoException).code === 'ERR_UNKNOWN_FILE_EXTENSION';
  const reason =
    isTypeScript && isUnknown
      ? `Node ${process.versions.node} can't run TypeScript: take Node 22.18 or later, set ` +
        "NODE_OPTIONS='--import tsx' where the package tsx is installed, or compile it"
      : messageOf(error);
  const message = `The user class in '${location}' can't be used: ${reason}.`;
  return new LoadError('INVALID_USER_CLASS', message, { cause: error });
}

function withTags(userClass: UserClass, { tags, excludeTags }: UserClassChoice): UserClass {
  const has = (task: Task, some: readonly string[]) => task.tags?.some((tag) => some.includes(tag));
  const tasks = userClass.tasks.filter(
    (task) => (tags.length === 0 || has(task, tags)) && !has(task, excludeTags),
  );
  return tasks.length === userClass.tasks.length ? userClass : { ...userClass, tasks };
}

let isNameResolved = false;

/** From here on `import 'plimsoll-load'` finds this package from everywhere. */
function resolveOwnName(): void {
  if (isNameResolved) return;
  isNameResolved = true;
  // Beside its source, where tests run it from, this file has no compiled neighbour.
  const hooks = new URL('./own-name-hooks.js', import.meta.url);
  if (existsSync(hooks)) register(hooks);
}
