// The server that the costs are taken on: the one that the environment names, else a private one that
// ends with this process, however that ends.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPool } from 'plimsoll';

const START_TIMEOUT_MS = 10_000;
const START_POLL_MS = 20;

// The shell holds the read end of a pipe of ours: when that closes, for whatever reason, it ends the
// server and removes its folder.
const GUARD = `
trap '' HUP INT QUIT TERM
cd "$1" || exit 1
program=$(command -v redis-server || command -v valkey-server) || exit 127
"$program" --port 0 --unixsocket server.sock --save '' --appendonly no --logfile server.log &
read -r word
kill -9 $!; wait $! 2>/dev/null
rm -rf -- "$1"
`;

export interface OpenRedis {
  /** What `createPool()` takes to reach it. */
  readonly environment: NodeJS.ProcessEnv;
  readonly isPrivate: boolean;
  /** Ends a private server; nothing for another one. */
  stop(): Promise<void>;
}

/** @throws Error where the environment names none, and there is no program to start one. */
export async function openRedis(environment: NodeJS.ProcessEnv): Promise<OpenRedis> {
  const isNamed = ['REDIS_URL', 'REDIS_HOST', 'REDIS_ENDPOINTS'].some((name) => environment[name]);
  if (isNamed) return { environment, isPrivate: false, stop: async () => undefined };
  const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-plan-'));
  const guard = spawn('sh', ['-c', GUARD, 'plimsoll-plan', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.stdin.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => guard.once('close', () => resolve()));
  const stop = async () => {
    guard.stdin.end();
    await ended;
    // The guard has done so already, unless it found no program.
    rmSync(folder, { recursive: true, force: true });
  };
  const own = { REDIS_URL: `unix://${path.join(folder, 'server.sock')}` };
  try {
    await answered(own, guard);
  } catch (error) {
    await stop();
    throw error;
  }
  return { environment: own, isPrivate: true, stop };
}

async function answered(environment: NodeJS.ProcessEnv, guard: { exitCode: number | null }) {
  const deadline = performance.now() + START_TIMEOUT_MS;
  await using pool = createPool({ maxConnections: 1, breaker: { patienceMs: 0 } }, environment);
  for (;;) {
    if (guard.exitCode !== null) {
      throw new Error('No redis-server or valkey-server on the PATH, and no REDIS_URL.');
    }
    try {
      await pool.client.ping();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(START_POLL_MS);
  }
}
