// `plimsoll/http`: what a pool shows over HTTP: its health, and the live page. Both take Node's request
// and response, so that they fit any framework.

export {
  type DashboardHandler,
  type DashboardOptions,
  dashboardHandler,
  dashboardPlugin,
} from './dashboard/handler.js';
export { type DashboardFeed, DashboardHub } from './dashboard/hub.js';
export type { DashboardMessage, WorkerReport } from './dashboard/messages.js';
export { PoolReporter, type WatchedPool } from './dashboard/reporter.js';
export {
  type CheckedPool,
  EXHAUSTION_WINDOW_MS,
  type HealthAnswer,
  healthAnswer,
  healthHandler,
  healthReport,
  PoolHealth,
  REPORT_MAX_AGE_MS,
  type RedisHealth,
} from './health.js';
