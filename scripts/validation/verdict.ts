// Holds what a phase measured against what it must reach: a row each, PASS or FAIL. Pure.

import { type Phase, RECOVERY_MS } from './phases.js';

/** What one phase measured. Latencies and throughput are those with all users there. */
export interface PhaseResult {
  readonly requests: number;
  readonly failures: number;
  /** Requests/s. */
  readonly throughput: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** The highest of a reading every 2 s, percent. */
  readonly utilizationPercent: number;
  /** Of Redis commands with all users there, as the pool measures them. */
  readonly redisP99Ms: number;
  readonly exhausted: number;
  /** Connections that Redis turned away. */
  readonly rejectedConnections: number;
  /** Of all workers from two minutes on, percent; `undefined`: the phase was shorter. */
  readonly memoryGrowthPercent: number | undefined;
  /** The load generator, not the service, was the limit. */
  readonly isGeneratorLimited: boolean;
}

export interface RestartResult {
  /** From Redis' return to the last failed answer, ms. */
  readonly recoveryMs: number;
  /** Answers that took a revoked token for valid. */
  readonly revokedAccepted: number;
  /** How often a revoked token was shown. */
  readonly revokedShown: number;
}

export interface Row {
  readonly what: string;
  readonly expected: string;
  readonly measured: string;
  readonly passed: boolean;
}

export function judgePhase({ limits }: Phase, result: PhaseResult): Row[] {
  const failurePercent = result.requests === 0 ? 100 : (result.failures / result.requests) * 100;
  const rows = [
    atMost('p50', 'ms', limits.p50Ms, result.p50Ms),
    atMost('p95', 'ms', limits.p95Ms, result.p95Ms),
    atMost('p99', 'ms', limits.p99Ms, result.p99Ms),
    atMost('failures', '%', limits.failurePercent, failurePercent),
    atLeast('throughput', 'requests/s', limits.throughput, result.throughput),
    atMost('utilisation, highest', '%', limits.utilizationPercent, result.utilizationPercent),
    atMost('Redis operations p99', 'ms', limits.redisP99Ms, result.redisP99Ms),
    none('pool exhaustions', result.exhausted),
    none('connections rejected by Redis', result.rejectedConnections),
    result.memoryGrowthPercent === undefined
      ? undefined
      : atMost('memory growth', '%', limits.memoryGrowthPercent, result.memoryGrowthPercent),
  ];
  return rows.filter((row) => row !== undefined);
}

export function judgeRestart(result: RestartResult): Row[] {
  return [
    atMost('serves again after', 'ms', RECOVERY_MS, result.recoveryMs),
    none('revoked tokens accepted', result.revokedAccepted),
    atLeast('revoked tokens shown', 'requests', 1, result.revokedShown),
  ].filter((row) => row !== undefined);
}

function atMost(
  what: string,
  unit: string,
  limit: number | undefined,
  value: number,
): Row | undefined {
  if (limit === undefined) return undefined;
  // NaN, a figure that was never measured, fails.
  return {
    what,
    expected: `< ${limit} ${unit}`,
    measured: shown(value, unit),
    passed: value < limit,
  };
}

function atLeast(
  what: string,
  unit: string,
  limit: number | undefined,
  value: number,
): Row | undefined {
  if (limit === undefined) return undefined;
  return {
    what,
    expected: `>= ${number(limit)} ${unit}`,
    measured: shown(value, unit),
    passed: value >= limit,
  };
}

function none(what: string, value: number): Row {
  return { what, expected: '0', measured: number(value), passed: value === 0 };
}

function shown(value: number, unit: string): string {
  return `${number(value)} ${unit}`;
}

function number(value: number): string {
  const digits = Math.abs(value) < 10 && !Number.isInteger(value) ? 2 : 0;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}
