// Makes the client's class for one configuration: a method for each command under both of its
// names, and a namespace for each module and function library.

import { EventEmitter } from 'node:events';
import { attachConfig, COMMAND_DEFINITIONS, type CommandDefinition } from '../wire/protocol.js';
import { Client } from './client.js';
import { withClusterFace } from './cluster/face.js';
import { MultiCommand } from './multi.js';
import { OWN_COMMANDS } from './own-commands.js';
import type { CommandSets } from './setup.js';

const COMMANDS: Record<string, CommandDefinition> = { ...COMMAND_DEFINITIONS, ...OWN_COMMANDS };

/** Methods that node-redis has under a name in capitals too. */
const ALIASES = {
  SUBSCRIBE: 'subscribe',
  UNSUBSCRIBE: 'unsubscribe',
  PSUBSCRIBE: 'pSubscribe',
  PUNSUBSCRIBE: 'pUnsubscribe',
  SSUBSCRIBE: 'sSubscribe',
  SUNSUBSCRIBE: 'sUnsubscribe',
  MULTI: 'multi',
  MONITOR: 'monitor',
  QUIT: 'quit',
} as const;

const EVENT_METHODS = [
  'addListener',
  'emit',
  'eventNames',
  'getMaxListeners',
  'listenerCount',
  'listeners',
  'off',
  'on',
  'once',
  'prependListener',
  'prependOnceListener',
  'rawListeners',
  'removeAllListeners',
  'removeListener',
  'setMaxListeners',
] as const;

/** A class has hundreds of methods, so it is made once for each set of commands. */
const classes = new WeakMap<CommandSets, typeof Client>();
const clusterClasses = new WeakMap<CommandSets, typeof Client>();

/** @param isSharded Whether keys decide where a command runs, as in a cluster. */
export function clientClass(sets: CommandSets, isSharded = false): typeof Client {
  if (isSharded) return knownOr(clusterClasses, sets, () => withClusterFace(clientClass(sets)));
  return knownOr(classes, sets, () => makeClass(sets));
}

function knownOr(
  classes: WeakMap<CommandSets, typeof Client>,
  sets: CommandSets,
  make: () => typeof Client,
): typeof Client {
  const known = classes.get(sets) ?? make();
  classes.set(sets, known);
  return known;
}

function makeClass({ RESP, modules, functions, scripts }: CommandSets): typeof Client {
  const config = {
    RESP,
    ...(modules === undefined ? {} : { modules }),
    ...(functions === undefined ? {} : { functions }),
    ...(scripts === undefined ? {} : { scripts }),
  };
  const made = attachConfig({
    BaseClass: Client as never,
    commands: COMMANDS,
    createCommand: Client.commandMethod,
    createModuleCommand: Client.moduleMethod,
    createFunctionCommand: Client.functionMethod,
    createScriptCommand: Client.scriptMethod,
    config,
  }) as typeof Client;
  const Multi = MultiCommand.extend(config, COMMANDS);
  Object.defineProperty(made.prototype, 'Multi', { value: Multi });
  return made;
}

const prototype = Client.prototype as unknown as Record<string, unknown>;
for (const [name, method] of Object.entries(ALIASES)) prototype[name] = prototype[method];

// A client that `withCommandOptions()` gave has the listeners of the one that it comes from.
for (const name of EVENT_METHODS) {
  const method = EventEmitter.prototype[name] as (...args: unknown[]) => unknown;
  prototype[name] = function (this: Client & { root: Client }, ...args: unknown[]) {
    const { root } = this;
    const result = method.apply(root, args);
    return result === root ? this : result;
  };
}
