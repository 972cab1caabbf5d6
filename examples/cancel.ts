// Cancelling: a command, a blocking read, and the wait for a connection all take an AbortSignal.
// What is cancelled rejects with code ABORTED; its late reply reaches nobody.

import { createPool, PoolError } from 'plimsoll';

// Two may be lent: the last connection stays for everybody's commands.
const pool = createPool({ maxConnections: 3 });

async function outcome(what: string, promise: Promise<unknown>): Promise<void> {
  try {
    console.log(what, 'answered', await promise);
  } catch (error) {
    console.log(what, error instanceof PoolError ? error.code : error);
  }
}

const soon = () => AbortSignal.timeout(50);
await outcome('blPop:', pool.client.withAbortSignal(soon()).blPop('empty', 0));

const leases = [await pool.acquire(), await pool.acquire()];
await outcome('acquire with a signal:', pool.acquire({ signal: soon() }));
await outcome('acquire with a limit:', pool.acquire({ timeoutMs: 50 }));
for (const lease of leases) lease.release();

// A deadline of its own needs no signal: it costs nothing per command.
await outcome('get:', pool.client.withCommandOptions({ timeout: 200 }).get('nothing'));

await pool.close();
