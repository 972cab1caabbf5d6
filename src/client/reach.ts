// connect() as node-redis has it: it waits until the server is there, however long that takes.

import { PoolError } from '../errors.js';
import { closedError } from '../node/caller-errors.js';
import { ownCommand } from '../node/own-command.js';
import type { PoolExecutor } from '../pool/executor.js';
import { finalCause } from './final-cause.js';

/** Between two attempts of the caller to be served, ms; the pool has pauses of its own. */
const PAUSE_MS = 100;

/**
 * Resolves when the server has answered; what it answers is no matter, as who refuses PING lives.
 * @param isWanted False: the client was closed meanwhile.
 * @throws PoolError POOL_CLOSED, AUTH_FAILED, TLS_FAILED, PROTOCOL_ERROR, HANDSHAKE_FAILED
 */
export async function reachServer(
  pool: PoolExecutor,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  keepsAlive: () => boolean,
  isWanted: () => boolean,
): Promise<void> {
  while (isWanted()) {
    try {
      await pool.execute(ownCommand(['PING'], timeoutMs), signal);
      return;
    } catch (error) {
      if (!(error instanceof PoolError)) return;
      const final = error.code === 'ABORTED' ? error : finalCause(error);
      if (final !== undefined) throw final;
    }
    await pause(keepsAlive());
  }
  throw closedError();
}

function pause(keepsAlive: boolean): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PAUSE_MS);
    if (!keepsAlive) timer.unref();
  });
}
