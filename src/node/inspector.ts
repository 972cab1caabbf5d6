// What each tick of the timer does for the connections of a server: deadlines are kept, silent
// connections found, idle ones asked and closed, leaks reported. A probe asks and never ends a
// connection: who answers is alive, and who is late may have a slow server.

import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import { isTooOld, judgeConnection } from '../policy/lifetime.js';
import type { Entry } from './entry.js';
import type { ConnectionLease } from './lease.js';
import type { Membership } from './membership.js';
import { ownCommand } from './own-command.js';
import { SilenceWatch } from './silence-watch.js';
import type { Statistics } from './statistics.js';

/** Connections that log in with newer credentials at each inspection. */
const RENEWALS_AT_ONCE = 4;

/** What a probe of all lanes found. */
export interface ProbeReport {
  /** A connection answered, or the only one there may be is lent. */
  readonly healthy: boolean;
  /** Of the slowest PING, ms; `undefined` when none was answered. */
  readonly latencyMs: number | undefined;
  readonly checkedConnections: number;
  /** They did not answer in time, or ended: those that turn out to be dead are replaced. */
  readonly failedConnections: number;
  /** Why the first of them failed. */
  readonly error: Error | undefined;
}

/** Healthy is a pool of which each server answers. */
export function joinReports(reports: readonly ProbeReport[]): ProbeReport {
  const latencies = reports.flatMap(({ latencyMs }) => latencyMs ?? []);
  return {
    healthy: reports.length > 0 && reports.every(({ healthy }) => healthy),
    latencyMs: latencies.length === 0 ? undefined : Math.max(...latencies),
    checkedConnections: reports.reduce((sum, report) => sum + report.checkedConnections, 0),
    failedConnections: reports.reduce((sum, report) => sum + report.failedConnections, 0),
    error: reports.find(({ error }) => error !== undefined)?.error,
  };
}

export class Inspector {
  readonly #options: ResolvedOptions;
  readonly #statistics: Statistics;
  readonly #membership: Membership;
  readonly #entries: readonly Entry[];
  readonly #silenceWatch: SilenceWatch;
  readonly #onLeak: (lease: ConnectionLease, heldMs: number) => void;

  constructor(
    options: ResolvedOptions,
    statistics: Statistics,
    membership: Membership,
    onLeak: (lease: ConnectionLease, heldMs: number) => void,
  ) {
    this.#options = options;
    this.#statistics = statistics;
    this.#membership = membership;
    this.#entries = membership.fleet.entries;
    this.#onLeak = onLeak;
    this.#silenceWatch = new SilenceWatch({
      entries: this.#entries,
      openSpare: () => membership.openSpare(),
      closeSpare: () => membership.closeSpare(),
      evict: (entry, reason, error) => membership.evict(entry, reason, error),
      ping: (entry) => this.ping(entry),
    });
  }

  /** Keeps deadlines in flight and finds the dead; returns whether anything is in flight. */
  sweep(now: number): boolean {
    let isBusy = false;
    for (const { connection, lease } of this.#entries) {
      if (connection.inFlight === 0) continue;
      // Whoever blocks for good has no deadline that would want a fast tick.
      if (lease?.isLongLived !== true) isBusy = true;
      this.#statistics.timeouts += connection.expire(now);
    }
    this.#silenceWatch.look(now);
    return isBusy;
  }

  /** What has time: health checks, lifetimes, newer credentials, leaks. */
  inspect(now: number): void {
    this.#judgeConnections(now);
    this.#renewLogins();
    this.#reportLeaks(now);
  }

  /** PINGs every connection that nobody leases. */
  async probe(): Promise<ProbeReport> {
    const ready = this.#entries.filter((entry) => entry.state === 'ready');
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
    const command = ownCommand(['PING'], this.#options.target.connectTimeoutMs);
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
    let open = this.#membership.fleet.keptCount;
    for (const entry of [...this.#entries]) {
      if (isKeptTooLong(entry, now)) this.#membership.retire(entry, 'lifetime');
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
        this.#membership.replace(entry);
      } else if (verdict === 'close:idle') {
        open--;
        this.#membership.retire(entry, 'idle');
      }
    }
  }

  /** A few at a time, so that not all connections pause or are dialed at once. */
  #renewLogins(): void {
    let left = RENEWALS_AT_ONCE;
    for (const entry of [...this.#entries]) {
      if (left === 0) return;
      if (entry.connection.login?.isStale === true && this.#renewLogin(entry)) left--;
    }
  }

  /**
   * Where nothing is in flight; a refused AUTH behind another reply could put replies out of step. What
   * is never without traffic is replaced. @returns Whether anything was done.
   */
  #renewLogin(entry: Entry): boolean {
    const { lease, connection } = entry;
    if (entry.isIdle || (lease !== undefined && isBetweenCommands(lease))) {
      entry.probes++;
      void connection.login?.renew().finally(() => entry.probes--);
      return true;
    }
    if (lease?.isLongLived === true && entry.staleReason === undefined) {
      this.#membership.retire(entry, 'lifetime');
      return true;
    }
    if (entry.state !== 'ready') return false;
    this.#membership.replace(entry);
    return true;
  }

  #reportLeaks(now: number): void {
    const { leakThresholdMs } = this.#options;
    if (leakThresholdMs === 0) return;
    for (const { lease } of this.#entries) {
      if (lease === undefined) continue;
      const heldMs = now - lease.acquiredAt;
      if (lease.isReported || lease.isLongLived || heldMs < leakThresholdMs) continue;
      lease.isReported = true;
      this.#statistics.leaks++;
      this.#onLeak(lease, heldMs);
    }
  }
}

/** Its borrower has no transaction open, nor anything under way that one would follow. */
function isBetweenCommands({ session, entry, isLongLived, onPush }: ConnectionLease): boolean {
  if (isLongLived && onPush !== undefined) return false;
  if (entry.connection.inFlight > 0) return false;
  return session?.inTransaction !== true && session?.watching !== true;
}

/** A lease for good, as pub/sub has it, would keep its connection, and its password, for ever. */
function isKeptTooLong(entry: Entry, now: number): boolean {
  const isKept = entry.lease?.isLongLived === true && entry.staleReason === undefined;
  return isKept && isTooOld(entry, now);
}
