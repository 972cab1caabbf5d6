// The service as it is run: a primary with workers, as processes of their own. They end with the
// test that started them; a primary that is killed takes its workers along.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../../../scripts/free-port.js';
import { until } from '../../../../test/support/until.js';

export const MAIN = path.join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const ROOT = path.join(import.meta.dirname, '..', '..', '..', '..');
/** For a machine that is busy, ms. */
const START_TIMEOUT_MS = 60_000;

export interface RunningService {
  readonly url: string;
  readonly primary: ChildProcess;
  readonly output: () => string;
}

interface Running {
  readonly primary: ChildProcess;
  /** Where it keeps what is its own, as keys: one that is killed leaves them behind. */
  readonly folder: string;
}

const running: Running[] = [];

/** @param command Default: the primary's program itself. */
export async function startService(
  redisUrl: string,
  env: NodeJS.ProcessEnv = {},
  [program, ...args]: readonly [string, ...string[]] = [process.execPath, MAIN],
): Promise<RunningService> {
  const port = await freePort();
  const folder = mkdtempSync(path.join(tmpdir(), 'auth-service-'));
  const primary = spawn(program, args, {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      TMPDIR: folder,
      REDIS_URL: redisUrl,
      PORT: String(port),
      WEB_CONCURRENCY: '2',
      AUTH_STOP_TIMEOUT_MS: '4000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push({ primary, folder });
  let output = '';
  for (const stream of [primary.stdout!, primary.stderr!]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const service = { url: `http://127.0.0.1:${port}`, primary, output: () => output };
  await until(
    () => output.includes('"event":"ready"') || primary.exitCode !== null,
    START_TIMEOUT_MS,
  );
  return service;
}

/** The workers' process ids, as the kernel knows them. */
export async function workersOf({ primary }: RunningService): Promise<number[]> {
  const list = spawn('pgrep', ['-P', String(primary.pid)]);
  let text = '';
  list.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await once(list, 'close');
  return text.trim().split('\n').filter(Boolean).map(Number).sort();
}

/** For `afterEach`. */
export async function endServices(): Promise<void> {
  for (const { primary, folder } of running.splice(0)) {
    if (primary.exitCode === null && primary.signalCode === null) {
      primary.kill('SIGKILL');
      await once(primary, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  }
}
