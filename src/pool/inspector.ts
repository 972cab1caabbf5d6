// What the housekeeper has done: deadlines kept, silent connections found, idle ones asked and
// closed, leaks and high utilisation reported. It looks and judges; the pool acts. A probe asks and
// never ends a connection: who answers is alive, and who is late may have a slow server.

import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { isTooOld, judgeConnection } from '../policy/lifetime.js';
import { isAlertRaised, utilizationPercent } from '../policy/recommendations.js';
import type { Entry, EvictionReason } from './entry.js';
import type { ConnectionLease } from './lease.js';
import { ownCommand } from './own-command.js';
import { SilenceWatch } from './silence-watch.js';
import { countInUse, type PoolStatus } from './snapshot.js';
import type { Statistics } from './statistics.js';

export interface InspectedPool {
  readonly entries: readonly Entry[];
  readonly maxConnections: number;
  readonly openConnections: number;
  retire(entry: Entry, reason: EvictionReason): void;
  replace(entry: Entry): void;
  openSpare(): void;
  closeSpare(): void;
  evict(entry: Entry, reason: EvictionReason, error?: Error): void;
  onAlert(isRaised: boolean, utilizationPercent: number): void;
  onLeak(lease: ConnectionLease, heldMs: number): void;
}

/** What `healthCheck()` answers. */
export interface HealthReport {
  /** A connection answered, or the only one there may be is lent. */
  readonly healthy: boolean;
  /** Of the slowest PING, ms; `undefined` when none was answered. */
  readonly latencyMs: number | undefined;
  readonly checkedConnections: number;
  /** They did not answer in time, or ended: those that turn out to be dead are replaced. */
  readonly failedConnections: number;
  /** Why the first of them failed. */
  readonly error: Error | undefined;
  readonly status: PoolStatus;
}

export class Inspector {
  readonly #options: ResolvedOptions;
  readonly #statistics: Statistics;
  readonly #pool: InspectedPool;
  readonly #silenceWatch: SilenceWatch;
  #isAlertRaised = false;

  constructor(options: ResolvedOptions, statistics: Statistics, pool: InspectedPool) {
    this.#options = options;
    this.#statistics = statistics;
    this.#pool = pool;
    this.#silenceWatch = new SilenceWatch({
      entries: pool.entries,
      openSpare: () => pool.openSpare(),
      closeSpare: () => pool.closeSpare(),
      evict: (entry, reason, error) => pool.evict(entry, reason, error),
      ping: (entry) => this.ping(entry),
    });
  }

  get isAlertRaised(): boolean {
    return this.#isAlertRaised;
  }

  /** How long a PING may take, ms. */
  get probeTimeoutMs(): number {
    return this.#options.target.connectTimeoutMs;
  }

  /** Keeps deadlines in flight and finds the dead; returns whether anything is in flight. */
  sweep(now: number): boolean {
    let isBusy = false;
    for (const { connection, lease } of this.#pool.entries) {
      if (connection.inFlight === 0) continue;
      // Whoever blocks for good has no deadline that would want a fast tick.
      if (lease?.isLongLived !== true) isBusy = true;
      this.#statistics.timeouts += connection.expire(now);
    }
    this.#silenceWatch.look(now);
    return isBusy;
  }

  inspect(now: number): void {
    this.#statistics.commandLatency.rotate(now);
    this.#statistics.waitLatency.rotate(now);
    this.#judgeConnections(now);
    this.#reportLeaks(now);
    this.#judgeUtilization();
  }

  /** PINGs every connection that nobody leases. */
  async probe(): Promise<Omit<HealthReport, 'status'>> {
    const ready = this.#pool.entries.filter((entry) => entry.state === 'ready');
    const startedAt = performance.now();
    let latencyMs: number | undefined;
    const pings = ready.map(async (entry) => {
      await this.ping(entry);
      latencyMs = performance.now() - startedAt;
    });
    const failures = (await Promise.allSettled(pings)).filter((ping) => ping.status === 'rejected');
    return {
      healthy: ready.length === 0 || latencyMs !== undefined,
      latencyMs,
      checkedConnections: ready.length,
      failedConnections: failures.length,
      error: failures[0]?.reason,
    };
  }

  /** Asks one connection whether it lives. Rejects where it doesn't answer in time. */
  async ping(entry: Entry): Promise<void> {
    const command = ownCommand(['PING'], this.probeTimeoutMs);
    entry.probes++;
    entry.connection.send(command);
    try {
      await command.promise;
    } catch (error) {
      // BUSY, MISCONF, LOADING, NOPERM: whoever says so is alive.
      if (!(error instanceof PoolError)) return;
      this.#statistics.healthCheckFailures++;
      throw error;
    } finally {
      entry.probes--;
    }
  }

  #judgeConnections(now: number): void {
    let open = this.#pool.openConnections;
    for (const entry of [...this.#pool.entries]) {
      if (isKeptTooLong(entry, now)) this.#pool.retire(entry, 'lifetime');
      if (entry.state !== 'ready' || entry.probes > 0) continue;
      const { createdAt, lifetimeMs, lastUsedAt, isInUse } = entry;
      const { lastTrafficAt } = entry.connection;
      const facts = { createdAt, lifetimeMs, lastUsedAt, isInUse, lastTrafficAt };
      const verdict = judgeConnection(facts, this.#options, now, open);
      if (verdict === 'ping') {
        // Its failure is counted; there is nobody else to tell.
        this.ping(entry).catch(() => undefined);
      } else if (verdict === 'close:lifetime') {
        open--;
        this.#pool.replace(entry);
      } else if (verdict === 'close:idle') {
        open--;
        this.#pool.retire(entry, 'idle');
      }
    }
  }

  #reportLeaks(now: number): void {
    const { leakThresholdMs } = this.#options;
    if (leakThresholdMs === 0) return;
    for (const { lease } of this.#pool.entries) {
      if (lease === undefined) continue;
      const heldMs = now - lease.acquiredAt;
      if (lease.isReported || lease.isLongLived || heldMs < leakThresholdMs) continue;
      lease.isReported = true;
      this.#statistics.leaks++;
      this.#pool.onLeak(lease, heldMs);
    }
  }

  #judgeUtilization(): void {
    const percent = utilizationPercent(countInUse(this.#pool.entries), this.#pool.maxConnections);
    const isRaised = isAlertRaised(this.#isAlertRaised, percent);
    if (isRaised === this.#isAlertRaised) return;
    this.#isAlertRaised = isRaised;
    this.#pool.onAlert(isRaised, percent);
  }
}

/** A lease for good, as pub/sub has it, would keep its connection, and its password, for ever. */
function isKeptTooLong(entry: Entry, now: number): boolean {
  const isKept = entry.lease?.isLongLived === true && entry.staleReason === undefined;
  return isKept && isTooOld(entry, now);
}
