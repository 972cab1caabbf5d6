// The service as it is run: a primary, workers, a real Redis, and clients that keep their
// connections. What matters is that nobody's request is lost when workers come and go.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { until } from '../../../test/support/until.js';
import { endServices, startService, workersOf } from './support/primary.js';

const CLIENTS = 8;

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

  afterEach(endServices);

  test('says how many connections each worker has', async () => {
    const { output } = await startService(server().url, { REDIS_MAX_CONNECTIONS: '80' });
    expect(output()).toContain('2 workers, 80 connections in all, 40 each');
  });

  test('replaces a worker that is killed, and goes on serving', async () => {
    const service = await startService(server().url);
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
    const service = await startService(server().url);
    const { seen, end } = load(service.url);
    await until(() => seen.asked > 200);
    service.primary.kill('SIGTERM');
    const [code] = await once(service.primary, 'exit');
    expect(code).toBe(0);
    expect((await end()).failures).toEqual([]);
  });

  test('SIGHUP under load: all workers are others, no request is lost', async () => {
    const service = await startService(server().url);
    const before = await workersOf(service);
    const { seen, end } = load(service.url);
    await until(() => seen.asked > 100);
    service.primary.kill('SIGHUP');
    await until(async () => {
      const pids = await workersOf(service);
      return pids.length === 2 && !pids.some((pid) => before.includes(pid));
    }, 45_000);
    expect((await end()).failures).toEqual([]);
  }, 60_000);

  test('workers end when the primary is killed', async () => {
    const service = await startService(server().url);
    const workers = await workersOf(service);
    expect(workers).toHaveLength(2);
    service.primary.kill('SIGKILL');
    await until(() => workers.every((pid) => !isAlive(pid)), 5_000);
  });

  test('workers end in time with a client that never finishes its request', async () => {
    const service = await startService(server().url, { AUTH_STOP_TIMEOUT_MS: '1500' });
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
    const service = await startService(server().url, { REDIS_MAX_CONNECTIONS: '40' });
    const page = await (await fetch(`${service.url}/metrics`)).text();
    expect(page).toMatch(/^auth_workers 2$/m);
    expect(page).toMatch(/^redis_pool_connections_max\{pool="plimsoll"\} 40$/m);
    for (const worker of [1, 2]) {
      const series = `worker_redis_pool_connections_max{pool="plimsoll",worker="${worker}"} 20`;
      expect(page).toContain(series);
    }
  });

  test('keys that cannot be used end the start with their reason and exit code 78', async () => {
    const keysFile = path.join(mkdtempSync(path.join(tmpdir(), 'auth-cluster-')), 'keys.json');
    writeFileSync(keysFile, '{"keys":[{"kid":"a","alg":"EdDSA","d":"c2VjcmV0"}]}');
    const service = await startService(server().url, { AUTH_KEYS_FILE: keysFile });
    expect(service.primary.exitCode).toBe(78);
    expect(service.output()).toContain(`AUTH_KEYS_FILE: ${keysFile}`);
    expect(service.output()).not.toContain('c2VjcmV0');
    rmSync(path.dirname(keysFile), { recursive: true });
  });

  test('a wrong configuration ends it at once, with every problem and exit code 78', async () => {
    const service = await startService('redis://127.0.0.1:1', {
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
