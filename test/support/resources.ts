// What this process holds: sockets and timers, and memory after all garbage is gone. For tests that
// something leaves nothing behind.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How many of each kind of resource keep, or could keep, the process alive. */
export function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Sockets and timers that are there beyond those of `before`. */
export function surplus(before: Record<string, number>): Record<string, number> {
  const left: Record<string, number> = {};
  for (const [kind, count] of Object.entries(resources())) {
    const isOurs = /TCP|Pipe|TLS|Timeout|Immediate|GetAddrInfo/.test(kind);
    if (isOurs && count > (before[kind] ?? 0)) left[kind] = count - (before[kind] ?? 0);
  }
  return left;
}

let collect: (() => void) | undefined;

/** Bytes of the heap and of buffers beside it that are still referenced. */
export function bytesInUse(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  // What the first one finds dead may hold on to what the second one frees.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
