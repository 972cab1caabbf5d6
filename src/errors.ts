// Every error that Plimsoll itself raises: one class, one stable code each.
// Callers match on `code`, never on the message. Errors that the server answers
// (WRONGTYPE, NOSCRIPT, ...) pass through as the `ErrorReply` of @redis/client.
// No message, cause or field here may hold a password, a key or a value; but which keys a command
// was done for, where it was done for some alone, its caller must learn (`PartlyDoneError`).

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
  'CROSS_SLOT',
  'PARTLY_DONE',
  'REPLY_TOO_LARGE',
  'BREAKER_OPEN',
  'POOL_CLOSED',
  'LEASE_RELEASED',
  'LEASE_REQUIRED',
] as const;

export type PoolErrorCode = (typeof ERROR_CODES)[number];

/** What node-redis has a class of its own for. */
export type NodeRedisKind =
  | 'aborted'
  | 'client closed'
  | 'client disconnected'
  | 'client offline'
  | 'connect timed out'
  | 'socket closed'
  | 'timed out';

const KIND_BY_CODE: Partial<Record<PoolErrorCode, NodeRedisKind>> = {
  ABORTED: 'aborted',
  ACQUIRE_TIMEOUT: 'timed out',
  BREAKER_OPEN: 'client offline',
  COMMAND_TIMEOUT: 'timed out',
  CONNECTION_LOST: 'socket closed',
  CONNECT_TIMEOUT: 'connect timed out',
  POOL_CLOSED: 'client closed',
};

/** They have the prototype of node-redis' class instead of ours. */
const presented = new WeakSet<object>();

const nodeRedisClasses = new Map<NodeRedisKind, { readonly prototype: object }>();

/** Errors of this kind are instances of node-redis' class from now on, and of PoolError as ever. */
export function presentAs(kind: NodeRedisKind, errorClass: { readonly prototype: object }): void {
  nodeRedisClasses.set(kind, errorClass);
}

export interface PoolErrorDetails {
  /** What led to this error: the socket's error, the server's reply, the last failed connect. */
  readonly cause?: unknown;
  /** Whether the command had been handed to the socket. Absent where no command is concerned. */
  readonly sent?: boolean;
  /** Of which class of node-redis it is too. Default: as its code says. */
  readonly kind?: NodeRedisKind;
}

/** An error of the pool, its configuration or its connections. */
export class PoolError extends Error {
  override readonly name: string = 'PoolError';
  readonly code: PoolErrorCode;
  /**
   * `true`: the command had been handed to the socket, so the server may have executed it.
   * `false`: it had not, so it certainly did not run. `undefined`: no command is concerned, or nobody
   * can say, as of one that was cancelled.
   */
  readonly sent: boolean | undefined;

  constructor(code: PoolErrorCode, message: string, details: PoolErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.sent = details.sent;
    // The web platform's convention: code that cancels checks for this name.
    if (code === 'ABORTED') this.name = 'AbortError';
    const kind = details.kind ?? KIND_BY_CODE[code];
    const nodeRedisClass = kind && nodeRedisClasses.get(kind);
    if (nodeRedisClass === undefined) return;
    Object.setPrototypeOf(this, nodeRedisClass.prototype);
    presented.add(this);
  }
}

Object.defineProperty(PoolError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this as never, value)) return true;
    return this === PoolError && presented.has(value as object);
  },
});

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

/** What became of a part of a command that was spread over several servers. */
export interface CommandPart {
  /** As they were sent, key prefix included; none where it was about a server as a whole. */
  readonly keys: readonly (string | Buffer)[];
  /** The server it was meant for alone, `host:port` in most cases. */
  readonly endpoint?: string | undefined;
  /** Why it failed: an error that the server answered, or a {@link PoolError}. */
  readonly error?: unknown;
}

/** Keys that the message of an error names, and characters of each. */
const NAMED_KEYS = 3;
const NAMED_CHARACTERS = 64;

/** A command was spread over several servers, and done by some of them alone. */
export class PartlyDoneError extends PoolError {
  readonly done: readonly CommandPart[];
  readonly failed: readonly CommandPart[];

  constructor(name: string, done: readonly CommandPart[], failed: readonly CommandPart[]) {
    const total = done.length + failed.length;
    const text = `${name}: ${failed.length} of ${total} parts failed, those of ${namesOf(failed)}`;
    super('PARTLY_DONE', text, { cause: failed[0]?.error, sent: true });
    this.done = Object.freeze([...done]);
    this.failed = Object.freeze([...failed]);
  }
}

function namesOf(parts: readonly CommandPart[]): string {
  const names = parts.flatMap(({ keys, endpoint }): readonly unknown[] =>
    keys.length > 0 ? keys : [endpoint],
  );
  const named = names.slice(0, NAMED_KEYS).map((name) => {
    const text = JSON.stringify(String(name ?? 'no keys'));
    return text.length > NAMED_CHARACTERS ? `${text.slice(0, NAMED_CHARACTERS)}..."` : text;
  });
  const others = names.length - named.length;
  return named.join(', ') + (others > 0 ? ` and ${others} more` : '');
}
