// One scrape shows all workers: the primary asks each for its metrics and hands them together to
// the worker that was scraped. A worker that doesn't answer in time is left out, not waited for.

import type { Worker } from 'node:cluster';
import type { WorkerMetrics } from 'plimsoll/prometheus';
import type { FromPrimary, FromWorker } from './messages.js';

export const COLLECT_TIMEOUT_MS = 2_000;

interface Collection {
  readonly asker: Worker;
  readonly askerId: number;
  readonly parts: WorkerMetrics[];
  readonly missing: Set<number>;
  readonly timer: NodeJS.Timeout;
}

export class Collector {
  readonly #workers: () => readonly Worker[];
  readonly #own: (missing: number) => Promise<WorkerMetrics>;
  readonly #collections = new Map<number, Collection>();
  #nextId = 1;

  /**
   * @param workers Those that are ready.
   * @param own The primary's metrics, told how many workers are missing.
   */
  constructor(workers: () => readonly Worker[], own: (missing: number) => Promise<WorkerMetrics>) {
    this.#workers = workers;
    this.#own = own;
  }

  /** Takes messages that concern metrics; ignores others. */
  take(worker: Worker, message: FromWorker): void {
    if (message.type === 'collect') this.#begin(worker, message.id);
    if (message.type === 'metrics') this.#add(worker, message.id, message.metrics);
  }

  #begin(asker: Worker, askerId: number): void {
    const id = this.#nextId++;
    const asked = this.#workers();
    const timer = setTimeout(() => void this.#finish(id), COLLECT_TIMEOUT_MS);
    const missing = new Set(asked.map((worker) => worker.id));
    this.#collections.set(id, { asker, askerId, parts: [], missing, timer });
    for (const worker of asked) send(worker, { type: 'report', id });
    if (asked.length === 0) void this.#finish(id);
  }

  #add(worker: Worker, id: number, metrics: WorkerMetrics['metrics']): void {
    const collection = this.#collections.get(id);
    if (collection === undefined || !collection.missing.delete(worker.id)) return;
    collection.parts.push({ worker: String(worker.id), metrics });
    if (collection.missing.size === 0) void this.#finish(id);
  }

  async #finish(id: number): Promise<void> {
    const collection = this.#collections.get(id);
    if (collection === undefined) return;
    this.#collections.delete(id);
    clearTimeout(collection.timer);
    const { asker, askerId, parts, missing } = collection;
    parts.push(await this.#own(missing.size));
    send(asker, { type: 'collected', id: askerId, workers: parts });
  }
}

/** A worker that has just gone can't be told anything, and need not be. */
export function send(worker: Worker, message: FromPrimary): void {
  if (worker.isConnected()) worker.send(message, () => undefined);
}
