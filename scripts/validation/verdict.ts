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
  return [
    ...judge('p50', '<', limits.p50Ms, result.p50Ms, 'ms'),
    ...judge('p95', '<', limits.p95Ms, result.p95Ms, 'ms'),
    ...judge('p99', '<', limits.p99Ms, result.p99Ms, 'ms'),
    ...judge('failures', '<', limits.failurePercent, failurePercent, '%'),
    ...judge('throughput', '>=', limits.throughput, result.throughput, 'requests/s'),
    ...judge(
      'utilisation, highest',
      '<',
      limits.utilizationPercent,
      result.utilizationPercent,
      '%',
    ),
    ...judge('Redis operations p99', '<', limits.redisP99Ms, result.redisP99Ms, 'ms'),
    none('pool exhaustions', result.exhausted),
    none('connections rejected by Redis', result.rejectedConnections),
    ...(result.memoryGrowthPercent === undefined
      ? []
      : judge('memory growth', '<', limits.memoryGrowthPercent, result.memoryGrowthPercent, '%')),
  ];
}

export function judgeRestart(result: RestartResult): Row[] {
  return [
    ...judge('serves again after', '<', RECOVERY_MS, result.recoveryMs, 'ms'),
    none('revoked tokens accepted', result.revokedAccepted),
    ...judge('revoked tokens shown', '>=', 1, result.revokedShown, 'requests'),
  ];
}

/** NaN, a figure that was never measured, fails; no limit, no row. */
function judge(
  what: string,
  sign: '<' | '>=',
  limit: number | undefined,
  value: number,
  unit: string,
): Row[] {
  if (limit === undefined) return [];
  return [
    {
      what,
      expected: `${sign} ${number(limit)} ${unit}`,
      measured: `${number(value)} ${unit}`,
      passed: sign === '<' ? value < limit : value >= limit,
    },
  ];
}

function none(what: string, value: number): Row {
  return { what, expected: '0', measured: number(value), passed: value === 0 };
}

function number(value: number): string {
  const digits = Math.abs(value) < 10 && !Number.isInteger(value) ? 2 : 0;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}
