// A connection lent to one borrower. It comes back clean, once, and whoever keeps it too long is
// named by the stack that took it. A command on a lease is never retried: what it does may depend
// on what the connection went through before.

import type { Command } from '../base/command.js';
import { PoolError } from '../errors.js';
import { newSession, trackSession } from '../policy/session.js';
import type { Entry } from './entry.js';

/** What a lease asks of the pool that lent it. */
export interface LeaseOwner {
  takeBack(lease: ConnectionLease): void;
  discard(lease: ConnectionLease, reason: Error): void;
}

export class ConnectionLease {
  readonly acquiredAt: number;
  /** Carries the stack that took it, formatted only when read; `undefined`: not captured. */
  readonly origin: Error | undefined;
  /** Reported as held too long, once. */
  isReported = false;
  /** Called with messages that answer no command: pub/sub, MONITOR. */
  onPush: ((message: readonly unknown[]) => void) | undefined;
  /** Called once when the connection ends before the lease is released. */
  onLost: ((error: Error) => void) | undefined;
  readonly session = newSession();
  readonly entry: Entry;
  readonly #owner: LeaseOwner;
  #isReleased = false;
  #lostError: Error | undefined;

  constructor(owner: LeaseOwner, entry: Entry, now: number, origin: Error | undefined) {
    this.#owner = owner;
    this.entry = entry;
    this.acquiredAt = now;
    this.origin = origin;
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Why the connection ended under the borrower's hands; `undefined` while it lives. */
  get lostError(): Error | undefined {
    return this.#lostError;
  }

  /** The server's number for the connection (CLIENT ID), where it is known. */
  get serverClientId(): number | undefined {
    return this.entry.connection.serverClientId;
  }

  /** Sends on the leased connection. The promise rejects; nothing is thrown. */
  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    const refusal = this.#refusal(command.name);
    if (refusal !== undefined) command.fail(refusal);
    else if (!cancelOnAbort(command, signal)) {
      trackSession(this.session, command.name);
      this.entry.connection.send(command);
    }
    return command.promise;
  }

  /** Sends RESP bytes whose answers are pushes (SUBSCRIBE and its kin). */
  sendUnanswered(name: string, payload: string): void {
    const refusal = this.#refusal(name);
    if (refusal !== undefined) throw refusal;
    trackSession(this.session, name);
    this.entry.connection.sendUnanswered(payload);
  }

  /**
   * Gives the connection back.
   * @throws PoolError LEASE_RELEASED when it was given back before.
   */
  release(): void {
    if (this.#isReleased) throw releasedError('release()');
    this.#isReleased = true;
    this.#owner.takeBack(this);
  }

  /** Closes the connection instead of giving it back: for a borrower that left it in disorder. */
  destroy(reason: Error = new PoolError('CONNECTION_LOST', 'The lease was destroyed')): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#owner.discard(this, reason);
  }

  /** For the pool alone: the connection ended. */
  noteLoss(error: Error): void {
    this.#lostError = error;
    this.onLost?.(error);
  }

  #refusal(name: string): PoolError | undefined {
    if (this.#isReleased) return releasedError(name);
    if (this.#lostError === undefined) return undefined;
    return new PoolError('CONNECTION_LOST', `${name}: the leased connection is lost`, {
      cause: this.#lostError,
      sent: false,
    });
  }
}

/**
 * Settles the command when the signal aborts; its reply is dropped when it comes.
 * @returns true when the signal was aborted already, so that the command must not be sent.
 */
export function cancelOnAbort(command: Command, signal: AbortSignal | undefined): boolean {
  if (signal === undefined) return false;
  if (signal.aborted) {
    command.fail(abortedError(command.name, signal));
    return true;
  }
  const onAbort = () => command.fail(abortedError(command.name, signal));
  signal.addEventListener('abort', onAbort, { once: true });
  command.unlisten = () => signal.removeEventListener('abort', onAbort);
  return false;
}

export function abortedError(what: string, signal: AbortSignal): PoolError {
  return new PoolError('ABORTED', `${what} was cancelled by its AbortSignal`, {
    cause: signal.reason,
  });
}

function releasedError(what: string): PoolError {
  return new PoolError('LEASE_RELEASED', `${what}: the lease was released before`, { sent: false });
}
