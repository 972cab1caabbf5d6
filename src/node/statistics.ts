// The pool's running counts since it was made, and its recent latencies.

import type { RetryClass } from '../base/command.js';
import { LatencyHistogram, RecentLatency } from '../base/latency-histogram.js';
import type { Link } from '../base/link.js';
import { PoolError, type PoolErrorCode } from '../errors.js';
import type { EvictionReason } from './entry.js';

/** What callers' errors are counted by: the pool's own codes, and one for the server's. */
export type CountedErrorCode = PoolErrorCode | typeof ERROR_REPLY;

/**
 * An error that isn't the pool's: what the server answered. One code for all of them, since a
 * script may answer any text and a label of a metric must have a bound.
 */
const ERROR_REPLY = 'ERROR_REPLY';

export class Statistics {
  /** Replies handed out. */
  commands = 0;
  opened = 0;
  connectErrors = 0;
  /** Connects that failed, by code; a code that never came is absent. */
  readonly connectFailures: Partial<Record<PoolErrorCode, number>> = {};
  /** Connections that ended without the pool's doing. */
  lostConnections = 0;
  /** Commands whose deadline passed, while waiting or in flight. */
  timeouts = 0;
  retries = 0;
  /** The same by what a second execution would do. */
  readonly retriesByClass: Record<RetryClass, number> = { read: 0, write: 0, unknown: 0, once: 0 };
  /** Commands that a server has sent to another one. */
  redirects = 0;
  healthCheckFailures = 0;
  /** Times that a caller had to wait although all connections were open. */
  exhausted = 0;
  leaks = 0;
  leases = 0;
  /** Callers refused because the breaker was open. */
  refusedByBreaker = 0;
  /** Times that a server's breaker opened. */
  breakerOpenings = 0;
  /** Over connections that have ended; those that live have their own. */
  endedBytesRead = 0;
  endedBytesWritten = 0;
  readonly evictions: Record<EvictionReason, number> = {
    idle: 0,
    lifetime: 0,
    unhealthy: 0,
    unclean: 0,
    failover: 0,
    shrink: 0,
    lost: 0,
    destroyed: 0,
    shutdown: 0,
  };
  /** Errors that callers got; a code that never came is absent. */
  readonly errors: Partial<Record<CountedErrorCode, number>> = {};
  /** From the caller's call to the reply. */
  readonly commandLatency = new RecentLatency();
  /** Of those callers that had to wait for a connection. */
  readonly waitLatency = new RecentLatency();
  /** How long connections were lent, but for those that are kept for good on purpose. */
  readonly leaseDuration = new LatencyHistogram();
  /** From the dial to a connection that is ready, of those that became so. */
  readonly connectDuration = new LatencyHistogram();
  /** How late the pool's timer came. */
  readonly eventLoopLag = new LatencyHistogram();

  readonly countError = (error: unknown): void => {
    const code = error instanceof PoolError ? error.code : ERROR_REPLY;
    this.errors[code] = (this.errors[code] ?? 0) + 1;
  };

  /** All that was ever recorded, by what was timed. */
  latencyTotals() {
    return {
      command: this.commandLatency.total(),
      wait: this.waitLatency.total(),
      lease: this.leaseDuration,
      connect: this.connectDuration,
      eventLoopLag: this.eventLoopLag,
    };
  }

  countConnectFailure({ code }: PoolError): void {
    this.connectErrors++;
    this.connectFailures[code] = (this.connectFailures[code] ?? 0) + 1;
  }

  countRetry(retryClass: RetryClass): void {
    this.retries++;
    this.retriesByClass[retryClass]++;
  }

  /** Its bytes are counted on though it has ended. */
  keepBytesOf({ bytesRead, bytesWritten }: Link): void {
    this.endedBytesRead += bytesRead;
    this.endedBytesWritten += bytesWritten;
  }

  recordCommands(latencyMs: number, count: number): void {
    this.commands += count;
    this.commandLatency.record(latencyMs, count);
  }
}
