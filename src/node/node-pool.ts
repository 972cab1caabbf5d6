// The connections of one server: lanes, leases, who waits for them, dialing, probing. What is
// counted, refused and timed, and how many there may be, is shared with other servers'.
//
//   send() --> lane with room? --yes--> connection.send()
//                  |no
//                  v
//              WaitingRoom --(room, release, new connection)--> serve()
//
//   a connection ends --> leases are told; commands go back to the owner, who recovers them

import type { Clock } from '../base/clock.js';
import type { Command, Redirect, Refusal, ReplyVerdict } from '../base/command.js';
import type { Endpoint } from '../base/endpoint.js';
import type { LostCommands } from '../base/link.js';
import { isTraced, LEASE, type TraceOrigin, WAIT } from '../base/tracing.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { Blocking, isUnblocked } from './blocking.js';
import type { Budget } from './budget.js';
import type { LossOutcome } from './caller-errors.js';
import { type Entry, type EvictionReason, sendOn } from './entry.js';
import type { NodeEvents } from './events.js';
import { Inspector, type ProbeReport } from './inspector.js';
import type { ConnectionLease, LeaseOwner } from './lease.js';
import { acquireMistake, type LeaseTerms } from './lease-request.js';
import { Lending } from './lending.js';
import { Membership } from './membership.js';
import { ownCommand } from './own-command.js';
import type { Refusals } from './refusals.js';
import type { Statistics } from './statistics.js';
import { traceLease, traceLeaseWait, traceWait } from './tracing.js';
import { WaitingRoom } from './waiting-room.js';

/** The one timer of the pool, as its nodes use it. */
export interface NodeTimer {
  /** The clock at the last tick: good enough for what is measured in seconds. */
  readonly coarseNow: number;
  /** Whether it ticks fast; checked on the hot path before `hurry()` is called. */
  readonly isFast: boolean;
  /** Something began that has a deadline. */
  hurry(): void;
  /** Who waits has changed: it may have to keep the process alive. */
  refresh(): void;
}

export interface NodeDependencies {
  /** Whether keys decide which of several servers a command runs on. */
  readonly isSharded: boolean;
  readonly budget: Budget;
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  readonly statistics: Statistics;
  readonly refusals: Refusals;
  readonly timer: NodeTimer;
  /** What is told of where things happen. */
  readonly traceOrigin: TraceOrigin;
}

export interface NodeOwner {
  createLease(
    node: LeaseOwner,
    entry: Entry,
    now: number,
    origin: Error | undefined,
  ): ConnectionLease;
  /** Keeps a command that the server refused for another attempt; false: there is none. */
  tryAgain(node: NodePool, command: Command, verdict: ReplyVerdict): boolean;
  /**
   * An error reply that may be made up. Keeps its command until it is known whether it is, where the
   * command can be asked about; false: the error is its answer.
   */
  confirm(node: NodePool, command: Command, error: Error): boolean;
  /** The server is no primary any more. */
  onDemoted(node: NodePool): void;
  /** The only server that there is names another one: it is a node of a cluster. */
  onSentAway(node: NodePool, error: Error): void;
  /** A connection ended under a command. */
  recover(node: NodePool, command: Command, cause: Error, outcome: LossOutcome): void;
  /** A connection was lost, or could not be made. */
  onUnreachable(node: NodePool): void;
  /** Something was answered or given back: there may be nothing left to wait for. */
  onProgress(): void;
  announce<Name extends keyof NodeEvents>(event: Name, ...args: NodeEvents[Name]): void;
}

/** The server said that a blocking command is another's; it has not run. */
export interface Redirected {
  readonly redirect: Redirect;
}

/** Another server has taken over from the one where a command blocked; it has not run. */
export interface Displaced {
  readonly isDisplaced: true;
}

export class NodePool implements LeaseOwner {
  readonly endpoint: Endpoint;
  readonly membership: Membership;
  readonly waitingRoom: WaitingRoom;
  readonly blocking: Blocking;
  readonly traceOrigin: TraceOrigin;
  readonly #options: ResolvedOptions;
  readonly #clock: Clock;
  readonly #statistics: Statistics;
  readonly #refusals: Refusals;
  readonly #timer: NodeTimer;
  readonly #owner: NodeOwner;
  readonly #isSharded: boolean;
  readonly #lending: Lending;
  readonly #inspector: Inspector;

  constructor(
    options: ResolvedOptions,
    endpoint: Endpoint,
    dependencies: NodeDependencies,
    owner: NodeOwner,
  ) {
    this.endpoint = endpoint;
    this.#isSharded = dependencies.isSharded;
    const { clock, statistics, refusals, timer } = dependencies;
    this.traceOrigin = dependencies.traceOrigin;
    this.#options = options;
    this.#clock = clock;
    this.#statistics = statistics;
    this.#refusals = refusals;
    this.#timer = timer;
    this.#owner = owner;
    this.membership = this.#createMembership(dependencies);
    this.#lending = new Lending(
      options,
      this.membership,
      statistics,
      (entry, now, origin) => owner.createLease(this, entry, now, origin),
      (entry) => this.#onProgress(entry),
    );
    this.waitingRoom = this.#createWaitingRoom();
    const probeTimeoutMs = options.target.connectTimeoutMs;
    this.blocking = new Blocking(this.membership, this.waitingRoom, probeTimeoutMs);
    this.#inspector = new Inspector(options, statistics, this.membership, (lease, heldMs) =>
      owner.announce('leak', {
        connectionId: lease.entry.id,
        heldMs,
        stack: lease.origin?.stack,
      }),
    );
  }

  /** Sends an ordinary command, or lets it wait. @returns Its lane, if it has one by now. */
  send(command: Command): Entry | undefined {
    const lane = this.waitingRoom.mustQueue ? undefined : this.membership.fleet.pickLane();
    if (lane === undefined) {
      if (isTraced(WAIT)) traceWait(this.traceOrigin, command);
      this.waitingRoom.admitCommand(command);
      return undefined;
    }
    if (this.membership.fleet.isCrowded(lane)) this.membership.growBeyondLanes();
    this.sendOnLane(lane, command);
    return lane;
  }

  /** Sends it on that lane, which must have room for it. */
  sendOnLane(lane: Entry, command: Command): void {
    if (command.history === undefined) lane.connection.send(command);
    else sendOn(lane, command);
    if (!this.#timer.isFast) this.#timer.hurry();
  }

  /**
   * Runs a command that blocks its connection: leases one for its duration. Answers where it belongs
   * if the server sends it away, or another one has taken over.
   */
  async sendExclusive(
    command: Command,
    signal: AbortSignal | undefined,
  ): Promise<Redirected | Displaced | { readonly reply: unknown }> {
    // The deadline counts from here, as it covers the wait for a connection too, at each server.
    const now = this.#clock.now();
    if (command.startedAt === 0) command.startedAt = now;
    const { acquireTimeoutMs } = this.#options;
    const wholeMs = Math.min(command.timeoutMs || acquireTimeoutMs, acquireTimeoutMs);
    const timeoutMs = wholeMs === 0 ? 0 : Math.max(1, wholeMs - (now - command.startedAt));
    const isLongLived = command.timeoutMs === 0;
    const { holder } = command.settings;
    const { route } = command;
    const lease = await this.acquireLease({ signal, timeoutMs, isLongLived, holder, route });
    try {
      if (lease.blockEnd !== undefined) throw lease.blockEnd;
      const sentAway = new Promise<Redirected | Displaced>((resolve) => {
        if (this.#isSharded) lease.onRedirect = (redirect) => resolve({ redirect });
        lease.onDisplaced = () => resolve({ isDisplaced: true });
      });
      const reply = lease.execute(command, signal).then((answer) => ({ reply: answer }));
      return await Promise.race([reply, sentAway]);
    } finally {
      if (!lease.isReleased) lease.release();
    }
  }

  acquireLease(options: LeaseTerms): Promise<ConnectionLease> {
    const lease = this.#acquireLease(options);
    if (!isTraced(LEASE)) return lease;
    return lease.then((granted) => traceLease(this.traceOrigin, granted));
  }

  #acquireLease(options: LeaseTerms): Promise<ConnectionLease> {
    const mistake = acquireMistake(options);
    if (mistake !== undefined) return this.waitingRoom.refuseLease(mistake);
    const isLongLived = options.isLongLived === true;
    if (this.waitingRoom.isOpenForLeases && options.signal?.aborted !== true) {
      const { fleet, maxConnections } = this.membership;
      const entry = fleet.findIdle(maxConnections);
      if (entry !== undefined) {
        if (!this.#timer.isFast) this.#timer.hurry();
        const origin = this.#lending.captureOrigin(isLongLived);
        const now = this.#timer.coarseNow;
        return Promise.resolve(this.#lending.lend(entry, now, origin, isLongLived, options.holder));
      }
    }
    const request = this.waitingRoom.admitLease(options, isLongLived);
    return isTraced(WAIT) ? traceLeaseWait(this.traceOrigin, request) : request;
  }

  /** Counts an error that a caller gets. */
  get onError(): (error: unknown) => void {
    return this.#statistics.countError;
  }

  refuse(command: Command, error: Error): void {
    this.#refusals.refuse(command, error);
  }

  refusal(error: Error): Promise<never> {
    return this.#refusals.refusal(error);
  }

  takeBack(lease: ConnectionLease): void {
    this.blocking.announceEnd(lease);
    this.#lending.takeBack(lease, this.#timer.coarseNow);
  }

  discard(lease: ConnectionLease, reason: Error): void {
    this.blocking.announceEnd(lease);
    if (lease.entry.lease === lease) this.membership.evict(lease.entry, 'destroyed', reason);
  }

  cancelBlocking(lease: ConnectionLease, command: Command, error: Error): void {
    void this.blocking.cancel(lease, command, error);
  }

  /** Another server has taken over all that this one served. */
  handOver(error: Error): void {
    const end = () => this.membership.handOver(error);
    if (this.blocking.isAny) void this.blocking.displace(error).then(end);
    else end();
  }

  /** Keeps deadlines; returns whether anything is going on. */
  sweep(now: number): boolean {
    this.#lending.allowStacks();
    this.#statistics.timeouts += this.waitingRoom.expire(now);
    const isBusy = this.#inspector.sweep(now);
    if (this.waitingRoom.length > 0 && this.membership.isFull) this.membership.claim();
    return isBusy || this.waitingRoom.length > 0;
  }

  /** What has time: health checks, lifetimes, leaks. */
  inspect(now: number): void {
    this.#inspector.inspect(now);
  }

  /** A PING on each connection that nobody leases, of which there is one if there can be. */
  async probe(): Promise<ProbeReport> {
    const { fleet, isFull } = this.membership;
    // Where no lane is open one has to be made, unless the only connection there may be is lent.
    if (fleet.readyCount === 0 && !(isFull && fleet.leasedCount > 0)) {
      const command = ownCommand(['PING'], this.#options.target.connectTimeoutMs);
      this.send(command);
      await command.promise.catch(onlyErrors);
    }
    const report = this.#inspector.probe();
    if (!this.#timer.isFast) this.#timer.hurry();
    return report;
  }

  /** Somebody waits who has no socket that would keep the process alive. */
  get mustStayAlive(): boolean {
    return this.membership.keepsAlive && this.waitingRoom.length > 0;
  }

  /** Neither is anything in flight or lent, nor does anybody wait. */
  get isIdle(): boolean {
    const { entries, leasedCount } = this.membership.fleet;
    if (leasedCount > 0 || entries.some(({ connection }) => connection.inFlight > 0)) return false;
    return this.waitingRoom.length === 0;
  }

  #createMembership(dependencies: NodeDependencies): Membership {
    const node = this;
    const { source } = this.endpoint;
    return new Membership(
      this.#options,
      { ...dependencies, source, traceOrigin: source.isLobby ? undefined : this.traceOrigin },
      {
        get wantedConnections() {
          return node.waitingRoom.wantedConnections;
        },
        get mustStayAlive() {
          return node.mustStayAlive;
        },
        onReady: (entry) => this.#onReady(entry),
        onProgress: (entry) => this.#onProgress(entry),
        onErrorReply: (entry, command, refusal) => this.#onErrorReply(entry, command, refusal),
        onEnd: (entry, reason, error, lost) => this.#onEnd(entry, reason, error, lost),
        onConnectFailed: (error) => {
          this.waitingRoom.reserveLanes();
          this.#owner.announce('connectError', error);
          this.#owner.onUnreachable(this);
        },
        onBreakerChange: (isOpen, error) => this.#onBreakerChange(isOpen, error),
      },
    );
  }

  #createWaitingRoom(): WaitingRoom {
    return new WaitingRoom(this.#options, {
      clock: this.#clock,
      statistics: this.#statistics,
      membership: this.membership,
      lending: this.#lending,
      refusals: this.#refusals,
      onWaitingChanged: () => {
        this.membership.refresh();
        if (this.waitingRoom.length > 0) this.#timer.hurry();
        this.#timer.refresh();
      },
      onExhausted: (waiting) => {
        const { maxConnections } = this.membership;
        this.#owner.announce('exhausted', { maxConnections, waiting });
      },
    });
  }

  #onReady(entry: Entry): void {
    const { address } = this.endpoint;
    if (this.traceOrigin.hasOneServer) this.traceOrigin.server = entry.connection.server;
    this.#owner.announce('open', { connectionId: entry.id, address });
    if (this.waitingRoom.length > 0) this.waitingRoom.serve(entry);
  }

  #onProgress(entry: Entry): void {
    if (this.waitingRoom.length > 0 && entry.state === 'ready') this.waitingRoom.serve(entry);
    this.#owner.onProgress();
  }

  /** Keeps commands that the server can't execute just now, for another attempt. */
  #onErrorReply(entry: Entry, command: Command, { error, verdict }: Refusal): boolean {
    if (isUnblocked(entry, command, error)) {
      if (entry.lease?.isDisplaced && entry.lease.onDisplaced) entry.lease.onDisplaced();
      else command.fail(entry.lease?.blockEnd);
      return true;
    }
    const { retire, breaks, redirect, again } = verdict;
    if (redirect !== undefined && again !== 'no' && !this.#isSharded) {
      this.#owner.onSentAway(this, error);
    }
    const isKept = this.#keepRefused(entry, command, error, verdict);
    if (retire === 'demoted') {
      this.membership.condemn(entry);
      this.#owner.onDemoted(this);
    }
    if (breaks !== undefined) entry.evictionReason = 'unclean';
    else if (retire === 'unauthenticated') this.membership.retire(entry, 'unhealthy');
    return isKept;
  }

  /** For another attempt: of the pool, or of who leased the connection for this one command. */
  #keepRefused({ lease }: Entry, command: Command, error: Error, verdict: ReplyVerdict): boolean {
    if (verdict.again === 'no') {
      const mayBeAsked = lease === undefined && command.probe !== undefined;
      return mayBeAsked && this.#owner.confirm(this, command, error);
    }
    if (lease === undefined) return this.#owner.tryAgain(this, command, verdict);
    if (verdict.redirect !== undefined && lease.onRedirect !== undefined) {
      lease.onRedirect(verdict.redirect);
      return true;
    }
    // What it blocked on is another primary's by now, which a cluster finds out.
    const isElsewhere = this.#isSharded && error.message.startsWith('UNBLOCKED ');
    if (!isElsewhere || lease.onDisplaced === undefined) return false;
    lease.onDisplaced();
    return true;
  }

  #onEnd(entry: Entry, reason: EvictionReason, error: Error, lost: LostCommands): void {
    if (entry.lease !== undefined) {
      this.#lending.onLost(entry.lease, error, lost, this.#clock.now());
    } else {
      for (const command of lost.sent) this.#owner.recover(this, command, error, 'unknown');
      for (const command of lost.unsent) this.#owner.recover(this, command, error, 'not-applied');
    }
    const { address } = this.endpoint;
    this.#owner.announce('evict', { connectionId: entry.id, address, reason, error });
    if (reason === 'lost') this.#owner.onUnreachable(this);
    this.#owner.onProgress();
  }

  /** Nothing can serve: whoever waits is told at once, with the reason. */
  #onBreakerChange(isOpen: boolean, error: PoolError | undefined): void {
    if (!isOpen) {
      this.#owner.announce('breakerClose');
      return;
    }
    this.#statistics.breakerOpenings++;
    this.waitingRoom.refuseAll(error);
    this.#owner.announce('breakerOpen', error as PoolError);
  }
}

/** An error that the server answers is an answer. */
function onlyErrors(error: unknown): void {
  if (error instanceof PoolError) throw error;
}
