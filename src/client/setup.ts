// The options of `createPool()` that concern the client alone, checked.

import { PoolError } from '../errors.js';
import type {
  RedisArgument,
  RedisFunctions,
  RedisModules,
  RedisScripts,
  RespVersions,
} from '../wire/protocol.js';
import { type CommandOptions, checkedOptions } from './context.js';

/** What decides which methods a client has and how replies are shaped. */
export interface CommandSets {
  readonly RESP: RespVersions;
  readonly modules: RedisModules | undefined;
  readonly functions: RedisFunctions | undefined;
  readonly scripts: RedisScripts | undefined;
}

export interface ClientSetup {
  /** The same object for all clients that can share a class. */
  readonly sets: CommandSets;
  /** Of a duplicate's own connection; `undefined`: as all of the pool. */
  readonly name?: string | undefined;
  readonly keyPrefix: RedisArgument | undefined;
  readonly commandOptions: CommandOptions;
}

/** By protocol: most pools have no commands of their own. */
const PLAIN_SETS: Readonly<Record<RespVersions, CommandSets>> = {
  2: plainSets(2),
  3: plainSets(3),
};

/** What a client of the same pool can't have otherwise than the pool. */
const OF_THE_CONNECTION = [
  ...['url', 'host', 'port', 'path', 'tls', 'sentinel', 'cluster', 'endpoints', 'rootNodes'],
  ...['sentinelRootNodes', 'readonly'],
  'database',
  'username',
  'password',
  'credentialsProvider',
  'RESP',
];

/** Of an override's `socket`: the rest of it says how to connect, which the pool has done. */
const OF_THE_ADDRESS = ['host', 'port', 'path', 'tls'];

const COMMAND_SETS = ['modules', 'functions', 'scripts'] as const;

/** @throws PoolError INVALID_ARGUMENT where a value is of the wrong kind. */
export function clientSetup(options: object): ClientSetup {
  const given = options as Partial<CommandSets & ClientSetup>;
  const { RESP = 3, modules, functions, scripts } = given;
  const isPlain = modules === undefined && functions === undefined && scripts === undefined;
  for (const name of COMMAND_SETS) checkCommandSet(name, given[name]);
  return Object.freeze({
    sets: isPlain ? PLAIN_SETS[RESP] : sameSets({ RESP, modules, functions, scripts }),
    keyPrefix: given.keyPrefix,
    commandOptions: checkedOptions(given.commandOptions ?? {}),
  });
}

/**
 * @param own What the pool's server is called, as `options` of its clients tells it.
 * @throws PoolError INVALID_ARGUMENT for an override that needs another server or login.
 */
export function overriddenSetup(
  setup: ClientSetup,
  overrides: object,
  own: Readonly<Record<string, unknown>> = {},
): ClientSetup {
  const given = overrides as Record<string, unknown>;
  const known = { ...own, RESP: setup.sets.RESP } as Record<string, unknown>;
  for (const name of OF_THE_CONNECTION) {
    if (given[name] !== undefined && given[name] !== known[name]) throw ofThePool(name);
  }
  const [socket, ownSocket] = [given.socket, own.socket] as Record<string, unknown>[];
  for (const name of OF_THE_ADDRESS) {
    const isOther = socket?.[name] !== undefined && socket[name] !== ownSocket?.[name];
    if (isOther) throw ofThePool(`socket.${name}`);
  }
  const { keyPrefix, commandOptions } = setup;
  const name = checkedName(given.name ?? setup.name);
  const changed = clientSetup({ ...setup.sets, keyPrefix, commandOptions, ...overrides });
  const hasOwnSets = COMMAND_SETS.some((set) => given[set] !== undefined);
  return Object.freeze({ ...changed, name, sets: hasOwnSets ? changed.sets : setup.sets });
}

/** The server takes no others. */
const CLIENT_NAME = /^[!-~]+$/;

function checkedName(name: unknown): string | undefined {
  if (name === undefined || (typeof name === 'string' && CLIENT_NAME.test(name))) return name;
  const text = 'duplicate(): name must be text without spaces or special characters';
  throw new PoolError('INVALID_ARGUMENT', text);
}

function ofThePool(name: string): PoolError {
  const text = `duplicate(): ${name} belongs to the pool; make another pool for it`;
  return new PoolError('INVALID_ARGUMENT', text);
}

/** Sets with commands of their own, the latest last: a class is made for each, which takes a while. */
const knownSets: CommandSets[] = [];
const MOST_KNOWN_SETS = 16;

/** The sets that were made of the same commands before, so that their clients share a class. */
function sameSets(given: CommandSets): CommandSets {
  const known = knownSets.find((sets) => isSame(sets, given, 3));
  if (known !== undefined) return known;
  // Copied, as the caller's own objects may have more commands later.
  const copies = COMMAND_SETS.map((name) => [name, given[name] && copyOf(given[name])]);
  const sets: CommandSets = Object.freeze({ RESP: given.RESP, ...Object.fromEntries(copies) });
  knownSets.push(sets);
  if (knownSets.length > MOST_KNOWN_SETS) knownSets.shift();
  return sets;
}

/** Each set has commands, or objects with commands. */
function copyOf(set: object): object {
  return Object.fromEntries(
    Object.entries(set).map(([name, value]) => [name, isCommand(value) ? value : { ...value }]),
  );
}

/** @param depth To which entries are compared one by one, where they are not the same object. */
function isSame(one: unknown, other: unknown, depth: number): boolean {
  if (one === other || depth === 0) return one === other;
  if (typeof one !== 'object' || typeof other !== 'object' || !one || !other) return false;
  if (isCommand(one) || Object.keys(one).length !== Object.keys(other).length) return false;
  return Object.entries(one).every(([name, value]) =>
    isSame(value, (other as Record<string, unknown>)[name], depth - 1),
  );
}

function isCommand(value: unknown): boolean {
  return typeof (value as { parseCommand?: unknown } | null)?.parseCommand === 'function';
}

function plainSets(RESP: RespVersions): CommandSets {
  return Object.freeze({ RESP, modules: undefined, functions: undefined, scripts: undefined });
}

function checkCommandSet(name: (typeof COMMAND_SETS)[number], set: unknown): void {
  for (const [key, value] of Object.entries(set ?? {})) {
    if (typeof value !== 'object' || value === null) {
      throw new PoolError('INVALID_ARGUMENT', `${name}.${key} must be an object`);
    }
    if (name === 'scripts') checkCommand(`${name}.${key}`, value, '');
    else
      for (const [command, definition] of Object.entries(value)) {
        // What `import json from '@redis/json'` gives in an ES module is one level too high.
        const hint = command === 'default' ? `; pass ${key}.default` : '';
        checkCommand(`${name}.${key}.${command}`, definition, hint);
      }
  }
}

function checkCommand(path: string, definition: unknown, hint: string): void {
  if (isCommand(definition)) return;
  throw new PoolError('INVALID_ARGUMENT', `${path} is no command: no parseCommand()${hint}`);
}
