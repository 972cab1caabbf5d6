// The time of day as this program keeps it: Unix milliseconds that never step. The wall clock is read
// once, when the process starts; from then on a monotonic clock counts, so that a correction of the
// system's time can't stretch a second, turn a rate around or end a run.

/** Unix ms, monotonic within a process, with fractions. */
export function unixNow(): number {
  return performance.timeOrigin + performance.now();
}
