// The pool that users hold: what is asked of it goes to the connections of a server (`node/`); what
// failed there and may be tried again comes back to it. It has the one timer, what is counted, the
// alert, and the end of all of it.
//
//   execute() --> NodePool.send() --> reply
//                   ^      |
//                   |      v lost, refused and not applied
//                  Recovery (8, 32, 128 ms)

import { EventEmitter } from 'node:events';
import type { Clock } from '../base/clock.js';
import { type Command, isSendable } from '../base/command.js';
import type { LatencyHistogram } from '../base/latency-histogram.js';
import type { ConnectionSource } from '../base/link.js';
import { callListener } from '../base/uncaught.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { closedError, notSendable } from '../node/caller-errors.js';
import { countInUse, type Entry } from '../node/entry.js';
import type { ProbeReport } from '../node/inspector.js';
import { ConnectionLease, cancelOnAbort, type LeaseOwner } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';
import { NodePool } from '../node/node-pool.js';
import { Refusals } from '../node/refusals.js';
import { Statistics } from '../node/statistics.js';
import { isAlertRaised, utilizationPercent } from '../policy/recommendations.js';
import { type Drain, Ending } from './ending.js';
import type { PoolEvents } from './events.js';
import type { PoolExecutor } from './executor.js';
import { Housekeeper } from './housekeeper.js';
import { Recovery } from './recovery.js';
import { type PoolState, type PoolStatus, takeSnapshot } from './snapshot.js';

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

/** What `healthCheck()` answers. */
export interface HealthReport extends ProbeReport {
  readonly status: PoolStatus;
}

export class ConnectionPool extends EventEmitter<PoolEvents> implements PoolExecutor {
  readonly options: ResolvedOptions;
  /** For duplicates, which end before the pool. @internal */
  readonly ending: Ending;
  readonly #source: ConnectionSource;
  readonly #statistics = new Statistics();
  readonly #refusals: Refusals;
  readonly #recovery: Recovery;
  readonly #housekeeper: Housekeeper;
  readonly #node: NodePool;
  #isAlertRaised = false;
  #closing: Promise<void> | undefined;
  /** Set while `close()` waits: asked when there may be nothing left to wait for. */
  #drain: Drain | undefined;
  #isClosed = false;

  constructor(options: ResolvedOptions, dependencies: PoolDependencies) {
    super();
    const { source, clock, random } = dependencies;
    this.options = options;
    this.#source = source;
    this.#housekeeper = this.#createHousekeeper(clock);
    this.#refusals = new Refusals(clock, options.fallback, () => this.#housekeeper.hurry());
    this.#recovery = new Recovery(options, clock, random, this.#statistics, (command) =>
      this.#dispatch(command),
    );
    this.#node = this.#createNode(dependencies);
    this.ending = new Ending(this.#node, this.#recovery);
    this.#housekeeper.start();
    this.#node.membership.pump();
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
  executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (!isSendable(command)) return this.refusal(notSendable());
    if (this.#closing !== undefined) return this.#refuseLease();
    return this.#node.sendExclusive(command, signal);
  }

  /** Lends a connection. @throws PoolError ACQUIRE_TIMEOUT, ABORTED, QUEUE_FULL, POOL_CLOSED, ... */
  acquireLease(options: LeaseTerms = {}): Promise<ConnectionLease> {
    return this.#closing === undefined ? this.#node.acquireLease(options) : this.#refuseLease();
  }

  /** Latencies since the pool was made, in buckets: what a scrape wants beside `status()`. */
  latencyTotals(): LatencyTotals {
    const { commandLatency, waitLatency } = this.#statistics;
    return { command: commandLatency.total(), wait: waitLatency.total() };
  }

  /** A snapshot of the pool; cheap. */
  status(): PoolStatus {
    const { membership, waitingRoom } = this.#node;
    return takeSnapshot({
      name: this.options.target.name,
      state: this.#state(),
      address: this.#source.address,
      entries: membership.fleet.entries,
      connecting: membership.connecting,
      waiting: waitingRoom.length,
      minConnections: this.options.minConnections,
      maxConnections: membership.maxConnections,
      alert: this.#isAlertRaised,
      statistics: this.#statistics,
      lastConnectError: membership.lastConnectError,
      nextConnectInMs: membership.nextConnectInMs,
    });
  }

  /**
   * An active probe: a PING on each connection that nobody leases. Healthy is a pool of which a
   * connection answers, whatever the answer is; one that is merely late stays open.
   */
  async healthCheck(): Promise<HealthReport> {
    try {
      if (this.#closing !== undefined) throw closedError('healthCheck()');
      return { ...(await this.#node.probe()), status: this.status() };
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
    this.#node.membership.resize(maxConnections);
  }

  /** New callers wait from now on; what is in flight goes on. */
  suspend(): void {
    this.#node.waitingRoom.suspend();
  }

  resume(): void {
    this.#node.waitingRoom.resume();
    this.#node.membership.pump();
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
    return this.#node.membership.keepsAlive;
  }

  /** Undoes `unref()`. */
  ref(): void {
    this.#keepAlive(true);
  }

  /** Lets the process end though connections are open and replies are awaited. */
  unref(): void {
    this.#keepAlive(false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** For subclasses that lend more than a bare connection. */
  protected createLease(
    owner: LeaseOwner,
    entry: Entry,
    now: number,
    origin: Error | undefined,
  ): ConnectionLease {
    return new ConnectionLease(owner, entry, now, origin);
  }

  #createNode(dependencies: PoolDependencies): NodePool {
    const shared = {
      statistics: this.#statistics,
      refusals: this.#refusals,
      timer: this.#housekeeper,
    };
    return new NodePool(
      this.options,
      { ...dependencies, ...shared },
      {
        createLease: (node, entry, now, origin) => this.createLease(node, entry, now, origin),
        tryAgain: (command, outcome) => this.#recovery.tryAgain(command, outcome),
        recover: (command, cause, outcome) => this.#recovery.recover(command, cause, outcome),
        onProgress: () => this.#drain?.check(),
        announce: (event, ...args) => this.#announce(event, ...(args as PoolEvents[typeof event])),
      },
    );
  }

  #createHousekeeper(clock: Clock): Housekeeper {
    const pool = this;
    return new Housekeeper(clock, {
      sweep: (now) => this.#sweep(now),
      inspect: (now) => this.#inspect(now),
      get mustStayAlive() {
        return pool.#node.mustStayAlive || (pool.keepsAlive && !pool.#refusals.isIdle);
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
    this.#node.send(command);
  }

  #refuseLease(): Promise<never> {
    return this.#node.waitingRoom.refuseLease(closedError('acquire()'));
  }

  #sweep(now: number): boolean {
    this.#statistics.timeouts += this.#refusals.expire(now);
    const isBusy = this.#node.sweep(now);
    this.#drain?.check();
    return isBusy || !this.#refusals.isIdle || !this.#recovery.isIdle;
  }

  #inspect(now: number): void {
    this.#statistics.commandLatency.rotate(now);
    this.#statistics.waitLatency.rotate(now);
    this.#node.inspect(now);
    this.#judgeUtilization();
  }

  #judgeUtilization(): void {
    const { fleet, maxConnections } = this.#node.membership;
    const percent = utilizationPercent(countInUse(fleet.entries), maxConnections);
    const isRaised = isAlertRaised(this.#isAlertRaised, percent);
    if (isRaised === this.#isAlertRaised) return;
    this.#isAlertRaised = isRaised;
    this.#announce(isRaised ? 'alert' : 'alertCleared', { utilizationPercent: percent });
  }

  #keepAlive(isWanted: boolean): void {
    this.#node.membership.keepAlive(isWanted);
    this.#recovery.keepAlive(isWanted);
    this.#housekeeper.refresh();
  }

  async #close(timeoutMs: number): Promise<void> {
    const isDone = () => this.#node.isIdle && this.#recovery.isIdle;
    this.#drain = this.ending.begin(timeoutMs, isDone);
    await this.#drain.promise;
    this.#isClosed = true;
    this.#drain = undefined;
    this.#housekeeper.stop();
    const error = closedError('The command');
    this.#recovery.stop(error);
    this.#node.waitingRoom.clear(error);
    this.#node.membership.stop(error);
    this.#announce('close');
  }

  #state(): PoolState {
    const { membership, waitingRoom } = this.#node;
    if (this.#isClosed) return 'closed';
    if (this.#closing !== undefined) return 'closing';
    if (membership.isDown) return 'down';
    if (waitingRoom.isSuspended) return 'suspended';
    return this.#isAlertRaised || membership.fleet.size === 0 ? 'degraded' : 'ready';
  }
}
