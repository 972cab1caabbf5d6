// The host of `pool.client` and of its duplicates. All of them share the pool's connections; each
// has subscriptions, MONITORs and an end of its own. Only the end of `pool.client` is the pool's.

import { systemClock } from '../base/clock.js';
import { Command } from '../base/command.js';
import { keySlot } from '../base/key-slot.js';
import { type CommandRoute, routeOf } from '../base/route.js';
import type { TraceOrigin } from '../base/tracing.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import type { ConnectionLease } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';
import type { Ending } from '../pool/ending.js';
import type { KnownEndpoint, PoolExecutor } from '../pool/executor.js';
import { CommandEncoder } from '../wire/encoder.js';
import type { Client } from './client.js';
import { clientClass } from './client-class.js';
import type { ShardHomes } from './cluster/shard-homes.js';
import { CommandContext } from './context.js';
import type { ClientHost, HostedClient } from './host.js';
import type { LeaseSource } from './kept-lease.js';
import { Monitor, type MonitorListener } from './monitor.js';
import { type PoolFeed, tell } from './pool-feed.js';
import { reachServer } from './reach.js';
import type { ClientSetup } from './setup.js';
import { Subscriber } from './subscriber.js';

/** Replicas would do for messages; but they may be behind, or be taken away first. */
const ANY_PRIMARY = routeOf(undefined, 'write');

/** What the clients need of their pool. */
export interface ClientPool extends PoolExecutor {
  readonly options: ResolvedOptions;
  readonly feed: PoolFeed;
  close(options?: { timeoutMs?: number }): Promise<void>;
  /** Whether what is open keeps the process alive. */
  readonly keepsAlive: boolean;
  ref(): void;
  unref(): void;
  readonly ending: Pick<Ending, 'abandon' | 'finish'>;
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
  readonly #monitors = new Set<Monitor>();
  #subscriber: Subscriber | undefined;
  #client: Client | undefined;
  readonly #member = {
    client: {
      emit: (event: string, ...args: unknown[]) => this.#client!.emit(event, ...args),
      listenerCount: (event: string) => this.#client!.listenerCount(event),
    } satisfies HostedClient,
    endLeases: () => this.#endLeases(),
  };

  constructor(pool: ClientPool, setup: ClientSetup, gate: Gate | undefined) {
    this.#pool = pool;
    this.setup = setup;
    this.#gate = gate;
    pool.feed.add(this.#member);
  }

  get isOpen(): boolean {
    return !this.#pool.feed.isClosing && this.#gate?.isClosed !== true;
  }

  get isReady(): boolean {
    return this.isOpen && this.#pool.feed.isReady;
  }

  get isPubSubActive(): boolean {
    return this.#subscriber?.subscriptions.isEmpty === false;
  }

  get isWatching(): boolean {
    return false;
  }

  get description(): Readonly<Record<string, unknown>> {
    const { host, port, path, tls, database, name } = this.#pool.options.target;
    const address = path === undefined ? { host, port } : { path };
    return { name, database, socket: { ...address, tls: tls !== undefined } };
  }

  createClient(context: CommandContext): Client {
    const Class = clientClass(this.setup.sets, context.isSharded);
    this.#client = new Class(this, context);
    return this.#client;
  }

  subscriber(): Subscriber {
    if (!this.isOpen) throw closedError('Subscribing');
    this.#subscriber ??= new Subscriber({
      ...this.#leaseSource(ANY_PRIMARY),
      shards: this.#pool.isSharded ? this.#shardHomes() : undefined,
      timeoutMs: this.#pool.options.commandTimeoutMs,
      onTrouble: (error) => this.#onTrouble(error),
      onRefused: (error) => tell(this.#member.client, 'error', error),
      onMoved: (channel) => tell(this.#member.client, 'sharded-channel-moved', channel),
    });
    return this.#subscriber;
  }

  async monitor(context: CommandContext, listener: MonitorListener): Promise<() => void> {
    if (typeof listener !== 'function') {
      throw new PoolError('INVALID_ARGUMENT', 'monitor(): the callback must be a function');
    }
    if (!this.isOpen) throw closedError('MONITOR');
    const owner = {
      ...this.#leaseSource(ANY_PRIMARY),
      timeoutMs: context.timeoutMs,
      onTrouble: (error: Error) => this.#onTrouble(error),
      onStop: (stopped: Monitor) => this.#monitors.delete(stopped),
    };
    const monitor = new Monitor(owner, listener);
    this.#monitors.add(monitor);
    await monitor.start({ timeoutMs: context.options.timeout, signal: context.signal });
    return () => monitor.stop();
  }

  async connect(context: CommandContext): Promise<void> {
    if (this.#gate?.isClosed === true) {
      this.#gate.isClosed = false;
      this.#pool.feed.add(this.#member);
    }
    const { timeoutMs, signal } = context;
    await reachServer(this.#gate ?? this.#pool, timeoutMs, signal, () => this.#pool.keepsAlive);
  }

  duplicate(context: CommandContext, setup: ClientSetup): Client {
    const pool = new Gate(this.#pool);
    const { keyPrefix, commandOptions } = setup;
    return new PoolClientHost(this.#pool, setup, pool).createClient(
      context.at({ pool }, keyPrefix, commandOptions),
    );
  }

  async reset(): Promise<void> {
    this.#endLeases();
  }

  async close(): Promise<void> {
    if (this.#gate === undefined) {
      await this.#pool.close();
      return;
    }
    this.#closeGate(this.#gate);
    await this.#pool.ending.finish(this.#gate, closedError);
  }

  destroy(): void {
    if (this.#gate === undefined) {
      void this.#pool.close({ timeoutMs: 0 });
      return;
    }
    this.#closeGate(this.#gate);
    this.#pool.ending.abandon(this.#gate, closedError);
  }

  #leaseSource(route: CommandRoute): LeaseSource {
    const pool = this.#pool;
    const { healthCheckIntervalMs, target } = pool.options;
    return {
      get keepsAlive() {
        return pool.keepsAlive;
      },
      clock: systemClock,
      healthCheckIntervalMs,
      probeTimeoutMs: target.connectTimeoutMs,
      acquireLease: (options) => pool.acquireLease({ ...options, route }),
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

  #onTrouble(error: Error): void {
    tell(this.#member.client, 'error', error);
    tell(this.#member.client, 'reconnecting');
  }

  /** All clients share the pool's sockets, so that the pool's own client decides for all. */
  ref(): void {
    if (this.#gate === undefined) this.#pool.ref();
  }

  unref(): void {
    if (this.#gate === undefined) this.#pool.unref();
  }

  #closeGate(gate: Gate): void {
    if (gate.isClosed) return;
    gate.isClosed = true;
    this.#endLeases();
    this.#pool.feed.remove(this.#member);
    tell(this.#member.client, 'end');
  }

  #endLeases(): void {
    this.#subscriber?.close(closedError('The subscription'));
    this.#subscriber = undefined;
    for (const monitor of [...this.#monitors]) monitor.stop(closedError('MONITOR'));
  }
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

/** The pool as a duplicate sees it: closed, once the duplicate is. Commands name it as holder. */
class Gate implements PoolExecutor {
  isClosed = false;
  readonly holder = this;
  readonly onError: ((error: unknown) => void) | undefined;
  readonly traceOrigin: TraceOrigin | undefined;
  readonly #pool: PoolExecutor;

  constructor(pool: PoolExecutor) {
    this.#pool = pool;
    this.onError = pool.onError;
    this.traceOrigin = pool.traceOrigin;
  }

  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    return this.isClosed ? this.#closed(command) : this.#pool.execute(command, signal);
  }

  executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown> {
    return this.isClosed ? this.#closed(command) : this.#pool.executeExclusive(command, signal);
  }

  get isSharded(): boolean {
    return this.#pool.isSharded;
  }

  get endpoints(): readonly KnownEndpoint[] {
    return this.#pool.endpoints;
  }

  get hasReaders(): boolean {
    return this.#pool.hasReaders === true;
  }

  endpointIds(which: 'primaries' | 'all'): readonly string[] {
    return this.#pool.endpointIds(which);
  }

  slotOwnerId(slot: number): string | undefined {
    return this.#pool.slotOwnerId(slot);
  }

  acquireLease(options?: LeaseTerms): Promise<ConnectionLease> {
    if (this.isClosed) return this.refusal(closedError('acquire()'));
    return this.#pool.acquireLease({ ...options, holder: this });
  }

  refuse(command: Command, error: Error): void {
    this.#pool.refuse(command, error);
  }

  refusal(error: Error): Promise<never> {
    return this.#pool.refusal(error);
  }

  #closed(command: Command): Promise<unknown> {
    this.refuse(command, closedError(command.name));
    return command.promise;
  }
}

function closedError(what: string): PoolError {
  return new PoolError('POOL_CLOSED', `${what}: the client is closed`, { sent: false });
}
