// What other programs may import of the load tester: what a user class is written with, a run as a
// function, and the types of its report.

export {
  type CrossCheckOptions,
  type CrossCheckResult,
  crossCheck,
  crossCheckTable,
  type ToolFigures,
} from './cross-check.js';
export { LOAD_ERROR_CODES, LoadError, type LoadErrorCode } from './errors.js';
export type { LoadShape, LoadStage } from './load-shape.js';
export type { LoadOptions } from './options.js';
export type {
  EndReason,
  GeneratorSummary,
  LoadModel,
  LoadProgress,
  LoadReport,
  LoadSettings,
  MetricsSample,
  SteadyState,
  TaskShare,
} from './report/load-report.js';
export { runLoad } from './run-load.js';
export type { ExceptionSummary, FailureSummary, SecondSample } from './stats/ledger.js';
export type { RowSummary } from './stats/summary.js';
export type { ThresholdVerdict } from './thresholds.js';
export {
  type Account,
  between,
  constant,
  constantPacing,
  constantThroughput,
  defineUser,
  type Expectation,
  type FilePart,
  type LoadResponse,
  type RequestOptions,
  type Task,
  type User,
  type UserClass,
  type WaitTime,
} from './user-class.js';
