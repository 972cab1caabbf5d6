// Lends connections and takes them back clean. WATCH, MULTI and SELECT are undone on the way back;
// a connection that can't be cleaned, or still blocks, is closed instead.

import type { ResolvedOptions } from '../config/options.js';
import { restoringCommands, type Session } from '../policy/session.js';
import type { LostCommands } from './connection.js';
import type { Entry } from './entry.js';
import { ownCommand } from './inspector.js';
import type { ConnectionLease } from './lease.js';
import type { Membership } from './membership.js';
import { lossOf } from './recovery.js';
import type { Statistics } from './statistics.js';

/** Stacks of borrowers captured per tick of the housekeeper: a stack costs more than a lease. */
const STACKS_PER_TICK = 20;

export type LeaseFactory = (
  entry: Entry,
  now: number,
  origin: Error | undefined,
) => ConnectionLease;

export class Lending {
  readonly #options: ResolvedOptions;
  readonly #membership: Membership;
  readonly #statistics: Statistics;
  readonly #createLease: LeaseFactory;
  #stacksLeft = STACKS_PER_TICK;

  constructor(
    options: ResolvedOptions,
    membership: Membership,
    statistics: Statistics,
    createLease: LeaseFactory,
  ) {
    this.#options = options;
    this.#membership = membership;
    this.#statistics = statistics;
    this.#createLease = createLease;
  }

  lend(
    entry: Entry,
    now: number,
    origin: Error | undefined,
    isLongLived: boolean,
  ): ConnectionLease {
    entry.state = 'leased';
    this.#membership.fleet.unreserve(entry);
    this.#statistics.leases++;
    const lease = this.#createLease(entry, now, origin);
    lease.isLongLived = isLongLived;
    entry.lease = lease;
    return lease;
  }

  /** The borrower's stack, unless nobody asks for it or too many were captured just now. */
  captureOrigin(isLongLived: boolean): Error | undefined {
    const { leakThresholdMs } = this.#options;
    if (isLongLived || leakThresholdMs === 0 || this.#stacksLeft === 0) return undefined;
    this.#stacksLeft--;
    return new Error('The lease was acquired here');
  }

  /** A tick has passed: stacks may be captured again. */
  allowStacks(): void {
    this.#stacksLeft = STACKS_PER_TICK;
  }

  /** Returns the entry when it may serve others at once; else it is being closed. */
  takeBack(lease: ConnectionLease, now: number): Entry | undefined {
    const { entry } = lease;
    if (entry.lease !== lease) return undefined;
    entry.lease = undefined;
    const isBlocked = lease.hasRunBlocking && entry.connection.inFlight > 0;
    if (isBlocked || lease.session?.tainted || entry.staleReason !== undefined) {
      this.#membership.evict(entry, entry.staleReason ?? 'unclean');
      return undefined;
    }
    if (lease.session !== undefined) this.#restoreSession(entry, lease.session);
    entry.state = 'ready';
    entry.lastUsedAt = now;
    if (this.#membership.fleet.size <= this.#membership.maxConnections) return entry;
    this.#membership.retire(entry, 'shrink');
    return undefined;
  }

  /** A leased connection ended: nothing on it is retried, as it may depend on what came before. */
  onLost(lease: ConnectionLease, error: Error, lost: LostCommands): void {
    lease.entry.lease = undefined;
    for (const command of lost.sent) command.fail(lossOf(command, error, 'unknown'));
    for (const command of lost.unsent) command.fail(lossOf(command, error, 'not-applied'));
    lease.noteLoss(error);
  }

  /** What follows on the connection is executed after these commands, so nobody need wait. */
  #restoreSession(entry: Entry, session: Session): void {
    for (const args of restoringCommands(session, this.#options.target.database)) {
      const command = ownCommand(args, this.#options.commandTimeoutMs);
      entry.connection.send(command);
      command.promise.catch((error) => this.#membership.evict(entry, 'unclean', error));
    }
  }
}
