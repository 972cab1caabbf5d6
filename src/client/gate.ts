// The pool as a duplicate sees it: closed, once the duplicate is, and with a connection of its own
// for what has a session. Commands name it as their holder, so that they end with it.

import type { Command } from '../base/command.js';
import { closedError } from '../node/caller-errors.js';
import type { ConnectionLease } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';
import { PoolFacade } from './facade.js';
import type { ClientSession } from './session.js';

export class Gate extends PoolFacade {
  isClosed = false;
  /** Set by the host; `undefined`: keys decide where commands run, so that no one connection can. */
  session: ClientSession | undefined = undefined;

  override get holder(): object {
    return this;
  }

  /** It has no place on a lane. */
  claims(command: Command): boolean {
    return this.isClosed || this.session?.claims(command) === true;
  }

  override execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (this.isClosed) return this.#closed(command);
    const { session } = this;
    return session?.claims(command)
      ? session.execute(command, signal)
      : this.pool.execute(command, signal);
  }

  override executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (this.isClosed) return this.#closed(command);
    const { session } = this;
    return session?.mayBlock
      ? session.execute(command, signal)
      : this.pool.executeExclusive(command, signal);
  }

  override acquireLease(options?: LeaseTerms): Promise<ConnectionLease> {
    if (this.isClosed) return this.refusal(closedError());
    return this.pool.acquireLease({ ...options, holder: this });
  }

  #closed(command: Command): Promise<unknown> {
    this.refuse(command, closedError());
    return command.promise;
  }
}
