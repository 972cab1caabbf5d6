// The mechanism: which connection carries which command, who waits, who is lent a connection, and
// what a connection's end means for the others. What to decide stands in `policy/`.
//
//   execute() --> lane with room? --yes--> connection.send()
//                     |no
//                     v
//                  waiters --(room, release, new connection)--> serve()
//                     ^
//   lost, not applied +-- Recovery (8, 32, 128 ms)

import { EventEmitter } from 'node:events';
import type { Clock } from '../base/clock.js';
import type { Command } from '../base/command.js';
import { readPayload } from '../base/payload.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { Breaker } from '../policy/breaker.js';
import { drawLifetimeMs } from '../policy/lifetime.js';
import { classifyServerError } from '../policy/server-error.js';
import { restoringCommands, type Session } from '../policy/session.js';
import type { ConnectionSource, LostCommands, PooledConnection } from './connection.js';
import { Dialer } from './dialer.js';
import { Entry, type EvictionReason } from './entry.js';
import type { PoolEvents } from './events.js';
import type { AcquireOptions, PoolExecutor } from './executor.js';
import { Fleet } from './fleet.js';
import { Housekeeper } from './housekeeper.js';
import { type HealthReport, Inspector, ownCommand } from './inspector.js';
import { abortedError, ConnectionLease, cancelOnAbort } from './lease.js';
import { lossOf, Recovery } from './recovery.js';
import { type PoolState, type PoolStatus, takeSnapshot } from './snapshot.js';
import { Statistics } from './statistics.js';
import { LeaseRequest, Waiters } from './waiters.js';

/** Stacks of borrowers captured per tick of the housekeeper: a stack costs more than a lease. */
const STACKS_PER_TICK = 20;
const DEFAULT_CLOSE_TIMEOUT_MS = 5_000;

export interface PoolDependencies {
  readonly source: ConnectionSource;
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
}

export interface CloseOptions {
  /** Longest wait for commands in flight and leases, ms. Default 5,000; 0: end at once. */
  readonly timeoutMs?: number;
}

export class ConnectionPool extends EventEmitter<PoolEvents> implements PoolExecutor {
  readonly options: ResolvedOptions;
  readonly #source: ConnectionSource;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #fleet: Fleet;
  readonly #waiters: Waiters;
  readonly #statistics = new Statistics();
  readonly #breaker: Breaker;
  readonly #dialer: Dialer;
  readonly #recovery: Recovery;
  readonly #inspector: Inspector;
  readonly #housekeeper: Housekeeper;
  #maxConnections: number;
  #nextId = 1;
  /** All lanes are crowded: one more connection is wanted though nobody waits. */
  #isCrowded = false;
  #isExhausted = false;
  #isSuspended = false;
  #closing: Promise<void> | undefined;
  #finishClosing: (() => void) | undefined;
  #isClosed = false;
  #stacksLeft = STACKS_PER_TICK;

  constructor(options: ResolvedOptions, dependencies: PoolDependencies) {
    super();
    this.options = options;
    this.#source = dependencies.source;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
    this.#maxConnections = options.maxConnections;
    this.#fleet = new Fleet(options.laneDepth, options.maxInFlight);
    this.#waiters = new Waiters(options.acquireTimeoutMs);
    this.#breaker = new Breaker(options.breaker, this.#random);
    this.#dialer = this.#createDialer();
    this.#recovery = new Recovery(options, this.#clock, this.#random, this.#statistics, (command) =>
      this.#dispatch(command),
    );
    this.#inspector = this.#createInspector();
    this.#housekeeper = this.#createHousekeeper();
    this.#source.onMoved = () => this.#onMoved();
    this.#dialer.pump();
  }

  /** Runs an ordinary command on a shared lane. The promise rejects; nothing is thrown. */
  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (signal === undefined || !cancelOnAbort(command, signal)) this.#dispatch(command);
    return command.promise;
  }

  /** Runs a command that blocks its connection: leases one for its duration. */
  async executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown> {
    // The deadline counts from here, as it covers the wait for a connection too.
    command.startedAt = this.#clock.now();
    const lease = await this.acquireLease({ signal, isLongLived: command.timeoutMs === 0 });
    try {
      return await lease.execute(command, signal);
    } finally {
      if (!lease.isReleased) lease.release();
    }
  }

  /** Lends a connection. @throws PoolError ACQUIRE_TIMEOUT, ABORTED, QUEUE_FULL, POOL_CLOSED, ... */
  acquireLease(options?: AcquireOptions): Promise<ConnectionLease> {
    const isLongLived = options?.isLongLived === true;
    if (this.#closing === undefined && !this.#isSuspended && this.#waiters.leaseCount === 0) {
      const signal = options?.signal;
      const entry = signal?.aborted === true ? undefined : this.#fleet.findIdle();
      if (entry !== undefined) {
        if (!this.#housekeeper.isFast) this.#housekeeper.hurry();
        const now = this.#housekeeper.coarseNow;
        return Promise.resolve(
          this.#lend(entry, now, this.#captureOrigin(isLongLived), isLongLived),
        );
      }
    }
    return this.#waitForLease(options ?? {}, isLongLived);
  }

  /** A snapshot of the pool; cheap. */
  status(): PoolStatus {
    return takeSnapshot({
      name: this.options.target.name,
      state: this.#state(),
      address: this.#source.address,
      entries: this.#fleet.entries,
      connecting: this.#dialer.dialing,
      waiting: this.#waiters.length,
      minConnections: this.options.minConnections,
      maxConnections: this.#maxConnections,
      alert: this.#inspector.isAlertRaised,
      statistics: this.#statistics,
      lastConnectError: this.#breaker.lastError,
    });
  }

  /** An active probe: a PING on each connection that nobody leases; late ones are evicted. */
  async healthCheck(): Promise<HealthReport> {
    try {
      // Where no connection is open yet, one has to be made before it can be asked.
      if (this.#fleet.size === 0 || this.#closing !== undefined) {
        (await this.acquireLease()).release();
      }
      return { ...(await this.#inspector.probe()), status: this.status() };
    } catch (error) {
      const nothing = { latencyMs: undefined, checkedConnections: 0, failedConnections: 0 };
      return { healthy: false, ...nothing, error: error as Error, status: this.status() };
    }
  }

  /**
   * Changes how many connections this process may open, at once and without loss.
   * @throws PoolError INVALID_ARGUMENT unless it is an integer of at least `minConnections` and 1.
   */
  resize(maxConnections: number): void {
    const least = Math.max(1, this.options.minConnections);
    if (!Number.isInteger(maxConnections) || maxConnections < least) {
      throw new PoolError(
        'INVALID_ARGUMENT',
        `resize: maxConnections must be an integer of at least ${least}, not ${maxConnections}`,
      );
    }
    this.#maxConnections = maxConnections;
    this.#shrinkToMaximum();
    this.#dialer.pump();
  }

  /** New callers wait from now on; what is in flight goes on. */
  suspend(): void {
    this.#isSuspended = true;
  }

  resume(): void {
    this.#isSuspended = false;
    this.#serveAll();
    this.#dialer.pump();
  }

  /** Takes no more commands, waits for those it has and for leases, then closes all connections. */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** For subclasses that lend more than a bare connection. */
  protected createLease(entry: Entry, now: number, origin: Error | undefined): ConnectionLease {
    return new ConnectionLease(this, entry, now, origin);
  }

  /** For leases alone. @internal */
  takeBack(lease: ConnectionLease): void {
    const entry = lease.entry;
    if (entry.lease !== lease) return;
    entry.lease = undefined;
    const isBlocked = lease.hasRunBlocking && entry.connection.inFlight > 0;
    if (lease.session?.tainted || isBlocked) {
      this.#evict(entry, 'unclean');
      return;
    }
    if (lease.session !== undefined) this.#restoreSession(entry, lease.session);
    entry.state = 'ready';
    entry.lastUsedAt = this.#housekeeper.coarseNow;
    if (this.#fleet.size > this.#maxConnections) this.#retire(entry, 'shrink');
    else if (this.#waiters.length > 0) this.#serve(entry);
    if (this.#finishClosing !== undefined) this.#finishClosing();
  }

  /** For leases alone. @internal */
  discard(lease: ConnectionLease, reason: Error): void {
    if (lease.entry.lease === lease) this.#evict(lease.entry, 'destroyed', reason);
  }

  #createDialer(): Dialer {
    const pool = this;
    return new Dialer(this.#source, this.#breaker, this.#clock, {
      get missingConnections() {
        return pool.#missingConnections();
      },
      get openConnections() {
        return pool.#fleet.size;
      },
      get mustStayAlive() {
        return pool.#waiters.length > 0;
      },
      onConnected: (connection) => this.#onConnected(connection),
      onConnectFailed: (error) => {
        this.#statistics.connectErrors++;
        this.#announce('connectError', error);
      },
      onBreakerChange: (isOpen, error) => this.#onBreakerChange(isOpen, error),
    });
  }

  #createInspector(): Inspector {
    const pool = this;
    return new Inspector(this.options, this.#statistics, {
      entries: this.#fleet.entries,
      get maxConnections() {
        return pool.#maxConnections;
      },
      get openConnections() {
        return pool.#fleet.readyCount + pool.#fleet.leasedCount;
      },
      retire: (entry, reason) => this.#retire(entry, reason),
      evict: (entry, reason, error) => this.#evict(entry, reason, error),
      onAlert: (isRaised, utilizationPercent) =>
        this.#announce(isRaised ? 'alert' : 'alertCleared', { utilizationPercent }),
      onLeak: (lease, heldMs) =>
        this.#announce('leak', {
          connectionId: lease.entry.id,
          heldMs,
          stack: lease.origin?.stack,
        }),
    });
  }

  #createHousekeeper(): Housekeeper {
    const pool = this;
    return new Housekeeper(this.#clock, {
      sweep: (now) => this.#sweep(now),
      inspect: (now) => this.#inspector.inspect(now),
      get mustStayAlive() {
        return pool.#waiters.length > 0;
      },
    });
  }

  /** A listener that throws must not stop the pool in the middle of what it does. */
  #announce<Name extends keyof PoolEvents>(event: Name, ...args: PoolEvents[Name]): void {
    try {
      (this as EventEmitter).emit(event, ...args);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #dispatch(command: Command): void {
    if (this.#isSuspended || this.#closing !== undefined || this.#waiters.commandCount > 0) {
      this.#wait(command);
      return;
    }
    const lane = this.#fleet.pickLane();
    if (lane === undefined) {
      this.#wait(command);
      return;
    }
    if (this.#fleet.isCrowded(lane)) this.#growBeyondLanes();
    lane.connection.send(command);
    if (!this.#housekeeper.isFast) this.#housekeeper.hurry();
  }

  #growBeyondLanes(): void {
    if (this.#isCrowded || this.#fleet.size + this.#dialer.dialing >= this.#maxConnections) return;
    this.#isCrowded = true;
    this.#dialer.pump();
  }

  #wait(command: Command): void {
    // A retry is work that was accepted before close() and may still be served.
    if (this.#isClosed || (this.#closing !== undefined && command.failedAttempts === 0)) {
      command.fail(closedError(command.name));
      return;
    }
    const refusal = this.#refusal(command.name);
    if (refusal !== undefined) {
      this.#refuse(command, refusal);
      return;
    }
    const now = this.#clock.now();
    if (command.startedAt === 0) command.startedAt = now;
    this.#waiters.addCommand(command, now);
    this.#onWaiting();
  }

  #waitForLease(options: AcquireOptions, isLongLived: boolean): Promise<ConnectionLease> {
    const { signal } = options;
    if (this.#closing !== undefined) return Promise.reject(closedError('acquire()'));
    if (signal?.aborted) return Promise.reject(abortedError('acquire()', signal));
    const refusal = this.#refusal('acquire()');
    if (refusal !== undefined) {
      if (refusal.code === 'BREAKER_OPEN') this.#statistics.refusedByBreaker++;
      return Promise.reject(refusal);
    }
    const timeoutMs = options.timeoutMs ?? this.options.acquireTimeoutMs;
    const origin = this.#captureOrigin(isLongLived);
    const request = new LeaseRequest(this.#clock.now(), timeoutMs, isLongLived, origin);
    if (signal !== undefined) {
      const onAbort = () => request.fail(abortedError('acquire()', signal));
      signal.addEventListener('abort', onAbort, { once: true });
      request.unlisten = () => signal.removeEventListener('abort', onAbort);
    }
    this.#waiters.addLease(request);
    this.#onWaiting();
    return request.promise;
  }

  /** Why nobody can be put in the queue; `undefined`: waiting makes sense. */
  #refusal(what: string): PoolError | undefined {
    const { maxWaiters } = this.options;
    if (this.#breaker.isOpen && this.#fleet.size === 0) {
      return breakerError(what, this.#breaker.lastError);
    }
    if (this.#waiters.length < maxWaiters) return undefined;
    this.#waiters.compact();
    if (this.#waiters.length < maxWaiters) return undefined;
    return new PoolError('QUEUE_FULL', `${what}: ${maxWaiters} callers wait already`, {
      sent: false,
    });
  }

  #refuse(command: Command, error: PoolError): void {
    if (error.code === 'BREAKER_OPEN') this.#statistics.refusedByBreaker++;
    const { fallback } = this.options;
    if (fallback === undefined || command.retryClass !== 'read' || error.code === 'QUEUE_FULL') {
      command.fail(error);
      return;
    }
    const [, ...args] = readPayload(command.payload);
    command.transform = undefined;
    command.resp2Transform = undefined;
    Promise.resolve()
      .then(() => fallback({ command: command.name, args, error }))
      .then(
        (value) => command.succeed(value),
        (failure) => command.fail(failure),
      );
  }

  #onWaiting(): void {
    if (this.#fleet.size >= this.#maxConnections) {
      this.#noteExhaustion();
      if (this.#waiters.leaseCount > 0) this.#fleet.reserve(this.#waiters.leaseCount);
    }
    this.#dialer.pump();
    this.#dialer.refresh();
    this.#housekeeper.hurry();
    this.#housekeeper.refresh();
  }

  #noteExhaustion(): void {
    if (this.#isExhausted || this.#isSuspended) return;
    this.#isExhausted = true;
    this.#statistics.exhausted++;
    this.#announce('exhausted', {
      maxConnections: this.#maxConnections,
      waiting: this.#waiters.length,
    });
  }

  /** Gives an entry with room to those who wait: to a lease when it is its turn, else commands. */
  #serve(entry: Entry): void {
    if (this.#isSuspended) return;
    if (this.#waiters.leaseCount > 0 && entry.isIdle && this.#isLeasesTurn(entry)) {
      this.#grant(entry);
    } else {
      this.#serveCommands(entry);
    }
    if (this.#waiters.length > 0) return;
    this.#isExhausted = false;
    this.#fleet.unreserveAll();
    this.#housekeeper.refresh();
    this.#dialer.refresh();
  }

  #isLeasesTurn(entry: Entry): boolean {
    const request = this.#waiters.peekLease();
    if (request === undefined) return false;
    const command = this.#waiters.peekCommand();
    return entry.isReserved || command === undefined || request.queuedAt <= command.queuedAt;
  }

  #grant(entry: Entry): void {
    const request = this.#waiters.takeLease() as LeaseRequest;
    const now = this.#clock.now();
    this.#statistics.waitLatency.record(now - request.queuedAt);
    request.grant(this.#lend(entry, now, request.origin, request.isLongLived));
    if (this.#waiters.leaseCount === 0 && this.#fleet.unreserveAll()) this.#serveAll();
  }

  #serveCommands(entry: Entry): void {
    if (this.#waiters.commandCount === 0) return;
    const now = this.#clock.now();
    while (this.#fleet.hasRoom(entry)) {
      const command = this.#waiters.takeCommand();
      if (command === undefined) return;
      this.#statistics.waitLatency.record(now - command.queuedAt);
      entry.connection.send(command);
    }
  }

  #serveAll(): void {
    for (const entry of [...this.#fleet.entries]) {
      if (this.#waiters.length === 0) return;
      if (entry.state === 'ready') this.#serve(entry);
    }
  }

  #lend(
    entry: Entry,
    now: number,
    origin: Error | undefined,
    isLongLived: boolean,
  ): ConnectionLease {
    entry.state = 'leased';
    this.#fleet.unreserve(entry);
    this.#statistics.leases++;
    const lease = this.createLease(entry, now, origin);
    lease.isLongLived = isLongLived;
    entry.lease = lease;
    return lease;
  }

  /** The borrower's stack, unless nobody asks for it or too many were captured just now. */
  #captureOrigin(isLongLived: boolean): Error | undefined {
    if (isLongLived || this.options.leakThresholdMs === 0 || this.#stacksLeft === 0) {
      return undefined;
    }
    this.#stacksLeft--;
    return new Error('The lease was acquired here');
  }

  /** Undoes WATCH, MULTI and SELECT. What follows on the connection is executed after it. */
  #restoreSession(entry: Entry, session: Session): void {
    for (const args of restoringCommands(session, this.options.target.database)) {
      const command = ownCommand(args, this.options.commandTimeoutMs);
      entry.connection.send(command);
      command.promise.catch((error) => this.#evict(entry, 'unclean', error));
    }
  }

  #onConnected(connection: PooledConnection): void {
    const now = this.#clock.now();
    const lifetimeMs = drawLifetimeMs(this.options.maxLifetimeMs, this.#random);
    const entry = new Entry(this.#nextId++, connection, now, lifetimeMs);
    connection.listener = {
      onProgress: () => this.#onProgress(entry),
      onLatency: (latencyMs, count) => this.#statistics.recordCommands(latencyMs, count),
      onErrorReply: (command, error) => this.#onErrorReply(entry, command, error),
      onEnd: (error, lost) => this.#onEnd(entry, error, lost),
      onPush: (message) => entry.lease?.onPush?.(message),
    };
    this.#fleet.add(entry);
    this.#isCrowded = false;
    this.#statistics.opened++;
    this.#announce('open', { connectionId: entry.id });
    if (this.#waiters.length > 0) this.#serve(entry);
    this.#shrinkToMaximum();
  }

  #onProgress(entry: Entry): void {
    if (!entry.isProbed) entry.lastUsedAt = entry.connection.lastReadAt;
    if (this.#waiters.length > 0 && entry.state === 'ready') this.#serve(entry);
    if (this.#finishClosing !== undefined) this.#finishClosing();
  }

  /** Keeps commands that the server certainly didn't execute, for another attempt. */
  #onErrorReply(entry: Entry, command: Command, error: Error): boolean {
    const kind = classifyServerError(error.message);
    if (kind === 'command' || entry.state === 'leased') return false;
    const isKept = this.#recovery.tryAgain(command, 'not-applied');
    if (kind === 'demoted') this.#source.reportDemotion();
    if (kind !== 'busy') this.#retire(entry, kind === 'demoted' ? 'failover' : 'unhealthy');
    return isKept;
  }

  #onEnd(entry: Entry, error: Error, lost: LostCommands): void {
    const { lease } = entry;
    const reason = entry.evictionReason ?? 'lost';
    entry.state = 'closed';
    this.#fleet.remove(entry);
    this.#statistics.evictions[reason]++;
    if (reason === 'lost') this.#statistics.lostConnections++;
    if (lease !== undefined) this.#onLeaseLost(lease, error, lost);
    else this.#recoverAll(error, lost);
    this.#announce('evict', { connectionId: entry.id, reason, error });
    this.#dialer.pump();
    if (this.#finishClosing !== undefined) this.#finishClosing();
  }

  #onLeaseLost(lease: ConnectionLease, error: Error, lost: LostCommands): void {
    lease.entry.lease = undefined;
    for (const command of lost.sent) command.fail(lossOf(command, error, 'unknown'));
    for (const command of lost.unsent) command.fail(lossOf(command, error, 'not-applied'));
    lease.noteLoss(error);
  }

  #recoverAll(error: Error, lost: LostCommands): void {
    for (const command of lost.sent) this.#recovery.recover(command, error, 'unknown');
    for (const command of lost.unsent) this.#recovery.recover(command, error, 'not-applied');
  }

  /** Ends a connection now; what was in flight on it is retried or fails. */
  #evict(entry: Entry, reason: EvictionReason, error?: Error): void {
    if (entry.state === 'closed') return;
    entry.evictionReason = reason;
    const cause = error ?? new PoolError('CONNECTION_LOST', `The connection was closed: ${reason}`);
    entry.connection.destroy(cause);
  }

  /** Lets a connection finish what is in flight, then ends it. */
  #retire(entry: Entry, reason: EvictionReason): void {
    if (entry.state !== 'ready') return;
    entry.state = 'draining';
    entry.evictionReason = reason;
    this.#fleet.unreserve(entry);
    entry.connection.drain();
    this.#dialer.pump();
  }

  /** After a failover every connection leads to the wrong node. */
  #onMoved(): void {
    for (const entry of [...this.#fleet.entries]) this.#retire(entry, 'failover');
  }

  #shrinkToMaximum(): void {
    let surplus = this.#fleet.size - this.#maxConnections;
    for (let index = this.#fleet.size - 1; index >= 0 && surplus > 0; index--) {
      const entry = this.#fleet.entries[index] as Entry;
      if (entry.state === 'draining') surplus--;
      if (entry.state !== 'ready') continue;
      surplus--;
      this.#retire(entry, 'shrink');
    }
  }

  #missingConnections(): number {
    const { minConnections, laneDepth } = this.options;
    const room = this.#maxConnections - this.#fleet.size;
    if (room <= 0) return 0;
    const usable = this.#fleet.readyCount + this.#fleet.leasedCount;
    const forWaiters = this.#waiters.leaseCount + Math.ceil(this.#waiters.commandCount / laneDepth);
    const wanted = Math.max(
      minConnections - usable,
      forWaiters + (this.#isCrowded ? 1 : 0),
      this.#breaker.isOpen ? 1 : 0,
    );
    return Math.min(wanted, room);
  }

  /** Nothing can serve: whoever waits is told at once, with the reason. */
  #onBreakerChange(isOpen: boolean, error: PoolError | undefined): void {
    if (!isOpen) {
      this.#announce('breakerClose');
      return;
    }
    const { commands, leases } = this.#waiters.drain();
    for (const command of commands) {
      if (!command.settled) this.#refuse(command, breakerError(command.name, error));
    }
    for (const request of leases) request.fail(breakerError('acquire()', error));
    this.#announce('breakerOpen', error as PoolError);
  }

  #sweep(now: number): boolean {
    this.#stacksLeft = STACKS_PER_TICK;
    this.#statistics.timeouts += this.#waiters.expire(now, (what, waitedMs) =>
      this.#acquireTimeout(what, waitedMs),
    );
    const isBusy = this.#inspector.sweep(now);
    if (this.#waiters.length === 0) {
      this.#isExhausted = false;
      this.#fleet.unreserveAll();
    }
    if (this.#finishClosing !== undefined) this.#finishClosing();
    return (
      isBusy || this.#waiters.length > 0 || this.#fleet.leasedCount > 0 || !this.#recovery.isIdle
    );
  }

  #acquireTimeout(what: string, waitedMs: number): PoolError {
    const { open, inUse, idle, max } = this.status().connections;
    const lastError = this.#breaker.lastError;
    const because = lastError === undefined ? '' : `; last connect error: ${lastError.message}`;
    return new PoolError(
      'ACQUIRE_TIMEOUT',
      `${what} waited ${Math.round(waitedMs)} ms for a connection (open=${open}, in use=${inUse}, ` +
        `idle=${idle}, max=${max}, waiting=${this.#waiters.length})${because}`,
      { cause: lastError, sent: false },
    );
  }

  async #close(timeoutMs: number): Promise<void> {
    for (const { lease } of [...this.#fleet.entries]) {
      if (lease?.isLongLived) lease.destroy(closedError('the lease'));
    }
    await this.#drained(timeoutMs);
    this.#isClosed = true;
    this.#finishClosing = undefined;
    this.#dialer.stop();
    this.#housekeeper.stop();
    const error = closedError('The command');
    this.#recovery.stop(error);
    const { commands, leases } = this.#waiters.drain();
    for (const waiter of [...commands, ...leases]) waiter.fail(error);
    for (const entry of [...this.#fleet.entries]) this.#evict(entry, 'shutdown', error);
    this.#announce('close');
  }

  /** Resolves when nothing is in flight, lent or waiting, or when the time is up. */
  #drained(timeoutMs: number): Promise<void> {
    this.#isSuspended = false;
    this.#serveAll();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#finishClosing = () => {
        const isBusy = this.#fleet.entries.some((entry) => entry.connection.inFlight > 0);
        if (isBusy || this.#fleet.leasedCount > 0) return;
        if (this.#waiters.length > 0 || !this.#recovery.isIdle) return;
        clearTimeout(timer);
        resolve();
      };
      this.#finishClosing();
    });
  }

  #state(): PoolState {
    if (this.#isClosed) return 'closed';
    if (this.#closing !== undefined) return 'closing';
    if (this.#breaker.isOpen && this.#fleet.size === 0) return 'down';
    if (this.#isSuspended) return 'suspended';
    return this.#inspector.isAlertRaised || this.#fleet.size === 0 ? 'degraded' : 'ready';
  }
}

function closedError(what: string): PoolError {
  return new PoolError('POOL_CLOSED', `${what}: the pool is closed`, { sent: false });
}

function breakerError(what: string, lastError: Error | undefined): PoolError {
  return new PoolError(
    'BREAKER_OPEN',
    `${what}: no server to ask; last connect error: ${lastError?.message ?? 'none'}`,
    { cause: lastError, sent: false },
  );
}
