// A connection lent to one borrower. It comes back clean, once, and whoever keeps it too long is
// named by the stack that took it. A command on a lease is never retried: what it does may depend
// on what the connection went through before.

import { onceAborted } from '../base/abort-signal.js';
import { type Command, isSendable, type Redirect } from '../base/command.js';
import type { TraceOrigin } from '../base/tracing.js';
import { PoolError } from '../errors.js';
import { newSession, type Session, trackSession } from '../policy/session.js';
import { abortedError, notSendable } from './caller-errors.js';
import { type Entry, type EvictionReason, sendOn } from './entry.js';

/** What a lease asks of the pool that lent it. */
export interface LeaseOwner {
  readonly onError: (error: unknown) => void;
  readonly traceOrigin: TraceOrigin;
  /** Fails a command that must not be sent. */
  refuse(command: Command, error: Error): void;
  refusal(error: Error): Promise<never>;
  takeBack(lease: ConnectionLease): void;
  discard(lease: ConnectionLease, reason: Error): void;
  /** Ends a command that blocks, without loss where the server helps. */
  cancelBlocking(lease: ConnectionLease, command: Command, error: Error): void;
}

export class ConnectionLease {
  readonly acquiredAt: number;
  /** Carries the stack that took it, formatted only when read; `undefined`: not captured. */
  readonly origin: Error | undefined;
  /** Reported as held too long, once. */
  isReported = false;
  /** Called with RESP3 pushes, which answer no command: pub/sub. */
  onPush: ((message: readonly unknown[]) => void) | undefined = undefined;
  /** Called with replies to no command, errors too; false: they are nothing to the borrower. */
  onUnasked: ((reply: unknown) => boolean) | undefined = undefined;
  /** Called when the connection is to be replaced, as it is too old or leads to the wrong server. */
  onStale: (() => void) | undefined = undefined;
  /** Called where another server has what the command on it is about: it has not run. */
  onRedirect: ((redirect: Redirect) => void) | undefined = undefined;
  /** Called where a command that blocks on it has to go on elsewhere: it has not run. */
  onDisplaced: (() => void) | undefined = undefined;
  /** What blocks on it is being ended for that reason. */
  isDisplaced = false;
  /** Called once when the connection ends before the lease is released. */
  onLost: ((error: Error) => void) | undefined = undefined;
  /** Called once when the loan is over, with the reason where the connection was lost. */
  onOver: ((error: Error | undefined) => void) | undefined = undefined;
  /** What the borrower changed on the server's side; `undefined`: nothing was sent yet. */
  session: Session | undefined = undefined;
  /** When its first command was sent; 0: none was yet. */
  usedAt = 0;
  /** A blocking command ran: if it is still in flight at release, the connection is of no use. */
  hasRunBlocking = false;
  /** Held for good on purpose, as pub/sub does: no leak, and no reason to delay `close()`. */
  isLongLived = false;
  /** Whose it is, where that may end before the pool does. */
  holder: object | undefined = undefined;
  /** What blocks on it is being ended, and its caller told this; nobody else may get it then. */
  blockEnd: Error | undefined = undefined;
  readonly entry: Entry;
  // Not #private: on Node 20 each such field makes construction dearer, and leases are many.
  private readonly owner: LeaseOwner;
  private released = false;
  private lossError: Error | undefined = undefined;

  constructor(owner: LeaseOwner, entry: Entry, now: number, origin: Error | undefined) {
    this.owner = owner;
    this.entry = entry;
    this.acquiredAt = now;
    this.origin = origin;
  }

  /** It is one connection, whatever the keys. */
  get isSharded(): boolean {
    return false;
  }

  get onError(): (error: unknown) => void {
    return this.owner.onError;
  }

  get traceOrigin(): TraceOrigin {
    return this.owner.traceOrigin;
  }

  get isReleased(): boolean {
    return this.released;
  }

  /** Why the connection ended under the borrower's hands; `undefined` while it lives. */
  get lostError(): Error | undefined {
    return this.lossError;
  }

  /** Why the connection is to be replaced, `failover` if it leads to the wrong server. */
  get staleReason(): EvictionReason | undefined {
    return this.entry.staleReason;
  }

  /** The server's number for the connection (CLIENT ID), where it is known. */
  get serverClientId(): number | undefined {
    return this.entry.connection.serverClientId;
  }

  /** Sends on the leased connection. The promise rejects; nothing is thrown. */
  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (!isSendable(command)) return this.refusal(notSendable());
    const cancel = command.isBlocking
      ? (error: PoolError) => this.owner.cancelBlocking(this, command, error)
      : undefined;
    const refusal = this.#refusal(command.name) ?? cancelOnAbort(command, signal, cancel);
    if (refusal !== undefined) this.owner.refuse(command, refusal);
    else {
      this.#track(command.name);
      // It may depend on what the connection went through, so it has no place on another one.
      command.forbidRetry();
      if (command.isBlocking) this.hasRunBlocking = true;
      if (command.history === undefined) this.entry.connection.send(command);
      else sendOn(this.entry, command);
      if (this.usedAt === 0) this.usedAt = command.startedAt;
    }
    return command.promise;
  }

  /** Sends RESP bytes (SUBSCRIBE and its kin) whose answers `onPush` and `onUnasked` get. */
  sendUnanswered(name: string, payload: string): void {
    const refusal = this.#refusal(name);
    if (refusal !== undefined) throw refusal;
    this.#track(name);
    this.entry.connection.sendUnanswered(payload);
  }

  /** Rejects with `error`, a turn of the event loop later. */
  refusal(error: Error): Promise<never> {
    return this.owner.refusal(error);
  }

  /**
   * Gives the connection back.
   * @throws PoolError LEASE_RELEASED when it was given back before.
   */
  release(): void {
    if (this.released) throw releasedError('release()');
    this.released = true;
    this.onOver?.(undefined);
    this.owner.takeBack(this);
  }

  /** Closes the connection instead of giving it back: for a borrower that left it in disorder. */
  destroy(reason: Error = new PoolError('CONNECTION_LOST', 'The lease was destroyed')): void {
    if (this.released) return;
    this.released = true;
    this.onOver?.(undefined);
    this.owner.discard(this, reason);
  }

  /** For the pool alone: the connection ended. */
  noteLoss(error: Error): void {
    this.lossError = error;
    this.onOver?.(error);
    this.onLost?.(error);
  }

  #track(name: string): void {
    this.session ??= newSession();
    trackSession(this.session, name);
  }

  #refusal(name: string): PoolError | undefined {
    if (this.released) return releasedError(name);
    if (this.lossError === undefined) return undefined;
    return new PoolError('CONNECTION_LOST', `${name}: the leased connection is lost`, {
      cause: this.lossError,
      sent: false,
    });
  }
}

/**
 * Ends the command when the signal aborts.
 * @param cancel How. Default: it fails at once, and its reply is dropped when it comes.
 * @returns The error where the signal was aborted already, so that nothing may be sent.
 */
export function cancelOnAbort(
  command: Command,
  signal: AbortSignal | undefined,
  cancel = (error: PoolError) => command.fail(error),
): PoolError | undefined {
  if (signal === undefined) return undefined;
  if (signal.aborted) return abortedError(command.name, signal, false);
  command.unlisten = onceAborted(signal, () => cancel(abortedError(command.name, signal)));
  return undefined;
}

function releasedError(what: string): PoolError {
  return new PoolError('LEASE_RELEASED', `${what}: the lease was released before`, { sent: false });
}
