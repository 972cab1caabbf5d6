// Connections come and go here: dialed when they are missing, taken into the fleet when ready,
// retired or evicted with a reason, replaced. What they carry is the pool's business.

import type { Clock } from '../base/clock.js';
import type { Command, Refusal } from '../base/command.js';
import type { ConnectionSource, Link, LostCommands } from '../base/link.js';
import type { TraceOrigin } from '../base/tracing.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { Breaker } from '../policy/breaker.js';
import { DemotionPause } from '../policy/demotion.js';
import { drawLifetimeMs } from '../policy/lifetime.js';
import type { Budget, BudgetMember } from './budget.js';
import { Dialer } from './dialer.js';
import { Entry, type EvictionReason } from './entry.js';
import { Fleet } from './fleet.js';
import type { Statistics } from './statistics.js';

/** The last connection was not needed any more: that is no outage. */
const ENDS_IN_PEACE: ReadonlySet<EvictionReason> = new Set(['idle', 'shrink', 'shutdown']);

export interface MembershipOwner {
  /** Connections that would be used at once if they were there. */
  readonly wantedConnections: number;
  /** Somebody waits, so that a pause between dials must not let the process end. */
  readonly mustStayAlive: boolean;
  onReady(entry: Entry): void;
  onProgress(entry: Entry): void;
  onErrorReply(entry: Entry, command: Command, refusal: Refusal): boolean;
  onEnd(entry: Entry, reason: EvictionReason, error: Error, lost: LostCommands): void;
  onConnectFailed(error: PoolError): void;
  onBreakerChange(isOpen: boolean, error: PoolError | undefined): void;
}

export interface MembershipDependencies {
  readonly source: ConnectionSource;
  readonly budget: Budget;
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  readonly statistics: Statistics;
  /** What is told of where connections come from; `undefined`: none is made there. */
  readonly traceOrigin?: TraceOrigin | undefined;
}

export class Membership implements BudgetMember {
  readonly fleet: Fleet;
  readonly #options: ResolvedOptions;
  readonly #dependencies: MembershipDependencies;
  readonly #owner: MembershipOwner;
  readonly #breaker: Breaker;
  readonly #dialer: Dialer;
  #nextId = 1;
  #keepsAlive = true;
  /** All lanes are crowded: one more connection is wanted though nobody waits. */
  #isCrowded = false;
  /** The last lane is too old: it is retired once another one is there. */
  #outgoing: Entry | undefined;
  /** Somebody is to be found who serves, though nobody may wait. */
  #isSeeking = false;
  /** Nobody is there for whom connections are to be kept ready. */
  #isResting = false;
  /** All lanes are silent: one more connection shows whether the server is. */
  #spare: 'none' | 'wanted' | 'open' = 'none';
  #generation = 0;
  readonly #demotionPause = new DemotionPause();

  constructor(
    options: ResolvedOptions,
    dependencies: MembershipDependencies,
    owner: MembershipOwner,
  ) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#owner = owner;
    this.fleet = new Fleet(options.laneDepth, options.maxInFlight);
    this.#breaker = new Breaker(options.breaker, dependencies.random, options.reconnectStrategy);
    this.#dialer = this.#createDialer();
    dependencies.source.onMoved = () => this.#onMoved();
    dependencies.budget.join(this);
  }

  /** What the budget leaves to this node just now. */
  get maxConnections(): number {
    return this.#dependencies.budget.allowanceOf(this);
  }

  get held(): number {
    return this.fleet.size + this.#dialer.dialing;
  }

  get connecting(): number {
    return this.#dialer.dialing;
  }

  get lastConnectError(): Error | undefined {
    return this.#breaker.lastError;
  }

  /** How long the pause before the next dial still is, ms; `undefined`: nothing is paused. */
  get nextConnectInMs(): number | undefined {
    return this.#dialer.nextDialInMs;
  }

  /** All connections that are allowed are open. */
  get isFull(): boolean {
    return this.fleet.size >= this.maxConnections;
  }

  /** No lane is left and none can be made: callers are to be told at once. */
  get isDown(): boolean {
    return this.#breaker.isOpen && this.#servingConnections === 0;
  }

  /** Since when there is no lane and none could be made, ms; `undefined`: there is one, or may be. */
  get downForMs(): number | undefined {
    const since = this.#breaker.outageSince;
    if (since === undefined || this.#servingConnections > 0) return undefined;
    return this.#dependencies.clock.now() - since;
  }

  get #servingConnections(): number {
    return this.fleet.servingCount(this.#dependencies.clock.now());
  }

  /** One more than the maximum may be open for as long as a lane is being replaced. */
  get #limit(): number {
    const isLastDraining = this.fleet.readyCount === 0 && this.fleet.keptCount < this.fleet.size;
    const isReplacing = this.#outgoing !== undefined || this.#spare !== 'none' || isLastDraining;
    return this.maxConnections + (isReplacing ? 1 : 0);
  }

  /** Closes what is open once it has nothing in flight, and keeps nothing ready. */
  rest(): void {
    this.#isResting = true;
    // Whoever waits is served first; leases need a lane beside them.
    if (this.#owner.wantedConnections > 0) return;
    for (const entry of [...this.fleet.entries]) {
      if (entry.state === 'ready') this.retire(entry, 'idle');
    }
  }

  /** Keeps connections ready again. */
  wake(): void {
    this.#isResting = false;
    this.#dialer.pump();
  }

  /** Dials what is missing. */
  pump(): void {
    this.#dialer.pump();
  }

  /** Whether what is open keeps the process alive. */
  get keepsAlive(): boolean {
    return this.#keepsAlive;
  }

  /** Whether connections, those to come too, keep the process alive. */
  keepAlive(isWanted: boolean): void {
    this.#keepsAlive = isWanted;
    for (const { connection } of this.fleet.entries) connection.keepAlive(isWanted);
    this.refresh();
  }

  /** Who waits has changed: a pause between dials may have to keep the process alive. */
  refresh(): void {
    this.#dialer.refresh();
  }

  /** Every lane is crowded: opens one more in the background, if that is allowed. */
  growBeyondLanes(): void {
    if (this.#isCrowded || this.held >= this.maxConnections) return;
    this.#isCrowded = true;
    this.#dialer.pump();
  }

  /** Callers wait, and no more may be opened: somebody else's idle connection is asked for. */
  claim(): void {
    this.#dependencies.budget.claimFor(this);
  }

  yieldOne(): boolean {
    if (this.fleet.readyCount < 2) return false;
    const idle = this.fleet.entries.findLast((entry) => entry.isIdle && !entry.isReserved);
    if (idle === undefined) return false;
    this.retire(idle, 'shrink');
    return true;
  }

  /** Retires so many, from the highest; leases follow when they end. */
  shrinkBy(surplus: number): void {
    let left = surplus;
    for (let index = this.fleet.size - 1; index >= 0 && left > 0; index--) {
      const entry = this.fleet.entries[index] as Entry;
      if (entry.state === 'leased') continue;
      left--;
      this.retire(entry, 'shrink');
    }
  }

  /** Ends a connection now; what was in flight on it is the owner's to recover. */
  evict(entry: Entry, reason: EvictionReason, error?: Error): void {
    if (entry.state === 'closed') return;
    entry.evictionReason = reason;
    const cause = error ?? new PoolError('CONNECTION_LOST', `The connection was closed: ${reason}`);
    entry.connection.destroy(cause);
  }

  /** Lets a connection finish what is in flight, or its lease, then ends it. */
  retire(entry: Entry, reason: EvictionReason): void {
    if (entry.state === 'leased' || entry.state === 'restoring') {
      entry.staleReason = reason;
      entry.lease?.onStale?.();
    }
    if (entry.state !== 'ready') return;
    entry.state = 'draining';
    entry.evictionReason = reason;
    if (this.#outgoing === entry) this.#outgoing = undefined;
    this.fleet.unreserve(entry);
    entry.connection.drain();
    this.#dialer.pump();
  }

  /** Retires a lane that is too old: the last one only when the one that takes its place is there. */
  replace(entry: Entry): void {
    if (this.fleet.readyCount > 1) {
      this.retire(entry, 'lifetime');
    } else if (this.#outgoing !== entry) {
      this.#outgoing = entry;
      this.#dialer.pump();
    }
  }

  /**
   * Opens one more connection to see whether the server is silent, or only the lanes are.
   * @returns Whether there is room for it.
   */
  openSpare(): boolean {
    const isNew = this.#spare !== 'wanted';
    this.#spare = 'wanted';
    const hasRoom = this.fleet.size < this.#limit;
    if (isNew && hasRoom) this.#dialer.dialOneMore();
    // After a pause where there is one.
    if (isNew) this.#dialer.pump();
    return hasRoom;
  }

  /** Tries to connect until it is told that there is no need any more. */
  seek(isWanted: boolean): void {
    this.#isSeeking = isWanted;
    if (isWanted) this.#dialer.pump();
  }

  /** No lane is silent any more. */
  closeSpare(): void {
    if (this.#spare === 'none') return;
    this.#spare = 'none';
    this.shrinkBy(this.fleet.size - this.maxConnections);
  }

  /**
   * The server behind a connection is no primary any more: all connections that were made before
   * now lead to it. They serve no more reads either, which would be stale.
   */
  condemn(entry: Entry): void {
    const isKnown = entry.generation < this.#generation;
    if (isKnown || !this.#demotionPause.note(this.#dependencies.clock.now())) return;
    this.#dependencies.source.reportDemotion();
    this.#retireAll();
  }

  /** Ends all connections and attempts, for good. */
  stop(error: Error): void {
    this.#dialer.stop();
    for (const entry of [...this.fleet.entries]) this.evict(entry, 'shutdown', error);
    this.#dependencies.budget.leave(this);
  }

  /** The server is used no more: what is in flight or lent is finished, and nothing is dialed. */
  leave(): void {
    this.#dialer.stop();
    this.#retireAll();
    this.#dependencies.budget.leave(this);
  }

  /**
   * Another server has taken over: what is in flight is answered, and leases end, as they could wait
   * here for ever or write what is lost. Those that are kept for good are replaced by their holders.
   */
  handOver(error: Error): void {
    this.leave();
    for (const entry of [...this.fleet.entries]) {
      const { lease, connection } = entry;
      if (lease === undefined || lease.onStale !== undefined) continue;
      if (connection.inFlight === 0) {
        this.evict(entry, 'failover', error);
        continue;
      }
      entry.evictionReason = 'failover';
      lease.noteLoss(error);
      connection.drain();
    }
  }

  /** What still was under way at a server that is used no more ends now. */
  abandon(error: Error): void {
    for (const entry of [...this.fleet.entries]) this.evict(entry, 'failover', error);
  }

  #createDialer(): Dialer {
    const { source, clock, statistics, traceOrigin } = this.#dependencies;
    const membership = this;
    return new Dialer(source, this.#breaker, clock, {
      get missingConnections() {
        return membership.#missingConnections();
      },
      get servingConnections() {
        return membership.#servingConnections;
      },
      get generation() {
        return membership.#generation;
      },
      get keepsAlive() {
        return membership.#keepsAlive;
      },
      get mustStayAlive() {
        return membership.#owner.mustStayAlive;
      },
      traceOrigin,
      onConnected: (connection, generation, tookMs) => {
        statistics.connectDuration.record(tookMs);
        this.#onConnected(connection, generation);
      },
      onConnectFailed: (error) => {
        statistics.countConnectFailure(error);
        // Whoever is still crowded then says so again.
        this.#isCrowded = false;
        this.#owner.onConnectFailed(error);
      },
      onBreakerChange: (isOpen, error) => this.#owner.onBreakerChange(isOpen, error),
    });
  }

  #missingConnections(): number {
    const room = this.#limit - this.fleet.size;
    if (room <= 0) return 0;
    const asked = this.#owner.wantedConnections + (this.#isCrowded ? 1 : 0);
    if (this.#isResting) return Math.min(asked, room);
    const wanted = Math.max(
      this.#options.minConnections - this.fleet.keptCount,
      asked,
      this.#breaker.isOpen || this.#isSeeking ? 1 : 0,
      this.#outgoing !== undefined || this.#spare === 'wanted' ? 1 : 0,
    );
    return Math.min(wanted, room);
  }

  #onConnected(connection: Link, generation: number): void {
    const { clock, random, statistics } = this.#dependencies;
    if (this.fleet.size >= this.#limit || generation < this.#generation) {
      // The pool was made smaller, or the server demoted, while it was being dialed.
      connection.destroy(new PoolError('CONNECTION_LOST', 'The pool needs another connection'));
      return;
    }
    const lifetimeMs = drawLifetimeMs(this.#options.maxLifetimeMs, random);
    const entry = new Entry(this.#nextId++, connection, generation, clock.now(), lifetimeMs);
    connection.listener = {
      onProgress: () => this.#onProgress(entry),
      onLatency: (latencyMs, count) => statistics.recordCommands(latencyMs, count),
      onErrorReply: (command, refusal) => this.#owner.onErrorReply(entry, command, refusal),
      onEnd: (error, lost) => this.#onEnd(entry, error, lost),
      onPush: (message) => entry.lease?.onPush?.(message),
      onUnasked: (reply) => entry.lease?.onUnasked?.(reply) ?? false,
    };
    if (!this.#keepsAlive) connection.keepAlive(false);
    this.fleet.add(entry);
    this.#isCrowded = false;
    if (this.#spare === 'wanted') this.#spare = 'open';
    statistics.opened++;
    if (this.#outgoing !== undefined) this.retire(this.#outgoing, 'lifetime');
    this.#owner.onReady(entry);
    if (this.#isResting) this.rest();
  }

  #onProgress(entry: Entry): void {
    if (entry.probes === 0) entry.lastUsedAt = entry.connection.lastReadAt;
    this.#owner.onProgress(entry);
  }

  #onEnd(entry: Entry, error: Error, lost: LostCommands): void {
    const { statistics } = this.#dependencies;
    const reason = entry.evictionReason ?? 'lost';
    entry.state = 'closed';
    if (this.#outgoing === entry) this.#outgoing = undefined;
    this.fleet.remove(entry);
    if (this.fleet.readyCount === 0 && !ENDS_IN_PEACE.has(reason)) {
      this.#breaker.noteOutage(this.#dependencies.clock.now());
    }
    statistics.evictions[reason]++;
    if (reason === 'lost') statistics.lostConnections++;
    statistics.keepBytesOf(entry.connection);
    this.#owner.onEnd(entry, reason, error, lost);
    this.#dialer.pump();
    this.#dependencies.budget.onFreed(this);
  }

  /**
   * Another server is the primary by now. Leases on the old one could wait there for ever, or write
   * what is lost; those that are kept for good are replaced by their own holders.
   */
  #onMoved(): void {
    const isDialing = this.#dialer.dialing > 0;
    this.#retireAll();
    const error = new PoolError('CONNECTION_LOST', 'Another server is the primary by now');
    for (const entry of [...this.fleet.entries]) {
      if (entry.lease !== undefined && entry.lease.onStale === undefined) {
        this.evict(entry, 'failover', error);
      }
    }
    this.#dialer.endPause();
    // What is under way may hang at the old address.
    if (isDialing) this.#dialer.dialOneMore();
  }

  /** After a failover every connection leads to the wrong node. */
  #retireAll(): void {
    this.#generation++;
    for (const entry of [...this.fleet.entries]) this.retire(entry, 'failover');
  }
}
