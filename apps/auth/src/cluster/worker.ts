// The worker's side: says when it serves, reports its metrics, and ends without losing a request:
//
//   close   no new connection
//   drain   each answer from now on closes its connection; those that stay idle are closed at the end
//
// It ends by itself when the primary is gone.

import { type AddressInfo, Server as NetServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { aggregateWorkerMetrics, type WorkerMetrics } from 'plimsoll/prometheus';
import type { WorkerApp } from '../worker-app.js';
import { COLLECT_TIMEOUT_MS } from './collector.js';
import { type DashboardClient, tell } from './dashboard.js';
import type { FromPrimary } from './messages.js';
import { HEARTBEAT_MS } from './watchdog.js';

const DRAIN_POLL_MS = 20;
/** Of the time to stop, what is kept for closing what is left, ms. */
const CLOSING_RESERVE_MS = 1_000;
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Answers a scrape for all workers. */
export class MetricsClient {
  readonly #waiting = new Map<number, (workers: WorkerMetrics[]) => void>();
  #nextId = 1;

  take(message: FromPrimary): void {
    if (message.type !== 'collected') return;
    this.#waiting.get(message.id)?.(message.workers);
    this.#waiting.delete(message.id);
  }

  async scrape(): Promise<{ contentType: string; body: string }> {
    const id = this.#nextId++;
    const workers = await new Promise<WorkerMetrics[]>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error('the primary did not answer a scrape'));
      }, 2 * COLLECT_TIMEOUT_MS);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      tell({ type: 'collect', id });
    });
    return { contentType: CONTENT_TYPE, body: await aggregateWorkerMetrics(workers) };
  }
}

export interface PrimaryClients {
  readonly metrics: MetricsClient;
  readonly dashboard: DashboardClient;
}

/** Serves until the primary says stop, or is gone. */
export async function serve(
  worker: WorkerApp,
  { metrics, dashboard }: PrimaryClients,
  stopTimeoutMs: number,
): Promise<void> {
  const drain = drainer(worker);
  let isDraining = false;
  const end = async () => {
    if (isDraining) return;
    isDraining = true;
    // Where the primary is gone too, nobody else ends a worker that a slow client holds.
    setTimeout(() => process.exit(1), stopTimeoutMs);
    await drain(Math.max(0, stopTimeoutMs - CLOSING_RESERVE_MS));
    process.exit(0);
  };
  process.on('message', (message: FromPrimary) => {
    metrics.take(message);
    dashboard.take(message);
    if (message.type === 'close') {
      stopListening(worker);
      tell({ type: 'closed' });
    }
    if (message.type === 'drain') void end();
    if (message.type === 'report') void report(worker, message.id);
  });
  process.once('disconnect', () => {
    stopListening(worker);
    void end();
  });
  // The terminal's Ctrl-C reaches all; the primary decides.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  await worker.listen();
  tellLoad();
  const port = portOf(worker.app);
  const { operatorApp = worker.app } = worker;
  tell({ type: 'ready', port, operatorPort: portOf(operatorApp) });
}

/** That its event loop runs, and how busy it is. */
function tellLoad(): void {
  let before = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization: load } = performance.eventLoopUtilization(now, before);
    before = now;
    tell({ type: 'alive', load });
  }, HEARTBEAT_MS);
  timer.unref();
}

function portOf({ server }: WorkerApp['app']): number {
  return (server.address() as AddressInfo).port;
}

function stopListening({ app, endDashboard }: WorkerApp): void {
  // Its pages would be connections that never end; they open again at others.
  endDashboard();
  // http.Server.close() would also end idle connections, on which a request may be on its way.
  NetServer.prototype.close.call(app.server);
}

/** Must be made before the app listens, as it adds a hook. */
function drainer({ app, close }: WorkerApp): (timeoutMs: number) => Promise<void> {
  let isDraining = false;
  app.addHook('onSend', async (_request, reply) => {
    if (isDraining) reply.header('connection', 'close');
  });
  return async (timeoutMs) => {
    isDraining = true;
    const deadline = performance.now() + timeoutMs;
    while ((await connectionsOf(app.server)) > 0 && performance.now() < deadline) {
      await sleep(DRAIN_POLL_MS);
    }
    await close();
  };
}

function connectionsOf(server: NetServer): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count ?? 0)));
}

async function report({ registry }: WorkerApp, id: number): Promise<void> {
  const metrics = (await registry.getMetricsAsJSON()) as WorkerMetrics['metrics'];
  tell({ type: 'metrics', id, metrics });
}
