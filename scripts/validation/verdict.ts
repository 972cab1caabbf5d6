// Holds what a phase measured against what it must reach: a row each, PASS or FAIL. Pure.

import type { ProbeResult } from './failover-watch.js';
import { offeredRate, type Phase, RECOVERY_MS } from './phases.js';

/** What one phase measured. Latencies and throughput are those with all users there. */
export interface PhaseResult {
  readonly requests: number;
  readonly failures: number;
  /** What the tasks of users threw: they end a task early, so that its requests are missing. */
  readonly exceptions: number;
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
  /** Callers of the pool that had to wait for a connection. */
  readonly waited: number;
  /** Connections that the pool closed, by reason. */
  readonly evictions: Readonly<Record<string, number>>;
  /** With all users there: the latest worker's p99 in the worst 2 s, ms. */
  readonly loopLagP99Ms: number;
  /** Workers that died. */
  readonly workerRestarts: number;
  /** Connections that Redis turned away. */
  readonly rejectedConnections: number;
  /** Keys that Redis dropped for want of memory. */
  readonly evictedKeys: number;
  /** What Redis holds more than before the phase's accounts were made, for each of its users. */
  readonly redisBytesPerUser: number;
  /** What it kept of a request from two minutes on; NaN: the phase was shorter. */
  readonly redisBytesPerRequest: number;
  /** Of all workers from two minutes on, percent; NaN: the phase was shorter than three. */
  readonly memoryGrowthPercent: number;
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
  /** Sessions that were begun before, and had ended afterwards though nobody had ended them. */
  readonly sessionsLost: number;
  /** Sessions that were looked at. */
  readonly sessionsWatched: number;
  /** Refreshes that were tried again, as their answer was lost or a 503. */
  readonly refreshesRetried: number;
}

/** What was seen while a replica took over. */
export interface FailoverResult extends Omit<RestartResult, 'recoveryMs'>, ProbeResult {
  readonly logouts: number;
  readonly logoutsRetried: number;
  readonly logoutsRefused: number;
  readonly logoutsUndone: number;
  readonly loginsAcknowledged: number;
  readonly loginsLost: number;
  /** From the kill until a replica said that it is the primary. */
  readonly replacedMs: number;
}

export interface Row {
  readonly what: string;
  readonly expected: string;
  readonly measured: string;
  readonly passed: boolean;
  /** Required, and shown, but next to nothing could miss it: it doesn't count as proof. */
  readonly isProof: boolean;
}

const NOT_MEASURED = 'not measured';
/** How much slower accounts of other primaries may be while one is away. */
const OTHERS_SLOWER = 2;
/** Why the pool closes connections that are well. */
const EVICTED_IN_HEALTH: readonly string[] = ['idle', 'lifetime', 'shrink', 'shutdown'];

/**
 * @param discarded Attempts that were measured again because the host disturbed them. Their times
 * tell of the host; what failed in them failed.
 */
export function judgePhase(
  phase: Phase,
  result: PhaseResult,
  discarded: readonly PhaseResult[] = [],
): Row[] {
  const { limits } = phase;
  const attempts = [...discarded, result];
  const total = (read: (one: PhaseResult) => number) =>
    attempts.reduce((sum, one) => sum + read(one), 0);
  const ofAll = attempts.length === 1 ? '' : `, all ${attempts.length} attempts`;
  return [
    ...judge('p50', '<', limits.p50Ms, result.p50Ms, 'ms'),
    ...judge('p95', '<', limits.p95Ms, result.p95Ms, 'ms'),
    ...judge('p99', '<', limits.p99Ms, result.p99Ms, 'ms'),
    ...judge(
      `failures${attempts.length === 1 ? '' : `, worst of ${attempts.length} attempts`}`,
      '<',
      limits.failurePercent,
      Math.max(...attempts.map(failurePercent)),
      '%',
    ),
    none(
      `exceptions of users${ofAll}`,
      total(({ exceptions }) => exceptions),
    ),
    ...judge('throughput', '>=', limits.throughput, result.throughput, 'requests/s').map((row) => ({
      ...row,
      expected: `${row.expected} of ${number(Math.round(offeredRate(phase)))} offered`,
    })),
    ...judge(
      'utilisation, highest',
      '<',
      limits.utilizationPercent,
      result.utilizationPercent,
      '%',
    ).map((row) => ({ ...row, isProof: false })),
    ...judge('Redis operations p99', '<', limits.redisP99Ms, result.redisP99Ms, 'ms'),
    none(
      `pool exhaustions${ofAll}`,
      total(({ exhausted }) => exhausted),
    ),
    none(
      `callers that waited for a connection${ofAll}`,
      total(({ waited }) => waited),
    ),
    evictionRow(`connections evicted for a fault${ofAll}`, attempts),
    none(
      `connections rejected by Redis${ofAll}`,
      total(({ rejectedConnections }) => rejectedConnections),
    ),
    none(
      `keys evicted by Redis${ofAll}`,
      total(({ evictedKeys }) => evictedKeys),
    ),
    none(
      `workers that died${ofAll}`,
      total(({ workerRestarts }) => workerRestarts),
    ),
    ...judge(
      'event-loop lag of a worker, p99',
      '<',
      limits.loopLagP99Ms,
      result.loopLagP99Ms,
      'ms',
    ),
    ...judge('Redis memory a user', '<', limits.redisBytesPerUser, result.redisBytesPerUser, 'B'),
    ...judge('memory growth', '<', limits.memoryGrowthPercent, result.memoryGrowthPercent, '%'),
    ...judge(
      'Redis memory kept a request',
      '<',
      limits.redisBytesPerRequest,
      result.redisBytesPerRequest,
      'B',
    ),
  ];
}

export function judgeFailover(result: FailoverResult): Row[] {
  const { othersP99BeforeMs, othersP99Ms, othersShown } = result;
  const judged = [
    ...judge('serves again after a replica took over', '<', RECOVERY_MS, result.recoveryMs, 'ms'),
    ...judge('tokens shown of accounts there', '>=', 1, result.affectedShown, 'requests'),
    none('revoked tokens accepted', result.revokedAccepted),
    ...judge('revoked tokens shown', '>=', 1, result.revokedShown, 'requests'),
    none('logouts answered, and undone', result.logoutsUndone),
    none('logouts never answered', result.logoutsRefused),
    none('sessions lost that a replica had', result.sessionsLost),
    ...judge('sessions watched', '>=', 1, result.sessionsWatched, 'sessions'),
    ...judge('refreshes that the kill met', '>=', 1, result.refreshesRetried, 'requests'),
  ];
  if (othersShown === 0) return judged;
  const limit = OTHERS_SLOWER * othersP99BeforeMs;
  return [
    ...judged,
    none('requests that failed at other primaries', result.othersFailed),
    ...judge('p99 at other primaries meanwhile', '<', limit, othersP99Ms, 'ms'),
  ];
}

export function judgeRestart(result: RestartResult): Row[] {
  return [
    ...judge('serves again after', '<', RECOVERY_MS, result.recoveryMs, 'ms'),
    none('revoked tokens accepted', result.revokedAccepted),
    ...judge('revoked tokens shown', '>=', 1, result.revokedShown, 'requests'),
    none('sessions lost', result.sessionsLost),
    ...judge('sessions watched', '>=', 1, result.sessionsWatched, 'sessions'),
    ...judge('refreshes tried again', '>=', 1, result.refreshesRetried, 'requests'),
  ];
}

export function failurePercent({ requests, failures }: PhaseResult): number {
  return requests === 0 ? 100 : (failures / requests) * 100;
}

function evictionRow(what: string, attempts: readonly PhaseResult[]): Row {
  const counts = new Map<string, number>();
  for (const { evictions } of attempts) {
    for (const [reason, count] of Object.entries(evictions)) {
      counts.set(reason, (counts.get(reason) ?? 0) + count);
    }
  }
  const faults = [...counts].filter(([reason]) => !EVICTED_IN_HEALTH.includes(reason));
  const row = none(
    what,
    faults.reduce((sum, [, count]) => sum + count, 0),
  );
  const byReason = [...counts].map(([reason, count]) => `${reason} ${number(count)}`).join(', ');
  return byReason === '' ? row : { ...row, measured: `${row.measured} (${byReason})` };
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
      measured: Number.isNaN(value) ? NOT_MEASURED : `${number(value)} ${unit}`,
      passed: sign === '<' ? value < limit : value >= limit,
      isProof: true,
    },
  ];
}

function none(what: string, value: number): Row {
  return { what, expected: '0', measured: number(value), passed: value === 0, isProof: true };
}

function number(value: number): string {
  if (Number.isNaN(value)) return NOT_MEASURED;
  const digits = Math.abs(value) < 10 && !Number.isInteger(value) ? 2 : 0;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}
