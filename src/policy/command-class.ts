// What the pool must know of a command before it may carry it: whether a second execution does
// harm, who writes its error replies, whether it makes its connection wait, and whether it has a
// place on a shared connection. The flags come from Redis' own command table; made by hand are only
// the lists of what no flag says. `command-table.test.ts` holds what comes of them.

import type { RetryClass } from '../base/command.js';
import { needsOwnSession } from './session.js';

/**
 * - `any`: every connection will do, shared or not;
 * - `lease`: it speaks of its connection's session, so only a leased connection gives it meaning;
 * - `never`: it changes what replies look like or whether they come, so nobody could match them.
 */
export type ConnectionNeed = 'any' | 'lease' | 'never';

export interface CommandClass {
  /** In capitals; container commands with their subcommand, e.g. `CLIENT KILL`. */
  readonly name: string;
  readonly retryClass: RetryClass;
  /** A script or a module writes its error replies, or it is unknown who does. */
  readonly mayMakeUpErrors: boolean;
  /** Its reply may be held back on purpose; {@link blockTimeMs} says for how long. */
  readonly mayBlock: boolean;
  readonly need: ConnectionNeed;
  /** The common case, in one question: it neither blocks nor needs a connection of its own. */
  readonly isOrdinary: boolean;
}

/** What a definition's own word that it reads is overruled by: PUBLISH "reads" too. */
const NOT_HARMLESS = ['write', 'pubsub', 'admin', 'noscript', 'script_runner', 'blocking'];

/** The table calls them reads, but each call moves a cursor on or changes how something is kept. */
const NO_READS = new Set([
  'CF.COMPACT',
  'FT.CURSOR',
  'FT.CURSOR DEL',
  'FT.CURSOR GC',
  'FT.CURSOR READ',
  'TIMESERIES.REFRESHCLUSTER',
]);

/**
 * They end the server, turn it, or hit whatever connection or script is there when they arrive: a
 * second one would hit the restarted server, the new primary or the next script.
 */
const ONCE = new Set([
  'CLIENT KILL',
  'CLIENT UNBLOCK',
  'CLUSTER FAILOVER',
  'CLUSTER REPLICATE',
  'CLUSTER RESET',
  'DEBUG',
  'FAILOVER',
  'FUNCTION KILL',
  'MODULE LOAD',
  'MODULE LOADEX',
  'MODULE UNLOAD',
  'REPLICAOF',
  'SCRIPT KILL',
  'SHUTDOWN',
  'SLAVEOF',
]);

/** They make their connection wait where they are asked to, which their flags don't say. */
const UNFLAGGED_BLOCKING = new Set(['TS.READ']);

/** They wait for replicas to have what *this connection* wrote: on a lane, that is anybody's. */
const ABOUT_OWN_WRITES = new Set(['WAIT', 'WAITAOF']);

export function isAboutOwnWrites(name: string): boolean {
  return ABOUT_OWN_WRITES.has(name);
}

/** Field sets live in the session of one connection. */
const HASH_IMPORT = /^HIMPORT /;

/** Their answers are pushes, an endless stream, a dialogue, or none. */
const UNMATCHABLE = new Set([
  'CLIENT REPLY',
  'CLUSTER SYNCSLOTS',
  'MONITOR',
  'PSUBSCRIBE',
  'PSYNC',
  'PUNSUBSCRIBE',
  'REPLCONF',
  'SCRIPT DEBUG',
  'SSUBSCRIBE',
  'SUBSCRIBE',
  'SUNSUBSCRIBE',
  'SYNC',
  'UNSUBSCRIBE',
]);

/**
 * @param name In capitals, with the subcommand where it is a container command.
 * @param flags Of Redis' command table; `undefined` where it doesn't know the command.
 * @param declaredReadOnly The definition's own `IS_READ_ONLY`.
 */
export function classifyCommand(
  name: string,
  flags: readonly string[] | undefined,
  declaredReadOnly: boolean,
): CommandClass {
  const mayBlock = flags?.includes('blocking') === true || UNFLAGGED_BLOCKING.has(name);
  const need = connectionNeed(name);
  return Object.freeze({
    name,
    retryClass: retryClassOf(name, flags ?? [], declaredReadOnly),
    mayMakeUpErrors: mayMakeUpErrors(flags),
    mayBlock,
    need,
    isOrdinary: !mayBlock && need === 'any',
  });
}

function retryClassOf(
  name: string,
  flags: readonly string[],
  declaredReadOnly: boolean,
): RetryClass {
  if (ONCE.has(name)) return 'once';
  if (NO_READS.has(name)) return 'write';
  if (flags.includes('readonly')) return 'read';
  if (flags.includes('write')) return 'write';
  const isHarmless = declaredReadOnly && !NOT_HARMLESS.some((flag) => flags.includes(flag));
  return isHarmless ? 'read' : 'unknown';
}

function mayMakeUpErrors(flags: readonly string[] | undefined): boolean {
  if (flags === undefined) return true;
  return flags.includes('script_runner') || flags.includes('module');
}

function connectionNeed(name: string): ConnectionNeed {
  if (UNMATCHABLE.has(name)) return 'never';
  const isOfSession = needsOwnSession(name) || ABOUT_OWN_WRITES.has(name) || HASH_IMPORT.test(name);
  return isOfSession ? 'lease' : 'any';
}

/**
 * How long the server may hold back the reply of a blocking command, ms.
 * @param args The command as sent, its name first.
 * @returns Infinity: for ever; `undefined`: it doesn't block, as XREAD without BLOCK.
 */
export function blockTimeMs(name: string, args: readonly (string | Buffer)[]): number | undefined {
  switch (name) {
    case 'XREAD':
      return streamBlockMs(args, 1);
    case 'XREADGROUP':
      // GROUP, the group and the consumer come first, and may be named anything.
      return streamBlockMs(args, 4);
    case 'TS.READ':
      // The key and a timestamp come first.
      return streamBlockMs(args, 3);
    case 'WAIT':
    case 'WAITAOF':
      return foreverIfZero(Number(args.at(-1)));
    case 'BLMPOP':
    case 'BZMPOP':
      return foreverIfZero(Number(args[1]) * 1000);
    case 'BLMOVEM':
      return foreverIfZero(Number(args[5]) * 1000);
    default:
      return foreverIfZero(Number(args.at(-1)) * 1000);
  }
}

function streamBlockMs(args: readonly (string | Buffer)[], first: number): number | undefined {
  for (let index = first; index < args.length; index++) {
    const word = String(args[index]).toUpperCase();
    if (word === 'STREAMS') return undefined;
    if (word === 'BLOCK') return foreverIfZero(Number(args[index + 1]));
  }
  return undefined;
}

/** What is no number is refused by the server at once, so it blocks for no time. */
function foreverIfZero(milliseconds: number): number {
  if (milliseconds === 0) return Number.POSITIVE_INFINITY;
  return Number.isNaN(milliseconds) ? 0 : Math.max(0, milliseconds);
}
