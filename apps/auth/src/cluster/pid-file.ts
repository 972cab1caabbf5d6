// The primary's process id in a file, for whoever sends it signals. It is written once the service
// is ready, so that a second start, for which the port is taken, doesn't claim to be the service.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Logger } from 'pino';

/** As a whole, so that nobody reads half a number. A full disk is no reason to stop serving. */
export function writePidFile(file: string, log: Logger): void {
  const temporary = `${file}.${process.pid}`;
  try {
    writeFileSync(temporary, `${process.pid}\n`, { mode: 0o644 });
    renameSync(temporary, file);
  } catch (error) {
    log.error({ reason: (error as Error).message }, 'the pid file could not be written');
  }
}

/** Unless another process has taken the file over. */
export function removePidFile(file: string): void {
  try {
    if (Number(readFileSync(file, 'utf8')) === process.pid) rmSync(file);
  } catch {
    // It was never written, or somebody has taken it away.
  }
}
