// The service as it is run: a primary, workers, a real Redis, and clients that keep their
// connections. What matters is that nobody's request is lost when workers come and go.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../scripts/free-port.js';
import { useServer } from '../../../test/support/servers.js';
import { until } from '../../../test/support/until.js';

const MAIN = path.join(import.meta.dirname, '..', 'dist', 'main.js');
const CLIENTS = 8;

interface Running {
  readonly url: string;
  readonly primary: ChildProcess;
  readonly output: () => string;
}

const running: ChildProcess[] = [];

async function start(redisUrl: string, env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const port = await freePort();
  const primary = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env.PATH,
      REDIS_URL: redisUrl,
      PORT: String(port),
      WEB_CONCURRENCY: '2',
      AUTH_STOP_TIMEOUT_MS: '4000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(primary);
  let output = '';
  for (const stream of [primary.stdout!, primary.stderr!]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const service = { url: `http://127.0.0.1:${port}`, primary, output: () => output };
  await until(() => output.includes('"event":"ready"') || primary.exitCode !== null, 15_000);
  return service;
}

/** The workers' process ids, as the kernel knows them. */
async function workersOf({ primary }: Running): Promise<number[]> {
  const list = spawn('pgrep', ['-P', String(primary.pid)]);
  let text = '';
  list.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await once(list, 'close');
  return text.trim().split('\n').filter(Boolean).map(Number).sort();
}

function get(url: string, agent?: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode!));
    });
    call.once('error', reject);
    call.end();
  });
}

/** Asks on connections that are kept, without a pause; tells what failed and how often it asked. */
function load(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const seen = { asked: 0, failures: [] as string[] };
  let isOver = false;
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!isOver) {
      seen.asked++;
      try {
        const status = await get(`${url}/health/live`, agent);
        if (status !== 200) seen.failures.push(String(status));
      } catch (error) {
        const { code } = error as { code?: string };
        // Nobody listens any more: the service has ended, and this request was never taken.
        if (code === 'ECONNREFUSED') return;
        seen.failures.push(code ?? String(error));
      }
      await sleep(1);
    }
  });
  return {
    seen,
    async end() {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
      return seen;
    },
  };
}

describe('the cluster', () => {
  const server = useServer();

  afterEach(async () => {
    for (const primary of running.splice(0)) {
      if (primary.exitCode !== null || primary.signalCode !== null) continue;
      primary.kill('SIGKILL');
      await once(primary, 'exit');
    }
  });

  test('says how many connections each worker has', async () => {
    const { output } = await start(server().url, { REDIS_MAX_CONNECTIONS: '80' });
    expect(output()).toContain('2 workers, 80 connections in all, 40 each');
  });

  test('replaces a worker that is killed, and goes on serving', async () => {
    const service = await start(server().url);
    const [victim] = await workersOf(service);
    process.kill(victim!, 'SIGKILL');
    await until(async () => {
      const pids = await workersOf(service);
      return pids.length === 2 && !pids.includes(victim!);
    });
    for (let call = 0; call < 10; call++) expect(await get(`${service.url}/health/live`)).toBe(200);
    expect(service.output()).toContain('a worker died');
  });

  test('SIGTERM under load: no request is lost, exit code 0', async () => {
    const service = await start(server().url);
    const { seen, end } = load(service.url);
    await until(() => seen.asked > 200);
    service.primary.kill('SIGTERM');
    const [code] = await once(service.primary, 'exit');
    expect(code).toBe(0);
    expect((await end()).failures).toEqual([]);
  });

  test('SIGHUP under load: all workers are others, no request is lost', async () => {
    const service = await start(server().url);
    const before = await workersOf(service);
    const { seen, end } = load(service.url);
    await until(() => seen.asked > 100);
    service.primary.kill('SIGHUP');
    await until(async () => {
      const pids = await workersOf(service);
      return pids.length === 2 && !pids.some((pid) => before.includes(pid));
    }, 15_000);
    expect((await end()).failures).toEqual([]);
  });

  test('workers end when the primary is killed', async () => {
    const service = await start(server().url);
    const workers = await workersOf(service);
    expect(workers).toHaveLength(2);
    service.primary.kill('SIGKILL');
    await until(() => workers.every((pid) => !isAlive(pid)), 5_000);
  });

  test('workers end in time with a client that never finishes its request', async () => {
    const service = await start(server().url, { AUTH_STOP_TIMEOUT_MS: '1500' });
    const workers = await workersOf(service);
    const slow = connect(Number(new URL(service.url).port), '127.0.0.1');
    slow.on('error', () => undefined);
    slow.write('GET /health/live HTTP/1.1\r\nhost: ');
    await sleep(100);
    service.primary.kill('SIGKILL');
    await until(() => workers.every((pid) => !isAlive(pid)), 4_000);
    slow.destroy();
  });

  test('one scrape shows all workers', async () => {
    const service = await start(server().url, { REDIS_MAX_CONNECTIONS: '40' });
    const page = await (await fetch(`${service.url}/metrics`)).text();
    expect(page).toMatch(/^auth_workers 2$/m);
    expect(page).toMatch(/^redis_pool_connections_max\{pool="plimsoll"\} 40$/m);
    for (const worker of [1, 2]) {
      const series = `worker_redis_pool_connections_max{pool="plimsoll",worker="${worker}"} 20`;
      expect(page).toContain(series);
    }
  });

  test('a wrong configuration ends it at once, with every problem and exit code 78', async () => {
    const service = await start('redis://127.0.0.1:1', {
      LOG_LEVEL: 'loud',
      AUTH_HASH_QUEUE: '-1',
      REDIS_MAX_CONNECTIONS: 'many',
    });
    expect(service.primary.exitCode).toBe(78);
    for (const name of ['LOG_LEVEL', 'AUTH_HASH_QUEUE', 'REDIS_MAX_CONNECTIONS']) {
      expect(service.output()).toContain(name);
    }
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
