// One phase: accounts are made, users are driven by processes of their own, and what they saw is
// put beside what the service and Redis counted meanwhile.

import path from 'node:path';
import { type LoadReport, runLoad } from 'plimsoll-load';
import {
  type MachineLoad,
  type MachineTimes,
  machineLoad,
  measureUndisturbed,
  readMachineTimes,
} from '../machine-load.js';
import type { Phase } from './phases.js';
import { withProgress } from './progress.js';
import type { Section, Table } from './report.js';
import { commandPercentileMs, type Scrape } from './scrape.js';
import type { Service } from './service.js';
import type { Stage } from './stage.js';
import { judgePhase, type PhaseResult } from './verdict.js';

/** Caches and pools are filled by then, s: growth counts from here on (the soak's row). */
const WARM_SECONDS = 120;
/** How many readings are averaged at either end, s: one reading has the garbage of its moment. */
const MEMORY_WINDOW_SECONDS = 30;
/** Sessions are opened a little ahead of what is asked, so that a straggler finds one. */
const SPARE_ACCOUNTS = 2;

export interface RunOptions {
  /** The whole time, with the start of the users. */
  readonly seconds: number;
  /** Where CSV files and the page of charts go. Default: nowhere. */
  readonly reports?: string;
  /** Load generator processes. Default: 1. */
  readonly processes?: number;
  /** How often a phase is run at most until the machine was left alone. Default: 1. */
  readonly attempts?: number;
}

/**
 * Runs a phase. Where the host took too much of the CPUs away meanwhile, whatever the figures, it is
 * run again; the last attempt counts, and the report names those before.
 */
export async function runPhase(stage: Stage, phase: Phase, options: RunOptions): Promise<Section> {
  const { attempts = 1 } = options;
  const driven = await measureUndisturbed(
    () => drive(stage, stage.service, phase, options),
    attempts,
  );
  return sectionOf(phase, options.seconds, driven.at(-1)!, driven.slice(0, -1));
}

function sectionOf(
  phase: Phase,
  seconds: number,
  { result, report, machineLoad: load }: Driven,
  repeated: readonly Driven[],
): Section {
  const { users, spawnRate, userClass, waitScale = 1 } = phase;
  const pauses = waitScale === 1 ? '' : `, pauses x ${waitScale}`;
  return {
    title: phase.name,
    how:
      `${userClass}: ${number(users)} users, ${spawnRate} started a second, ${seconds} s${pauses}; ` +
      'latencies and throughput with all users there',
    rows: judgePhase(phase, result),
    details: [requestTable(report)],
    notes: [
      ...repeated.map(repetitionNote),
      ...(load === undefined
        ? []
        : [
            `The CPUs were ${load.busyPercent.toFixed(1)} % busy; ` +
              `the host gave ${load.stolenPercent.toFixed(1)} % of their time to others.`,
          ]),
      ...(phase.limits.redisP99Ms === undefined
        ? [`Redis operations p99, not judged here: ${result.redisP99Ms.toFixed(2)} ms.`]
        : []),
      ...(result.isGeneratorLimited
        ? ['The load generator was the limit: the service may be faster than these figures.']
        : []),
    ],
  };
}

function repetitionNote({ result, machineLoad: load }: Driven): string {
  const { p99Ms, redisP99Ms, failures, exhausted } = result;
  return (
    `Repeated, because the host took ${load!.stolenPercent.toFixed(1)} % of the CPUs' time away: ` +
    `p99 was ${p99Ms.toFixed(1)} ms, Redis operations p99 ${redisP99Ms.toFixed(2)} ms; ` +
    `${failures} failures, ${exhausted} exhaustions.`
  );
}

export interface Driven {
  readonly result: PhaseResult;
  readonly report: LoadReport;
  /** With all users there; `undefined` where they never were, or the system doesn't tell. */
  readonly machineLoad: MachineLoad | undefined;
}

/** Drives a phase's users against a service, whatever store it runs on. */
export async function drive(
  stage: Stage,
  service: Service,
  phase: Phase,
  { seconds, reports, processes = 1 }: RunOptions,
): Promise<Driven> {
  const name = `${phase.name}${Date.now().toString(36)}`;
  const usersFile = await service.provision(name, phase.users + SPARE_ACCOUNTS);
  const before = await service.scrape();
  const rejectedBefore = await stage.rejectedConnections();
  const files =
    reports === undefined
      ? {}
      : { csv: path.join(reports, phase.name), html: path.join(reports, `${phase.name}.html`) };
  let allThere: Reading | undefined;
  const report = await withProgress(phase, seconds, (onProgress) =>
    runLoad({
      userClass: phase.userClass,
      host: service.url,
      users: phase.users,
      spawnRate: phase.spawnRate,
      runTimeMs: seconds * 1000,
      processes,
      usersFile,
      waitScale: phase.waitScale ?? 1,
      metricsUrl: `${service.url}/metrics`,
      onProgress(progress) {
        if (progress.users === phase.users) allThere ??= read(service);
        onProgress(progress);
      },
      ...files,
    }),
  );
  const timesAfter = readMachineTimes();
  const after = await service.scrape();
  const { aggregated, generator, metrics } = report;
  // NaN, which no limit accepts, where a run was too short to be judged or nothing was read.
  const steady = report.steady?.aggregated;
  const utilizations = metrics.map((sample) => sample.poolUtilizationPercent ?? Number.NaN);
  const result: PhaseResult = {
    requests: aggregated.count,
    failures: aggregated.failures,
    throughput: steady?.rps ?? Number.NaN,
    p50Ms: steady?.p50 ?? Number.NaN,
    p95Ms: steady?.p95 ?? Number.NaN,
    p99Ms: steady?.p99 ?? Number.NaN,
    utilizationPercent: utilizations.length === 0 ? Number.NaN : Math.max(...utilizations),
    redisP99Ms: commandPercentileMs((await allThere?.scrape) ?? after, after, 99),
    exhausted: after.exhausted - before.exhausted,
    rejectedConnections: (await stage.rejectedConnections()) - rejectedBefore,
    memoryGrowthPercent: memoryGrowthPercent(report.startMs, metrics),
    isGeneratorLimited: generator.isLimit,
  };
  return { result, report, machineLoad: machineLoad(allThere?.times, timesAfter) };
}

interface Reading {
  /** `undefined` where the service didn't answer: not measured then. */
  readonly scrape: Promise<Scrape | undefined>;
  readonly times: MachineTimes | undefined;
}

function read(service: Service): Reading {
  return { scrape: service.scrape().catch(() => undefined), times: readMachineTimes() };
}

/** From two minutes on to the end, percent; `undefined` for a run that is too short to say. */
export function memoryGrowthPercent(
  startMs: number,
  samples: LoadReport['metrics'],
): number | undefined {
  const endMs = samples.at(-1)?.timeMs ?? startMs;
  const warmMs = startMs + WARM_SECONDS * 1000;
  const windowMs = MEMORY_WINDOW_SECONDS * 1000;
  if (endMs < warmMs + 2 * windowMs) return undefined;
  const meanFrom = (fromMs: number) => {
    const values = samples
      .filter(({ timeMs }) => timeMs >= fromMs && timeMs <= fromMs + windowMs)
      .map(({ residentMemoryBytes }) => residentMemoryBytes ?? Number.NaN);
    return values.reduce((sum, bytes) => sum + bytes, 0) / values.length;
  };
  return (meanFrom(endMs - windowMs) / meanFrom(warmMs) - 1) * 100;
}

function requestTable(report: LoadReport): Table {
  const ms = (value: number) => value.toFixed(1);
  return {
    title: 'Requests, ms',
    columns: ['request', 'count', 'failures', 'p50', 'p95', 'p99', 'highest'],
    rows: report.rows.map((row) => [
      row.name,
      number(row.count),
      number(row.failures),
      ...[row.p50, row.p95, row.p99, row.max].map(ms),
    ]),
  };
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
