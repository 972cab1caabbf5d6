// Makes one connection: TCP, TLS or unix socket, then the handshake, all within one time-out.
// The sockets of a failed or cancelled attempt are destroyed; nothing is left behind.
//
// Some proxies answer a command that they don't know by hanging up. Such a server is dialed again
// with ever simpler greetings, and the pool remembers the one that served.

import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import type { Clock } from '../base/clock.js';
import { afterFairWait } from '../base/event-loop.js';
import type { LinkListener } from '../base/link.js';
import { outsideOfCalls } from '../base/outside.js';
import type { Login } from '../config/credentials.js';
import type { ConnectionTarget } from '../config/options.js';
import { PoolError } from '../errors.js';
import { connectError, connectTimeout, handshakeError, refusedOptions } from './connect-error.js';
import { Connection } from './connection.js';
import { answerAtOnce } from './flush-moment.js';
import { type Greeting, greetingsFor, type Prelude, revealLogin, shakeHands } from './handshake.js';
import { renewableLogin } from './login.js';

/**
 * libuv reads a socket that fills the buffer again, up to 32 times, before others have their turn.
 * A larger buffer makes busy lanes take turns more evenly, at a price: 10,000 callers got 714
 * thousand/s with a p99 of 116 ms with 64 KiB, 546 and 50 ms with 128 KiB, 468 and 46 ms with 256.
 */
const READ_BUFFER_BYTES = 64 * 1024;
/** Shared by all plain sockets: the decoder copies what it hands out before the next read. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/** How a connection ends that the server closed: in good order, or with our words unread. */
const HANG_UP_CODES: ReadonlySet<string> = new Set(['CONNECTION_LOST', 'ECONNRESET', 'EPIPE']);

/** Until the pool takes the connection over, its end is known from the handshake's rejection. */
const NOBODY_LISTENS: LinkListener = {
  onProgress() {},
  onLatency() {},
  onErrorReply: () => false,
  onEnd(error, lost) {
    for (const command of [...lost.sent, ...lost.unsent]) command.fail(error);
  },
  onPush() {},
  onUnasked: () => false,
};

/** What a pool learnt about its server, for the connects that follow. */
export class GreetingMemory {
  /** The only greeting that the server takes; `undefined`: the best, as far as is known. */
  learned: Greeting | undefined = undefined;
}

/**
 * Dials, secures, greets. A server that hangs up on a greeting is dialed again with a simpler one.
 * @throws PoolError CONNECT_FAILED, CONNECT_TIMEOUT, TLS_FAILED, AUTH_FAILED, MAX_CLIENTS,
 * SERVER_LOADING, PROTOCOL_ERROR, HANDSHAKE_FAILED, or ABORTED by `signal`.
 * @param keepsAlive Whether the attempt keeps the process alive.
 * @param prelude What is said besides, before anything else is sent.
 */
export async function openConnection(
  target: ConnectionTarget,
  clock: Clock,
  signal: AbortSignal,
  memory: GreetingMemory = new GreetingMemory(),
  keepsAlive = true,
  prelude: Prelude = [],
): Promise<Connection> {
  const aborted = () => new PoolError('ABORTED', 'The connection attempt was cancelled');
  if (signal.aborted) throw aborted();
  const attempt = new Attempt(target, clock, keepsAlive, prelude);
  let stop: (error: Error) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  const cancelTimeout = afterFairWait(target.connectTimeoutMs, clock, () =>
    stop(attempt.timeoutError()),
  );
  const onAbort = () => stop(aborted());
  signal.addEventListener('abort', onAbort, { once: true });
  const ready = greetAndLearn(attempt, greetingsFor(target), memory);
  ready.catch(() => undefined);
  try {
    const connection = await Promise.race([ready, stopped]);
    attempt.finish(new PoolError('ABORTED', 'Another connection is used'), connection);
    return connection;
  } catch (error) {
    attempt.finish(error as Error);
    throw error;
  } finally {
    stopped.catch(() => undefined);
    cancelTimeout();
    signal.removeEventListener('abort', onAbort);
  }
}

async function greetAndLearn(
  attempt: Attempt,
  [best, ...simpler]: readonly [Greeting, ...Greeting[]],
  memory: GreetingMemory,
): Promise<Connection> {
  const { learned } = memory;
  try {
    const connection = await attempt.greet(learned ?? best);
    if (connection !== undefined) return connection;
  } catch (error) {
    // Whatever is at the address next may be another server.
    memory.learned = undefined;
    throw error;
  }
  memory.learned = undefined;
  for (const greeting of learned === undefined ? simpler : []) {
    const connection = await attempt.greet(greeting);
    if (connection === undefined) continue;
    // A hiccup of the network is no lack of the server: after one, it takes the best.
    const better = await attempt.greet(best);
    if (better !== undefined) return better;
    if (connection.endError !== undefined) continue;
    memory.learned = greeting;
    return connection;
  }
  throw attempt.hangUp;
}

/** One attempt to connect, with several sockets where the server hangs up on a greeting. */
class Attempt {
  /** The first hang-up, as an error for the caller. */
  hangUp: PoolError | undefined = undefined;
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  readonly #keepsAlive: boolean;
  readonly #prelude: Prelude;
  readonly #dialed: Dialed[] = [];
  #login: Promise<Login> | undefined;
  #isFinished = false;

  constructor(target: ConnectionTarget, clock: Clock, keepsAlive: boolean, prelude: Prelude) {
    this.#target = target;
    this.#clock = clock;
    this.#keepsAlive = keepsAlive;
    this.#prelude = prelude;
  }

  /** `undefined` where the server hung up. @throws PoolError for any other failure. */
  async greet(greeting: Greeting): Promise<Connection | undefined> {
    if (this.#isFinished) throw new PoolError('ABORTED', 'The connection attempt is over');
    const target = this.#target;
    const dialed = this.#dial();
    if (!this.#keepsAlive) dialed.socket.unref();
    this.#dialed.push(dialed);
    await dialed.connected;
    // Asked for once, however many sockets it takes.
    this.#login ??= revealLogin(target);
    const login = await this.#login;
    const { connection } = dialed;
    try {
      await shakeHands(connection, target, greeting, login, this.#prelude);
      // Its end may have come in one piece with the last reply; nobody would hear of it later.
      if (connection.endError !== undefined) throw handshakeError(target, connection.endError);
      connection.login = renewableLogin(connection, target, login);
      return connection;
    } catch (error) {
      if (this.#isFinished || !isHangUp(error as Error, connection.endError)) throw error;
      this.hangUp ??= error as PoolError;
      return undefined;
    }
  }

  #dial(): Dialed {
    try {
      // A connection outlives the call on whose account it is opened.
      return outsideOfCalls(() => dial(this.#target, this.#clock));
    } catch (error) {
      throw refusedOptions(this.#target, error);
    }
  }

  timeoutError(): PoolError {
    return connectTimeout(this.#target, this.#dialed.at(-1)?.socket);
  }

  /** Closes all sockets but that of the connection that is kept. */
  finish(error: Error, kept?: Connection): void {
    this.#isFinished = true;
    for (const { socket, connection } of this.#dialed) {
      if (connection === kept) continue;
      connection.destroy(error);
      socket.destroy();
    }
  }
}

/** The server's answer to a greeting was to end the connection, with no word of what it wants. */
function isHangUp(error: Error, endError: (Error & { code?: string }) | undefined): boolean {
  if ((error as PoolError).code !== 'CONNECT_FAILED' || endError === undefined) return false;
  return HANG_UP_CODES.has(endError.code ?? '');
}

interface Dialed {
  readonly socket: Socket;
  readonly connection: Connection;
  readonly connected: Promise<void>;
}

function dial(target: ConnectionTarget, clock: Clock): Dialed {
  const tls = target.tls?.reveal();
  const secure = tls !== undefined && target.path === undefined;
  // `receive` is called only after `connection` below exists, as reads start on a later tick.
  const socket: Socket = secure
    ? connectTls({ ...plainAddress(target), ...serverName(target), ...tls, ...identityCheck(tls) })
    : connectTcp({ ...plainAddress(target), onread: { buffer: readBuffer, callback: receive } });
  const connection = new Connection(socket, clock, NOBODY_LISTENS, target.maxReplyBytes);
  const [address, port] =
    target.path === undefined ? [target.host, target.port] : [target.path, undefined];
  connection.server = { address, port, system: 'redis' };
  function receive(length: number): boolean {
    connection.receive(readBuffer, length);
    return true;
  }
  if (secure) socket.on('data', (chunk: Buffer) => connection.receive(chunk, chunk.length));
  socket.setNoDelay(true);
  socket.setKeepAlive(true, target.keepAliveMs);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      // The greeting goes out before the next read: a server that refuses our certificate closes
      // soon, and a write that fails then would hide why.
      answerAtOnce();
      resolve();
    });
    socket.once('error', (error) => reject(connectError(target, error)));
    socket.once('close', () =>
      reject(connectError(target, new Error('the server closed the connection'))),
    );
  });
  return { socket, connection, connected };
}

function plainAddress(target: ConnectionTarget): NetConnectOpts {
  return target.path === undefined
    ? { host: target.host, port: target.port, family: target.family }
    : { path: target.path };
}

/** What the caller's own check throws would end the process, and its errors have no code. */
function identityCheck({ checkServerIdentity: check }: TlsOptions): TlsOptions {
  if (check === undefined) return {};
  return {
    checkServerIdentity: (host, certificate) => {
      let cause: unknown;
      try {
        cause = check(host, certificate);
      } catch (error) {
        cause = error ?? new Error('it threw nothing');
      }
      if (cause === undefined || cause === null) return undefined;
      const error = new Error('checkServerIdentity refused the certificate', { cause });
      return Object.assign(error, { code: 'ERR_TLS_IDENTITY_REFUSED' });
    },
  };
}

/** SNI wants a name; for an address the certificate is checked against the address. */
function serverName(target: ConnectionTarget): { servername?: string } {
  return /^[\d.]+$|:/.test(target.host) ? {} : { servername: target.host };
}
