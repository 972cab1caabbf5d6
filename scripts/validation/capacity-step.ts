// One step of a capacity run: so many requests/s are asked for, come what may, while all users are
// connected; whether the service held it, and what that cost whom.

import { type LoadReport, runLoad } from 'plimsoll-load';
import { type MachineLoad, machineLoad, readMachineTimes } from '../machine-load.js';
import { type ProcessTimes, readProcessTimes, treeCpuMs } from './process-cpu.js';
import type { Service } from './service.js';
import type { Stage } from './stage.js';
import { userClassFile } from './user-classes.js';

/** A rate holds when p99, counted from when a request was due, stays below; and nothing fails. */
export const MAX_P99_MS = 50;
/** Of what is asked for, at least so much must be answered, percent. */
const MIN_ANSWERED_PERCENT = 97;
/** A step that is so far gone is over: there is nothing more to learn, ms. */
const HOPELESS_P99_MS = 1_000;
const SPAWN_SECONDS = 6;
/** For the last users to be there. */
const SETTLE_SECONDS = 2;
const MEASURE_SECONDS = 9;
/** Shorter, and there is no second with all users. */
const SMALLEST_SCALE = 0.25;
const STOP_TIMEOUT_MS = 2_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Above, the CPUs are what ends it, whoever uses them. */
const BUSY_PERCENT = 90;

export type Limit = 'tester' | 'CPUs' | 'service';

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
  readonly failures: number;
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
  const hopeless = new AbortController();
  const report = await runLoad({
    userClass: userClassFile('CapacityLoadTest'),
    host: service.url,
    users,
    spawnRate: users / (SPAWN_SECONDS * scale),
    runTimeMs: (SPAWN_SECONDS + SETTLE_SECONDS + MEASURE_SECONDS) * scale * 1000,
    stopTimeoutMs: STOP_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    rate,
    processes,
    usersFile,
    signal: hopeless.signal,
    onProgress({ phase, p99 }) {
      if (phase === 'steady') meter.read();
      if (phase === 'steady' && p99 > HOPELESS_P99_MS) hopeless.abort();
    },
  });
  return judgeStep(rate, report, meter);
}

function judgeStep(rate: number, report: LoadReport, meter: CpuMeter): StepResult {
  const steady = report.steady?.aggregated;
  const { failures } = report.aggregated;
  const figures = {
    rate,
    answered: steady?.rps ?? Number.NaN,
    p50Ms: steady?.p50 ?? Number.NaN,
    p99Ms: steady?.p99 ?? Number.NaN,
    failures,
    cpu: meter.shares(),
    machineLoad: meter.machineLoad(),
  };
  return {
    ...figures,
    holds: holdsRate(figures),
    limit: limitOf(report.generator.isLimit, figures.machineLoad),
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

function limitOf(isTesterLimit: boolean, load: MachineLoad | undefined): Limit {
  if (isTesterLimit) return 'tester';
  return (load?.busyPercent ?? 0) > BUSY_PERCENT ? 'CPUs' : 'service';
}

/** Reads the CPU of all parties each second; the first and the last reading count. */
class CpuMeter {
  #first: CpuReading | undefined;
  #last: CpuReading | undefined;

  constructor(
    private readonly stage: Stage,
    private readonly service: Service,
  ) {}

  read(): void {
    const reading = this.#take();
    this.#first ??= reading;
    this.#last = reading;
  }

  machineLoad(): MachineLoad | undefined {
    return machineLoad(this.#first?.machine, this.#last?.machine);
  }

  /** `undefined` where there was no second reading, or the system doesn't tell. */
  shares(): CpuShares | undefined {
    const [first, last] = [this.#first, this.#last];
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
