// Live progress of a phase: one line that is rewritten on a terminal, one in five seconds elsewhere.

import type { LoadProgress } from 'plimsoll-load';
import type { Phase } from './phases.js';

const LOG_PAUSE_MS = 5_000;

export async function withProgress<Result>(
  phase: Phase,
  seconds: number,
  work: (onProgress: (progress: LoadProgress) => void) => Promise<Result>,
): Promise<Result> {
  const isTerminal = process.stdout.isTTY === true;
  let shownAt = Number.NEGATIVE_INFINITY;
  const result = await work((progress) => {
    const now = performance.now();
    if (!isTerminal && now - shownAt < LOG_PAUSE_MS) return;
    shownAt = now;
    const text =
      `${phase.name.padEnd(9)} ${(progress.elapsedMs / 1000).toFixed(0).padStart(4)}/${seconds} s  ` +
      `${progress.users.toLocaleString('en-US')} users  ${progress.rps.toFixed(0)} requests/s  ` +
      `p50 ${progress.p50.toFixed(1)}  p99 ${progress.p99.toFixed(1)} ms  ` +
      `failures ${progress.failures}`;
    process.stdout.write(isTerminal ? `\r\x1b[2K${text}` : `${text}\n`);
  });
  if (isTerminal) process.stdout.write('\n');
  return result;
}
