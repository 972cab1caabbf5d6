// How long to wait before a dead worker is started again. Pure.

export const FIRST_PAUSE_MS = 100;
export const LONGEST_PAUSE_MS = 10_000;
/** A worker that lived so long starts a new count of failures, ms. */
export const STABLE_MS = 30_000;

/** @param failures Deaths in a row, this one included. */
export function pauseMs(failures: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
}

/** @param livedMs How long the worker that died had been ready; `undefined`: it never was. */
export function failuresAfter(failures: number, livedMs: number | undefined): number {
  return livedMs !== undefined && livedMs >= STABLE_MS ? 1 : failures + 1;
}
