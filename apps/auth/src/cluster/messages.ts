// What primary and workers say to each other.

import type { DashboardMessage, WorkerReport } from 'plimsoll/http';
import type { WorkerMetrics } from 'plimsoll/prometheus';

export type FromWorker =
  | { readonly type: 'ready'; readonly port: number; readonly operatorPort: number }
  /** Its event loop runs; each second. `load`: for which part of it it was busy, 0 to 1. */
  | { readonly type: 'alive'; readonly load: number }
  /** It takes no new connection any more. */
  | { readonly type: 'closed' }
  /** A worker was scraped and wants everybody's metrics. */
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number; readonly metrics: WorkerMetrics['metrics'] }
  /** Twice a second, where the live page is on. */
  | { readonly type: 'pool'; readonly report: WorkerReport }
  /** A live page was opened at it, or the last one has gone. */
  | { readonly type: 'watch' | 'unwatch' };

export type FromPrimary =
  /** Take no new connection; those that are open go on as before. */
  | { readonly type: 'close' }
  /** End the open connections, each with its next answer, and then yourself. */
  | { readonly type: 'drain' }
  | { readonly type: 'report'; readonly id: number }
  | { readonly type: 'collected'; readonly id: number; readonly workers: WorkerMetrics[] }
  /** For its live pages. */
  | { readonly type: 'dashboard'; readonly message: DashboardMessage };
