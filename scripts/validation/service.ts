// The authentication service in production shape for a run: four workers, keys and accounts of its
// own in a temporary folder, on a server that is given. It ends with the process that started it.

import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../free-port.js';
import { GuardedProcess } from '../guarded-process.js';
import { readScrape, type Scrape } from './scrape.js';

const AUTH = fileURLToPath(new URL('../../../apps/auth/dist/', import.meta.url));
const OWN_STORE = new URL('./own-store.js', import.meta.url).href;
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const READY_POLL_MS = 50;

/** Accounts are gone from somebody else's Redis the day after, s. */
const USER_SECONDS = 24 * 60 * 60;

/** Store drivers that the service can run on. */
export const DRIVERS = ['plimsoll', 'redis-pool', 'redis', 'ioredis'] as const;
export type Driver = (typeof DRIVERS)[number];
export const DRIVER_NAMES: Readonly<Record<Driver, string>> = {
  plimsoll: 'Plimsoll',
  'redis-pool': 'redis createClientPool (100)',
  redis: 'redis, one client',
  ioredis: 'ioredis, one client',
};

export interface ServiceOptions {
  readonly redisUrl: string;
  /** Default: plimsoll. */
  readonly driver?: Driver;
  /** Default: any that is free. */
  readonly port?: number;
  /** CPUs to run on, as `taskset -c` takes them. Default: all. */
  readonly cpus?: string;
  /** Default: as the production preset has it. */
  readonly workers?: number;
  /** Each worker has a database of its own (own-store.ts). Default: false. */
  readonly hasOwnStores?: boolean;
  /** Replicas that must have a logout before it is answered. Default: none. */
  readonly revocationReplicas?: number;
  /** Serves the live page. Default: false. */
  readonly hasDashboard?: boolean;
}

export interface Service {
  readonly url: string;
  /** Of the primary, whose children the workers are. */
  readonly pid: number;
  /**
   * Makes accounts with live sessions, and a file of them for the load tester.
   * @param name - Begins the accounts' names: a used refresh token ends its session, so each run
   * has its own.
   * @param store - Where else than in the service's own.
   */
  provision(name: string, users: number, store?: { readonly redisUrl: string }): Promise<string>;
  /** The page of all workers' metrics. */
  readMetrics(): Promise<string>;
  scrape(): Promise<Scrape>;
  stop(): Promise<void>;
}

/** @throws Error with the service's last output where it doesn't become ready. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { redisUrl, driver = 'plimsoll', cpus, workers, hasOwnStores = false } = options;
  const { revocationReplicas = 0, hasDashboard = false } = options;
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-auth-'));
  const environment = {
    DEPLOYMENT_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: String(port),
    AUTH_OPERATOR_PORT: String(port),
    LOG_LEVEL: 'warn',
    REDIS_URL: redisUrl,
    AUTH_STORE_DRIVER: driver,
    AUTH_DASHBOARD: String(hasDashboard),
    AUTH_REVOCATION_REPLICAS: String(revocationReplicas),
    AUTH_ISSUER: url,
    AUTH_USER_TTL_SECONDS: String(USER_SECONDS),
    AUTH_KEYS_FILE: path.join(folder, 'keys.json'),
    // The load tester tells each user's address as a proxy would, so that all limits stay on.
    AUTH_TRUST_PROXY: 'loopback',
    ...(workers === undefined ? {} : { WEB_CONCURRENCY: String(workers) }),
    ...(hasOwnStores ? { NODE_OPTIONS: `--import=${OWN_STORE}` } : {}),
  };
  const program = (name: string, args: readonly string[], REDIS_URL = redisUrl) =>
    promisify(execFile)(process.execPath, [path.join(AUTH, name), ...args], {
      env: { ...process.env, ...environment, REDIS_URL },
    });
  await program('keys-cli.js', ['create', environment.AUTH_KEYS_FILE]);
  const pinned = cpus === undefined ? [] : ['taskset', '-c', cpus];
  const guarded = await GuardedProcess.start(
    folder,
    [...pinned, process.execPath, path.join(AUTH, 'main.js')],
    // One session with the load generator: five processes of the service would else have to make do
    // with what the scheduler gives to that one.
    { environment, session: 'shared' },
  );
  guarded.unref();
  const stop = async () => {
    if (guarded.running) {
      guarded.signal('SIGTERM');
      await Promise.race([guarded.ended, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    }
    await guarded.destroy();
  };
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await isReady(url))) {
    if (guarded.running && performance.now() < deadline) {
      await sleep(READY_POLL_MS);
      continue;
    }
    await stop();
    throw new Error(`The authentication service did not become ready:\n${guarded.output}`);
  }
  const readMetrics = async () => {
    const answer = await fetch(`${url}/metrics`);
    if (!answer.ok) throw new Error(`GET /metrics answered ${answer.status}`);
    return answer.text();
  };
  return {
    url,
    pid: guarded.pid,
    stop,
    readMetrics,
    async provision(name, users, store) {
      const file = path.join(folder, `${name}.ndjson`);
      const args = ['--users', String(users), '--prefix', name, '--output', file];
      await program('provision-cli.js', args, store?.redisUrl);
      return file;
    },
    scrape: async () => readScrape(await readMetrics()),
  };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`)).ok;
  } catch {
    return false;
  }
}
