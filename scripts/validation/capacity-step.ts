// One step of a capacity run: so many requests/s are asked for, come what may, while all users are
// connected; whether the service held it, and what that cost whom.

import os from 'node:os';
import { type LoadReport, runLoad } from 'plimsoll-load';
import { type MachineLoad, machineLoad, readMachineTimes } from '../machine-load.js';
import { exceptionsOf, refuseCrash } from './drive.js';
import { type ProcessTimes, readProcessTimes, treeCpuMs } from './process-cpu.js';
import type { Service } from './service.js';
import type { Stage } from './stage.js';
import { userClassFile } from './user-classes.js';

/** A rate holds when p99, counted from when a request was due, stays below; and nothing fails. */
export const MAX_P99_MS = 50;
/** Of what is asked for, at least so much must be answered, percent: the first half second is none. */
export const MIN_ANSWERED_PERCENT = 90;
/** A step that is so far gone is over: there is nothing more to learn, ms. */
const HOPELESS_P99_MS = 1_000;
/** Of the last ten seconds, as the tester tells it: so many of them must be with all users. */
const HOPELESS_SECONDS = 5;
const SPAWN_SECONDS = 6;
/** Users who aren't all there by then are not waited for. */
const MAX_SPAWN_SECONDS = 20;
const MEASURE_SECONDS = 10;
/** Of a trial: shorter, and no second may be whole. */
const SHORTEST_SECONDS = 3;
/** Of a trial: users come no faster than four times as fast. */
const SMALLEST_SCALE = 0.25;
const STOP_TIMEOUT_MS = 2_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** A generator process is one thread: above, on average, they are at their end, percent of a core. */
const GENERATOR_FULL_PERCENT = 85;
/** Of a core: who takes more and is none of the three disturbs the run, percent. */
const OTHERS_PERCENT = 25;
/** Above, the CPUs are what ends it, whoever uses them. */
const BUSY_PERCENT = 90;

export type Limit = 'tester' | 'CPUs' | 'other programs' | 'service';

/** CPU with all users there, percent of a core. */
export interface CpuShares {
  readonly service: number;
  readonly redis: number;
  readonly tester: number;
}

export interface StepResult {
  /** Requests/s that were asked for, and that were answered. */
  readonly rate: number;
  readonly answered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of requests, and of the tasks of users. */
  readonly failures: number;
  /** What failed most often. */
  readonly failure: string | undefined;
  readonly holds: boolean;
  /** What ended it, or would have ended it next. */
  readonly limit: Limit;
  readonly cpu: CpuShares | undefined;
  readonly machineLoad: MachineLoad | undefined;
}

export interface StepOptions {
  readonly rate: number;
  readonly users: number;
  /** Load generator processes. */
  readonly processes: number;
  /** Of the time; 1 to judge the product. */
  readonly scale: number;
}

export async function measureStep(
  stage: Stage,
  service: Service,
  options: StepOptions,
): Promise<StepResult> {
  const { rate, users, processes } = options;
  const scale = Math.min(1, Math.max(options.scale, SMALLEST_SCALE));
  const usersFile = await service.provision(`step${Date.now().toString(36)}`, users);
  const meter = new CpuMeter(stage, service);
  const measureSeconds = Math.max(SHORTEST_SECONDS, MEASURE_SECONDS * scale);
  const end = new AbortController();
  const report = await runLoad({
    userClass: userClassFile('CapacityLoadTest'),
    host: service.url,
    users,
    spawnRate: users / (SPAWN_SECONDS * scale),
    runTimeMs: (MAX_SPAWN_SECONDS + MEASURE_SECONDS) * 1000,
    stopTimeoutMs: STOP_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    rate,
    processes,
    usersFile,
    signal: end.signal,
    onProgress({ phase, requests, p99 }) {
      // Each user makes one request as it comes, and none makes another until all have. In the end
      // generators go, and their CPU with them.
      if (requests < users || phase === 'stopping' || end.signal.aborted) return;
      meter.read();
      const isHopeless = meter.seconds >= HOPELESS_SECONDS && p99 > HOPELESS_P99_MS;
      if (isHopeless || meter.seconds >= measureSeconds) end.abort();
    },
  });
  refuseCrash(report);
  return judgeStep(options, report, meter);
}

function judgeStep(
  { rate, processes }: StepOptions,
  report: LoadReport,
  meter: CpuMeter,
): StepResult {
  const steady = report.steady?.aggregated;
  const failures = report.aggregated.failures + exceptionsOf(report);
  if (report.steady !== null) meter.countFrom(report.steady.startMs);
  const [cpu, load] = [meter.shares(), meter.machineLoad()];
  const figures = {
    rate,
    answered: steady?.rps ?? Number.NaN,
    p50Ms: steady?.p50 ?? Number.NaN,
    p99Ms: steady?.p99 ?? Number.NaN,
    failures,
    failure: report.failures[0]?.error ?? report.exceptions[0]?.message,
    cpu,
    machineLoad: load,
  };
  return {
    ...figures,
    holds: holdsRate(figures),
    limit: limitOf({ isLate: report.generator.isLimit, processes }, load, cpu),
  };
}

/** NaN, where not all users were ever there, doesn't hold. */
export function holdsRate({
  rate,
  answered,
  p99Ms,
  failures,
}: Pick<StepResult, 'rate' | 'answered' | 'p99Ms' | 'failures'>): boolean {
  return p99Ms < MAX_P99_MS && failures === 0 && answered * 100 >= rate * MIN_ANSWERED_PERCENT;
}

/**
 * On CPUs that are all taken everybody is late, the load tester too; it is the limit by itself where one
 * of its processes is at its end, or where it is late although there are CPUs.
 */
export function limitOf(
  tester: { readonly isLate: boolean; readonly processes: number },
  load: MachineLoad | undefined,
  cpu: CpuShares | undefined,
): Limit {
  if ((cpu?.tester ?? 0) / tester.processes > GENERATOR_FULL_PERCENT) return 'tester';
  const busyPercent = load?.busyPercent ?? 0;
  if (busyPercent > BUSY_PERCENT) {
    const ours = cpu === undefined ? Number.NaN : cpu.service + cpu.redis + cpu.tester;
    return busyPercent * os.cpus().length - ours > OTHERS_PERCENT ? 'other programs' : 'CPUs';
  }
  return tester.isLate ? 'tester' : 'service';
}

/** Reads the CPU of all parties each second; the first that counts and the last are compared. */
class CpuMeter {
  #readings: CpuReading[] = [];

  constructor(
    private readonly stage: Stage,
    private readonly service: Service,
  ) {}

  /** From the first reading to the last. */
  get seconds(): number {
    return ((this.#readings.at(-1)?.atMs ?? 0) - (this.#readings[0]?.atMs ?? 0)) / 1000;
  }

  read(): void {
    this.#readings.push(this.#take());
  }

  /** @param fromMs Unix time: what was read before doesn't count. */
  countFrom(fromMs: number): void {
    this.#readings = this.#readings.filter(({ atMs }) => performance.timeOrigin + atMs >= fromMs);
  }

  machineLoad(): MachineLoad | undefined {
    return machineLoad(this.#readings[0]?.machine, this.#readings.at(-1)?.machine);
  }

  /** `undefined` where there was no second reading, or the system doesn't tell. */
  shares(): CpuShares | undefined {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)];
    if (first?.cpu === undefined || last?.cpu === undefined || first === last) return undefined;
    const [before, after] = [first.cpu, last.cpu];
    const share = (who: keyof CpuShares) =>
      ((after[who] - before[who]) / (last.atMs - first.atMs)) * 100;
    return { service: share('service'), redis: share('redis'), tester: share('tester') };
  }

  #take(): CpuReading {
    const processes = readProcessTimes();
    return {
      atMs: performance.now(),
      machine: readMachineTimes(),
      cpu: processes === undefined ? undefined : this.#shareOut(processes),
    };
  }

  #shareOut(processes: readonly ProcessTimes[]): CpuShares {
    const { service, stage } = this;
    const redis = stage.privateServer?.pid;
    // Each server is the child of a guard, and the guard a child of this process.
    const servers = new Set([service.pid, stage.service.pid, redis]);
    const guards = processes.filter(({ pid }) => servers.has(pid)).map(({ parent }) => parent);
    return {
      service: treeCpuMs(processes, service.pid),
      // Somebody else's may run on another machine.
      redis: redis === undefined ? Number.NaN : treeCpuMs(processes, redis),
      tester: treeCpuMs(processes, process.pid, new Set(guards)),
    };
  }
}

interface CpuReading {
  readonly atMs: number;
  readonly machine: ReturnType<typeof readMachineTimes>;
  /** ms since each process began. */
  readonly cpu: CpuShares | undefined;
}
