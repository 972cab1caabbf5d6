// What the rounds of a fault came to, added up: sums, worst cases, and what was violated.

import type { FoundServer } from '../../scripts/redis-server.js';
import type { Fault } from './fault.js';

export interface RoundResult {
  readonly calls: number;
  /** Calls of the first load that ended with an error. */
  readonly failed: number;
  readonly slowestMs: number;
  /** How late the latest call settled, ms; 0: none was. */
  readonly lateMs: number;
  readonly returnMs: number;
  readonly acknowledged: number;
  /** Of these, by a replica too. */
  readonly replicated: number;
  /** Acknowledged by a primary that was lost before a replica had them. */
  readonly unreplicated: number;
  readonly unknown: number;
  readonly lost: number;
  readonly twice: number;
  readonly halved: number;
  readonly wrongReplies: number;
  readonly bytesInUse: number;
  /** It did not come to its end; no further round makes sense. */
  readonly isBroken: boolean;
  readonly violations: readonly string[];
}

export interface FaultResult {
  readonly fault: Fault;
  /** Kind and version of the server. */
  readonly server: string;
  readonly rounds: number;
  readonly sums: Sums;
  readonly slowestMs: number;
  readonly lateMs: number;
  readonly returnMs: number;
  readonly growthBytes: number;
  readonly violations: readonly string[];
}

const SUMMED = [
  'calls',
  'failed',
  'acknowledged',
  'replicated',
  'unreplicated',
  'unknown',
  'lost',
  'twice',
  'halved',
  'wrongReplies',
] as const;

export type Sums = Readonly<Record<(typeof SUMMED)[number], number>>;

export function addUp(
  fault: Fault,
  { kind, version }: FoundServer,
  results: readonly RoundResult[],
  after: { readonly growthBytes: number; readonly leftovers: readonly string[] },
): FaultResult {
  const sums = Object.fromEntries(
    SUMMED.map((name) => [name, results.reduce((sum, result) => sum + result[name], 0)]),
  ) as Sums;
  const worst = (name: 'slowestMs' | 'lateMs' | 'returnMs') =>
    results.reduce((most, result) => Math.max(most, result[name]), 0);
  return {
    fault,
    server: `${kind} ${version}`,
    rounds: results.length,
    sums,
    slowestMs: worst('slowestMs'),
    lateMs: worst('lateMs'),
    returnMs: worst('returnMs'),
    growthBytes: after.growthBytes,
    violations: [...results.flatMap(({ violations }) => violations), ...after.leftovers],
  };
}

export function hasPassed({ violations, rounds }: FaultResult): boolean {
  return violations.length === 0 && rounds > 0;
}
