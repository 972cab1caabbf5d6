// What whoever runs a pool is advised to do: each piece with the number behind it and what to change.
// For the live page; the health endpoint's sentences are in recommendations.ts. Pure.

import {
  ALERT_PERCENT,
  ALL_IS_WELL,
  utilizationLevel,
  WARNING_PERCENT,
} from './recommendations.js';

export const ADVICE_CODES = [
  'REDIS_AWAY',
  'ENDPOINT_DOWN',
  'POOL_EXHAUSTED',
  'UTILIZATION_CRITICAL',
  'UTILIZATION_HIGH',
  'CALLERS_WAIT',
  'WORKER_SILENT',
  'TIMEOUTS',
  'LEASES_LEAK',
  'EVENT_LOOP_BUSY',
  'CONNECTIONS_FAIL',
  'NO_REPLICA',
  'ALL_IS_WELL',
] as const;

export interface Advice {
  readonly code: (typeof ADVICE_CODES)[number];
  readonly severity: 'critical' | 'warning' | 'good';
  /** What was found, with its number. */
  readonly finding: string;
  /** What to change. */
  readonly change: string;
}

/** Counts are of the last five minutes. */
export interface AdviceFacts {
  readonly utilizationPercent: number;
  readonly inUse: number;
  readonly maxConnections: number;
  readonly workers: number;
  readonly silentWorkers: number;
  readonly isDown: boolean;
  /** Code of the last failed connect; `undefined`: none failed since one succeeded. */
  readonly connectFailure: string | undefined;
  readonly downEndpoints: readonly string[];
  readonly waiting: number;
  readonly oldestWaitMs: number;
  readonly exhausted: number;
  readonly timeouts: number;
  readonly connectionErrors: number;
  readonly leaks: number;
  readonly primariesWithoutReplica: number;
  /** Of the busiest worker. */
  readonly loopPercent: number;
}

/** Above this an event loop is what callers wait for, per cent. */
const BUSY_LOOP_PERCENT = 90;
/** A maximum that would be used so far is one to grow into, per cent. */
const COMFORTABLE_PERCENT = 50;

type Judge = (facts: AdviceFacts) => Omit<Advice, 'code'> | undefined;

const JUDGES: Readonly<Record<Exclude<Advice['code'], 'ALL_IS_WELL'>, Judge>> = {
  REDIS_AWAY: ({ isDown, connectFailure }) =>
    critical(
      isDown,
      `Redis does not answer${connectFailure === undefined ? '' : ` (${connectFailure})`}; callers are refused at once.`,
      'Check the server, its address and the network. The pool comes back by itself.',
    ),
  ENDPOINT_DOWN: ({ downEndpoints, isDown }) =>
    critical(
      !isDown && downEndpoints.length > 0,
      `${counted(downEndpoints.length, 'server')} of several can't be reached: ${downEndpoints.slice(0, 3).join(', ')}.`,
      'Check that server; what it serves fails until it is back or another takes over.',
    ),
  POOL_EXHAUSTED: ({ exhausted, ...facts }) =>
    critical(
      exhausted > 0,
      `The pool was exhausted ${counted(exhausted, 'time')} in the last 5 minutes: callers found all ${facts.maxConnections} connections taken.`,
      raised(facts),
    ),
  UTILIZATION_CRITICAL: (facts) =>
    critical(
      utilizationLevel(facts.utilizationPercent) === 'critical',
      `${used(facts)}, above ${ALERT_PERCENT} %.`,
      raised(facts),
    ),
  UTILIZATION_HIGH: (facts) =>
    warning(
      utilizationLevel(facts.utilizationPercent) === 'warning',
      `${used(facts)}, above ${WARNING_PERCENT} %.`,
      `Plan for more before load grows: ${raised(facts)}`,
    ),
  CALLERS_WAIT: ({ waiting, oldestWaitMs, ...facts }) =>
    warning(
      waiting > 0 && oldestWaitMs >= 100,
      `${counted(waiting, 'caller')} wait${waiting === 1 ? 's' : ''} for a connection, the first one for ${Math.round(oldestWaitMs)} ms.`,
      facts.inUse < facts.maxConnections
        ? 'Connections are being made. If this lasts, raise minConnections so that they are there before.'
        : 'Shorten what holds a lease or blocks a connection, or raise REDIS_MAX_CONNECTIONS.',
    ),
  WORKER_SILENT: ({ silentWorkers, workers }) =>
    warning(
      silentWorkers > 0,
      `${silentWorkers} of ${counted(workers, 'worker')} ${silentWorkers === 1 ? 'has' : 'have'} not reported for 2 s.`,
      'Its event loop stands still, or it is being replaced: see the log of the service.',
    ),
  TIMEOUTS: ({ timeouts }) =>
    warning(
      timeouts > 0,
      `${counted(timeouts, 'command')} timed out in the last 5 minutes.`,
      'Look for slow commands (SLOWLOG GET) and for a busy event loop before commandTimeoutMs is raised.',
    ),
  LEASES_LEAK: ({ leaks }) =>
    warning(
      leaks > 0,
      `${counted(leaks, 'lease')} held longer than leakThresholdMs in the last 5 minutes.`,
      "The event 'leak' has the stack that took it; use withLease(), which gives back by itself.",
    ),
  EVENT_LOOP_BUSY: ({ loopPercent }) =>
    warning(
      loopPercent > BUSY_LOOP_PERCENT,
      `The busiest event loop works ${Math.round(loopPercent)} % of the time.`,
      'Add workers (WEB_CONCURRENCY); more connections would not help.',
    ),
  CONNECTIONS_FAIL: ({ connectionErrors, isDown }) =>
    warning(
      !isDown && connectionErrors > 0,
      `${counted(connectionErrors, 'connection')} could not be made or ${connectionErrors === 1 ? 'was' : 'were'} lost in the last 5 minutes.`,
      'Compare maxclients and timeout of the server with the budget of all workers; look at the network.',
    ),
  NO_REPLICA: ({ primariesWithoutReplica }) =>
    warning(
      primariesWithoutReplica > 0,
      `${counted(primariesWithoutReplica, 'primary', 'primaries')} without a known replica.`,
      'Add a replica: until then nobody can take over if that server fails.',
    ),
};

/** At least one piece, the most pressing first. */
export function adviceFor(facts: AdviceFacts): Advice[] {
  const given = ADVICE_CODES.flatMap((code) => {
    const verdict = code === 'ALL_IS_WELL' ? undefined : JUDGES[code](facts);
    return verdict === undefined ? [] : [{ code, ...verdict }];
  });
  if (given.length > 0) {
    return [...given.filter(isCritical), ...given.filter((one) => !isCritical(one))];
  }
  const change = 'Nothing to change.';
  return [
    { code: 'ALL_IS_WELL', severity: 'good', finding: `${ALL_IS_WELL}: ${used(facts)}.`, change },
  ];
}

function isCritical({ severity }: Advice): boolean {
  return severity === 'critical';
}

function critical(applies: boolean, finding: string, change: string) {
  return applies ? ({ severity: 'critical', finding, change } as const) : undefined;
}

function warning(applies: boolean, finding: string, change: string) {
  return applies ? ({ severity: 'warning', finding, change } as const) : undefined;
}

type Use = Pick<AdviceFacts, 'utilizationPercent' | 'inUse' | 'maxConnections'>;

function used({ utilizationPercent, inUse, maxConnections }: Use): string {
  return `${Math.round(utilizationPercent)} % of the connections are in use (${inUse} of ${maxConnections})`;
}

/** All workers' connections, as the variable counts them. */
function raised({ inUse, maxConnections }: Pick<Use, 'inUse' | 'maxConnections'>): string {
  const enough = Math.ceil(((inUse / COMFORTABLE_PERCENT) * 100) / 10) * 10;
  const target = Math.max(enough, maxConnections + 10);
  return `Raise REDIS_MAX_CONNECTIONS from ${maxConnections} to ${target}, or hold connections for a shorter time.`;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
