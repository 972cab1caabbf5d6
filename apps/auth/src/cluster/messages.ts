// What primary and workers say to each other.

import type { WorkerMetrics } from 'plimsoll/prometheus';

export type FromWorker =
  | { readonly type: 'ready'; readonly port: number; readonly maxConnections: number }
  /** A worker was scraped and wants everybody's metrics. */
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number; readonly metrics: WorkerMetrics['metrics'] };

export type FromPrimary =
  | { readonly type: 'stop' }
  | { readonly type: 'report'; readonly id: number }
  | { readonly type: 'collected'; readonly id: number; readonly workers: WorkerMetrics[] };
