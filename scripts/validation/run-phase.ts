// One phase: its users are driven, again where the host disturbed them, and what was measured
// becomes a section of the report.

import type { LoadReport } from 'plimsoll-load';
import { MAX_STOLEN_PERCENT, measureUndisturbed } from '../machine-load.js';
import { type Driven, type DriveOptions, drive } from './drive.js';
import { offeredRate, type Phase } from './phases.js';
import type { Section, Table } from './report.js';
import type { Stage } from './stage.js';
import { failurePercent, judgePhase } from './verdict.js';

export interface RunOptions extends DriveOptions {
  /** How often a phase is run at most until the machine was left alone. Default: 1. */
  readonly attempts?: number;
}

/**
 * Runs a phase. Where the host took too much of the CPUs away meanwhile, whatever the figures, it is
 * run again; the times of the last attempt count, the failures of all, and the report names each.
 */
export async function runPhase(stage: Stage, phase: Phase, options: RunOptions): Promise<Section> {
  const { attempts = 1 } = options;
  const driven = await measureUndisturbed(
    () => drive(stage, stage.service, phase, options),
    attempts,
  );
  return sectionOf(phase, options.seconds, driven);
}

function sectionOf(phase: Phase, seconds: number, driven: readonly Driven[]): Section {
  const { users, spawnRate, userClass, waitScale = 1 } = phase;
  const pauses = waitScale === 1 ? '' : `, pauses x ${waitScale}`;
  const { result, report } = driven.at(-1)!;
  const discarded = driven.slice(0, -1).map((one) => one.result);
  return {
    title: phase.name,
    how:
      `${userClass}: ${number(users)} users, ${spawnRate} started a second, ${seconds} s${pauses}; ` +
      `they ask for ${offeredRate(phase).toFixed(0)} requests/s, whatever the service could bear; ` +
      'latencies and throughput with all users there',
    rows: judgePhase(phase, result, discarded),
    details: [requestTable(report), ...(driven.length === 1 ? [] : [attemptTable(driven)])],
    notes: [
      repetitionNote(driven),
      ...(phase.limits.redisP99Ms === undefined
        ? [`Redis operations p99, not judged here: ${result.redisP99Ms.toFixed(2)} ms.`]
        : []),
      ...(result.isGeneratorLimited
        ? ['The load generator was the limit: the service may be faster than these figures.']
        : []),
    ],
  };
}

/** How often it was measured, and why. */
function repetitionNote(driven: readonly Driven[]): string {
  const times = driven.length === 1 ? 'once' : `${driven.length} times`;
  const load = driven.at(-1)!.machineLoad;
  if (load === undefined)
    return `Measured ${times}; how busy the machine was with all users there is not known.`;
  const { busyPercent, stolenPercent } = load;
  const busy =
    `the CPUs were ${busyPercent.toFixed(1)} % busy, ` +
    `and the host gave ${stolenPercent.toFixed(1)} % of their time to others`;
  if (driven.length === 1) return `Measured ${times}: ${busy}.`;
  return (
    `Measured ${times}, as the host took more than ${MAX_STOLEN_PERCENT} % of the CPUs' time away; ` +
    `all attempts stand below. In the last ${busy}.`
  );
}

/** The attempts before the last with their figures, so that nothing is hidden by repeating. */
function attemptTable(driven: readonly Driven[]): Table {
  return {
    title: 'Attempts',
    columns: ['attempt', 'taken by the host, %', 'p50 ms', 'p99 ms', 'Redis p99 ms', 'failures, %'],
    rows: driven.map(({ result, machineLoad: load }, index) => [
      String(index + 1),
      load === undefined ? 'unknown' : load.stolenPercent.toFixed(1),
      result.p50Ms.toFixed(1),
      result.p99Ms.toFixed(1),
      result.redisP99Ms.toFixed(2),
      failurePercent(result).toFixed(2),
    ]),
  };
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
