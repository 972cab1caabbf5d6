// One worker put together: pool, store, keys and HTTP, opened in this order and closed in the other.

import type { FastifyInstance } from 'fastify';
import { createPool, type Pool } from 'plimsoll';
import {
  type DashboardFeed,
  dashboardHandler,
  healthReport,
  PoolReporter,
  type WorkerReport,
} from 'plimsoll/http';
import { registerPoolMetrics } from 'plimsoll/prometheus';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { Attempts } from './attempts.js';
import type { AuthConfig } from './config.js';
import { type AppParts, buildApp, buildOperatorApp } from './http/app.js';
import { limitConnections } from './http/connection-limit.js';
import type { OperatorHooks } from './http/operator-routes.js';
import { openLog } from './log.js';
import { Passwords } from './passwords.js';
import { SecurityEvents } from './security-events.js';
import { Confirmation } from './store/confirmation.js';
import { peerCommands, plimsollCommands } from './store/drivers.js';
import { watchDurability } from './store/durability.js';
import { Outages } from './store/outages.js';
import { Shards } from './store/shards.js';
import { Store } from './store/store.js';
import { AccessTokens } from './tokens/access-tokens.js';
import { DeviceTokens } from './tokens/device-tokens.js';
import { isExposed } from './tokens/key-file.js';
import { registerKeyMetrics } from './tokens/key-metrics.js';
import { KeyRing } from './tokens/key-ring.js';
import { RefreshTokens } from './tokens/refresh-tokens.js';

const DURATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export interface WorkerApp {
  readonly app: FastifyInstance;
  /** Where operators have a port of their own. */
  readonly operatorApp: FastifyInstance | undefined;
  readonly registry: Registry;
  listen(): Promise<void>;
  /** Ends the live pages that are open here. */
  endDashboard(): void;
  /** Finishes what is in flight, then lets go of Redis. */
  close(): Promise<void>;
}

/** What this worker has of the others. */
export interface Siblings {
  /** How `GET /metrics` is answered. */
  readonly metrics: OperatorHooks['metrics'];
  /** What the live page shows. */
  readonly dashboard: DashboardFeed;
  /** Called twice a second where there is a live page. */
  readonly tellOfPool: (report: WorkerReport) => void;
}

/** @param siblings Default: none; it tells of itself alone. */
export async function openWorkerApp(
  config: AuthConfig & { readonly keysFile: string },
  env: NodeJS.ProcessEnv,
  siblings?: Siblings,
): Promise<WorkerApp> {
  const registry = new Registry();
  collectProcessMetrics(registry);
  const log = openLog(config.logLevel);
  const events = new SecurityEvents({ log, registry });
  const keys = await KeyRing.open(config.keysFile, { events });
  registerKeyMetrics(keys, registry);
  const pool = createPool({}, env) as Pool;
  registerPoolMetrics(pool, { registry });
  pool.on('autoscale', ({ action, from, to, reason, utilizationPercent, error }) =>
    log.info(
      { event: 'autoscale', what: 'connections', action, from, to, reason, utilizationPercent },
      `${action}: ${from} to ${to} connections (${reason})${error === undefined ? '' : `: ${error.message}`}`,
    ),
  );
  pool.on('breakerOpen', ({ code }) => events.emit('redis_lost', { reason: code }));
  pool.on('breakerClose', () => events.emit('redis_found'));
  const shards = new Shards(pool);
  const commands = await commandsOf(config, pool, shards);
  const confirmation = new Confirmation(shards, config);
  const store = new Store(commands, config, {
    confirm: confirmation.isWanted ? (home) => confirmation.confirm(home) : undefined,
    outages: Outages.of(pool),
  });
  const isReporting = config.dashboard && siblings !== undefined;
  const reporter = isReporting ? new PoolReporter(pool, siblings.tellOfPool) : undefined;
  const dashboard = config.dashboard
    ? dashboardHandler(siblings?.dashboard ?? pool, {
        tokenSha256: config.operatorTokenHash,
        onRefused: ({ socket: { remoteAddress: address = 'unknown' } }) =>
          events.emit('operator_refused', { address }),
      })
    : undefined;
  const parts: AppParts = {
    config,
    store,
    keys,
    tokens: new AccessTokens(keys, config),
    devices: new DeviceTokens(keys, config),
    refreshTokens: new RefreshTokens(keys),
    passwords: new Passwords(config),
    attempts: new Attempts(commands, config, events),
    log,
    events,
    hooks: {
      onAnswer: measuringHook(registry),
      healthRedis: () => healthReport(pool),
      dashboard,
      metrics:
        siblings?.metrics ??
        (async () => ({ contentType: registry.contentType, body: await registry.metrics() })),
    },
  };
  const endWatch = watchDurability({ shards, confirmation, events, registry });
  const app = buildApp(parts);
  const { operatorPort } = config;
  const operatorApp = operatorPort === undefined ? undefined : buildOperatorApp(parts);
  limitConnections(app.server, config.maxConnections, registry);
  if (isExposed(config.keysFile)) {
    log.warn('AUTH_KEYS_FILE can be read by others than its owner; chmod 600 it');
  }
  return {
    app,
    operatorApp,
    registry,
    async listen() {
      // First, as the service counts as ready with its last port.
      await operatorApp?.listen({ host: config.operatorHost, port: operatorPort! });
      await app.listen({ host: config.host, port: config.port });
    },
    endDashboard() {
      dashboard?.close();
    },
    async close() {
      reporter?.stop();
      await app.close();
      await operatorApp?.close();
      endWatch();
      await store.close();
      await pool.close();
    },
  };
}

async function commandsOf(config: AuthConfig, pool: Pool, shards: Shards) {
  const { storeDriver } = config;
  if (storeDriver === 'plimsoll') return plimsollCommands(pool, shards);
  return peerCommands(storeDriver, pool.options.target);
}

/** What prom-client tells of a process, without what walks over every open socket to be told. */
function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const kind of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`nodejs_active_${kind}`);
    registry.removeSingleMetric(`nodejs_active_${kind}_total`);
  }
  registry.removeSingleMetric('process_open_fds');
}

function measuringHook(registry: Registry): NonNullable<OperatorHooks['onAnswer']> {
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'From the request to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: DURATION_BUCKETS_SECONDS,
    registers: [registry],
  });
  return (method, route, status, seconds) =>
    duration.observe({ method, route, status: String(status) }, seconds);
}
