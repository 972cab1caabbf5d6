// A blocked event loop fires its overdue timers before it reads what arrived meanwhile. Whoever
// judges a peer by time therefore lets the loop read first.

import type { Clock } from './clock.js';

/** Calls back when every socket that had something to read was read at least once. */
export function afterPolling(callback: () => void): void {
  // The first callback may run in the turn that was blocked; the second follows a whole poll.
  setImmediate(() => setImmediate(callback));
}

/** A timer that fires later than this says that the event loop was blocked, ms. */
export const TOLERATED_LAG_MS = 60;

/**
 * Calls back after `waitMs` in which whoever is waited for could have answered: where the event
 * loop was blocked meanwhile, he gets that time once more, up to `waitMs`.
 * The wait does not keep the process alive; the socket that is waited for does.
 * @returns What cancels the wait.
 */
export function afterFairWait(waitMs: number, clock: Clock, callback: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (ms: number, mayExtend: boolean) => {
    const dueAt = clock.now() + ms;
    timer = setTimeout(() => {
      const lagMs = clock.now() - dueAt;
      if (mayExtend && lagMs > TOLERATED_LAG_MS) wait(Math.min(lagMs, waitMs), false);
      else afterPolling(callback);
    }, ms);
    timer.unref();
  };
  wait(waitMs, true);
  return () => clearTimeout(timer);
}
