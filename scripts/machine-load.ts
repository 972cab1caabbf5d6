// Which machine this is, how busy it was meanwhile, and how much of it a hypervisor gave to somebody else: both
// lengthen latencies that no program on it is to blame for. Linux only.

import { readFileSync } from 'node:fs';
import os from 'node:os';

/**
 * More than this, and figures tell of the neighbours: each theft stops a CPU for milliseconds. What
 * was measured meanwhile is then measured again, whatever it was (docs/adr/0005).
 */
export const MAX_STOLEN_PERCENT = 3;
/** How often at most, until the machine was left alone; the last attempt counts. */
export const MAX_ATTEMPTS = 3;

export interface MachineTimes {
  /** In ticks, of all CPUs since boot. */
  readonly total: number;
  readonly idle: number;
  /** In which the machine wanted to run and its host ran something else. */
  readonly stolen: number;
}

/** CPUs, memory and system, for reports. */
export function machine(): string {
  const gibibytes = Math.round(os.totalmem() / 2 ** 30);
  return `${os.cpus().length} x ${os.cpus()[0]?.model ?? 'unknown'}, ${gibibytes} GiB, ${os.platform()}`;
}

/** `undefined` where the system doesn't tell. */
export function readMachineTimes(): MachineTimes | undefined {
  try {
    return parseMachineTimes(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return undefined;
  }
}

/** Of the text of `/proc/stat`: `cpu  user nice system idle iowait irq softirq steal ...`. */
export function parseMachineTimes(text: string): MachineTimes {
  const ticks = text.split('\n', 1)[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
  const [, , , idle = 0, waiting = 0, , , stolen = 0] = ticks;
  return { total: ticks.reduce((sum, each) => sum + each, 0), idle: idle + waiting, stolen };
}

export interface MachineLoad {
  /** Percent of all CPUs' time. */
  readonly busyPercent: number;
  /** Percent of all CPUs' time that went to other machines on the same host. */
  readonly stolenPercent: number;
}

/** Between two readings. */
export function machineLoad(
  before: MachineTimes | undefined,
  after: MachineTimes | undefined,
): MachineLoad | undefined {
  if (before === undefined || after === undefined) return undefined;
  const total = after.total - before.total;
  const stolen = after.stolen - before.stolen;
  const busy = total - (after.idle - before.idle) - stolen;
  return { busyPercent: (busy / total) * 100, stolenPercent: (stolen / total) * 100 };
}

/**
 * Measures until the host left the machine alone, `maxAttempts` times at most; the figures have no
 * say in it. All attempts, of which the last counts.
 */
export async function measureUndisturbed<
  Measured extends { readonly machineLoad: MachineLoad | undefined },
>(measure: () => Promise<Measured>, maxAttempts: number): Promise<readonly Measured[]> {
  const attempts: Measured[] = [];
  for (;;) {
    const measured = await measure();
    attempts.push(measured);
    const stolenPercent = measured.machineLoad?.stolenPercent ?? 0;
    if (stolenPercent <= MAX_STOLEN_PERCENT || attempts.length >= maxAttempts) return attempts;
  }
}
