// The first words on a new socket: HELLO 3 with AUTH and the connection's name, SELECT, CLIENT
// SETINFO and a PING, all in one write. A server that doesn't know HELLO or RESP3 gets the same in
// RESP2. The PING answers LOADING where the server can't serve yet, which HELLO doesn't say.

import { Command, type CommandKind } from '../base/command.js';
import type { ConnectionTarget, PasswordSource } from '../config/options.js';
import { PoolError } from '../errors.js';
import { handshakeError } from './connect-error.js';
import type { Connection } from './connection.js';
import { CommandEncoder } from './encoder.js';
import { LIBRARY_VERSION } from './version.js';

const LIBRARY_NAME = 'plimsoll';

/** Resolves when the connection may be used. @throws PoolError with the reason of a refusal. */
export async function shakeHands(connection: Connection, target: ConnectionTarget): Promise<void> {
  const password = await revealPassword(target);
  try {
    if (target.protocol === 3 && (await greetInResp3(connection, target, password))) return;
    connection.protocol = 2;
    await greetInResp2(connection, target, password);
  } catch (error) {
    throw handshakeError(target, error, password);
  }
}

async function revealPassword(target: ConnectionTarget): Promise<string | undefined> {
  const source: PasswordSource | undefined = target.password?.reveal();
  if (typeof source !== 'function') return source;
  let password: unknown;
  try {
    password = await source();
  } catch (cause) {
    throw new PoolError('AUTH_FAILED', 'The password function failed', { cause, sent: false });
  }
  if (typeof password === 'string') return password;
  throw new PoolError('AUTH_FAILED', 'The password function must give a string', { sent: false });
}

/** False where the server doesn't speak RESP3. */
async function greetInResp3(
  connection: Connection,
  target: ConnectionTarget,
  password: string | undefined,
): Promise<boolean> {
  const hello = ['HELLO', '3'];
  if (password !== undefined) hello.push('AUTH', target.username ?? 'default', password);
  hello.push('SETNAME', target.name);
  const greeting = ask(connection, hello);
  const rest = [...selectDatabase(connection, target), ...introduce(connection)];
  try {
    const facts = (await greeting) as Record<string, unknown> | null;
    connection.serverClientId = typeof facts?.id === 'number' ? facts.id : undefined;
  } catch (error) {
    await Promise.allSettled(rest);
    if (/^(ERR unknown command|NOPROTO)/i.test((error as Error).message)) return false;
    throw error;
  }
  await Promise.all(rest);
  return true;
}

async function greetInResp2(
  connection: Connection,
  target: ConnectionTarget,
  password: string | undefined,
): Promise<void> {
  const steps: Promise<unknown>[] = [];
  if (password !== undefined) {
    const user = target.username === undefined ? [] : [target.username];
    steps.push(ask(connection, ['AUTH', ...user, password]));
  }
  // A server too old for a name still serves.
  steps.push(ask(connection, ['CLIENT', 'SETNAME', target.name]).catch(() => undefined));
  steps.push(...selectDatabase(connection, target), ...introduce(connection));
  await Promise.all(steps);
}

function selectDatabase(connection: Connection, target: ConnectionTarget): Promise<unknown>[] {
  return target.database === 0 ? [] : [ask(connection, ['SELECT', String(target.database)])];
}

/** CLIENT SETINFO came with Redis 7.2: its failure means nothing. PING's does. */
function introduce(connection: Connection): Promise<unknown>[] {
  const say = (attribute: string, value: string) =>
    ask(connection, ['CLIENT', 'SETINFO', attribute, value]).catch(() => undefined);
  return [
    say('LIB-NAME', LIBRARY_NAME),
    say('LIB-VER', LIBRARY_VERSION),
    ask(connection, ['PING']),
  ];
}

function ask(connection: Connection, args: readonly string[]): Promise<unknown> {
  if (connection.endError !== undefined) return Promise.reject(connection.endError);
  const encoder = new CommandEncoder();
  encoder.push(...args);
  const kind: CommandKind = { name: encoder.name, retryClass: 'unknown' };
  const command = new Command(kind, { timeoutMs: 0 }, encoder.payload(), encoder.ascii);
  connection.send(command);
  // The caller may look at another promise first; this one's failure is not unhandled meanwhile.
  command.promise.catch(() => undefined);
  return command.promise;
}
