// One worker put together from the environment, and accounts made for a load test: what they
// write, the worker takes.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createPool } from 'plimsoll';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { until } from '../../../test/support/until.js';
import { resolveConfig } from '../src/config.js';
import { userKey } from '../src/store/keys.js';
import { openWorkerApp, type WorkerApp } from '../src/worker-app.js';
import type { TokenAnswer } from './support/service.js';

const USERS = 300;
const DIST = fileURLToPath(new URL('../dist/', import.meta.url));

interface ProvisionedUser extends TokenAnswer {
  readonly username: string;
  readonly password: string;
}

describe('a worker', () => {
  const server = useServer();
  const folder = mkdtempSync(path.join(tmpdir(), 'auth-worker-'));
  const env = {
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
    AUTH_ISSUER: 'http://issuer.test',
    AUTH_KEYS_FILE: path.join(folder, 'keys.json'),
    REDIS_URL: '',
  };
  let worker: WorkerApp;
  let url = '';

  const program = (name: string, ...args: string[]) =>
    promisify(execFile)(process.execPath, [path.join(DIST, name), ...args], {
      env: { ...process.env, ...env },
    });

  beforeAll(async () => {
    env.REDIS_URL = server().url;
    await program('keys-cli.js', 'create', env.AUTH_KEYS_FILE);
    const config = { ...resolveConfig(env), keysFile: env.AUTH_KEYS_FILE };
    worker = await openWorkerApp(config, env);
    await worker.listen();
    url = `http://127.0.0.1:${(worker.app.server.address() as { port: number }).port}`;
  });
  afterAll(async () => {
    await worker?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('takes the tokens and passwords of provisioned accounts', async () => {
    const file = path.join(folder, 'users.ndjson');
    writeFileSync(file, '', { mode: 0o666 });
    await program('provision-cli.js', '--users', String(USERS), '--prefix', 'p', '--output', file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const users = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as ProvisionedUser);
    expect(users).toHaveLength(USERS);
    await using redis = createPool({}, { REDIS_URL: server().url });
    const life = await redis.client.ttl(userKey(users[0]!.username));
    expect(life).toBeGreaterThan(86_000);
    for (const user of [users[0]!, users[USERS - 1]!]) {
      const authorization = `Bearer ${user.access_token}`;
      const verified = await fetch(`${url}/auth/verify`, { headers: { authorization } });
      expect(((await verified.json()) as { username: string }).username).toBe(user.username);
      const ask = (route: string, body: object) =>
        fetch(url + route, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
      const { username, password, refresh_token } = user;
      expect((await ask('/auth/login', { username, password })).status).toBe(200);
      expect((await ask('/auth/refresh', { refresh_token })).status).toBe(200);
    }
  });

  test('shows the health of its pool and its metrics', async () => {
    const health = await fetch(`${url}/health/redis`);
    expect([health.status, ((await health.json()) as { healthy: boolean }).healthy]).toEqual([
      200,
      true,
    ]);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('http_request_duration_seconds_bucket');
    expect(metrics).toContain('route="/health/redis"');
    expect(metrics).toMatch(/^auth_events_total\{event="login"\} 2$/m);
    expect(metrics).toMatch(/^redis_/m);
  });

  test('counts that Redis was lost, and found again', async () => {
    const count = async (event: string) => {
      const page = await (await fetch(`${url}/metrics`)).text();
      return Number(
        new RegExp(`^auth_events_total\\{event="${event}"\\} (\\d+)$`, 'm').exec(page)![1],
      );
    };
    await server().kill();
    await until(async () => (await count('redis_lost')) === 1, 15_000);
    expect(await count('redis_found')).toBe(0);
    await server().restart();
    await until(async () => (await count('redis_found')) === 1, 15_000);
  });

  test('refuses to provision no users', async () => {
    await expect(program('provision-cli.js', '--users', '0')).rejects.toMatchObject({ code: 1 });
  });
});
