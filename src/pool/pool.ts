// The mechanism: which lane carries which command, who waits, who is served next, and how all of
// it ends. Connections come and go in `membership.ts`, are lent in `lending.ts`, and are looked
// after in `inspector.ts`; what to decide stands in `policy/`.
//
//   execute() --> lane with room? --yes--> connection.send()
//                     |no
//                     v
//                  waiters --(room, release, new connection)--> serve()
//                     ^
//   lost, not applied +-- Recovery (8, 32, 128 ms)

import { EventEmitter } from 'node:events';
import type { Clock } from '../base/clock.js';
import { type Command, isSendable, type Refusal } from '../base/command.js';
import type { LatencyHistogram } from '../base/latency-histogram.js';
import { callListener } from '../base/uncaught.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import type { ConnectionSource, LostCommands } from './connection.js';
import { closedError, type Drain, Ending, isUnblocked } from './ending.js';
import type { Entry, EvictionReason } from './entry.js';
import type { PoolEvents } from './events.js';
import { type AcquireOptions, acquireMistake, type PoolExecutor } from './executor.js';
import { Housekeeper } from './housekeeper.js';
import { type HealthReport, Inspector } from './inspector.js';
import { ConnectionLease, cancelOnAbort, notSendable } from './lease.js';
import { Lending } from './lending.js';
import { Membership } from './membership.js';
import { ownCommand } from './own-command.js';
import { Recovery } from './recovery.js';
import { Refusals } from './refusals.js';
import { type PoolState, type PoolStatus, takeSnapshot } from './snapshot.js';
import { Statistics } from './statistics.js';
import { WaitingRoom } from './waiting-room.js';

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

export interface LatencyTotals {
  /** From the caller's call to the reply. */
  readonly command: LatencyHistogram;
  /** Of those callers that had to wait for a connection. */
  readonly wait: LatencyHistogram;
}

export class ConnectionPool extends EventEmitter<PoolEvents> implements PoolExecutor {
  readonly options: ResolvedOptions;
  /** For duplicates, which end before the pool. @internal */
  readonly ending: Ending;
  readonly #source: ConnectionSource;
  readonly #clock: Clock;
  readonly #statistics = new Statistics();
  readonly #membership: Membership;
  readonly #lending: Lending;
  readonly #waitingRoom: WaitingRoom;
  readonly #refusals: Refusals;
  readonly #recovery: Recovery;
  readonly #inspector: Inspector;
  readonly #housekeeper: Housekeeper;
  #closing: Promise<void> | undefined;
  /** Set while `close()` waits: asked when there may be nothing left to wait for. */
  #drain: Drain | undefined;
  #isClosed = false;

  constructor(options: ResolvedOptions, dependencies: PoolDependencies) {
    super();
    const { source, clock, random } = dependencies;
    const statistics = this.#statistics;
    this.options = options;
    this.#source = source;
    this.#clock = clock;
    this.#membership = this.#createMembership(dependencies);
    this.#lending = new Lending(
      options,
      this.#membership,
      statistics,
      (entry, now, origin) => this.createLease(entry, now, origin),
      (entry) => this.#onProgress(entry),
    );
    this.#refusals = new Refusals(clock, options.fallback, () => this.#housekeeper.hurry());
    this.#waitingRoom = this.#createWaitingRoom();
    this.#recovery = new Recovery(options, clock, random, statistics, (command) =>
      this.#dispatch(command),
    );
    this.#inspector = this.#createInspector();
    this.ending = new Ending(
      this.#membership,
      this.#waitingRoom,
      this.#recovery,
      this.#inspector.probeTimeoutMs,
    );
    this.#housekeeper = this.#createHousekeeper();
    this.#membership.pump();
    // Later, so that a listener can be there.
    for (const warning of options.warnings) setImmediate(() => this.#announce('warning', warning));
  }

  /** Runs an ordinary command on a shared lane. The promise rejects; nothing is thrown. */
  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (!isSendable(command)) return this.refusal(notSendable());
    const refusal = signal === undefined ? undefined : cancelOnAbort(command, signal);
    if (refusal === undefined) this.#dispatch(command);
    else this.#refusals.refuse(command, refusal);
    return command.promise;
  }

  /** Fails a command that must not be sent. @internal */
  refuse(command: Command, error: Error): void {
    this.#refusals.refuse(command, error);
  }

  /** Rejects with `error`, a turn of the event loop later. @internal */
  refusal(error: Error): Promise<never> {
    return this.#refusals.refusal(error);
  }

  /** Counts an error that a caller gets. @internal */
  get onError(): (error: unknown) => void {
    return this.#statistics.countError;
  }

  /** Runs a command that blocks its connection: leases one for its duration. */
  async executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (!isSendable(command)) return this.refusal(notSendable());
    // The deadline counts from here, as it covers the wait for a connection too.
    command.startedAt = this.#clock.now();
    const { acquireTimeoutMs } = this.options;
    const timeoutMs = Math.min(command.timeoutMs || acquireTimeoutMs, acquireTimeoutMs);
    const isLongLived = command.timeoutMs === 0;
    const { holder } = command.settings;
    const lease = await this.acquireLease({ signal, timeoutMs, isLongLived, holder });
    try {
      if (lease.blockEnd !== undefined) throw lease.blockEnd;
      return await lease.execute(command, signal);
    } finally {
      if (!lease.isReleased) lease.release();
    }
  }

  /** Lends a connection. @throws PoolError ACQUIRE_TIMEOUT, ABORTED, QUEUE_FULL, POOL_CLOSED, ... */
  acquireLease(options: AcquireOptions = {}): Promise<ConnectionLease> {
    const mistake =
      this.#closing === undefined ? acquireMistake(options) : closedError('acquire()');
    if (mistake !== undefined) return this.#waitingRoom.refuseLease(mistake);
    const isLongLived = options.isLongLived === true;
    if (this.#waitingRoom.isOpenForLeases && options.signal?.aborted !== true) {
      const { fleet, maxConnections } = this.#membership;
      const entry = fleet.findIdle(maxConnections);
      if (entry !== undefined) {
        if (!this.#housekeeper.isFast) this.#housekeeper.hurry();
        const now = this.#housekeeper.coarseNow;
        return Promise.resolve(
          this.#lending.lend(entry, now, this.#lending.captureOrigin(isLongLived), {
            isLongLived,
            holder: options.holder,
          }),
        );
      }
    }
    return this.#waitingRoom.admitLease(options, isLongLived);
  }

  /** Latencies since the pool was made, in buckets: what a scrape wants beside `status()`. */
  latencyTotals(): LatencyTotals {
    const { commandLatency, waitLatency } = this.#statistics;
    return { command: commandLatency.total(), wait: waitLatency.total() };
  }

  /** A snapshot of the pool; cheap. */
  status(): PoolStatus {
    return takeSnapshot({
      name: this.options.target.name,
      state: this.#state(),
      address: this.#source.address,
      entries: this.#membership.fleet.entries,
      connecting: this.#membership.connecting,
      waiting: this.#waitingRoom.length,
      minConnections: this.options.minConnections,
      maxConnections: this.#membership.maxConnections,
      alert: this.#inspector.isAlertRaised,
      statistics: this.#statistics,
      lastConnectError: this.#membership.lastConnectError,
      nextConnectInMs: this.#membership.nextConnectInMs,
    });
  }

  /**
   * An active probe: a PING on each connection that nobody leases. Healthy is a pool of which a
   * connection answers, whatever the answer is; one that is merely late stays open.
   */
  async healthCheck(): Promise<HealthReport> {
    try {
      if (this.#closing !== undefined) throw closedError('healthCheck()');
      const { fleet, isFull } = this.#membership;
      // Where no lane is open one has to be made, unless the only connection there may be is lent.
      if (fleet.readyCount === 0 && !(isFull && fleet.leasedCount > 0)) {
        await this.execute(ownCommand(['PING'], this.#inspector.probeTimeoutMs)).catch(onlyErrors);
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
    this.#membership.resize(maxConnections);
  }

  /** New callers wait from now on; what is in flight goes on. */
  suspend(): void {
    this.#waitingRoom.suspend();
  }

  resume(): void {
    this.#waitingRoom.resume();
    this.#membership.pump();
  }

  /**
   * Takes no more commands, waits for those it has and for leases, then closes all connections.
   * Who waits for a connection of his own, or blocks, is told POOL_CLOSED at once. A further call
   * may shorten the wait: `close({ timeoutMs: 0 })` ends it.
   */
  close({ timeoutMs }: CloseOptions = {}): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#close(timeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS);
    } else if (timeoutMs !== undefined) {
      this.#drain?.limit(timeoutMs);
    }
    return this.#closing;
  }

  /** Whether open connections, and callers who wait, keep the process alive; see `unref()`. */
  get keepsAlive(): boolean {
    return this.#membership.keepsAlive;
  }

  /** Undoes `unref()`. */
  ref(): void {
    this.#keepAlive(true);
  }

  /** Lets the process end though connections are open and replies are awaited. */
  unref(): void {
    this.#keepAlive(false);
  }

  #keepAlive(isWanted: boolean): void {
    this.#membership.keepAlive(isWanted);
    this.#recovery.keepAlive(isWanted);
    this.#housekeeper.refresh();
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
    this.ending.announceEnd(lease);
    this.#lending.takeBack(lease, this.#housekeeper.coarseNow);
    this.#drain?.check();
  }

  /** For leases alone. @internal */
  discard(lease: ConnectionLease, reason: Error): void {
    this.ending.announceEnd(lease);
    if (lease.entry.lease === lease) this.#membership.evict(lease.entry, 'destroyed', reason);
  }

  /** For leases alone. @internal */
  cancelBlocking(lease: ConnectionLease, command: Command, error: Error): void {
    void this.ending.cancel(lease, command, error);
  }

  #createMembership(dependencies: PoolDependencies): Membership {
    const pool = this;
    return new Membership(
      this.options,
      { ...dependencies, statistics: this.#statistics },
      {
        get wantedConnections() {
          return pool.#waitingRoom.wantedConnections;
        },
        get mustStayAlive() {
          return pool.keepsAlive && pool.#waitingRoom.length > 0;
        },
        onReady: (entry) => this.#onReady(entry),
        onProgress: (entry) => this.#onProgress(entry),
        onErrorReply: (entry, command, refusal) => this.#onErrorReply(entry, command, refusal),
        onEnd: (entry, reason, error, lost) => this.#onEnd(entry, reason, error, lost),
        onConnectFailed: (error) => {
          this.#waitingRoom.reserveLanes();
          this.#announce('connectError', error);
        },
        onBreakerChange: (isOpen, error) => this.#onBreakerChange(isOpen, error),
      },
    );
  }

  #createWaitingRoom(): WaitingRoom {
    return new WaitingRoom(this.options, {
      clock: this.#clock,
      statistics: this.#statistics,
      membership: this.#membership,
      lending: this.#lending,
      refusals: this.#refusals,
      onWaitingChanged: () => {
        this.#membership.refresh();
        if (this.#waitingRoom.length > 0) this.#housekeeper.hurry();
        this.#housekeeper.refresh();
      },
      onExhausted: (waiting) =>
        this.#announce('exhausted', {
          maxConnections: this.#membership.maxConnections,
          waiting,
        }),
    });
  }

  #createInspector(): Inspector {
    const pool = this;
    return new Inspector(this.options, this.#statistics, {
      entries: this.#membership.fleet.entries,
      get maxConnections() {
        return pool.#membership.maxConnections;
      },
      get openConnections() {
        return pool.#membership.fleet.keptCount;
      },
      retire: (entry, reason) => this.#membership.retire(entry, reason),
      replace: (entry) => this.#membership.replace(entry),
      openSpare: () => this.#membership.openSpare(),
      closeSpare: () => this.#membership.closeSpare(),
      evict: (entry, reason, error) => this.#membership.evict(entry, reason, error),
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
        return pool.keepsAlive && (pool.#waitingRoom.length > 0 || !pool.#refusals.isIdle);
      },
    });
  }

  /** A listener that throws must not stop the pool in the middle of what it does. */
  #announce<Name extends keyof PoolEvents>(event: Name, ...args: PoolEvents[Name]): void {
    callListener(() => (this as EventEmitter).emit(event, ...args));
  }

  #dispatch(command: Command): void {
    // A retry was accepted before close() and is still served.
    if (this.#closing !== undefined && (this.#isClosed || command.failedAttempts === 0)) {
      this.#refusals.refuse(command, closedError(command.name));
      return;
    }
    const lane = this.#waitingRoom.mustQueue ? undefined : this.#membership.fleet.pickLane();
    if (lane === undefined) {
      this.#waitingRoom.admitCommand(command);
      return;
    }
    if (this.#membership.fleet.isCrowded(lane)) this.#membership.growBeyondLanes();
    lane.connection.send(command);
    if (!this.#housekeeper.isFast) this.#housekeeper.hurry();
  }

  #onReady(entry: Entry): void {
    this.#announce('open', { connectionId: entry.id });
    if (this.#waitingRoom.length > 0) this.#waitingRoom.serve(entry);
  }

  #onProgress(entry: Entry): void {
    if (this.#waitingRoom.length > 0 && entry.state === 'ready') this.#waitingRoom.serve(entry);
    this.#drain?.check();
  }

  /** Keeps commands that the server can't execute just now, for another attempt. */
  #onErrorReply(entry: Entry, command: Command, { error, verdict }: Refusal): boolean {
    if (isUnblocked(entry, command, error)) {
      command.fail(entry.lease?.blockEnd);
      return true;
    }
    const { outcome, again, retire, breaks } = verdict;
    const isKept = again !== 'no' && this.#recovery.tryAgain(command, outcome);
    if (retire === 'demoted') this.#membership.condemn(entry);
    if (breaks !== undefined) entry.evictionReason = 'unclean';
    else if (retire === 'unauthenticated') this.#membership.retire(entry, 'unhealthy');
    return isKept;
  }

  #onEnd(entry: Entry, reason: EvictionReason, error: Error, lost: LostCommands): void {
    if (entry.lease !== undefined) {
      this.#lending.onLost(entry.lease, error, lost);
    } else {
      for (const command of lost.sent) this.#recovery.recover(command, error, 'unknown');
      for (const command of lost.unsent) this.#recovery.recover(command, error, 'not-applied');
    }
    this.#announce('evict', { connectionId: entry.id, reason, error });
    this.#drain?.check();
  }

  /** Nothing can serve: whoever waits is told at once, with the reason. */
  #onBreakerChange(isOpen: boolean, error: PoolError | undefined): void {
    if (!isOpen) {
      this.#announce('breakerClose');
      return;
    }
    this.#waitingRoom.refuseAll(error);
    this.#announce('breakerOpen', error as PoolError);
  }

  #sweep(now: number): boolean {
    this.#lending.allowStacks();
    this.#statistics.timeouts += this.#waitingRoom.expire(now) + this.#refusals.expire(now);
    const isBusy = this.#inspector.sweep(now);
    this.#drain?.check();
    return (
      isBusy || this.#waitingRoom.length > 0 || !this.#refusals.isIdle || !this.#recovery.isIdle
    );
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#drain = this.ending.begin(timeoutMs, () => this.#hasNothingUnderWay);
    await this.#drain.promise;
    this.#isClosed = true;
    this.#drain = undefined;
    this.#housekeeper.stop();
    const error = closedError('The command');
    this.#recovery.stop(error);
    this.#waitingRoom.clear(error);
    this.#membership.stop(error);
    this.#announce('close');
  }

  get #hasNothingUnderWay(): boolean {
    const { entries, leasedCount } = this.#membership.fleet;
    if (leasedCount > 0 || entries.some(({ connection }) => connection.inFlight > 0)) return false;
    return this.#waitingRoom.length === 0 && this.#recovery.isIdle;
  }

  #state(): PoolState {
    if (this.#isClosed) return 'closed';
    if (this.#closing !== undefined) return 'closing';
    if (this.#membership.isDown) return 'down';
    if (this.#waitingRoom.isSuspended) return 'suspended';
    return this.#inspector.isAlertRaised || this.#membership.fleet.size === 0
      ? 'degraded'
      : 'ready';
  }
}

/** An error that the server answers is an answer. */
function onlyErrors(error: unknown): void {
  if (error instanceof PoolError) throw error;
}
