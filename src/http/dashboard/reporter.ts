// One process's pool, told to the live page: twice a second a report of plain data, with what happened
// since the last one. Listens to the pool only while it runs; holds no key, no value, no password.

import type { EventEmitter } from 'node:events';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { PoolEvents } from '../../pool/events.js';
import type { ConnectionStatus, LatencyTotals, PoolStatus } from '../../pool/snapshot.js';
import { countsOf } from './durations.js';
import { EventNotes } from './event-notes.js';
import { type PicturedConnection, REPORT_INTERVAL_MS, type WorkerReport } from './messages.js';

/** How long a connection that has left stays in the picture, ms. */
const GHOST_MS = 4_000;
const MAX_GHOSTS = 12;
/** More than a picture can show. */
const MAX_PICTURED = 200;

export interface WatchedPool extends Pick<EventEmitter<PoolEvents>, 'on' | 'off'> {
  status(): PoolStatus;
  connections(): ConnectionStatus[];
  latencyTotals(): LatencyTotals;
}

type Eviction = PoolEvents['evict'][0];

export class PoolReporter {
  readonly #pool: WatchedPool;
  readonly #notes: EventNotes;
  readonly #timer: NodeJS.Timeout;
  #ghosts: { readonly eviction: Eviction; readonly leftAt: number }[] = [];
  #loop: EventLoopUtilization = performance.eventLoopUtilization();

  /** @param tell Gets the first report at once, and then one each 500 ms; must not throw. */
  constructor(pool: WatchedPool, tell: (report: WorkerReport) => void) {
    this.#pool = pool;
    this.#notes = new EventNotes(pool);
    pool.on('evict', this.#onEvict);
    this.#timer = setInterval(() => tell(this.#report()), REPORT_INTERVAL_MS).unref();
    tell(this.#report());
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#notes.stop();
    this.#pool.off('evict', this.#onEvict);
  }

  readonly #onEvict = (eviction: Eviction): void => {
    this.#ghosts.push({ eviction, leftAt: performance.now() });
    if (this.#ghosts.length > MAX_GHOSTS) this.#ghosts.shift();
  };

  #report(): WorkerReport {
    const status = this.#pool.status();
    const { command, wait } = this.#pool.latencyTotals();
    const { counters, connections, failover } = status;
    const { open, inUse, leased, lanes, connecting, max } = connections;
    const pictured = this.#picture(status);
    const loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, this.#loop);
    this.#loop = loop;
    return {
      atMs: Date.now(),
      pid: process.pid,
      pool: status.name,
      address: status.address,
      state: status.state,
      connections: { open, inUse, leased, lanes, connecting, max },
      inFlight: status.inFlight,
      waiting: status.waiting,
      oldestWaitMs: status.oldestWaitMs,
      primariesWithoutReplica: status.primariesWithoutReplica ?? 0,
      connectFailure: status.lastConnectError?.code,
      totals: {
        commands: counters.commands,
        leases: counters.leases,
        errors: Object.values(counters.errors).reduce((sum, count) => sum + count, 0),
        timeouts: counters.timeouts,
        retries: counters.retries,
        exhausted: counters.exhausted,
        connectionErrors: counters.connectionErrors,
        leaks: counters.leaks,
      },
      commandsWithin: countsOf(command),
      waitsWithin: countsOf(wait),
      endpoints: status.endpoints,
      failover,
      pictured: pictured.slice(0, MAX_PICTURED),
      unpictured: Math.max(0, pictured.length - MAX_PICTURED),
      loopPercent: utilization * 100,
      events: this.#notes.take(),
    };
  }

  #picture({ endpoints }: PoolStatus): PicturedConnection[] {
    const now = performance.now();
    this.#ghosts = this.#ghosts.filter(({ leftAt }) => now - leftAt < GHOST_MS);
    const dialing = endpoints.flatMap(({ address, connecting }) =>
      Array.from({ length: connecting }, (_, index): PicturedConnection => {
        const key = `${address}+${index}`;
        return { kind: 'dialing', key, address, inFlight: 0, forMs: 0 };
      }),
    );
    const left = this.#ghosts.map(({ eviction, leftAt }): PicturedConnection => {
      const { address, reason, connectionId } = eviction;
      const key = keyOf(address, connectionId);
      return { kind: 'evicted', key, address, inFlight: 0, forMs: now - leftAt, reason };
    });
    return [...this.#pool.connections().map(pictureOf), ...dialing, ...left];
  }
}

function pictureOf(connection: ConnectionStatus): PicturedConnection {
  const { id, address, state, inFlight, ageMs, heldMs, isSuspect } = connection;
  const kind = state === 'ready' ? 'lane' : state === 'leased' ? 'leased' : 'draining';
  const pictured = { kind, key: keyOf(address, id), address, inFlight } as const;
  return { ...pictured, forMs: heldMs ?? ageMs, ...(isSuspect ? { isSuspect } : {}) };
}

function keyOf(address: string, connectionId: number): string {
  return `${address}#${connectionId}`;
}
