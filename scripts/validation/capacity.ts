// How much the service can bear, on this pool and on each other driver, in the same run: with 10,000
// users connected, more and more requests/s are asked for until p99 or failures break. The others
// judge the load that the requirements name; this looks for the end.

import os from 'node:os';
import { runLoad } from 'plimsoll-load';
import { MAX_STOLEN_PERCENT, measureUndisturbed } from '../machine-load.js';
import {
  type CpuShares,
  MAX_P99_MS,
  MIN_ANSWERED_PERCENT,
  measureStep,
  type StepResult,
} from './capacity-step.js';
import { exceptionsOf } from './drive.js';
import type { Section, Table } from './report.js';
import { findKnee, type Knee } from './search.js';
import { DRIVER_NAMES, type Driver, type Service } from './service.js';
import type { Stage } from './stage.js';
import { userClassFile } from './user-classes.js';
import type { Row } from './verdict.js';
import { warmUp } from './warm-up.js';

export const CAPACITY_TITLE = 'capacity';
const USERS = 10_000;
/** On two quiet cores that service, Redis and load tester share, requests/s. */
const TARGET_RATE = 9_000;
/** Of the best other driver's knee, which is known to 5 %. */
const MIN_OF_BEST_PEER = 0.95;
const FIRST_RATE = 4_000;
/** Two, so that the load tester isn't one process at its end while the service has four. */
const GENERATORS = 2;
/** How often a step is measured until the host left it alone. */
const MAX_ATTEMPTS = 2;
const MINUTES_PER_DRIVER = 3.75;
/** Of a trial's time: enough for a step or two. */
const SMALLEST_SCALE = 0.02;
/** A step with its accounts takes about so long; none begins that would end too late. */
const STEP_MINUTES = 0.45;
const LOGIN_USERS = 32;
const LOGIN_SECONDS = 15;

export interface CapacityOptions {
  readonly drivers: readonly Driver[];
  readonly scale: number;
}

interface DriverCapacity {
  readonly driver: Driver;
  readonly knee: Knee;
  /** In the order in which they were taken. */
  readonly steps: readonly StepResult[];
  /** Steps that were measured again because of the host. */
  readonly repeated: number;
}

export async function capacitySection(stage: Stage, options: CapacityOptions): Promise<Section> {
  const { drivers, scale } = options;
  const capacities: DriverCapacity[] = [];
  let logins: Logins | undefined;
  for (const driver of drivers) {
    const service = await stage.startService({ driver });
    try {
      await warmUp(service, scale);
      // Near the end that was found before, there are fewer steps to take.
      const known = capacities[0]?.knee.held;
      const first = known === undefined ? FIRST_RATE * scale : known / 2;
      capacities.push(await capacityOf(stage, service, { driver, first, scale }));
      if (driver === 'plimsoll') logins = await measureLogins(stage, service, scale);
    } finally {
      await service.stop();
      await stage.forget();
    }
  }
  return {
    title: CAPACITY_TITLE,
    how:
      `${number(USERS * scale)} users connected; requests/s are asked for whether or not the service ` +
      `keeps up, doubled until a rate breaks, then in between to 5 %; a rate holds with p99 below ` +
      `${MAX_P99_MS} ms, counted from when a request was due, no failure, and ` +
      `${MIN_ANSWERED_PERCENT} % of it answered`,
    rows: judgeCapacity(capacities, scale),
    details: [kneeTable(capacities), ...capacities.map(stepTable)],
    notes: [...capacities.flatMap(notesOf), ...(logins === undefined ? [] : [loginNote(logins)])],
  };
}

interface Search {
  readonly driver: Driver;
  readonly first: number;
  readonly scale: number;
}

async function capacityOf(
  stage: Stage,
  service: Service,
  { driver, first, scale }: Search,
): Promise<DriverCapacity> {
  const deadline =
    performance.now() + MINUTES_PER_DRIVER * Math.max(scale, SMALLEST_SCALE) * 60_000;
  const steps: StepResult[] = [];
  let repeated = 0;
  const users = Math.max(GENERATORS, Math.round(USERS * scale));
  const knee = await findKnee({
    first,
    mayTry: () =>
      steps.length === 0 || performance.now() + STEP_MINUTES * 60_000 * scale < deadline,
    async holds(rate) {
      const attempts = await measureUndisturbed(async () => {
        await stage.forget();
        return measureStep(stage, service, { rate, users, processes: GENERATORS, scale });
      }, MAX_ATTEMPTS);
      const step = attempts.at(-1)!;
      repeated += attempts.length - 1;
      steps.push(step);
      console.log(`${driver.padEnd(10)} ${stepCells(step).join('  ')}`);
      return step.holds;
    },
  });
  return { driver, knee, steps, repeated };
}

interface Logins {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
}

/** As many at once as keep every worker's hashing busy. */
async function measureLogins(stage: Stage, service: Service, scale: number): Promise<Logins> {
  await stage.forget();
  const report = await runLoad({
    userClass: userClassFile('LoginLoadTest'),
    host: service.url,
    users: LOGIN_USERS,
    spawnRate: LOGIN_USERS,
    runTimeMs: Math.max(4, LOGIN_SECONDS * scale) * 1000,
    usersFile: await service.provision(`login${Date.now().toString(36)}`, LOGIN_USERS),
  });
  const steady = report.steady?.aggregated;
  return {
    perSecond: steady?.rps ?? Number.NaN,
    p50Ms: steady?.p50 ?? Number.NaN,
    p99Ms: steady?.p99 ?? Number.NaN,
    failures: report.aggregated.failures + exceptionsOf(report),
  };
}

function loginNote({ perSecond, p50Ms, p99Ms, failures }: Logins): string {
  return (
    `Logins apart, as their cost is the password's hash by design: ${perSecond.toFixed(0)}/s with ` +
    `${LOGIN_USERS} at once (p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms, ${failures} failures).`
  );
}

/** The others are there to be compared with and fail nothing. */
export function judgeCapacity(
  capacities: readonly Pick<DriverCapacity, 'driver' | 'knee'>[],
  scale: number,
): Row[] {
  const ours = capacities.find(({ driver }) => driver === 'plimsoll')?.knee.held;
  const peers = capacities.filter(({ driver }) => driver !== 'plimsoll');
  const isOursThere = capacities.some(({ driver }) => driver === 'plimsoll');
  if (!isOursThere) return [];
  const best = Math.max(0, ...peers.map(({ knee }) => knee.held ?? 0));
  const ratio = (ours ?? 0) / best;
  return [
    {
      what: 'highest rate that holds, on Plimsoll',
      expected: `>= ${number(TARGET_RATE * scale)} requests/s`,
      measured: ours === undefined ? 'none' : `${number(ours)} requests/s`,
      passed: ours !== undefined && ours >= TARGET_RATE * scale,
      isProof: true,
    },
    ...(peers.length === 0
      ? []
      : [
          {
            what: 'against the best other driver',
            expected: `>= ${MIN_OF_BEST_PEER} x`,
            measured: `${ratio.toFixed(2)} x`,
            passed: ratio >= MIN_OF_BEST_PEER,
            isProof: true,
          },
        ]),
  ];
}

/** The step at the knee: the highest that held. */
function kneeStep({ knee, steps }: DriverCapacity): StepResult | undefined {
  return steps.filter(({ rate, holds }) => holds && rate === knee.held).at(-1);
}

/** The step that broke it: the lowest that did. */
function breakingStep({ knee, steps }: DriverCapacity): StepResult | undefined {
  return steps.filter(({ rate, holds }) => !holds && rate === knee.broke).at(-1);
}

function kneeTable(capacities: readonly DriverCapacity[]): Table {
  return {
    title: 'The highest rate that holds',
    columns: [
      ...['driver', 'requests/s', 'breaks at', 'p50 ms', 'p99 ms', 'ended by'],
      ...['service µs/request', 'Redis µs/request', 'tester µs/request'],
    ],
    rows: capacities.map((capacity) => {
      const { driver, knee } = capacity;
      const step = kneeStep(capacity);
      const perRequest = (who: keyof CpuShares) =>
        cell(step?.cpu && (step.cpu[who] * 10_000) / step.answered, 0);
      return [
        DRIVER_NAMES[driver],
        knee.held === undefined ? 'none' : number(knee.held),
        knee.broke === undefined ? 'not found' : number(knee.broke),
        cell(step?.p50Ms, 1),
        cell(step?.p99Ms, 1),
        breakingStep(capacity)?.limit ?? 'unknown',
        ...[perRequest('service'), perRequest('redis'), perRequest('tester')],
      ];
    }),
  };
}

function stepTable({ driver, steps }: DriverCapacity): Table {
  return {
    title: `Steps, ${DRIVER_NAMES[driver]}`,
    columns: [
      ...['asked for/s', 'answered/s', 'p50 ms', 'p99 ms', 'failures', 'holds', 'ended by'],
      ...['service CPU %', 'Redis CPU %', 'tester CPU %', 'taken by the host %'],
    ],
    rows: steps.map(stepCells),
  };
}

function stepCells(step: StepResult): string[] {
  const { rate, answered, p50Ms, p99Ms, failures, holds, limit, cpu, machineLoad } = step;
  return [
    number(rate),
    cell(answered, 0),
    cell(p50Ms, 1),
    cell(p99Ms, 1),
    number(failures),
    holds ? 'yes' : 'no',
    holds ? '' : limit,
    cell(cpu?.service, 0),
    cell(cpu?.redis, 0),
    cell(cpu?.tester, 0),
    cell(machineLoad?.stolenPercent, 1),
  ];
}

function notesOf(capacity: DriverCapacity): string[] {
  const { driver, knee, repeated } = capacity;
  const name = DRIVER_NAMES[driver];
  return [
    ...limitNotes(name, breakingStep(capacity)),
    ...(breakingStep(capacity)?.failure === undefined
      ? []
      : [`${name}: what failed in the step that broke: ${breakingStep(capacity)!.failure}.`]),
    ...(knee.isExact ? [] : [`${name}: not known to 5 %, as time or range ended before.`]),
    ...(repeated === 0
      ? []
      : [
          `${name}: ${repeated} steps were measured again, as the host took more than ` +
            `${MAX_STOLEN_PERCENT} % of the CPUs' time away; the last attempt counts.`,
        ]),
  ];
}

function limitNotes(name: string, step: StepResult | undefined): string[] {
  if (step?.limit === 'tester') {
    return [`${name}: the load tester was the limit; the service may bear more than this.`];
  }
  if (step?.limit === 'other programs') {
    return [`${name}: other programs took the CPUs; on a quiet machine the service bears more.`];
  }
  if (step?.limit !== 'CPUs' || step.cpu === undefined) return [];
  const { service, redis, tester } = step.cpu;
  return [
    `${name}: the CPUs that all three share were the limit: of ${os.cpus().length} cores the service ` +
      `had ${cell(service, 0)} %, Redis ${cell(redis, 0)} %, the load tester ${cell(tester, 0)} %. ` +
      'With the load tester elsewhere the service would bear more.',
  ];
}

function cell(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits);
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
