// Makes the report of a run's books: pure figures and verdicts, no files.

import { OWN_FAILURE } from '../http/connection.js';
import type { MetricsPoll } from '../metrics-poll.js';
import type { CheckedOptions } from '../options.js';
import type { Figures, Ledger } from '../stats/ledger.js';
import { judge, type Threshold } from '../thresholds.js';
import type { Task, UserClass } from '../user-class.js';
import type {
  EndReason,
  GeneratorSummary,
  LoadReport,
  LoadSettings,
  TaskShare,
} from './load-report.js';

/** Bounds beyond which the load tester's own slowness may show in the latencies. */
export const MAX_CPU_PERCENT = 85;
export const MAX_LOOP_LAG_P99_MS = 50;

const SHAPED = 'a load shape changes the number of users';

/** What a run leaves behind. */
export interface RunResult {
  readonly startMs: number;
  readonly endMs: number;
  readonly endReason: EndReason;
  readonly ledger: Ledger;
  readonly metrics: MetricsPoll;
  readonly notes: readonly string[];
}

export interface ReportSources extends RunResult {
  readonly options: CheckedOptions;
  readonly userClasses: readonly UserClass[];
}

export function composeReport(sources: ReportSources): LoadReport {
  const { startMs, endMs, endReason, ledger, metrics, options, userClasses } = sources;
  const userClassName = userClasses.map(({ name }) => name).join(', ');
  const whole = ledger.totals(endMs);
  const { rows, aggregated } = whole;
  const steady = ledger.steady();
  const thresholds = options.thresholds.map((one) => judge(one, whole, steady));
  const unjudged = unjudgedErrors(options.thresholds, whole);
  const windows = ledger.windows();
  return {
    startMs,
    endMs,
    endReason,
    settings: settingsOf(options, userClassName),
    model: options.rate === undefined ? 'closed' : 'open',
    userClassName,
    tasks: userClasses.flatMap(taskShares),
    rows,
    aggregated,
    steady: steady ?? null,
    failures: ledger.failures(),
    exceptions: ledger.exceptions(),
    thresholds,
    unjudgedErrors: unjudged,
    fileProblem: null,
    passed:
      endReason !== 'generator-crashed' &&
      unjudged === 0 &&
      thresholds.every((verdict) => verdict.passed),
    generator: generatorSummary(ledger, aggregated.count),
    aborted: sum(windows.map((window) => window.aborted)),
    reconnects: sum(windows.map((window) => window.reconnects)),
    samples: ledger.samples,
    metrics: metrics.samples,
    notes: notesOf(sources),
  };
}

/** Errors are part of the verdict also where no threshold speaks of them, as with locust. */
function unjudgedErrors(thresholds: readonly Threshold[], whole: Figures): number {
  const isJudged = (measure: Threshold['measure']) =>
    thresholds.some((one) => one.measure === measure && one.name === undefined);
  const failures = isJudged('fail%') ? 0 : whole.aggregated.failures;
  return failures + (isJudged('exceptions') ? 0 : whole.exceptions);
}

function notesOf({ notes, metrics, ledger, options }: ReportSources): string[] {
  const metricsNote = metrics.note();
  const unfinished = sum(ledger.windows().map((window) => window.unfinished));
  return [
    ...notes,
    ...(metricsNote === undefined ? [] : [metricsNote]),
    ...(ledger.steady() === undefined
      ? [
          `There was no steady state: ${options.plan ? SHAPED : 'not all users were up for a second'}.`,
        ]
      : []),
    ...(unfinished === 0
      ? []
      : [`${unfinished} users were in a task without an open request when the run ended.`]),
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function settingsOf(options: CheckedOptions, userClass: string): LoadSettings {
  const { thresholds: _, userClasses: __, plan, ...settings } = options;
  const { runTimeMs, iterations, rate, usersFile, metricsUrl, ...shared } = settings;
  return {
    userClass,
    ...shared,
    shaped: plan !== undefined,
    runTimeMs: runTimeMs ?? null,
    iterations: iterations ?? null,
    rate: rate ?? null,
    usersFile: usersFile ?? null,
    metricsUrl: metricsUrl ?? null,
  };
}

export function taskShares({ name: userClass, tasks, order }: UserClass): TaskShare[] {
  // In a sequence each task has its turn.
  const weightOf = ({ weight = 1 }: Task) => (order === 'sequence' ? 1 : weight);
  const total = sum(tasks.map(weightOf));
  return tasks.map((task) => ({
    userClass,
    name: task.name,
    weight: weightOf(task),
    sharePercent: (100 * weightOf(task)) / total,
  }));
}

function generatorSummary(ledger: Ledger, requests: number): GeneratorSummary {
  const health = ledger.windows().map((window) => window.health);
  const largest = (values: number[]) => Math.max(0, ...values);
  const cpu = ledger.generatorCpu();
  const figures = {
    loopLagP99Ms: largest(health.map((one) => one.loopLagP99Ms)),
    loopLagMaxMs: largest(health.map((one) => one.loopLagMaxMs)),
    cpuPercent: largest(cpu.map((one) => one.percent)),
    cpuUsPerRequest: cpu.reduce((sum, one) => sum + one.spentUs, 0) / Math.max(1, requests),
    memoryBytes: health.reduce((sum, one) => sum + one.memoryBytes, 0),
  };
  const reasons = limits(ledger, figures);
  return { ...figures, isLimit: reasons.length > 0, reasons };
}

function limits(
  ledger: Ledger,
  { cpuPercent, loopLagP99Ms }: { cpuPercent: number; loopLagP99Ms: number },
): string[] {
  const reasons: string[] = [];
  if (cpuPercent > MAX_CPU_PERCENT) {
    reasons.push(
      `A generator process used ${cpuPercent.toFixed(0)} % of a core, above ` +
        `${MAX_CPU_PERCENT} %: use more --processes.`,
    );
  }
  if (loopLagP99Ms > MAX_LOOP_LAG_P99_MS) {
    reasons.push(
      `A generator's event loop was up to ${loopLagP99Ms.toFixed(0)} ms late (p99), above ` +
        `${MAX_LOOP_LAG_P99_MS} ms: latencies may be the load tester's own.`,
    );
  }
  const own = ledger.failures().filter(({ error }) => OWN_FAILURE.test(error));
  for (const { error, occurrences } of own) reasons.push(`${occurrences} requests: ${error}.`);
  return reasons;
}
