// Live progress: one line that is rewritten on a terminal, one line a second elsewhere.

import type { Pool } from 'plimsoll';

const REFRESH_MS = { terminal: 200, log: 1_000 };

export interface Meter {
  readonly operations: number;
  readonly errors: number;
}

/** Shows how `meter` rises while `work` goes on. */
export async function withProgress<Result>(
  title: string,
  pool: Pool,
  meter: Meter,
  work: () => Promise<Result>,
): Promise<Result> {
  const isTerminal = process.stdout.isTTY === true;
  const startedAt = performance.now();
  const show = () => {
    const seconds = (performance.now() - startedAt) / 1000;
    const { connections, waiting } = pool.status();
    const text =
      `${title.padEnd(34)} ${seconds.toFixed(1).padStart(5)} s  ` +
      `${count(meter.operations)} ops  ${count(meter.operations / seconds)}/s  ` +
      `connections ${connections.inUse}/${connections.open}/${connections.max}  ` +
      `waiting ${waiting}  errors ${meter.errors}`;
    process.stdout.write(isTerminal ? `\r\x1b[2K${text}` : `${text}\n`);
  };
  const timer = setInterval(show, isTerminal ? REFRESH_MS.terminal : REFRESH_MS.log);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    show();
    if (isTerminal) process.stdout.write('\n');
  }
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
