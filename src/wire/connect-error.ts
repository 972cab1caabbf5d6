// Why a connection could not be made, as a PoolError with a code that says whom to ask: the
// network, the certificate, the password, the server's limits. Addresses are named, secrets never.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ConnectionTarget } from '../config/options.js';
import { PoolError, type PoolErrorCode } from '../errors.js';
import { ErrorReply, SimpleError } from './protocol.js';

/** Codes of node:tls and OpenSSL that concern trust or the TLS protocol rather than the network. */
const TLS_CODE =
  /^(ERR_(TLS|SSL|OSSL)|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_|INVALID_|PATH_|EPROTO)/;

// What servers and proxies say, in the words of Redis 2.6 to 8, its forks and proxies.
const MAX_CLIENTS = /max number of clients/i;
const LOADING = /^LOADING\b/;
const WANTS_PASSWORD = /^NOAUTH\b|authentication required|^ERR operation not permitted/i;
const REFUSED_LOGIN = /^WRONGPASS\b|invalid (username|password)|authentication failed/i;
const PROTECTED = /^DENIED\b.*protected mode/i;
/** States that pass by themselves. */
const BUSY = /^(BUSY|MISCONF|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNKILLABLE)\b/;

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

/**
 * node:tls or node:net did not even begin with what it was given. Its error isn't the cause of ours,
 * as it repeats values of options.
 */
export function refusedOptions(target: ConnectionTarget, error: unknown): PoolError {
  const code = (error as { code?: string } | undefined)?.code ?? 'no code';
  return new PoolError(
    target.tls === undefined ? 'CONNECT_FAILED' : 'TLS_FAILED',
    `Cannot connect to ${addressOf(target)}: Node refused the options of the socket (${code})`,
    { sent: false },
  );
}

/** @param socket Says how far the attempt had come. */
export function connectTimeout(target: ConnectionTarget, socket: Socket | undefined): PoolError {
  return new PoolError(
    'CONNECT_TIMEOUT',
    `No connection to ${addressOf(target)} within ${target.connectTimeoutMs} ms: ${stageOf(socket)}`,
    { sent: false },
  );
}

function stageOf(socket: Socket | undefined): string {
  if (socket === undefined || socket.connecting) return 'the network does not answer';
  if (socket instanceof TLSSocket && socket.getCipher() === undefined) {
    return 'the port is open, but does not answer TLS';
  }
  return 'the port is open, but the server does not answer';
}

/**
 * The server's own refusal during the handshake, or the connection's end in the middle of it.
 * @param password Cut out of what the server says, as some repeat what they were sent.
 * @param refusal What the server had against HELLO, where it hung up after it had said so.
 */
export function handshakeError(
  target: ConnectionTarget,
  cause: unknown,
  password?: string,
  refusal?: string,
): PoolError {
  const isLoss = cause instanceof PoolError && cause.code === 'CONNECTION_LOST';
  if (cause instanceof PoolError && !isLoss) return cause;
  // What a server says unasked before it closes, as at maxclients, is the cause of the loss.
  const reply = isLoss ? cause.cause : cause;
  if (reply instanceof ErrorReply) return refusedBy(target, reply, password, 'HANDSHAKE_FAILED');
  if (refusal === undefined) return connectError(target, cause);
  return connectError(target, new Error(`the server closed the connection after "${refusal}"`));
}

/** A refusal of AUTH, in whatever words. */
export function authenticationError(
  target: ConnectionTarget,
  reply: ErrorReply,
  password: string | undefined,
): PoolError {
  return refusedBy(target, reply, password, 'AUTH_FAILED');
}

function refusedBy(
  target: ConnectionTarget,
  reply: ErrorReply,
  password: string | undefined,
  otherwise: PoolErrorCode,
): PoolError {
  const words = wordsOf(reply, password);
  return new PoolError(codeOf(words) ?? otherwise, `${addressOf(target)} refused: ${words}`, {
    cause: words === reply.message ? reply : new SimpleError(words),
    sent: false,
  });
}

/**
 * What a server says, without our secrets: "unknown command 'AUTH', with args beginning with: ..."
 * repeats our words, maybe cut short.
 */
export function wordsOf({ message }: Error, password: string | undefined): string {
  const text = message.replace(/,? with args beginning with.*$/s, '');
  return password ? text.replaceAll(password, '[secret]') : text;
}

/** The server wants to know who we are before it says anything else. */
export function wantsPassword(words: string): boolean {
  return WANTS_PASSWORD.test(words);
}

/** A reply that no other way to greet would change, whichever command it answers. */
export function endsEveryGreeting(words: string): boolean {
  return [MAX_CLIENTS, LOADING, REFUSED_LOGIN, PROTECTED].some((text) => text.test(words));
}

function codeOf(words: string): PoolErrorCode | undefined {
  if (MAX_CLIENTS.test(words)) return 'MAX_CLIENTS';
  if (LOADING.test(words)) return 'SERVER_LOADING';
  if (WANTS_PASSWORD.test(words) || REFUSED_LOGIN.test(words)) return 'AUTH_FAILED';
  if (PROTECTED.test(words)) return 'HANDSHAKE_FAILED';
  return BUSY.test(words) ? 'CONNECT_FAILED' : undefined;
}

/** node:net reports several tried addresses as an AggregateError without a message of its own. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((inner: Error) => inner.message).join('; ');
  }
  return error.message;
}
