// What `GET /health/redis` answers. Healthy means that every open connection answered a
// PING just now, so one report costs a round trip; those who ask at the same time, or shortly after,
// share it. Knows Node's request and response only, so that it fits any framework.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { recommendations } from '../policy/recommendations.js';
import type { HealthReport } from '../pool/pool.js';
import type { EndpointStatus, PoolStatus } from '../pool/snapshot.js';
import type { FailoverEndpoint } from '../topology/failover.js';

/** How long an exhausted pool is spoken of, ms: the window of the alert `PlimsollPoolExhausted`. */
export const EXHAUSTION_WINDOW_MS = 5 * 60_000;
/** How long a report is good for, ms: an endpoint that many ask must not become load itself. */
export const REPORT_MAX_AGE_MS = 1_000;

export interface CheckedPool {
  status(): PoolStatus;
  healthCheck(): Promise<HealthReport>;
}

/** The body of `GET /health/redis`. */
export interface RedisHealth {
  readonly healthy: boolean;
  readonly pool_status: {
    readonly status: PoolStatus['state'];
    readonly utilization_percent: number;
    readonly in_use_connections: number;
    readonly available_connections: number;
    readonly max_connections: number;
    readonly open_connections: number;
    readonly waiting: number;
    /** Of the slowest connection's PING, ms; `null` when none answered. */
    readonly ping_ms: number | null;
    readonly metrics: {
      readonly pool_exhausted_count: number;
      readonly connection_errors: number;
      readonly health_check_failures: number;
      readonly timeouts: number;
      readonly retries: number;
      /** Of the last one to two minutes, ms. */
      readonly command_p99_ms: number;
    };
    /** Code and message of the last failed connect; `null` since one succeeded. */
    readonly last_connect_error: { readonly code: string; readonly message: string } | null;
  };
  /** The servers in use: one, or those of a cluster. */
  readonly endpoints: readonly {
    readonly address: string;
    readonly role: 'primary' | 'replica';
    /** `down`: its breaker is open. */
    readonly status: 'ready' | 'empty' | 'down';
    readonly open_connections: number;
    readonly in_use_connections: number;
    readonly waiting: number;
  }[];
  /** Of the option `endpoints`: which there are, and which is used; `null` without that option. */
  readonly failover: {
    /** The id of the one in use; `null`: none answers. */
    readonly active: string | null;
    readonly endpoints: readonly {
      readonly id: string;
      readonly address: string;
      readonly weight: number;
      readonly status: FailoverEndpoint['state'];
    }[];
  } | null;
  /** At least one sentence, the most pressing first. */
  readonly recommendations: readonly string[];
}

export interface HealthAnswer {
  readonly statusCode: 200 | 503;
  readonly body: RedisHealth;
}

/** Pure: the answer for a health report. @param exhaustedRecently Within the last 5 minutes. */
export function healthAnswer(
  { healthy, latencyMs, error, status }: HealthReport,
  exhaustedRecently: number,
): HealthAnswer {
  const { connections, counters, utilizationPercent } = status;
  return {
    statusCode: healthy ? 200 : 503,
    body: {
      healthy,
      pool_status: {
        status: status.state,
        utilization_percent: rounded(utilizationPercent),
        in_use_connections: connections.inUse,
        available_connections: connections.available,
        max_connections: connections.max,
        open_connections: connections.open,
        waiting: status.waiting,
        ping_ms: latencyMs === undefined ? null : rounded(latencyMs),
        metrics: {
          pool_exhausted_count: counters.exhausted,
          connection_errors: counters.connectionErrors,
          health_check_failures: counters.healthCheckFailures,
          timeouts: counters.timeouts,
          retries: counters.retries,
          command_p99_ms: rounded(status.commandLatency.p99),
        },
        last_connect_error: status.lastConnectError ?? null,
      },
      endpoints: status.endpoints.map(endpointHealth),
      failover: failoverHealth(status),
      recommendations: recommendations({
        utilizationPercent,
        exhaustedCount: exhaustedRecently,
        failure: healthy ? undefined : (codeOf(error) ?? status.state),
      }),
    },
  };
}

function endpointHealth(endpoint: EndpointStatus): RedisHealth['endpoints'][number] {
  return {
    address: endpoint.address,
    role: endpoint.role,
    status: endpoint.state,
    open_connections: endpoint.open,
    in_use_connections: endpoint.inUse,
    waiting: endpoint.waiting,
  };
}

function failoverHealth({ failover }: PoolStatus): RedisHealth['failover'] {
  if (failover === undefined) return null;
  const { active, endpoints } = failover;
  return {
    active: active ?? null,
    endpoints: endpoints.map(({ id, address, weight, state }) => ({
      ...{ id, address, weight, status: state },
    })),
  };
}

/** Health of one pool; keeps the last report for a second, and exhaustion counts for 5 minutes. */
export class PoolHealth {
  readonly #pool: CheckedPool;
  readonly #now: () => number;
  readonly #marks: { at: number; count: number }[] = [];
  #report: Promise<HealthAnswer> | undefined;
  #reportedAt = 0;

  constructor(pool: CheckedPool, now: () => number) {
    this.#pool = pool;
    this.#now = now;
  }

  report(): Promise<HealthAnswer> {
    const now = this.#now();
    if (this.#report === undefined || now - this.#reportedAt >= REPORT_MAX_AGE_MS) {
      this.#reportedAt = now;
      this.#report = this.#check();
    }
    return this.#report;
  }

  async #check(): Promise<HealthAnswer> {
    const report = await this.#pool.healthCheck();
    return healthAnswer(report, this.#exhaustedRecently(report.status.counters.exhausted));
  }

  /** The marks are a report apart, so that there are few; without an old one, all is recent. */
  #exhaustedRecently(count: number): number {
    const now = this.#now();
    const windowStart = now - EXHAUSTION_WINDOW_MS;
    const marks = this.#marks;
    marks.push({ at: now, count });
    while (marks.length > 1 && marks[1]!.at <= windowStart) marks.shift();
    const { at, count: countBefore } = marks[0]!;
    return at <= windowStart ? count - countBefore : count;
  }
}

const healthOf = new WeakMap<CheckedPool, PoolHealth>();

/** Checks the pool, or answers with a check that is less than a second old. Never rejects. */
export function healthReport(pool: CheckedPool): Promise<HealthAnswer> {
  let health = healthOf.get(pool);
  if (health === undefined) {
    health = new PoolHealth(pool, () => performance.now());
    healthOf.set(pool, health);
  }
  return health.report();
}

/** A request listener for `GET /health/redis`: 200 or, where Redis doesn't answer, 503. */
export function healthHandler(
  pool: CheckedPool,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (_request, response) => {
    void healthReport(pool).then(({ statusCode, body }) => {
      // Somebody else, a time-out for example, may have answered meanwhile.
      if (response.headersSent) return;
      response.writeHead(statusCode, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
      });
      response.end(JSON.stringify(body));
    });
  };
}

function codeOf(error: (Error & { readonly code?: unknown }) | undefined): string | undefined {
  return typeof error?.code === 'string' ? error.code : undefined;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
