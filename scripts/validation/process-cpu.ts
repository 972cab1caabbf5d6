// How much CPU processes have used, with all that they started: the service with its workers, Redis,
// the load tester with its generators. Linux only.

import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly cpuMs: number;
}

/** A tick of `/proc/<pid>/stat`: 100 a second wherever Node runs. */
const TICK_MS = 10;

/** All processes; `undefined` where the system doesn't tell. */
export function readProcessTimes(): ProcessTimes[] | undefined {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => timesOf(name) ?? []);
  } catch {
    return undefined;
  }
}

function timesOf(name: string): ProcessTimes | undefined {
  try {
    return parseProcessTimes(readFileSync(`/proc/${name}/stat`, 'utf8'));
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** Of the text of `/proc/<pid>/stat`. The command in brackets may hold anything, brackets too. */
export function parseProcessTimes(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number);
  return { pid: Number.parseInt(text, 10), parent: parent!, cpuMs: (user! + system!) * TICK_MS };
}

/** CPU of a process and of those that it started, without some and what those started. */
export function treeCpuMs(
  processes: readonly ProcessTimes[],
  root: number,
  without: ReadonlySet<number> = new Set(),
): number {
  const children = new Map<number, ProcessTimes[]>();
  for (const one of processes) {
    children.set(one.parent, [...(children.get(one.parent) ?? []), one]);
  }
  const sum = (pid: number): number =>
    (children.get(pid) ?? [])
      .filter((child) => !without.has(child.pid))
      .reduce((total, child) => total + child.cpuMs + sum(child.pid), 0);
  return (processes.find(({ pid }) => pid === root)?.cpuMs ?? 0) + sum(root);
}
