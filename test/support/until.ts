// Waits for something that another process or the network brings about, with a bound, so that a
// test which waits in vain says what it waited for instead of running into its time-out.

import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 5;

/**
 * Settles when `condition` answers true; asked each 5 ms.
 * @param withinMs - How long to wait. Default: 5,000.
 * @throws Error that shows the condition, where it stays false.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  withinMs = 5_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      throw new Error(`Not within ${withinMs} ms: ${condition.toString()}`);
    }
    await sleep(POLL_MS);
  }
}
