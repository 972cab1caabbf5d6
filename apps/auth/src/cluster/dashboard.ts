// One live page shows all workers: each tells the primary of its pool, there a hub puts it together, and
// sends what it makes of it to those workers at which pages are open.
//
//   worker: PoolReporter --pool--> primary: DashboardHub --dashboard--> worker: DashboardClient --> pages

import cluster, { type Worker } from 'node:cluster';
import { type DashboardFeed, DashboardHub, type DashboardMessage } from 'plimsoll/http';
import { send } from './collector.js';
import type { FromPrimary, FromWorker } from './messages.js';

type Subscriber = (message: DashboardMessage) => void;

/** The primary's side. */
export class DashboardRelay {
  readonly #hub = new DashboardHub();
  readonly #watching = new Map<Worker, () => void>();

  /** Takes messages that concern the live page; ignores others. */
  take(worker: Worker, message: FromWorker): void {
    if (message.type === 'pool') this.#hub.take(String(worker.id), message.report);
    if (message.type === 'watch') this.#watch(worker);
    if (message.type === 'unwatch') this.#unwatch(worker);
  }

  /** It has ended. */
  forget(worker: Worker): void {
    this.#unwatch(worker);
    this.#hub.remove(String(worker.id));
  }

  /** Anew where it watched before: another page of it needs to know everything too. */
  #watch(worker: Worker): void {
    this.#unwatch(worker);
    const end = this.#hub.subscribe((message) => send(worker, { type: 'dashboard', message }));
    this.#watching.set(worker, end);
  }

  #unwatch(worker: Worker): void {
    this.#watching.get(worker)?.();
    this.#watching.delete(worker);
  }
}

/** The worker's side. */
export class DashboardClient implements DashboardFeed {
  readonly #subscribers = new Set<Subscriber>();

  take(message: FromPrimary): void {
    if (message.type !== 'dashboard') return;
    for (const subscriber of this.#subscribers) subscriber(message.message);
  }

  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    tell({ type: 'watch' });
    return () => {
      this.#subscribers.delete(subscriber);
      if (this.#subscribers.size === 0) tell({ type: 'unwatch' });
    };
  }
}

/** To the primary, as long as there is one. */
export function tell(message: FromWorker): void {
  if (cluster.worker?.isConnected()) process.send?.(message);
}
