// Drives a phase's users against a service, whatever store it runs on, and puts what they saw beside
// what the service and Redis counted meanwhile.

import path from 'node:path';
import { type LoadReport, runLoad } from 'plimsoll-load';
import {
  type MachineLoad,
  type MachineTimes,
  machineLoad,
  readMachineTimes,
} from '../machine-load.js';
import { type MetricsSample, type MetricsTap, openMetricsTap } from './metrics-tap.js';
import type { Phase } from './phases.js';
import { withProgress } from './progress.js';
import type { RedisState } from './redis-state.js';
import { commandPercentileMs, evictionsBetween, type Scrape } from './scrape.js';
import type { Service } from './service.js';
import type { Stage } from './stage.js';
import { userClassFile } from './user-classes.js';
import type { PhaseResult } from './verdict.js';

/** Caches and pools are filled by then, s: growth counts from here on (the soak's rows). */
const WARM_SECONDS = 120;
/** How many readings are averaged at either end, s: one reading has the garbage of its moment. */
const MEMORY_WINDOW_SECONDS = 30;
/** Sessions are opened a little ahead of what is asked, so that a straggler finds one. */
const SPARE_ACCOUNTS = 2;

export interface DriveOptions {
  /** The whole time, with the start of the users. */
  readonly seconds: number;
  /** Where CSV files and the page of charts go. Default: nowhere. */
  readonly reports?: string;
  /** Load generator processes. Default: 1. */
  readonly processes?: number;
}

export interface Driven {
  readonly result: PhaseResult;
  readonly report: LoadReport;
  /** With all users there; `undefined` where they never were, or the system doesn't tell. */
  readonly machineLoad: MachineLoad | undefined;
}

export async function drive(
  stage: Stage,
  service: Service,
  phase: Phase,
  options: DriveOptions,
): Promise<Driven> {
  const name = `${phase.name}${Date.now().toString(36)}`;
  const redisBefore = await stage.redisState();
  const usersFile = await service.provision(name, phase.users + SPARE_ACCOUNTS);
  const before = await service.scrape();
  const tap = await openMetricsTap(() => service.readMetrics());
  try {
    const watch = new Watch(stage, service);
    const report = await load(service, phase, options, { usersFile, tap, watch });
    refuseCrash(report);
    const timesAfter = readMachineTimes();
    const result = resultOf(phase, report, {
      before,
      redisBefore,
      after: await service.scrape(),
      redisAfter: await stage.redisState(),
      samples: tap.samples,
      allThereAt: watch.allThere?.atMs,
      allThere: await watch.allThere?.scrape,
      redisWarm: await watch.redisWarm,
      requestsWarm: watch.requestsWarm,
    });
    return { result, report, machineLoad: machineLoad(watch.allThere?.times, timesAfter) };
  } finally {
    await tap.close();
  }
}

interface Tools {
  readonly usersFile: string;
  readonly tap: MetricsTap;
  readonly watch: Watch;
}

function load(
  service: Service,
  phase: Phase,
  { seconds, reports, processes = 1 }: DriveOptions,
  { usersFile, tap, watch }: Tools,
): Promise<LoadReport> {
  const files =
    reports === undefined
      ? {}
      : { csv: path.join(reports, phase.name), html: path.join(reports, `${phase.name}.html`) };
  return withProgress(phase, seconds, (onProgress) =>
    runLoad({
      userClass: userClassFile(phase.userClass),
      host: service.url,
      users: phase.users,
      spawnRate: phase.spawnRate,
      runTimeMs: seconds * 1000,
      processes,
      usersFile,
      waitScale: phase.waitScale ?? 1,
      metricsUrl: tap.url,
      onProgress(progress) {
        if (progress.users === phase.users) watch.noteAllThere();
        if (progress.elapsedMs >= WARM_SECONDS * 1000) watch.noteWarm(progress.requests);
        onProgress(progress);
      },
      ...files,
    }),
  );
}

/** Takes readings at the two moments of a run from which on something counts. */
class Watch {
  allThere:
    | {
        readonly atMs: number;
        /** `undefined` where the service didn't answer: not measured then. */
        readonly scrape: Promise<Scrape | undefined>;
        readonly times: MachineTimes | undefined;
      }
    | undefined;
  redisWarm: Promise<RedisState | undefined> | undefined;
  requestsWarm = 0;

  constructor(
    private readonly stage: Stage,
    private readonly service: Service,
  ) {}

  noteAllThere(): void {
    this.allThere ??= {
      atMs: performance.now(),
      scrape: this.service.scrape().catch(() => undefined),
      times: readMachineTimes(),
    };
  }

  noteWarm(requests: number): void {
    if (this.redisWarm !== undefined) return;
    this.requestsWarm = requests;
    this.redisWarm = this.stage.redisState().catch(() => undefined);
  }
}

interface Readings {
  readonly before: Scrape;
  readonly after: Scrape;
  readonly redisBefore: RedisState;
  readonly redisAfter: RedisState;
  readonly samples: readonly MetricsSample[];
  readonly allThereAt: number | undefined;
  readonly allThere: Scrape | undefined;
  readonly redisWarm: RedisState | undefined;
  readonly requestsWarm: number;
}

/** NaN, which no limit accepts, where a run was too short to be judged or nothing was read. */
function resultOf(phase: Phase, report: LoadReport, readings: Readings): PhaseResult {
  const { before, after, redisBefore, redisAfter, samples } = readings;
  const { aggregated, generator } = report;
  const steady = report.steady?.aggregated;
  const from = readings.allThereAt ?? Number.POSITIVE_INFINITY;
  const steadySamples = samples.filter(({ atMs }) => atMs > from);
  return {
    requests: aggregated.count,
    failures: aggregated.failures,
    exceptions: exceptionsOf(report),
    throughput: steady?.rps ?? Number.NaN,
    p50Ms: steady?.p50 ?? Number.NaN,
    p95Ms: steady?.p95 ?? Number.NaN,
    p99Ms: steady?.p99 ?? Number.NaN,
    utilizationPercent: highest(samples.map((sample) => sample.utilizationPercent)),
    redisP99Ms: commandPercentileMs(readings.allThere ?? after, after, 99),
    exhausted: after.exhausted - before.exhausted,
    waited: after.waited - before.waited,
    evictions: evictionsBetween(before, after),
    loopLagP99Ms: highest(steadySamples.map((sample) => sample.loopLagP99Ms)),
    workerRestarts: after.workerRestarts - before.workerRestarts,
    rejectedConnections: redisAfter.rejectedConnections - redisBefore.rejectedConnections,
    evictedKeys: redisAfter.evictedKeys - redisBefore.evictedKeys,
    redisBytesPerUser: (redisAfter.dataBytes - redisBefore.dataBytes) / phase.users,
    redisBytesPerRequest:
      readings.redisWarm === undefined
        ? Number.NaN
        : (redisAfter.dataBytes - readings.redisWarm.dataBytes) /
          Math.max(1, aggregated.count - readings.requestsWarm),
    memoryGrowthPercent: memoryGrowthPercent(samples),
    isGeneratorLimited: generator.isLimit,
  };
}

/** @throws Error where a generator is gone: what the others measured is not what was asked for. */
export function refuseCrash({ endReason, notes }: Pick<LoadReport, 'endReason' | 'notes'>): void {
  if (endReason === 'generator-crashed') throw new Error(notes.join(' '));
}

export function exceptionsOf({ exceptions }: Pick<LoadReport, 'exceptions'>): number {
  return exceptions.reduce((sum, { count }) => sum + count, 0);
}

function highest(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : Math.max(...values);
}

/** From two minutes on to the end, percent; NaN for a run that is too short to say. */
export function memoryGrowthPercent(
  samples: readonly { readonly atMs: number; readonly memoryBytes: number }[],
): number {
  const startMs = samples[0]?.atMs ?? 0;
  const endMs = samples.at(-1)?.atMs ?? startMs;
  const warmMs = startMs + WARM_SECONDS * 1000;
  const windowMs = MEMORY_WINDOW_SECONDS * 1000;
  if (endMs < warmMs + 2 * windowMs) return Number.NaN;
  const meanFrom = (fromMs: number) => {
    const values = samples
      .filter(({ atMs }) => atMs >= fromMs && atMs <= fromMs + windowMs)
      .map(({ memoryBytes }) => memoryBytes);
    return values.reduce((sum, bytes) => sum + bytes, 0) / values.length;
  };
  return (meanFrom(endMs - windowMs) / meanFrom(warmMs) - 1) * 100;
}
