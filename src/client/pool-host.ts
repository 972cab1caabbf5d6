// The host of `pool.client` and of its duplicates. All of them share the pool's connections; each
// has subscriptions, MONITORs and an end of its own, and can be opened again. When the last one that
// is open ends, the pool keeps no connection for nobody (`pool/ending.ts`).
//
//   new --connect()--> connecting --answered--> open --close(), destroy()--> closed
//                          ^                     ^                              |
//   `pool.client` is open  +---------------------|------------ connect() -------+
//   from the start         a duplicate is too, when it subscribes or MONITORs

import { systemClock } from '../base/clock.js';
import { Command } from '../base/command.js';
import { keySlot } from '../base/key-slot.js';
import { type CommandRoute, routeOf } from '../base/route.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { closedError, disconnectedError } from '../node/caller-errors.js';
import type { LeaseTerms } from '../node/lease-request.js';
import type { Ending } from '../pool/ending.js';
import type { PoolExecutor } from '../pool/executor.js';
import { CommandEncoder } from '../wire/encoder.js';
import type { Client } from './client.js';
import { clientClass } from './client-class.js';
import { Monitors } from './cluster/monitors.js';
import { routeTo } from './cluster/parts.js';
import type { ShardHomes } from './cluster/shard-homes.js';
import { CommandContext } from './context.js';
import { Gate } from './gate.js';
import type { ClientHost, HostedClient } from './host.js';
import type { LeaseSource } from './kept-lease.js';
import { Monitor, type MonitorListener } from './monitor.js';
import { type PoolFeed, tell } from './pool-feed.js';
import { reachServer } from './reach.js';
import { ClientSession } from './session.js';
import type { ClientSetup } from './setup.js';
import { Subscriber } from './subscriber.js';

/** Replicas would do for messages; but they may be behind, or be taken away first. */
const ANY_PRIMARY = routeOf(undefined, 'write');

/** What the clients need of their pool. */
export interface ClientPool extends PoolExecutor {
  readonly options: ResolvedOptions;
  readonly feed: PoolFeed;
  /** Whether what is open keeps the process alive. */
  readonly keepsAlive: boolean;
  ref(): void;
  unref(): void;
  /** Whose the commands of `pool.client` are. */
  readonly holder: object;
  readonly ending: Pick<Ending, 'abandon' | 'finish' | 'refuseFrom' | 'rest' | 'wake'>;
}

/** `pool.client`. */
export function createPoolClient(pool: ClientPool, setup: ClientSetup): Client {
  const { keyPrefix, commandOptions } = setup;
  const { commandTimeoutMs } = pool.options;
  const context = new CommandContext({ pool }, keyPrefix, commandTimeoutMs, commandOptions);
  return new PoolClientHost(pool, setup, undefined).createClient(context);
}

class PoolClientHost implements ClientHost {
  readonly setup: ClientSetup;
  readonly #pool: ClientPool;
  /** Where a duplicate's commands go, so that they end with it; `undefined`: `pool.client`. */
  readonly #gate: Gate | undefined;
  #state: 'new' | 'connecting' | 'open' | 'closed';
  /** A connection of its own was lost, and its place is not taken yet. */
  #isReconnecting = false;
  readonly #monitors = new Set<{ stop(error?: Error): void }>();
  #subscriber: Subscriber | undefined;
  #client: Client | undefined;
  readonly #member = {
    client: {
      emit: (event: string, ...args: unknown[]) => this.#client!.emit(event, ...args),
      listenerCount: (event: string) => this.#client!.listenerCount(event),
    } satisfies HostedClient,
    isOpen: () => this.isOpen,
    onConnected: () => this.#onPoolConnected(),
    endLeases: () => this.#endLeases(),
  };

  constructor(pool: ClientPool, setup: ClientSetup, gate: Gate | undefined) {
    this.#pool = pool;
    this.setup = setup;
    this.#gate = gate;
    this.#state = gate === undefined ? 'open' : 'new';
    if (gate !== undefined && !pool.isSharded) gate.session = this.#createSession(gate);
    pool.feed.add(this.#member);
  }

  get isOpen(): boolean {
    return this.#isUsable && this.#state !== 'new';
  }

  get isReady(): boolean {
    const isSettled = this.#state === 'open' && this.#gate?.session?.isLost !== true;
    return this.isOpen && isSettled && this.#pool.feed.isReady;
  }

  get isPubSubActive(): boolean {
    return this.#subscriber?.subscriptions.isEmpty === false;
  }

  get isWatching(): boolean {
    return this.#gate?.session?.isWatching === true;
  }

  get isDirtyWatch(): boolean {
    return this.#gate?.session?.isWatchVoid === true;
  }

  get description(): Readonly<Record<string, unknown>> {
    const { host, port, path, tls, database, name: common } = this.#pool.options.target;
    const name = this.setup.name ?? common;
    const address = path === undefined ? { host, port } : { path };
    return { name, database, socket: { ...address, tls: tls !== undefined } };
  }

  createClient(context: CommandContext): Client {
    const Class = clientClass(this.setup.sets, context.isSharded);
    this.#client = new Class(this, context);
    return this.#client;
  }

  subscriber(): Subscriber {
    this.#openImplicitly();
    this.#subscriber ??= new Subscriber(this.#leaseSource(ANY_PRIMARY), {
      shards: this.#pool.isSharded ? this.#shardHomes() : undefined,
      timeoutMs: this.#pool.options.commandTimeoutMs,
      onTrouble: (error) => this.#onTrouble(error),
      onRestored: () => this.#onRestored(),
      onRefused: (error) => tell(this.#member.client, 'error', error),
      onMoved: (channel) => tell(this.#member.client, 'sharded-channel-moved', channel),
    });
    return this.#subscriber;
  }

  async monitor(context: CommandContext, listener: MonitorListener): Promise<() => void> {
    if (typeof listener !== 'function') {
      throw new PoolError('INVALID_ARGUMENT', 'monitor(): the callback must be a function');
    }
    this.#openImplicitly();
    const terms = { timeoutMs: context.options.timeout, signal: context.signal };
    const newMonitor = (route: CommandRoute) => this.#newMonitor(context, route, listener);
    if (context.isSharded) {
      const monitors = new Monitors({
        primaryIds: () => this.#pool.endpointIds('primaries'),
        monitorAt: (endpointId) => newMonitor(routeTo(endpointId, 'write')),
        onServers: (follow) => this.#pool.feed.onServers(follow),
        onStop: (stopped) => this.#monitors.delete(stopped),
      });
      this.#monitors.add(monitors);
      await monitors.start(context, terms);
      return () => monitors.stop();
    }
    const monitor = newMonitor(ANY_PRIMARY);
    this.#monitors.add(monitor);
    await monitor.start(terms);
    return () => monitor.stop();
  }

  #newMonitor(context: CommandContext, route: CommandRoute, listener: MonitorListener): Monitor {
    const owner = {
      timeoutMs: context.timeoutMs,
      onTrouble: (error: Error) => this.#onTrouble(error),
      onRestored: () => this.#onRestored(),
      onStop: (stopped: Monitor) => this.#monitors.delete(stopped),
    };
    // A client of one node is told by its pool, which leads to that node whatever the route says.
    const isOfNode = this.#pool.isSharded && !context.isSharded;
    const source = this.#leaseSource(route, isOfNode ? context.pool : undefined);
    return new Monitor(source, owner, listener);
  }

  async connect(context: CommandContext): Promise<void> {
    const before = this.#state;
    if (before === 'closed') this.#takeAgain();
    this.#pool.ending.wake();
    if (before !== 'open') this.#state = 'connecting';
    const { timeoutMs, signal } = context;
    try {
      await this.#reach(timeoutMs, signal);
      await this.#gate?.session?.openIfKnown(timeoutMs, signal);
    } catch (error) {
      if (this.#isConnecting) {
        if (before === 'closed') this.#close();
        else this.#state = before;
      }
      throw error;
    }
    if (!this.#isUsable) throw closedError();
    if (!this.#isConnecting) return;
    this.#state = 'open';
    this.#announceReady();
  }

  duplicate(context: CommandContext, setup: ClientSetup): Client {
    const pool = new Gate(this.#pool);
    const { keyPrefix, commandOptions } = setup;
    const host = new PoolClientHost(this.#pool, setup, pool);
    const place = { pool, session: pool.session, isOrdered: true };
    return host.createClient(context.at(place, keyPrefix, commandOptions));
  }

  async reset(): Promise<void> {
    this.#endLeases();
    this.#gate?.session?.reset(this.setup.name);
  }

  async close(): Promise<void> {
    this.#close();
    await this.#pool.ending.finish(this.#gate ?? this.#pool.holder);
    this.#restIfLast();
  }

  destroy(): void {
    this.#close();
    this.#pool.ending.abandon(this.#gate ?? this.#pool.holder);
    this.#restIfLast();
  }

  #leaseSource(route: CommandRoute, lender: PoolExecutor = this.#pool): LeaseSource {
    const pool = this.#pool;
    const { healthCheckIntervalMs, target } = pool.options;
    return {
      get keepsAlive() {
        return pool.keepsAlive;
      },
      clock: systemClock,
      healthCheckIntervalMs,
      probeTimeoutMs: target.connectTimeoutMs,
      acquireLease: (options) => lender.acquireLease({ ...options, route }),
    };
  }

  #shardHomes(): ShardHomes {
    const pool = this.#pool;
    return {
      homeOf: (channel) => pool.slotOwnerId(keySlot(channel)),
      find: (slot, channel) => findOwner(pool, slot, channel),
      sourceOf: (endpointId) => {
        return this.#leaseSource({ slot: undefined, access: 'write', endpointId });
      },
    };
  }

  #createSession(gate: Gate): ClientSession {
    const pool = this.#pool;
    const { target, commandTimeoutMs } = pool.options;
    const owner = {
      get keepsAlive() {
        return pool.keepsAlive;
      },
      database: target.database,
      restoreTimeoutMs: commandTimeoutMs || target.connectTimeoutMs,
      acquireLease: (terms: LeaseTerms) => {
        if (this.#state === 'new') this.#state = 'open';
        return gate.acquireLease({ ...terms, route: ANY_PRIMARY });
      },
      refuse: (command: Command, error: Error) => gate.refuse(command, error),
      onTrouble: (error: Error) => this.#onTrouble(error),
      onRestored: () => this.#onRestored(),
    };
    return new ClientSession(owner, this.setup.name);
  }

  #announceReady(): void {
    tell(this.#member.client, 'connect');
    tell(this.#member.client, 'ready');
  }

  /** What has connections of its own is told once they are there again too. */
  #onPoolConnected(): void {
    const hasOwn = this.isPubSubActive || this.#monitors.size > 0 || this.#gate?.session?.isLost;
    if (this.#state !== 'open' || (this.#isReconnecting && hasOwn)) return;
    this.#isReconnecting = false;
    this.#announceReady();
  }

  #onTrouble(error: Error): void {
    this.#isReconnecting = true;
    tell(this.#member.client, 'error', lostSocket(error));
    tell(this.#member.client, 'reconnecting');
  }

  #onRestored(): void {
    if (!this.#isReconnecting) return;
    this.#isReconnecting = false;
    this.#announceReady();
  }

  /** Neither closed, nor is the pool. */
  get #isUsable(): boolean {
    return !this.#pool.feed.isClosing && this.#state !== 'closed';
  }

  /** Asked after waiting, when it may have changed. */
  get #isConnecting(): boolean {
    return this.#state === 'connecting';
  }

  #reach(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const pool = this.#pool;
    const isWanted = () => this.#state !== 'closed';
    return reachServer(this.#gate ?? pool, timeoutMs, signal, () => pool.keepsAlive, isWanted);
  }

  #openImplicitly(): void {
    if (!this.#isUsable) throw closedError();
    this.#pool.ending.wake();
    if (this.#state === 'new') this.#state = 'open';
  }

  #takeAgain(): void {
    if (this.#gate === undefined) this.#pool.ending.refuseFrom(undefined);
    else this.#gate.isClosed = false;
    this.#pool.feed.add(this.#member);
  }

  /** All clients share the pool's sockets, so that the pool's own client decides for all. */
  ref(): void {
    if (this.#gate === undefined) this.#pool.ref();
  }

  unref(): void {
    if (this.#gate === undefined) this.#pool.unref();
  }

  #close(): void {
    if (!this.#isUsable) return;
    this.#state = 'closed';
    this.#isReconnecting = false;
    if (this.#gate === undefined) this.#pool.ending.refuseFrom(this.#pool.holder);
    else this.#gate.isClosed = true;
    this.#endLeases();
    this.#pool.feed.remove(this.#member);
    tell(this.#member.client, 'end');
  }

  /** Who holds no client, but the pool itself, has a connection whenever he asks for one. */
  #restIfLast(): void {
    if (!this.#pool.feed.hasOpenMember) this.#pool.ending.rest();
  }

  #endLeases(): void {
    this.#gate?.session?.end();
    this.#subscriber?.close(disconnectedError());
    this.#subscriber = undefined;
    for (const monitor of [...this.#monitors]) monitor.stop(disconnectedError());
  }
}

/** In node-redis' words, which listeners compare. */
function lostSocket(error: Error): Error {
  if ((error as Partial<PoolError>).code !== 'CONNECTION_LOST') return error;
  return new PoolError('CONNECTION_LOST', 'Socket closed unexpectedly', { cause: error });
}

/** Asks for a key of the slot: who does not have it says where it is, and the pool follows that. */
async function findOwner(pool: ClientPool, slot: number, channel: string): Promise<void> {
  const encoder = new CommandEncoder();
  encoder.push('EXISTS', channel);
  const { commandTimeoutMs, target } = pool.options;
  const settings = { timeoutMs: commandTimeoutMs || target.connectTimeoutMs };
  const kind = { name: 'EXISTS', retryClass: 'read' } as const;
  const command = new Command(kind, settings, encoder.payload(), encoder.ascii);
  command.route = routeOf(slot, 'write');
  await pool.execute(command).catch((error: unknown) => {
    // Who refuses to answer is there.
    if (error instanceof PoolError) throw error;
  });
}
