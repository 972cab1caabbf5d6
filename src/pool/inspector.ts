// What the housekeeper has done: deadlines kept, silent connections found, idle ones asked and
// closed, leaks and high utilisation reported. It looks and judges; the pool acts.

import { Command } from '../base/command.js';
import { textPayload } from '../base/payload.js';
import type { ResolvedOptions } from '../config/options.js';
import { judgeConnection } from '../policy/lifetime.js';
import { isAlertRaised, utilizationPercent } from '../policy/recommendations.js';
import type { Entry, EvictionReason } from './entry.js';
import type { ConnectionLease } from './lease.js';
import { countInUse, type PoolStatus } from './snapshot.js';
import type { Statistics } from './statistics.js';

/** A server that is silent for this long while it owes replies is given up, ms, where commands
 * have no deadline of their own that would say so. */
const DEFAULT_SILENCE_MS = 5_000;

export interface InspectedPool {
  readonly entries: readonly Entry[];
  readonly maxConnections: number;
  readonly openConnections: number;
  retire(entry: Entry, reason: EvictionReason): void;
  evict(entry: Entry, reason: EvictionReason, error?: Error): void;
  onAlert(isRaised: boolean, utilizationPercent: number): void;
  onLeak(lease: ConnectionLease, heldMs: number): void;
}

/** What `healthCheck()` answers. */
export interface HealthReport {
  /** At least one connection answered, and none failed. */
  readonly healthy: boolean;
  /** Of the slowest PING, ms; `undefined` when none was answered. */
  readonly latencyMs: number | undefined;
  readonly checkedConnections: number;
  /** They were evicted, and are being replaced. */
  readonly failedConnections: number;
  /** Why it isn't healthy. */
  readonly error: Error | undefined;
  readonly status: PoolStatus;
}

export class Inspector {
  readonly #options: ResolvedOptions;
  readonly #statistics: Statistics;
  readonly #pool: InspectedPool;
  #isAlertRaised = false;

  constructor(options: ResolvedOptions, statistics: Statistics, pool: InspectedPool) {
    this.#options = options;
    this.#statistics = statistics;
    this.#pool = pool;
  }

  get isAlertRaised(): boolean {
    return this.#isAlertRaised;
  }

  /** How long a PING may take, ms. */
  get probeTimeoutMs(): number {
    return this.#options.target.connectTimeoutMs;
  }

  /** Keeps deadlines in flight and evicts who is silent; returns whether anything is in flight. */
  sweep(now: number): boolean {
    const silenceMs = this.#options.commandTimeoutMs || DEFAULT_SILENCE_MS;
    let isBusy = false;
    for (const entry of [...this.#pool.entries]) {
      const { connection } = entry;
      if (connection.inFlight === 0) continue;
      // Whoever blocks for good has no deadline that would want a fast tick.
      if (entry.lease?.isLongLived !== true) isBusy = true;
      this.#statistics.timeouts += connection.expire(now);
      const since = connection.waitingSince;
      // A lease's silence is its borrower's business: BLPOP waits as long as it likes.
      if (entry.state === 'leased' || since === undefined || now - since < silenceMs) continue;
      this.#pool.evict(entry, 'unhealthy', new Error(`no bytes for ${Math.round(now - since)} ms`));
    }
    return isBusy;
  }

  inspect(now: number): void {
    this.#statistics.commandLatency.rotate(now);
    this.#statistics.waitLatency.rotate(now);
    this.#judgeConnections(now);
    this.#reportLeaks(now);
    this.#judgeUtilization();
  }

  /** PINGs every connection that nobody leases; those that don't answer are evicted. */
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
      healthy: ready.length > 0 && failures.length === 0,
      latencyMs,
      checkedConnections: ready.length,
      failedConnections: failures.length,
      error: failures[0]?.reason,
    };
  }

  /** Asks one connection whether it lives. Rejects, and evicts it, when it doesn't answer. */
  async ping(entry: Entry): Promise<void> {
    const command = ownCommand(['PING'], this.probeTimeoutMs);
    entry.probes++;
    entry.connection.send(command);
    try {
      await command.promise;
    } catch (error) {
      this.#statistics.healthCheckFailures++;
      this.#pool.evict(entry, 'unhealthy', error as Error);
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
        // Its failure is counted and evicts; there is nobody else to tell.
        this.ping(entry).catch(() => undefined);
      } else if (verdict !== 'keep') {
        open--;
        this.#pool.retire(entry, verdict === 'close:idle' ? 'idle' : 'lifetime');
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
function isKeptTooLong({ lease, staleReason, createdAt, lifetimeMs }: Entry, now: number): boolean {
  if (lease?.isLongLived !== true || staleReason !== undefined) return false;
  return lifetimeMs > 0 && now - createdAt >= lifetimeMs;
}

/** A command of the pool's own. @param timeoutMs Its deadline, ms; 0: none. */
export function ownCommand(args: readonly string[], timeoutMs: number): Command {
  const name = args[0] as string;
  const payload = textPayload(args);
  const command = new Command({ name, retryClass: 'unknown' }, { timeoutMs }, payload, true);
  // It concerns this connection: on another one it would say or undo the wrong thing.
  command.forbidRetry();
  return command;
}
