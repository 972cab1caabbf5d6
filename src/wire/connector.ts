// Makes one connection: TCP, TLS or unix socket, then the handshake, all within one time-out.
// The socket of a failed or cancelled attempt is destroyed; nothing is left behind.

import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../base/clock.js';
import { afterFairWait } from '../base/event-loop.js';
import type { ConnectionTarget } from '../config/options.js';
import { PoolError } from '../errors.js';
import { connectError, connectTimeout, handshakeError } from './connect-error.js';
import { Connection, type ConnectionListener } from './connection.js';
import { answerAtOnce } from './flush-moment.js';
import { shakeHands } from './handshake.js';

/**
 * libuv reads a socket that fills the buffer again, up to 32 times, before others have their turn.
 * A larger buffer makes busy lanes take turns more evenly, at a price: 10,000 callers got 714
 * thousand/s with a p99 of 116 ms with 64 KiB, 546 and 50 ms with 128 KiB, 468 and 46 ms with 256.
 */
const READ_BUFFER_BYTES = 64 * 1024;
/** Shared by all plain sockets: the decoder copies what it hands out before the next read. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/** Until the pool takes the connection over, its end is known from the handshake's rejection. */
const NOBODY_LISTENS: ConnectionListener = {
  onProgress() {},
  onLatency() {},
  onErrorReply: () => false,
  onEnd(error, lost) {
    for (const command of [...lost.sent, ...lost.unsent]) command.fail(error);
  },
  onPush() {},
  onUnasked: () => false,
};

/**
 * Dials, secures, greets.
 * @throws PoolError CONNECT_FAILED, CONNECT_TIMEOUT, TLS_FAILED, AUTH_FAILED, MAX_CLIENTS,
 * SERVER_LOADING, PROTOCOL_ERROR, HANDSHAKE_FAILED, or ABORTED by `signal`.
 */
export async function openConnection(
  target: ConnectionTarget,
  clock: Clock,
  signal: AbortSignal,
): Promise<Connection> {
  const aborted = () => new PoolError('ABORTED', 'The connection attempt was cancelled');
  if (signal.aborted) throw aborted();
  const { socket, connection, connected } = dial(target, clock);
  let stop: (error: Error) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  const cancelTimeout = afterFairWait(target.connectTimeoutMs, clock, () =>
    stop(connectTimeout(target, socket)),
  );
  const onAbort = () => stop(aborted());
  signal.addEventListener('abort', onAbort, { once: true });
  const ready = connected.then(() => shakeHands(connection, target));
  ready.catch(() => undefined);
  try {
    await Promise.race([ready, stopped]);
    // Its end may have come in one piece with the last reply; nobody would hear of it later.
    if (connection.endError !== undefined) throw handshakeError(target, connection.endError);
    return connection;
  } catch (error) {
    connection.destroy(error as Error);
    socket.destroy();
    throw error;
  } finally {
    stopped.catch(() => undefined);
    cancelTimeout();
    signal.removeEventListener('abort', onAbort);
  }
}

function dial(target: ConnectionTarget, clock: Clock) {
  const tls = target.tls?.reveal();
  const secure = tls !== undefined && target.path === undefined;
  // `receive` is called only after `connection` below exists, as reads start on a later tick.
  const socket: Socket = secure
    ? connectTls({ host: target.host, port: target.port, ...serverName(target), ...tls })
    : connectTcp({ ...plainAddress(target), onread: { buffer: readBuffer, callback: receive } });
  const connection = new Connection(socket, clock, NOBODY_LISTENS);
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
    ? { host: target.host, port: target.port }
    : { path: target.path };
}

/** SNI wants a name; for an address the certificate is checked against the address. */
function serverName(target: ConnectionTarget): { servername?: string } {
  return /^[\d.]+$|:/.test(target.host) ? {} : { servername: target.host };
}
