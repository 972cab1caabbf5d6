// The first words on a new socket, all in one write: HELLO 3 with AUTH and the connection's name,
// SELECT, CLIENT SETINFO and a PING. A server that refuses HELLO, in whatever words, gets the same
// in RESP2 on the same connection. One that hangs up instead is dialed again by `connector.ts` with
// the next of `greetingsFor()`, each of which leaves out what some servers don't take.
//
// Alive is who answers: any reply to PING will do, except that the server loads its data or wants
// a password.

import { Command, type CommandKind } from '../base/command.js';
import type { Credentials, Login } from '../config/credentials.js';
import type { ConnectionTarget, PasswordSource } from '../config/options.js';
import { PoolError } from '../errors.js';
import {
  authenticationError,
  endsEveryGreeting,
  handshakeError,
  wantsPassword,
  wordsOf,
} from './connect-error.js';
import type { Connection } from './connection.js';
import { CommandEncoder } from './encoder.js';
import { ErrorReply } from './protocol.js';
import { LIBRARY_VERSION } from './version.js';

const LIBRARY_NAME = 'plimsoll';

/** The default user of Redis 6 and later; older servers know no users at all. */
const DEFAULT_USER = 'default';
/** AUTH is not needed: by Redis 6 and later, and by older servers and proxies. */
const NEEDS_NO_PASSWORD = /no password is set|without any password configured/i;
/** AUTH with a user, to a server that is older than users are. */
const KNOWS_NO_USERS = /wrong number of arguments/i;

/** How a server is greeted. */
export interface Greeting {
  readonly protocol: 2 | 3;
  /** Whether the connection's name and the library's are told (SETNAME, CLIENT SETINFO). */
  readonly introduces: boolean;
}

/** From the best greeting to the one that proxies without HELLO and CLIENT take. */
export function greetingsFor({ protocol }: ConnectionTarget): readonly [Greeting, ...Greeting[]] {
  const bare: Greeting = { protocol: 2, introduces: false };
  return protocol === 2
    ? [{ protocol, introduces: true }, bare]
    : [{ protocol, introduces: true }, { protocol, introduces: false }, bare];
}

/** What a server said against a word that it need not take. */
type Refused = ErrorReply | undefined;

interface Conversation {
  readonly connection: Connection;
  readonly target: ConnectionTarget;
  readonly greeting: Greeting;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly prelude: Prelude;
}

/** What is said with the greeting, in the same write, as the server's role asks for it. */
export interface PreludeStep {
  readonly args: readonly string[];
  /** Default: the server has to take it before the connection may be used. */
  readonly isOptional?: boolean;
  /** @throws PoolError where the connection must not be used. */
  readonly onReply?: (reply: unknown) => void;
}

export type Prelude = readonly PreludeStep[];

/**
 * Resolves when the connection may be used. @throws PoolError with the reason of a refusal.
 * @param prelude Said besides, such as READONLY to a replica.
 */
export async function shakeHands(
  connection: Connection,
  target: ConnectionTarget,
  greeting: Greeting,
  { username, password }: Credentials,
  prelude: Prelude = [],
): Promise<void> {
  const talk = { connection, target, greeting, username, password, prelude };
  let refusal: string | undefined;
  try {
    if (greeting.protocol === 3) {
      refusal = await greetInResp3(talk);
      if (refusal === undefined) return;
    }
    connection.protocol = 2;
    await greetInResp2(talk);
  } catch (error) {
    throw handshakeError(target, error, password, refusal);
  }
}

/** Who to log in as. @throws PoolError AUTH_FAILED where the function that supplies it fails. */
export async function revealLogin(target: ConnectionTarget): Promise<Login> {
  if (target.credentials !== undefined) return target.credentials.current();
  return { username: target.username, password: await revealPassword(target), version: 0 };
}

async function revealPassword(target: ConnectionTarget): Promise<string | undefined> {
  const source: PasswordSource | undefined = target.password?.reveal();
  if (typeof source !== 'function') return source;
  let password: unknown;
  try {
    password = await source();
  } catch (cause) {
    if (cause instanceof PoolError) throw cause;
    throw new PoolError('AUTH_FAILED', 'The password function failed', { cause, sent: false });
  }
  if (typeof password === 'string' && password !== '') return password;
  const message = 'The password function must give text that is not empty';
  throw new PoolError('AUTH_FAILED', message, { sent: false });
}

/** Gives the refusal of a server that doesn't know HELLO or RESP3; `undefined`: all is well. */
async function greetInResp3(talk: Conversation): Promise<string | undefined> {
  const { connection, target, greeting, username, password } = talk;
  const hello = ['HELLO', '3'];
  if (password !== undefined) hello.push('AUTH', username ?? DEFAULT_USER, password);
  if (greeting.introduces) hello.push('SETNAME', target.name);
  const answer = ask(connection, hello);
  const rest = sayTheRest(talk);
  try {
    noteFacts(connection, await answer);
  } catch (error) {
    if (!(error instanceof ErrorReply)) throw error;
    const words = wordsOf(error, password);
    if (endsEveryGreeting(words)) throw error;
    // A proxy may want AUTH before all else, even before a HELLO that brings the password.
    if (wantsPassword(words) && password === undefined) throw error;
    return words;
  }
  const refusals = await rest;
  if (password === undefined) throwIfPasswordIsWanted(refusals);
  return undefined;
}

/** HELLO's reply is a map in RESP3; a proxy may answer in RESP2 all the same. */
function noteFacts(connection: Connection, reply: unknown): void {
  const isMap = typeof reply === 'object' && reply !== null && !Array.isArray(reply);
  const list: readonly unknown[] = Array.isArray(reply) ? reply : [];
  const facts: Record<string, unknown> = isMap
    ? (reply as Record<string, unknown>)
    : { proto: 2, id: list[list.indexOf('id') + 1] };
  connection.protocol = isMap && facts.proto !== 2 ? 3 : 2;
  if (facts.server === 'valkey' && connection.server !== undefined) {
    connection.server = { ...connection.server, system: 'valkey' };
  }
  connection.serverClientId = typeof facts.id === 'number' ? facts.id : undefined;
  const zone = facts.availability_zone;
  connection.availabilityZone = typeof zone === 'string' && zone !== '' ? zone : undefined;
}

async function greetInResp2(talk: Conversation): Promise<void> {
  const { username } = talk;
  const user = username === DEFAULT_USER ? undefined : username;
  const knowsUser = await sayInResp2(talk, user);
  if (!knowsUser) await sayInResp2(talk, undefined);
}

/** False where the server is too old for users, and another try without one may do. */
async function sayInResp2(talk: Conversation, user: string | undefined): Promise<boolean> {
  const { connection, target, greeting, password } = talk;
  const login = user === undefined ? ['AUTH'] : ['AUTH', user];
  const answer = password === undefined ? undefined : ask(connection, [...login, password]);
  const name = greeting.introduces
    ? [hint(talk, ['CLIENT', 'SETNAME', target.name]), learnClientId(talk)]
    : [];
  const rest = sayTheRest(talk, name);
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof ErrorReply)) throw error;
    if (user !== undefined && KNOWS_NO_USERS.test(error.message)) return false;
    if (!NEEDS_NO_PASSWORD.test(error.message)) {
      throw authenticationError(target, error, password);
    }
  }
  const refusals = await rest;
  if (password === undefined) throwIfPasswordIsWanted(refusals);
  return true;
}

/** Some say NOAUTH of a command that a user may not run, so it counts only where PING is refused. */
function throwIfPasswordIsWanted(refusals: readonly Refused[]): void {
  const ping = refusals.at(-1);
  const wish = refusals.find((reply) => reply !== undefined && wantsPassword(reply.message));
  if (ping !== undefined && wish !== undefined) throw wish;
}

/** Gives what was refused of it, in order; PING is the last. */
function sayTheRest(
  talk: Conversation,
  begun: readonly Promise<Refused>[] = [],
): Promise<readonly Refused[]> {
  const steps = [
    ...[selectDatabase(talk), ...introduceLibrary(talk)],
    ...talk.prelude.map((step) => sayStep(talk, step)),
    hint(talk, ['PING']),
  ];
  const rest = Promise.all([...begun, ...steps]);
  // Who logs in looks at another reply first; a failure here is not unhandled meanwhile.
  rest.catch(() => undefined);
  return rest;
}

async function selectDatabase(talk: Conversation): Promise<undefined> {
  const { database } = talk.target;
  if (database !== 0) await insist(talk, ['SELECT', String(database)]);
}

async function sayStep(
  talk: Conversation,
  { args, isOptional, onReply }: PreludeStep,
): Promise<Refused> {
  if (isOptional === true) return hint(talk, args, onReply);
  const reply = await ask(talk.connection, args);
  onReply?.(reply);
}

/** Without it commands would run in the wrong place. */
async function insist({ connection }: Conversation, args: readonly string[]): Promise<undefined> {
  await ask(connection, args);
}

/** CLIENT SETINFO came with Redis 7.2. */
function introduceLibrary(talk: Conversation): Promise<Refused>[] {
  const { disableClientInfo, clientInfoTag } = talk.target;
  if (disableClientInfo || !talk.greeting.introduces) return [];
  const name = clientInfoTag === undefined ? LIBRARY_NAME : `${LIBRARY_NAME}(${clientInfoTag})`;
  return [
    hint(talk, ['CLIENT', 'SETINFO', 'LIB-NAME', name]),
    hint(talk, ['CLIENT', 'SETINFO', 'LIB-VER', LIBRARY_VERSION]),
  ];
}

/** HELLO tells it by itself; CLIENT ID came with Redis 5. */
function learnClientId(talk: Conversation): Promise<Refused> {
  return hint(talk, ['CLIENT', 'ID'], (reply) => {
    if (typeof reply === 'number') talk.connection.serverClientId = reply;
  });
}

/** Says what a server need not take, and gives its refusal, unless that concerns all commands. */
async function hint(
  talk: Conversation,
  args: readonly string[],
  onReply?: (reply: unknown) => void,
): Promise<Refused> {
  try {
    const reply = await ask(talk.connection, args);
    onReply?.(reply);
  } catch (error) {
    if (!(error instanceof ErrorReply)) throw error;
    if (endsEveryGreeting(wordsOf(error, talk.password))) throw error;
    return error;
  }
}

export async function ask(connection: Connection, args: readonly string[]): Promise<unknown> {
  if (connection.endError !== undefined) throw connection.endError;
  const encoder = new CommandEncoder();
  encoder.push(...args);
  const kind: CommandKind = { name: encoder.name, retryClass: 'unknown' };
  const command = new Command(kind, { timeoutMs: 0 }, encoder.payload(), encoder.ascii);
  connection.send(command);
  // As with the rest: another reply is looked at first.
  command.promise.catch(() => undefined);
  return command.promise;
}
