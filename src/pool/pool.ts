// The pool that users hold: what is asked of it goes to the connections of a server (`node/`); what
// failed there and may be tried again comes back to it. It has the one timer, the one budget, what
// is counted, and the end of all of it.
//
//   execute() --> Router --> NodePool.send() --> reply
//                   ^           |
//                   |           v lost, refused and not applied, or another server's
//                  Recovery (8, 32, 128 ms)

import { EventEmitter } from 'node:events';
import type { Clock } from '../base/clock.js';
import { type Command, isSendable } from '../base/command.js';
import type { Endpoint } from '../base/endpoint.js';
import { routeOf } from '../base/route.js';
import type { TraceOrigin } from '../base/tracing.js';
import { callListener } from '../base/uncaught.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { Budget } from '../node/budget.js';
import { closedError, disconnectedError, notSendable } from '../node/caller-errors.js';
import type { Entry } from '../node/entry.js';
import { joinReports, type ProbeReport } from '../node/inspector.js';
import { ConnectionLease, cancelOnAbort, type LeaseOwner } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';
import { type NodeOwner, NodePool } from '../node/node-pool.js';
import type { Order } from '../node/order.js';
import { Refusals } from '../node/refusals.js';
import { Statistics } from '../node/statistics.js';
import type { SwitchOptions } from '../topology/failover.js';
import type { Topology } from '../topology/topology.js';
import { type Drain, Ending } from './ending.js';
import type { PoolEvents } from './events.js';
import type { KnownEndpoint, PoolExecutor } from './executor.js';
import { Housekeeper } from './housekeeper.js';
import { Orders } from './orders.js';
import { Recovery } from './recovery.js';
import { Refused } from './refused.js';
import { goneError, optionsAt, Router } from './router.js';
import type { ConnectionStatus, LatencyTotals, PoolState, PoolStatus } from './snapshot.js';
import { listConnections, takeSnapshot } from './snapshot.js';
import { traceOriginOf } from './trace-origin.js';
import { Utilization } from './utilization.js';

const DEFAULT_CLOSE_TIMEOUT_MS = 5_000;

export interface PoolDependencies {
  readonly topology: Topology;
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
}

export interface CloseOptions {
  /** Longest wait for commands in flight and leases, ms. Default 5,000; 0: end at once. */
  readonly timeoutMs?: number;
}

/** What `healthCheck()` answers. */
export interface HealthReport extends ProbeReport {
  readonly status: PoolStatus;
}

export class ConnectionPool extends EventEmitter<PoolEvents> implements PoolExecutor {
  readonly options: ResolvedOptions;
  /** Whether keys decide where a command runs, so that commands must have routes. @internal */
  readonly isSharded: boolean;
  /** For clients, which end before the pool. @internal */
  readonly ending: Ending;
  /** What is told of it on tracing channels. @internal */
  readonly traceOrigin: TraceOrigin;
  readonly #statistics = new Statistics();
  readonly #refusals: Refusals;
  readonly #recovery: Recovery;
  readonly #housekeeper: Housekeeper;
  readonly #budget: Budget;
  readonly #router: Router;
  readonly #orders: Orders;
  readonly #refused: Refused;
  readonly #utilization: Utilization;
  readonly #clock: Clock;
  #isSuspended = false;
  #keepsAlive = true;
  #closing: Promise<void> | undefined;
  /** Set while `close()` waits: asked when there may be nothing left to wait for. */
  #drain: Drain | undefined;
  #isClosed = false;

  constructor(options: ResolvedOptions, dependencies: PoolDependencies) {
    super();
    const { topology, clock, random } = dependencies;
    this.options = options;
    this.isSharded = topology.isSharded;
    this.traceOrigin = traceOriginOf(options);
    this.#clock = clock;
    this.#budget = new Budget(options.maxConnections);
    this.#housekeeper = this.#createHousekeeper(clock);
    this.#refusals = new Refusals(clock, options.fallback, () => this.#housekeeper.hurry());
    this.#recovery = new Recovery(options, clock, random, this.#statistics, (command) =>
      this.#resend(command),
    );
    this.#router = this.#createRouter(topology, random);
    this.#refused = new Refused({
      router: this.#router,
      recovery: this.#recovery,
      statistics: this.#statistics,
      clock,
      questionTimeoutMs: options.target.connectTimeoutMs,
      warn: (warning) => this.#announce('warning', warning),
    });
    this.#orders = new Orders(options.maxWaiters, this.#router, this.#refusals, clock, (holder) =>
      this.ending.refuses(holder),
    );
    this.ending = new Ending(this.#router, this.#recovery, this.#orders);
    this.#utilization = new Utilization(options, {
      ...{ budget: this.#budget, router: this.#router, clock, random },
      announce: (name, ...facts) => this.#announce(name, ...facts),
    });
    this.#housekeeper.start();
    const { failover } = topology;
    if (failover !== undefined) {
      failover.onEvent = ({ name, facts }) =>
        this.#announce(name, ...([facts] as unknown as PoolEvents[typeof name]));
    }
    this.#router.start();
    for (const { membership } of this.#router.nodes) membership.pump();
    // Later, so that a listener can be there.
    for (const warning of options.warnings) setImmediate(() => this.#announce('warning', warning));
  }

  /** Runs an ordinary command on a shared lane. The promise rejects; nothing is thrown. */
  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (!isSendable(command)) return this.executeOther(command);
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

  /** Whether replicas serve reads where keys decide nothing. @internal */
  get hasReaders(): boolean {
    return this.#router.topology.hasReaders === true;
  }

  /** No server can be reached. @internal */
  get isDown(): boolean {
    return this.#router.places.every(({ membership }) => membership.isDown);
  }

  /** All servers that are known. @internal */
  get endpoints(): readonly KnownEndpoint[] {
    return this.#router.topology.endpoints;
  }

  /** The servers that what goes to all of them goes to. @internal */
  endpointIds(which: 'primaries' | 'all'): readonly string[] {
    const { endpoints } = this.#router.topology;
    return endpoints
      .filter(({ role }) => which === 'all' || role === 'primary')
      .map(({ id }) => id);
  }

  /** Whose primary has the slot; `undefined`: nobody is known to, or it is one server. @internal */
  slotOwnerId(slot: number): string | undefined {
    return this.isSharded ? this.#router.topology.route(routeOf(slot, 'write'))?.id : undefined;
  }

  /** Runs a command that blocks its connection: leases one for its duration. */
  async executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (!isSendable(command)) return this.refusal(notSendable());
    let node = this.#router.nodeFor(command.route);
    for (;;) {
      if (this.ending.refuses(command.settings.holder)) return this.#refuseLease();
      const answer = await node.sendExclusive(command, signal);
      if ('reply' in answer) return answer.reply;
      command.unlisten?.();
      if ('isDisplaced' in answer) {
        node = this.#router.nodeFor(command.route);
        continue;
      }
      this.#statistics.redirects++;
      node = this.#router.nodeAfter(node, command, answer.redirect);
    }
  }

  /** Lends a connection. @throws PoolError ACQUIRE_TIMEOUT, ABORTED, QUEUE_FULL, POOL_CLOSED, ... */
  acquireLease(options: LeaseTerms = {}): Promise<ConnectionLease> {
    if (this.#closing !== undefined) return this.#refuseLease();
    if (this.#router.isGone(options.route)) return this.refusal(goneError());
    return this.#router.nodeFor(options.route).acquireLease(options);
  }

  /** Keeps the order of what is executed by it. @internal */
  createOrder(): Order {
    return this.#orders.create();
  }

  /** Latencies since the pool was made, in buckets: what a scrape wants beside `status()`. */
  latencyTotals(): LatencyTotals {
    return this.#statistics.latencyTotals();
  }

  /** A snapshot of the pool; cheap. */
  status(): PoolStatus {
    const { topology } = this.#router;
    return takeSnapshot({
      name: this.options.target.name,
      state: this.#state(),
      address: topology.address,
      nodes: this.#router.nodes,
      serving: this.#router.serving,
      slotsOf: topology.slotsOf?.bind(topology),
      failover: topology.failover?.status(),
      minConnections: this.options.minConnections,
      maxConnections: this.#budget.max,
      alert: this.#utilization.isAlertRaised,
      autoscale: this.#utilization.autoscaleStatus(this.#clock.now()),
      primariesWithoutReplica: topology.primariesWithoutReplica,
      statistics: this.#statistics,
      now: this.#clock.now(),
    });
  }

  /** Each open connection, and what it carries. Costs more than `status()`. */
  connections(): ConnectionStatus[] {
    return listConnections(this.#router.nodes, this.#clock.now());
  }

  /** An active probe; `Pool` says the rest. */
  async healthCheck(): Promise<HealthReport> {
    try {
      if (this.#closing !== undefined) throw closedError();
      const reports = await Promise.all(this.#router.serving.map((node) => node.probe()));
      return { ...joinReports(reports), status: this.status() };
    } catch (error) {
      const nothing = { latencyMs: undefined, checkedConnections: 0, failedConnections: 0 };
      return { healthy: false, ...nothing, error: error as Error, status: this.status() };
    }
  }

  /** Uses another one of the option `endpoints`; `Pool` says the rest. */
  async switchTo(id: string, options: SwitchOptions = {}): Promise<void> {
    if (this.#closing !== undefined) throw closedError();
    const { failover } = this.#router.topology;
    if (failover === undefined) {
      throw new PoolError('INVALID_ARGUMENT', 'switchTo(): the pool has no option endpoints');
    }
    await failover.switchTo(id, options);
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
    this.#utilization.resize(maxConnections);
  }

  /** New callers wait from now on; what is in flight goes on. */
  suspend(): void {
    this.#isSuspended = true;
    for (const { waitingRoom } of this.#router.nodes) waitingRoom.suspend();
  }

  resume(): void {
    this.#isSuspended = false;
    for (const { waitingRoom, membership } of this.#router.nodes) {
      waitingRoom.resume();
      membership.pump();
    }
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
    return this.#keepsAlive;
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

  /** Something else than a command that was not sent yet. */
  protected executeOther(_work: unknown): Promise<unknown> {
    return this.refusal(notSendable());
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

  #createRouter(topology: Topology, random: () => number): Router {
    const lobbyOptions = { ...this.options, minConnections: 0 };
    // It has a budget of its own, as it connects nowhere.
    const ownBudget = new Budget(1);
    return new Router(topology, {
      createNode: (endpoint) => {
        const options = optionsAt(this.options, endpoint, topology);
        return this.#createNode(options, endpoint, this.#budget, random);
      },
      createLobby: (endpoint) => this.#createNode(lobbyOptions, endpoint, ownBudget, random),
      dispatch: (command) => this.#resend(command),
      dispatchLater: (command, pauseMs) => this.#recovery.later(command, pauseMs),
      onChange: (endpoints) => {
        // What was left has a time to end in.
        if (this.#router.isLeaving) this.#housekeeper.hurry();
        this.#announce('topologyChange', { endpoints });
      },
      onLookFailed: (error) => this.#announce('topologyError', error),
      now: () => this.#clock.now(),
    });
  }

  #createNode(
    options: ResolvedOptions,
    endpoint: Endpoint,
    budget: Budget,
    random: () => number,
  ): NodePool {
    const dependencies = {
      isSharded: this.isSharded,
      budget,
      clock: this.#clock,
      random,
      statistics: this.#statistics,
      refusals: this.#refusals,
      timer: this.#housekeeper,
      traceOrigin: this.traceOrigin,
    };
    const node = new NodePool(options, endpoint, dependencies, this.#nodeOwner);
    if (this.#isSuspended) node.waitingRoom.suspend();
    if (!this.#keepsAlive) node.membership.keepAlive(false);
    return node;
  }

  readonly #nodeOwner: NodeOwner = {
    createLease: (node, entry, now, origin) => this.createLease(node, entry, now, origin),
    tryAgain: (node, command, verdict) => this.#refused.tryAgain(node, command, verdict),
    confirm: (node, command, error) => this.#refused.confirm(node, command, error),
    onSentAway: (node, error) => this.#refused.explain(node, error),
    onDemoted: ({ endpoint }) => this.#router.topology.report({ kind: 'demoted', endpoint }),
    onUnreachable: ({ endpoint, membership: { downForMs } }) =>
      this.#router.topology.report({ kind: 'unreachable', endpoint, downForMs }),
    recover: (node, command, cause, outcome) =>
      this.#recovery.recover(command, cause, outcome, node.endpoint.site),
    onProgress: () => this.#drain?.check(),
    announce: (event, ...args) => this.#announce(event, ...(args as PoolEvents[typeof event])),
  };

  #createHousekeeper(clock: Clock): Housekeeper {
    const pool = this;
    return new Housekeeper(clock, {
      sweep: (now) => this.#sweep(now),
      inspect: (now) => this.#inspect(now),
      onLag: (lagMs) => this.#statistics.eventLoopLag.record(lagMs),
      get mustStayAlive() {
        const isAwaited = pool.#router.nodes.some(({ mustStayAlive }) => mustStayAlive);
        return isAwaited || (pool.keepsAlive && !pool.#refusals.isIdle);
      },
    });
  }

  /** A listener that throws must not stop the pool in the middle of what it does. */
  #announce<Name extends keyof PoolEvents>(event: Name, ...args: PoolEvents[Name]): void {
    callListener(() => (this as EventEmitter).emit(event, ...args));
  }

  #dispatch(command: Command): void {
    if (this.ending.isRefusing && this.ending.refuses(command.settings.holder)) {
      this.#refusals.refuse(command, closedError());
      return;
    }
    // Not in one call: that cost 7 % of a GET at 1,000 callers.
    const { only } = this.#router;
    if (only !== undefined) only.send(command);
    else this.#router.nodeFor(command.route).send(command);
  }

  /** Sends a command once more, or on its way again: it was accepted before any `close()`. */
  #resend(command: Command): void {
    if (this.#router.isElsewhere(command)) command.fail(command.history?.uncertainty);
    else if (this.#router.isGone(command.route)) command.fail(goneError());
    else if (this.#isClosed) this.#refusals.refuse(command, closedError());
    else this.#router.nodeFor(command.route).send(command);
  }

  #refuseLease(): Promise<never> {
    return (this.#router.nodes[0] as NodePool).waitingRoom.refuseLease(closedError());
  }

  #sweep(now: number): boolean {
    this.#statistics.timeouts += this.#refusals.expire(now) + this.#orders.expire(now);
    let isBusy = false;
    for (const node of this.#router.nodes) {
      if (node.sweep(now)) isBusy = true;
      this.#router.dropIfDone(node, now);
    }
    this.#drain?.check();
    const others = [this.#refusals, this.#recovery, this.#orders];
    return isBusy || this.#router.isLeaving || others.some(({ isIdle }) => !isIdle);
  }

  #inspect(now: number): void {
    this.#statistics.commandLatency.rotate(now);
    this.#statistics.waitLatency.rotate(now);
    for (const node of this.#router.nodes) node.inspect(now);
    this.ending.inspect();
    this.#utilization.inspect(now);
  }

  #keepAlive(isWanted: boolean): void {
    this.#keepsAlive = isWanted;
    for (const { membership } of this.#router.nodes) membership.keepAlive(isWanted);
    this.#recovery.keepAlive(isWanted);
    this.#housekeeper.refresh();
  }

  async #close(timeoutMs: number): Promise<void> {
    const workers = () => [...this.#router.nodes, this.#recovery, this.#orders];
    const isDone = () => workers().every(({ isIdle }) => isIdle);
    this.#utilization.stopGrowing();
    this.#drain = this.ending.begin(timeoutMs, isDone);
    await this.#drain.promise;
    this.#isClosed = true;
    this.#drain = undefined;
    this.#housekeeper.stop();
    const error = disconnectedError();
    this.#orders.fail(error);
    this.#recovery.stop(error);
    this.#router.stop(error);
    this.#announce('close');
  }

  #state(): PoolState {
    const { places } = this.#router;
    if (this.#isClosed) return 'closed';
    if (this.#closing !== undefined) return 'closing';
    if (this.isDown) return 'down';
    if (this.#isSuspended) return 'suspended';
    const hasGap = places.some(({ membership }) => membership.isDown);
    const isEmpty = places.every(({ membership }) => membership.fleet.size === 0);
    return this.#utilization.isAlertRaised || isEmpty || hasGap ? 'degraded' : 'ready';
  }
}
