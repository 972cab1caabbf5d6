// What is started: the primary, which checks the configuration and keeps the workers; and, forked
// from it, each worker.

import cluster from 'node:cluster';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { InvalidOptionsError, resolveOptions } from 'plimsoll';
import { DashboardClient, tell } from './cluster/dashboard.js';
import { removePidFile, writePidFile } from './cluster/pid-file.js';
import { ServiceManager } from './cluster/service-manager.js';
import type { StaffingTerms } from './cluster/staffing.js';
import { Supervisor } from './cluster/supervisor.js';
import { MetricsClient, serve } from './cluster/worker.js';
import {
  type AuthConfig,
  ConfigError,
  problemOfTarget,
  resolveConfig,
  staffingOf,
} from './config.js';
import { openLog } from './log.js';
import { createKeys } from './tokens/key-file.js';
import { KeyRing } from './tokens/key-ring.js';
import { openWorkerApp } from './worker-app.js';

/** EX_CONFIG of sysexits.h. */
const EXIT_CONFIGURATION = 78;
/** Signals that come closer together are one, ms. */
const SAME_SIGNAL_MS = 1_000;

if (cluster.isPrimary) process.exit(await runPrimary());
else await runWorker();

async function runPrimary(): Promise<number> {
  const checked = await checkConfiguration();
  if (checked === undefined) return EXIT_CONFIGURATION;
  const { config, workers, staffing, maxConnections, environment } = checked;
  const log = openLog(config.logLevel);
  const keys = await ephemeralKeys(config);
  if (keys !== undefined)
    log.warn('AUTH_KEYS_FILE is not set: the keys last as long as this process');
  const most = staffing?.maxWorkers;
  log.info(
    {
      environment,
      workers,
      ...(most === undefined ? {} : { maxWorkers: most }),
      connections: workers * maxConnections,
      connectionsPerWorker: maxConnections,
    },
    `${workers} workers, ${workers * maxConnections} connections in all, ${maxConnections} each` +
      (most === undefined ? '' : `; up to ${most} workers, ${most * maxConnections} connections`),
  );
  const manager = new ServiceManager(log, process.env);
  const supervisor = new Supervisor({
    workers,
    staffing,
    // As it was given: where a link in it leads to another release by now, a reload goes there.
    program: process.argv[1]!,
    env: {
      ...(keys === undefined ? {} : { AUTH_KEYS_FILE: keys.file }),
      ...shareOf(staffing),
    },
    stopTimeoutMs: config.stopTimeoutMs,
    hasDashboard: config.dashboard,
    log,
    onReady: (port, operatorPort) => {
      if (config.pidFile !== undefined) writePidFile(config.pidFile, log);
      manager.ready();
      log.info({ event: 'ready', port, operatorPort }, `serving at http://${config.host}:${port}`);
    },
  });
  takeSignals(supervisor, manager);
  supervisor.start();
  const code = await supervisor.done;
  if (config.pidFile !== undefined) removePidFile(config.pidFile);
  keys?.remove();
  return code;
}

function takeSignals(supervisor: Supervisor, manager: ServiceManager): void {
  let stoppedAt: number | undefined;
  const stop = () => {
    // A terminal's Ctrl-C comes twice where npm forwards it, which is no impatience.
    if (stoppedAt !== undefined && performance.now() - stoppedAt < SAME_SIGNAL_MS) return;
    stoppedAt ??= performance.now();
    manager.stopping();
    supervisor.stop();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  manager.onNpmGone(() => stoppedAt === undefined && stop());
  process.on('SIGHUP', async () => {
    manager.reloading();
    await supervisor.reload();
    if (stoppedAt === undefined) manager.reloaded();
  });
}

async function runWorker(): Promise<void> {
  try {
    const config = resolveConfig(process.env);
    const metrics = new MetricsClient();
    const dashboard = new DashboardClient();
    const keysFile = config.keysFile!;
    const worker = await openWorkerApp({ ...config, keysFile }, process.env, {
      metrics: () => metrics.scrape(),
      dashboard,
      tellOfPool: (report) => tell({ type: 'pool', report }),
    });
    await serve(worker, { metrics, dashboard }, config.stopTimeoutMs);
  } catch (error) {
    console.error(`A worker could not start: ${(error as Error).message}`);
    process.exit(1);
  }
}

/** Everything that is wrong is said at once; `undefined` then. */
async function checkConfiguration() {
  const problems: string[] = [];
  let config: AuthConfig | undefined;
  let options: ReturnType<typeof resolveOptions> | undefined;
  try {
    config = resolveConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(error.message);
  }
  if (config?.keysFile !== undefined) {
    await KeyRing.open(config.keysFile).catch(({ message }: Error) => {
      problems.push(`Invalid configuration:\n- AUTH_KEYS_FILE: ${message}`);
    });
  }
  let workers = 0;
  let staffing: StaffingTerms | undefined;
  try {
    ({ workers } = resolveOptions({}, process.env));
    staffing = config && staffingOf(config, workers);
    options = resolveOptions({}, { ...process.env, ...shareOf(staffing) });
  } catch (error) {
    if (!(error instanceof InvalidOptionsError || error instanceof ConfigError)) throw error;
    problems.push(error.message);
  }
  if (config !== undefined && options !== undefined) {
    const problem = problemOfTarget(config, options);
    if (problem !== undefined) problems.push(new ConfigError([problem]).message);
  }
  if (config === undefined || options === undefined || problems.length > 0) {
    console.error(problems.join('\n'));
    return undefined;
  }
  const { maxConnections, environment } = options;
  return { config, workers, staffing, maxConnections, environment };
}

/** Each worker has its share of the connections also when there are as many as there may be. */
function shareOf(staffing: StaffingTerms | undefined): { WEB_CONCURRENCY?: string } {
  return staffing === undefined ? {} : { WEB_CONCURRENCY: String(staffing.maxWorkers) };
}

/** Outside production a service may run without a file of keys: it gets one that goes with it. */
async function ephemeralKeys({ keysFile }: AuthConfig) {
  if (keysFile !== undefined) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), 'auth-keys-'));
  const file = path.join(folder, 'keys.json');
  await createKeys(file);
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
