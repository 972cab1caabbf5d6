// One question to a server over a connection that no pool looks after.

import type { Clock } from '../base/clock.js';
import { afterFairWait } from '../base/event-loop.js';
import type { Link } from '../base/link.js';
import { PoolError } from '../errors.js';
import { ownCommand } from '../node/own-command.js';

/** @throws PoolError CONNECT_TIMEOUT where no answer comes; ErrorReply where it is refused. */
export async function question(
  link: Link,
  args: readonly string[],
  timeoutMs: number,
  clock: Clock,
): Promise<unknown> {
  const command = ownCommand(args, 0);
  link.send(command);
  const text = `${args[0]} was not answered within ${timeoutMs} ms`;
  const stopWaiting = afterFairWait(timeoutMs, clock, () =>
    command.fail(new PoolError('CONNECT_TIMEOUT', text, { sent: false })),
  );
  try {
    return await command.promise;
  } finally {
    stopWaiting();
  }
}

/** For `catch`: what an older server doesn't know, or this user may not ask, is left out. */
export function onlySilence(error: unknown): undefined {
  if (error instanceof PoolError) throw error;
  return undefined;
}
