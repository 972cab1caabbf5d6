// Every error that Plimsoll itself raises: one class, one stable code each.
// Callers match on `code`, never on the message. Errors that the server answers
// (WRONGTYPE, NOSCRIPT, ...) pass through as the `ErrorReply` of @redis/client.
// No message, cause or field here may hold a password, a key or a value.

/** The stable codes of {@link PoolError}; `docs/errors.md` has cause and cure of each. */
export const ERROR_CODES = [
  'INVALID_OPTIONS',
  'INVALID_ARGUMENT',
  'ACQUIRE_TIMEOUT',
  'COMMAND_TIMEOUT',
  'QUEUE_FULL',
  'ABORTED',
  'CONNECT_FAILED',
  'CONNECT_TIMEOUT',
  'AUTH_FAILED',
  'TLS_FAILED',
  'PROTOCOL_ERROR',
  'MAX_CLIENTS',
  'SERVER_LOADING',
  'HANDSHAKE_FAILED',
  'CONNECTION_LOST',
  'OUTCOME_UNKNOWN',
  'REPLY_TOO_LARGE',
  'BREAKER_OPEN',
  'POOL_CLOSED',
  'LEASE_RELEASED',
  'LEASE_REQUIRED',
] as const;

export type PoolErrorCode = (typeof ERROR_CODES)[number];

export interface PoolErrorDetails {
  /** What led to this error: the socket's error, the server's reply, the last failed connect. */
  readonly cause?: unknown;
  /** Whether the command had been handed to the socket. Absent where no command is concerned. */
  readonly sent?: boolean;
}

/** An error of the pool, its configuration or its connections. */
export class PoolError extends Error {
  override readonly name: string = 'PoolError';
  readonly code: PoolErrorCode;
  /**
   * `true`: the command had been handed to the socket, so the server may have executed it.
   * `false`: it had not, so it certainly did not run. `undefined`: no command is concerned.
   */
  readonly sent: boolean | undefined;

  constructor(code: PoolErrorCode, message: string, details: PoolErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.sent = details.sent;
    // The web platform's convention: code that cancels checks for this name.
    if (code === 'ABORTED') this.name = 'AbortError';
  }
}

/** Refused configuration: every problem that was found, in one error. */
export class InvalidOptionsError extends PoolError {
  /** One sentence for each wrong option or environment variable; no secret in any. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const heading = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super('INVALID_OPTIONS', `Invalid options, ${heading}:\n- ${problems.join('\n- ')}`);
    this.problems = Object.freeze([...problems]);
  }
}
