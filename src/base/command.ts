// One command on its way: the bytes to send, the promise its caller holds, and what the pool must
// know to retry, expire or cancel it. Pure data, no I/O: `wire` sends it, `pool` decides about it.
//
//   waiting --> in flight --> settled        A settled command may still be in a connection's
//      ^            |                        in-flight queue: its reply is then read and dropped,
//      +-- retry ---+                        so that it can never reach another caller.

import type { CommandRoute } from './route.js';
import type { OperationTrace } from './tracing.js';

/** RESP bytes: text alone, or text and binary arguments in turn. */
export type Payload = string | readonly (string | Buffer)[];

/**
 * How a repeated execution is judged: `read` is harmless; `unknown` is treated as `write`; `once` is
 * never sent again, whatever its caller allows.
 */
export type RetryClass = 'read' | 'write' | 'unknown' | 'once';

/** What is known of a failed attempt: it certainly did not run, a part of it did, or it may have. */
export type AttemptOutcome = 'not-applied' | 'partly-applied' | 'unknown';

/** What an error reply means: for its command, and for the connection that brought it. */
export interface ReplyVerdict {
  readonly outcome: AttemptOutcome;
  /** Where another attempt may succeed; `no`: the error is the caller's answer. */
  readonly again: 'here' | 'elsewhere' | 'no';
  /** Why the connection is to be replaced once what is in flight on it was answered. */
  readonly retire?: 'demoted' | 'unauthenticated' | undefined;
  /** The server serves nobody just now, so that another one may be to take its place. */
  readonly isAway?: true;
  /** Why the connection ends at once, as nothing that follows on it can be trusted. */
  readonly breaks?: Break | undefined;
  /**
   * Where the server says that the command belongs. With `again: 'no'` it may be a script that says
   * so, or a part of the command has run.
   */
  readonly redirect?: Redirect | undefined;
}

/** A slot is another server's: for good (`moved`), or for this one command (`ask`). */
export interface Redirect {
  readonly kind: 'moved' | 'ask';
  readonly slot: number;
  /** As the server wrote it: `host:port`, where the host may be empty or unknown (`?`). */
  readonly to: string;
}

/**
 * What is known of a transaction that could not be closed. `unknown`: it may be open still, so that
 * what was sent behind it may have been queued. `open`: it certainly is, and the next EXEC may run
 * all that was queued. `open for good`: the server knows no EXEC that could.
 */
export type Break = 'unknown' | 'open' | 'open for good';

/** An error among the replies to one command, and what it means. */
export interface Refusal {
  readonly error: Error;
  readonly verdict: ReplyVerdict;
}

export type TransformReply = (reply: never, preserve?: unknown, typeMapping?: never) => unknown;

/** From RESP type to the JavaScript type that replies are decoded to (node-redis' `TypeMapping`). */
export type ReplyTypes = { readonly [respType: number]: unknown };

/** What all commands of one definition have in common, made once. */
export interface CommandKind {
  /** Name in capitals, e.g. `GET`: for errors, events and `fallback`. */
  readonly name: string;
  readonly retryClass: RetryClass;
  /** A script or a module writes its error replies, so that no word of them is the server's. */
  readonly mayMakeUpErrors?: boolean;
  /** Makes of a reply what the caller gets; `undefined`: the reply as it is. */
  readonly transform?: TransformReply | undefined;
  /** The same where the server speaks RESP2 only. */
  readonly resp2Transform?: TransformReply | undefined;
  /** What errors among its replies mean, where it is not what a single command's error means. */
  readonly refusalIn?: (replies: readonly unknown[], preserve: unknown) => Refusal | undefined;
}

/** How one caller wants commands to be treated; many commands share one such object. */
export interface CommandSettings {
  /** Deadline over waiting, sending, retries and the reply, in ms; 0: none. */
  readonly timeoutMs: number;
  readonly replyTypes?: ReplyTypes | undefined;
  /** Overrides the pool's `retryWrites`. */
  readonly retryWrites?: 'safe' | 'always' | 'never' | undefined;
  /** Whose they are, where that may end before the pool does: a duplicate's. */
  readonly holder?: object | undefined;
  /** Told that one of them is tried again, so that later ones don't overtake it. */
  readonly order?: { noteRetry(): void } | undefined;
  /** Told of each error that a caller gets: for counting, so it must not throw. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What earlier attempts of a command have come to, and who is told of it. */
export interface CommandHistory {
  /** Since when servers put it off or send it away, on the pool's clock. */
  since: number | undefined;
  /** How often it was sent to another server. */
  redirects: number;
  /** The next server takes it only if ASKING stands before it. */
  isAsking: boolean;
  /** An attempt may have run: what the caller is told if no later one can be made. */
  uncertainty: Error | undefined;
  /** At which of several databases that was, of which one is used at a time. */
  site: string | undefined;
  /** What listeners are told of it. */
  trace: OperationTrace | undefined;
  /** Called when it no longer waits for a connection. */
  onServed: (() => void) | undefined;
}

export function newHistory(trace?: OperationTrace): CommandHistory {
  return {
    since: undefined,
    redirects: 0,
    isAsking: false,
    uncertainty: undefined,
    site: undefined,
    trace,
    onServed: undefined,
  };
}

/** The text of one write: commands in flight share it instead of keeping their bytes each. */
export interface Batch {
  text: string;
}

/** More failed attempts than any pool makes: there is no further one. */
const NO_ATTEMPT_LEFT = 2 ** 30 - 1;

let capturedResolve: (value: unknown) => void;
// One executor for all promises: a closure for each command would cost more than the promise.
// `reject` is not kept: resolving with a rejected promise does the same, and errors are rare.
const capture = (resolve: (value: unknown) => void): void => {
  capturedResolve = resolve;
};

// There are as many of these as callers wait, so each field counts: what commands have in common
// stands in `kind` and `settings`. Nothing is #private here, as on Node 20 each such field makes
// construction dearer.
export class Command {
  readonly kind: CommandKind;
  readonly settings: CommandSettings;
  /** Whether every byte is below 128, so that the cheaper encoding may be used. */
  readonly ascii: boolean;
  /** What the command's definition hands to its transformation of the reply. */
  readonly preserve: unknown;
  /** Which of several servers may run it; `undefined`: there is one, or each of them may. */
  route: CommandRoute | undefined = undefined;
  /** Replies that the payload brings: more than 1 for MULTI ... EXEC and pipelines. */
  replyCount = 1;
  /** Replies that came already, where `replyCount` is more than 1. */
  replies: unknown[] | undefined = undefined;
  /** When the caller issued it, on the pool's clock; 0 until the pool has seen it. */
  startedAt = 0;
  /** Since when it waits for a connection, on the pool's clock; 0: it doesn't. */
  queuedAt = 0;
  /** The server may hold the reply back on purpose, as for BLPOP. */
  isBlocking = false;
  /** Attempts that failed so far. */
  failedAttempts = 0;
  /** Its caller has an answer or an error. */
  settled = false;
  /**
   * EXISTS of its keys, where keys decide which server it runs on, and its errors may be made up: the
   * answer says whether its own MOVED or ASK is the server's word. `undefined`: it is, or nobody asks.
   */
  declare probe?: Payload | undefined;
  /** `undefined`: nothing that matters came of earlier attempts and nobody listens, as nearly always. */
  history?: CommandHistory;
  /** Takes the listener off the caller's AbortSignal. */
  unlisten: (() => void) | undefined = undefined;
  readonly promise: Promise<unknown>;
  private readonly resolve: (value: unknown) => void;
  private ownPayload: Payload;
  private batch: Batch | undefined = undefined;
  private batchStart = 0;
  private batchEnd = 0;

  constructor(
    kind: CommandKind,
    settings: CommandSettings,
    payload: Payload,
    ascii: boolean,
    preserve?: unknown,
  ) {
    this.kind = kind;
    this.settings = settings;
    this.ascii = ascii;
    this.preserve = preserve;
    this.ownPayload = payload;
    this.promise = new Promise(capture);
    this.resolve = capturedResolve;
  }

  get name(): string {
    return this.kind.name;
  }

  get retryClass(): RetryClass {
    return this.kind.retryClass;
  }

  get timeoutMs(): number {
    return this.settings.timeoutMs;
  }

  get replyTypes(): ReplyTypes | undefined {
    return this.settings.replyTypes;
  }

  /** The bytes to send. */
  get payload(): Payload {
    return this.batch?.text.slice(this.batchStart, this.batchEnd) ?? this.ownPayload;
  }

  /** What it was made with can be sent, or was already. */
  get hasBytes(): boolean {
    const payload = this.ownPayload;
    if (typeof payload === 'string') return payload.length > 0 || this.batch !== undefined;
    return Array.isArray(payload) && payload.length > 0 && payload.every(isPart);
  }

  /** Appends the payload, which must be text, to a batch, and from then on reads it from there. */
  joinBatch(batch: Batch, text: string): void {
    this.batchStart = batch.text.length;
    batch.text += text;
    this.batchEnd = batch.text.length;
    this.batch = batch;
    this.ownPayload = '';
  }

  /** It may not be sent a second time, on whatever connection. */
  forbidRetry(): void {
    this.failedAttempts = NO_ATTEMPT_LEFT;
  }

  get mayBeSentAgain(): boolean {
    return this.failedAttempts < NO_ATTEMPT_LEFT;
  }

  /** When its deadline passes, on the pool's clock. */
  get deadlineAt(): number {
    const { timeoutMs } = this.settings;
    return timeoutMs === 0 ? Number.POSITIVE_INFINITY : this.startedAt + timeoutMs;
  }

  /** Hands the reply to the caller; one that comes after the caller had an answer is dropped. */
  succeed(reply: unknown, protocol: 2 | 3 = 3): void {
    const { transform, resp2Transform } = this.kind;
    const change = protocol === 3 ? transform : resp2Transform;
    if (change === undefined || this.settled) {
      this.answer(reply);
      return;
    }
    try {
      this.answer(change(reply as never, this.preserve, this.settings.replyTypes as never));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Hands a value to the caller as it is. */
  answer(value: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.unlisten?.();
    this.resolve(value);
  }

  /** Hands an error to the caller, unless it had an answer already. */
  fail(error: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.unlisten?.();
    const isUnsent = (error as { sent?: boolean } | undefined)?.sent === false;
    const final = isUnsent ? (this.history?.uncertainty ?? error) : error;
    this.settings.onError?.(final);
    this.resolve(Promise.reject(final));
  }
}

/**
 * Whether a connection could send it: what is no command, or has no bytes, would stay in a queue
 * whose replies are then given to the wrong callers.
 */
export function isSendable(value: unknown): value is Command {
  return value instanceof Command && value.hasBytes;
}

function isPart(part: unknown): boolean {
  return typeof part === 'string' || part instanceof Uint8Array;
}
