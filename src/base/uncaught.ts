// Listeners are other people's code. What one throws is an uncaught exception, as with any event,
// but it must not stop what called the listener in the middle of its own work.

import { outsideOfCalls } from './outside.js';

/**
 * Runs a listener, in no caller's context; what it throws becomes an uncaught exception once the
 * present work is done.
 */
export function callListener(call: () => void): void {
  try {
    outsideOfCalls(call);
  } catch (error) {
    throwUncaught(error);
  }
}

/** Not swallowed and not thrown here: `uncaughtException` tells of it. */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
