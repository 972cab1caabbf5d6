// Who waits for a connection, and who is served next. A caller who can't be served soon is told at
// once: when nothing can connect, or when too many wait already.
//
//   admit() --> waiters --+--> serve(entry): a lease when it is its turn, else commands
//      |                  |
//      v                  +--> ACQUIRE_TIMEOUT, ABORTED, BREAKER_OPEN
//   QUEUE_FULL, BREAKER_OPEN, POOL_CLOSED

import { onceAborted } from '../base/abort-signal.js';
import type { Clock } from '../base/clock.js';
import type { Command } from '../base/command.js';
import type { CommandRoute } from '../base/route.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { abortedError, breakerError } from './caller-errors.js';
import { countInUse, type Entry, sendOn } from './entry.js';
import type { ConnectionLease } from './lease.js';
import { LeaseRequest, type LeaseTerms } from './lease-request.js';
import type { Lending } from './lending.js';
import type { Membership } from './membership.js';
import type { Refusals } from './refusals.js';
import type { Statistics } from './statistics.js';
import { bytesOf, type Strays, Waiters } from './waiters.js';

/** A full queue is searched for callers who gave up no more often than this, ms: it is long. */
const COMPACTION_PAUSE_MS = 20;
const NO_STRAYS: Strays = { commands: [], leases: [] };

export interface WaitingRoomDependencies {
  readonly clock: Clock;
  readonly statistics: Statistics;
  readonly membership: Membership;
  readonly lending: Lending;
  readonly refusals: Refusals;
  /** Somebody began to wait, or nobody waits any more. */
  onWaitingChanged(): void;
  onExhausted(waiting: number): void;
}

export class WaitingRoom {
  readonly #options: ResolvedOptions;
  readonly #dependencies: WaitingRoomDependencies;
  readonly #waiters = new Waiters();
  #isExhausted = false;
  #isSuspended = false;
  #compactableAt = 0;

  constructor(options: ResolvedOptions, dependencies: WaitingRoomDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  get length(): number {
    return this.#waiters.length;
  }

  /** Since when whoever waits longest does; `undefined`: nobody waits. */
  get oldestSince(): number | undefined {
    return this.#waiters.oldestSince;
  }

  /** Whether a command must queue, so that it doesn't overtake those that wait. */
  get mustQueue(): boolean {
    return this.#isSuspended || this.#waiters.commandCount > 0;
  }

  /** Whether a lease may be granted at once, without overtaking anybody. */
  get isOpenForLeases(): boolean {
    return !this.#isSuspended && this.#waiters.leaseCount === 0;
  }

  /** Connections that those who wait would use at once. */
  get wantedConnections(): number {
    const { leaseCount, commandCount } = this.#waiters;
    return leaseCount + Math.ceil(commandCount / this.#options.laneDepth);
  }

  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  suspend(): void {
    this.#isSuspended = true;
  }

  resume(): void {
    this.#isSuspended = false;
    this.serveAll();
  }

  /** Queues a command, or fails it at once where waiting makes no sense. */
  admitCommand(command: Command): void {
    const now = this.#dependencies.clock.now();
    if (command.startedAt === 0) command.startedAt = now;
    const refusal = this.#refusal(command.name, bytesOf(command));
    if (refusal !== undefined) {
      this.#refuse(command, refusal);
      return;
    }
    this.#waiters.addCommand(command, now);
    this.#onWaiting();
  }

  /** Queues a request for a lease. The promise rejects; nothing is thrown. */
  admitLease(options: LeaseTerms, isLongLived: boolean): Promise<ConnectionLease> {
    const { signal } = options;
    const { clock, statistics, lending } = this.#dependencies;
    const refusal = signal?.aborted
      ? abortedError('acquire()', signal)
      : this.#refusal('acquire()', 0);
    if (refusal !== undefined) return this.refuseLease(refusal);
    const timeoutMs = options.timeoutMs ?? this.#options.acquireTimeoutMs;
    const origin = lending.captureOrigin(isLongLived);
    const { holder, route } = options;
    const request = new LeaseRequest(
      clock.now(),
      timeoutMs,
      { isLongLived, holder, route },
      origin,
    );
    request.onError = statistics.countError;
    if (signal !== undefined) {
      request.unlisten = onceAborted(signal, () => {
        request.fail(abortedError('acquire()', signal));
        this.#reopenLanes();
      });
    }
    this.#waiters.addLease(request);
    this.#onWaiting();
    return request.promise;
  }

  /** What a request for a lease that is refused gets. */
  refuseLease(refusal: PoolError): Promise<never> {
    const { statistics, refusals } = this.#dependencies;
    if (refusal.code === 'BREAKER_OPEN') statistics.refusedByBreaker++;
    statistics.countError(refusal);
    return refusals.refusal(refusal);
  }

  /** Why nobody can be put in the queue; `undefined`: waiting makes sense. @param bytes To come. */
  #refusal(what: string, bytes: number): PoolError | undefined {
    const { membership, clock } = this.#dependencies;
    if (membership.isDown) return breakerError(what, membership.lastConnectError);
    if (this.#fullness(bytes) === undefined) return undefined;
    const now = clock.now();
    if (now >= this.#compactableAt) {
      this.#compactableAt = now + COMPACTION_PAUSE_MS;
      this.#waiters.compact();
    }
    const fullness = this.#fullness(bytes);
    if (fullness === undefined) return undefined;
    // Where nobody may wait, nobody else sees to it that a later caller finds a connection.
    if (this.#waiters.length === 0) membership.growBeyondLanes();
    return new PoolError('QUEUE_FULL', `${what}: ${fullness}`, { sent: false });
  }

  /** Which bound of the queue one more would break; a command alone may be as large as it likes. */
  #fullness(bytes: number): string | undefined {
    const { maxWaiters, maxQueuedBytes } = this.#options;
    const { length, queuedBytes } = this.#waiters;
    if (length >= maxWaiters) return `${maxWaiters} callers wait already (maxWaiters)`;
    if (queuedBytes === 0 || queuedBytes + bytes <= maxQueuedBytes) return undefined;
    return `commands of ${queuedBytes} bytes wait already (maxQueuedBytes: ${maxQueuedBytes})`;
  }

  #refuse(command: Command, error: PoolError): void {
    const { statistics, refusals } = this.#dependencies;
    if (error.code === 'BREAKER_OPEN') {
      statistics.refusedByBreaker++;
      refusals.refuseWithoutServer(command, error);
    } else {
      refusals.refuse(command, error);
    }
  }

  #onWaiting(): void {
    const { membership } = this.#dependencies;
    if (membership.isFull) {
      membership.claim();
      this.#noteExhaustion();
    }
    this.reserveLanes();
    membership.pump();
    this.#dependencies.onWaitingChanged();
  }

  /** Where no further connection can be had, lanes have to run empty for the leases that wait. */
  reserveLanes(): void {
    const { membership } = this.#dependencies;
    const { leaseCount } = this.#waiters;
    if (leaseCount === 0) return;
    if (membership.isFull || membership.lastConnectError !== undefined) {
      membership.fleet.reserve(leaseCount, membership.maxConnections);
    }
  }

  #noteExhaustion(): void {
    if (this.#isExhausted || this.#isSuspended) return;
    this.#isExhausted = true;
    this.#dependencies.statistics.exhausted++;
    this.#dependencies.onExhausted(this.#waiters.length);
  }

  /** Gives an entry with room to those who wait: to a lease when it is its turn, else commands. */
  serve(entry: Entry): void {
    if (this.#isSuspended) return;
    if (this.#waiters.leaseCount > 0 && entry.isIdle && this.#isLeasesTurn(entry)) {
      this.#grant(entry);
    } else {
      this.#serveCommands(entry);
    }
    if (this.#waiters.length === 0) this.#onNobodyWaits();
  }

  #onNobodyWaits(): void {
    this.#isExhausted = false;
    this.#dependencies.membership.fleet.unreserveAll();
    this.#dependencies.onWaitingChanged();
  }

  #isLeasesTurn(entry: Entry): boolean {
    const { fleet, maxConnections } = this.#dependencies.membership;
    const request = this.#waiters.peekLease();
    if (request === undefined || !fleet.mayLend(entry, maxConnections)) return false;
    const command = this.#waiters.peekCommand();
    return entry.isReserved || command === undefined || request.queuedAt <= command.queuedAt;
  }

  #grant(entry: Entry): void {
    const { clock, statistics, lending } = this.#dependencies;
    const request = this.#waiters.takeLease() as LeaseRequest;
    const now = clock.now();
    statistics.waitLatency.record(now - request.queuedAt);
    const { origin, isLongLived, holder } = request;
    request.grant(lending.lend(entry, now, origin, isLongLived, holder));
    this.#reopenLanes();
  }

  /** Lanes that were kept for leases take commands again once no lease waits, given up included. */
  #reopenLanes(): void {
    if (this.#waiters.peekLease() !== undefined) return;
    if (this.#dependencies.membership.fleet.unreserveAll()) this.serveAll();
  }

  #serveCommands(entry: Entry): void {
    if (this.#waiters.commandCount === 0) return;
    const { clock, statistics, membership } = this.#dependencies;
    const now = clock.now();
    while (membership.fleet.hasRoom(entry)) {
      const command = this.#waiters.takeCommand();
      if (command === undefined) return;
      statistics.waitLatency.record(now - command.queuedAt);
      sendOn(entry, command);
    }
  }

  /** Room may be anywhere: all entries are offered to those who wait. */
  serveAll(): void {
    for (const entry of [...this.#dependencies.membership.fleet.entries]) {
      if (this.#waiters.length === 0) return;
      if (entry.state === 'ready') this.serve(entry);
    }
  }

  /** Tells those whose deadline has passed; returns how many. */
  expire(now: number): number {
    const expired = this.#waiters.expire(now, (what, waitedMs) =>
      this.#acquireTimeout(what, waitedMs),
    );
    this.#reopenLanes();
    if (this.#waiters.length === 0) this.#onNobodyWaits();
    return expired;
  }

  /** Nothing can serve: whoever waits is told at once, with the reason. */
  refuseAll(lastError: Error | undefined): void {
    const { commands, leases } = this.#waiters.drain();
    for (const command of commands) {
      if (!command.settled) this.#refuse(command, breakerError(command.name, lastError));
    }
    for (const request of leases) {
      const error = breakerError('acquire()', lastError);
      this.#dependencies.refusals.settleLater(() => request.fail(error));
    }
    this.#onNobodyWaits();
  }

  /** Takes out those who belong elsewhere by now, in their order. */
  takeStrays(isStray: (route: CommandRoute | undefined) => boolean): Strays {
    if (this.#waiters.length === 0) return NO_STRAYS;
    const strays = this.#waiters.takeStrays(isStray);
    this.#reopenLanes();
    if (this.#waiters.length === 0) this.#onNobodyWaits();
    return strays;
  }

  /** Lets a request wait on that another node had, or refuses it. */
  readmitLease(request: LeaseRequest): void {
    const refusal = this.#refusal('acquire()', 0);
    if (refusal !== undefined) {
      this.#dependencies.refusals.settleLater(() => request.fail(refusal));
      return;
    }
    this.#waiters.addLease(request);
    this.#onWaiting();
    this.serveAll();
  }

  forEachCommand(visit: (command: Command) => void): void {
    this.#waiters.forEachCommand(visit);
  }

  /** Fails the requests for a lease, those of one holder or all. */
  refuseLeases(holder: object | undefined, error: Error): void {
    for (const request of this.#waiters.leaseRequests()) {
      if (holder === undefined || request.holder === holder) request.fail(error);
    }
    this.#reopenLanes();
  }

  /** Fails whoever waits. */
  clear(error: Error): void {
    const { commands, leases } = this.#waiters.drain();
    for (const waiter of [...commands, ...leases]) waiter.fail(error);
  }

  #acquireTimeout(what: string, waitedMs: number): PoolError {
    const { fleet, maxConnections, lastConnectError } = this.#dependencies.membership;
    const inUse = countInUse(fleet.entries);
    const because =
      lastConnectError === undefined ? '' : `; last connect error: ${lastConnectError.message}`;
    return new PoolError(
      'ACQUIRE_TIMEOUT',
      `${what} waited ${Math.round(waitedMs)} ms for a connection (open=${fleet.size}, in use=${inUse}, ` +
        `idle=${fleet.size - inUse}, max=${maxConnections}, waiting=${this.#waiters.length})${because}`,
      { cause: lastConnectError, sent: false },
    );
  }
}
