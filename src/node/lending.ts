// Lends connections and takes them back clean. WATCH, MULTI and SELECT are undone on the way back;
// a connection that can't be cleaned, or still blocks, is closed instead.

import type { LostCommands } from '../base/link.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { restoringCommands, type Session } from '../policy/session.js';
import { lossOf } from './caller-errors.js';
import type { Entry } from './entry.js';
import type { ConnectionLease } from './lease.js';
import type { Membership } from './membership.js';
import { ownCommand } from './own-command.js';
import type { Statistics } from './statistics.js';

/** Stacks of borrowers captured per tick of the housekeeper: a stack costs more than a lease. */
const STACKS_PER_TICK = 20;

/** How early `acquiredAt` may be, ms: the pool's timer ticks as often while anything is going on. */
const COARSE_BY_MS = 20;

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
  readonly #onReturned: (entry: Entry) => void;
  #stacksLeft = STACKS_PER_TICK;
  /** The server refused to restore one: such connections are closed from now on, harming nobody. */
  #isRestoringRefused = false;

  constructor(
    options: ResolvedOptions,
    membership: Membership,
    statistics: Statistics,
    createLease: LeaseFactory,
    onReturned: (entry: Entry) => void,
  ) {
    this.#options = options;
    this.#membership = membership;
    this.#statistics = statistics;
    this.#createLease = createLease;
    this.#onReturned = onReturned;
  }

  lend(
    entry: Entry,
    now: number,
    origin: Error | undefined,
    isLongLived: boolean,
    holder: object | undefined,
  ): ConnectionLease {
    entry.state = 'leased';
    this.#membership.fleet.unreserve(entry);
    this.#statistics.leases++;
    const lease = this.#createLease(entry, now, origin);
    lease.isLongLived = isLongLived;
    lease.holder = holder;
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

  /** It serves others at once, unless it is in another database until the server says otherwise. */
  takeBack(lease: ConnectionLease, now: number): void {
    const { entry, session } = lease;
    if (entry.lease !== lease) return;
    this.#end(lease, now);
    const isBlocked = lease.hasRunBlocking && entry.connection.inFlight > 0;
    // Our word to end what blocks may still be on its way, and would hit whoever blocks next.
    const isBeingEnded = lease.blockEnd !== undefined;
    const isUnclean = isBlocked || isBeingEnded || this.#isBeyondRestoring(session);
    if (isUnclean || entry.staleReason !== undefined) {
      this.#membership.evict(entry, entry.staleReason ?? 'unclean');
      return;
    }
    if (session !== undefined) this.#restoreSession(entry, session);
    if (entry.state !== 'restoring') this.#returnToService(entry, now);
  }

  /** A leased connection ended: nothing on it is retried, as it may depend on what came before. */
  onLost(lease: ConnectionLease, error: Error, lost: LostCommands, now: number): void {
    this.#end(lease, now);
    for (const command of lost.sent) command.fail(lossOf(command, error, 'unknown'));
    for (const command of lost.unsent) command.fail(lossOf(command, error, 'not-applied'));
    lease.noteLoss(error);
  }

  /** What is kept for good on purpose would only hide how long others take. */
  #end(lease: ConnectionLease, now: number): void {
    lease.entry.lease = undefined;
    if (!lease.isLongLived) this.#statistics.leaseDuration.record(heldMs(lease, now));
  }

  #isBeyondRestoring(session: Session | undefined): boolean {
    if (session === undefined) return false;
    const isTouched = session.watching || session.inTransaction || session.databaseChanged;
    return session.tainted || (isTouched && this.#isRestoringRefused);
  }

  /**
   * What follows on the connection is executed after these commands, so nobody need wait: where the
   * server refuses DISCARD or UNWATCH, `wire` ends the connection before it hands out what follows.
   * SELECT is waited for, as a write that follows a refused one would be done in another database.
   */
  #restoreSession(entry: Entry, session: Session): void {
    const timeoutMs = this.#options.commandTimeoutMs || this.#options.target.connectTimeoutMs;
    for (const args of restoringCommands(session, this.#options.target.database)) {
      const command = ownCommand(args, timeoutMs);
      entry.connection.send(command);
      const isSelect = args[0] === 'SELECT';
      if (isSelect) entry.state = 'restoring';
      command.promise.then(
        () => isSelect && this.#returnToService(entry, entry.connection.lastReadAt),
        (error) => {
          if (!(error instanceof PoolError)) this.#isRestoringRefused = true;
          this.#membership.evict(entry, 'unclean', error);
        },
      );
    }
  }

  #returnToService(entry: Entry, now: number): void {
    if (entry.state === 'closed') return;
    if (entry.staleReason !== undefined) {
      this.#membership.evict(entry, entry.staleReason);
      return;
    }
    entry.state = 'ready';
    entry.lastUsedAt = now;
    if (this.#membership.fleet.size <= this.#membership.maxConnections) this.#onReturned(entry);
    else this.#membership.retire(entry, 'shrink');
  }
}

/**
 * How long it was lent. The clock is not read for it, which would double what a lease costs: the first
 * command and the last reply have readings of their own, and `acquiredAt` is a tick early at most.
 */
function heldMs({ entry, acquiredAt, usedAt }: ConnectionLease, now: number): number {
  if (usedAt === 0) return Math.max(0, now - acquiredAt);
  const from = Math.min(usedAt, acquiredAt + COARSE_BY_MS);
  return Math.max(0, Math.max(now, entry.connection.lastTrafficAt) - from);
}
