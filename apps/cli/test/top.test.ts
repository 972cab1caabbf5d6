// `plimsoll top` in a pipe: of a server by INFO, and of a service by its metrics.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { aggregateWorkerMetrics, registerPoolMetrics } from '../../../src/observe/prometheus.js';
import { usePools } from '../../../test/support/pools.js';
import { useServer } from '../../../test/support/servers.js';
import { PROGRAM, runHere, runProcess } from './support/run-command.js';

const ONCE = ['top', '--once', '--interval', '0.3'];

describe('top', () => {
  const server = useServer();
  const openPool = usePools();

  /** Keeps a pool busy until it is aborted. */
  async function work(pool: ReturnType<typeof openPool>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await pool.client.set('k', 'v');
  }

  test('shows what a server does, without an escape sequence', async () => {
    const stop = new AbortController();
    const working = work(openPool({ url: server().url }), stop.signal);
    const { code, out, errors } = await runProcess(ONCE, { REDIS_URL: server().url });
    stop.abort();
    await working;
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(out).toMatch(/connections +[█│·]{40} \d+ of 10,000/);
    expect(out).toMatch(/commands +[1-9][\d,.]*\/s/);
    expect(out).toMatch(/^SET +[\d,.]+ +[\d,.]+ +[\d,.]+$/m);
    expect(out).not.toContain('\u001b');
  });

  test('shows what the pools of a service do, once it is told the token', async () => {
    const pool = openPool({ url: server().url, maxConnections: 10 });
    const registry = new Registry();
    registerPoolMetrics(pool, { registry });
    const service = createServer(async (request, response) => {
      if (request.headers.authorization !== 'Bearer open-sesame') {
        response.writeHead(401).end();
        return;
      }
      const metrics = (await registry.getMetricsAsJSON()) as never;
      response.end(await aggregateWorkerMetrics([{ worker: '1', metrics }]));
    });
    service.listen(0, '127.0.0.1');
    await once(service, 'listening');
    const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/metrics`;
    const refused = await runHere([...ONCE, '--url', url]);
    expect(refused).toMatchObject({ code: 70, out: '' });
    expect(refused.errors).toContain('status 401');
    const stop = new AbortController();
    const working = work(pool, stop.signal);
    const file = path.join(server().folder, 'token');
    writeFileSync(file, 'open-sesame\n');
    const { out } = await runHere([...ONCE, '--url', url, '--token-file', file]);
    stop.abort();
    await working;
    service.close();
    expect(out).toMatch(/utilisation +[█│·]{40} \d+ %, \d of 10 connections/);
    expect(out).toMatch(/commands +[1-9][\d,.]*\/s, .* p50 [\d.]+ ms/);
    expect(out).toMatch(/127\.0\.0\.1:\d+ +primary +up/);
    expect(out).toMatch(/^1 +\d+ % /m);
  });

  test('ends quietly when its reader has had enough', async () => {
    const args = [PROGRAM, 'top', '--interval', '0.1'];
    const program = spawn(process.execPath, args, { env: { REDIS_URL: server().url } });
    let errors = '';
    program.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    await once(program.stdout, 'data');
    program.stdout.destroy();
    const [code] = await once(program, 'close');
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
  });
});
