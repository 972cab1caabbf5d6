// Why a connection could not be made, as a PoolError with a code that says whom to ask: the
// network, the certificate, the password, the server's limits. Addresses are named, secrets never.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ConnectionTarget } from '../config/options.js';
import { PoolError, type PoolErrorCode } from '../errors.js';
import { ErrorReply, SimpleError } from './protocol.js';

/** Codes of node:tls and OpenSSL that concern trust or the TLS protocol rather than the network. */
const TLS_CODE =
  /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|EPROTO)/;

/** `host:port` or the socket's path. */
export function addressOf(target: ConnectionTarget): string {
  if (target.path !== undefined) return target.path;
  return target.host.includes(':')
    ? `[${target.host}]:${target.port}`
    : `${target.host}:${target.port}`;
}

export function connectError(target: ConnectionTarget, cause: unknown): PoolError {
  if (cause instanceof PoolError && cause.code !== 'CONNECTION_LOST') return cause;
  const error = cause as Error & { code?: string };
  const code: PoolErrorCode = TLS_CODE.test(error.code ?? '') ? 'TLS_FAILED' : 'CONNECT_FAILED';
  return new PoolError(code, `Cannot connect to ${addressOf(target)}: ${reasonOf(error)}`, {
    cause,
    sent: false,
  });
}

/** @param socket Says how far the attempt had come. */
export function connectTimeout(target: ConnectionTarget, socket: Socket): PoolError {
  return new PoolError(
    'CONNECT_TIMEOUT',
    `No connection to ${addressOf(target)} within ${target.connectTimeoutMs} ms: ${stageOf(socket)}`,
    { sent: false },
  );
}

function stageOf(socket: Socket): string {
  if (socket.connecting) return 'the network does not answer';
  if (socket instanceof TLSSocket && socket.getCipher() === undefined) {
    return 'the port is open, but does not answer TLS';
  }
  return 'the port is open, but the server does not answer';
}

/**
 * The server's own refusal during the handshake, or the connection's end in the middle of it.
 * @param password Cut out of what the server says, as some repeat what they were sent.
 */
export function handshakeError(
  target: ConnectionTarget,
  cause: unknown,
  password?: string,
): PoolError {
  const isLoss = cause instanceof PoolError && cause.code === 'CONNECTION_LOST';
  if (cause instanceof PoolError && !isLoss) return cause;
  // What a server says unasked before it closes, as at maxclients, is the cause of the loss.
  const reply = isLoss ? cause.cause : cause;
  if (!(reply instanceof ErrorReply)) return connectError(target, cause);
  const message = withoutSecrets(reply.message, password);
  return new PoolError(handshakeCode(message), `${addressOf(target)} refused: ${message}`, {
    cause: message === reply.message ? cause : new SimpleError(message),
    sent: false,
  });
}

/** "unknown command 'AUTH', with args beginning with: ..." repeats our words, maybe cut short. */
function withoutSecrets(message: string, password: string | undefined): string {
  const text = message.replace(/,? with args beginning with.*$/s, '');
  return password ? text.replaceAll(password, '[secret]') : text;
}

function handshakeCode(message: string): PoolErrorCode {
  if (/max number of clients/i.test(message)) return 'MAX_CLIENTS';
  if (/WRONGPASS|NOAUTH|NOPERM|\bAUTH\b|invalid password/.test(message)) return 'AUTH_FAILED';
  if (/LOADING/.test(message)) return 'SERVER_LOADING';
  return 'HANDSHAKE_FAILED';
}

/** node:net reports several tried addresses as an AggregateError without a message of its own. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((inner: Error) => inner.message).join('; ');
  }
  return error.message;
}
