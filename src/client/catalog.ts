// The class of each command, looked up once: a definition keeps what it got, and commands that
// come as words are found in a table of those seen before.

import { type CommandClass, classifyCommand } from '../policy/command-class.js';
import { type Routing, routingOf } from '../policy/routing.js';
import { defaultCommandMetadata, isReplicaSafe } from '../wire/protocol.js';

/** What must be known of a command: how it may be carried, and where it may run. */
export interface RoutedClass extends CommandClass {
  readonly routing: Routing;
  /** A script by its digest, whose text is sent to whoever does not know it. */
  readonly hasText: boolean;
}

interface NameEntry {
  readonly own: RoutedClass;
  /** By the second word as it was given; `undefined`: no container command. */
  readonly bySubcommand: Map<string, RoutedClass> | undefined;
}

/** Words come from callers, so the tables have a bound; beyond it, lookups are merely slower. */
const MAX_REMEMBERED = 1024;
const byName = new Map<string, NameEntry>();

/** The class of a command that comes as words. @param name In any case; `word` stands after it. */
export function classOfWords(name: string, word: string | undefined): RoutedClass {
  let entry = byName.get(name);
  if (entry === undefined) {
    entry = {
      own: classOfDefinition(name, undefined, undefined),
      bySubcommand: hasSubcommands(name) ? new Map() : undefined,
    };
    if (byName.size < MAX_REMEMBERED) byName.set(name, entry);
  }
  if (entry.bySubcommand === undefined || word === undefined) return entry.own;
  let found = entry.bySubcommand.get(word);
  if (found === undefined) {
    found = classOfDefinition(name, word, undefined);
    if (entry.bySubcommand.size < MAX_REMEMBERED) entry.bySubcommand.set(word, found);
  }
  return found;
}

/**
 * The class of a command; to be kept by the caller.
 * @param declared Its definition's own `IS_READ_ONLY`.
 */
export function classOfDefinition(
  name: string,
  word: string | undefined,
  declared: boolean | undefined,
): RoutedClass {
  const subcommand = isSubcommand(name, word) ? word : undefined;
  const metadata = defaultCommandMetadata.lookup({ command: name, subcommand });
  const fullName = (subcommand === undefined ? name : `${name} ${subcommand}`).toUpperCase();
  const found = classifyCommand(fullName, metadata?.flags, declared === true);
  // The table's word on replicas is about what they refuse; PUBLISH is no read for that.
  const isForReplicas = found.retryClass === 'read' && isReplicaSafe(metadata, declared);
  const routing = routingOf(fullName, metadata, isForReplicas ? 'read' : 'write');
  return Object.freeze({ ...found, routing, hasText: false });
}

/** Whether it is a container command, whose class follows from its subcommand. */
export function hasSubcommands(name: string): boolean {
  return subcommandsOf(name) !== undefined;
}

/**
 * The second word belongs to the name only where the server says so: it may as well be a key. Where
 * it does, it may be one that other servers than this table's know, as CLIENT CAPA.
 */
function isSubcommand(name: string, word: string | undefined): word is string {
  const subcommands = subcommandsOf(name);
  if (subcommands === undefined || word === undefined) return false;
  if (Object.hasOwn(subcommands, word.toLowerCase())) return true;
  return classifyCommand(`${name} ${word}`.toUpperCase(), undefined, false).need !== 'any';
}

function subcommandsOf(name: string): object | undefined {
  return defaultCommandMetadata.lookup({ command: name, subcommand: undefined })?.subcommands;
}
