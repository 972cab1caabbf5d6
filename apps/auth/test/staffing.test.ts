// The service as it is run: a busy event loop brings a second worker, a quiet one sends it away, and
// nobody's request is lost with it. Seconds stand for the minutes that users have.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { until } from '../../../test/support/until.js';
import { endServices, startService, workersOf } from './support/primary.js';

/** For a busy machine, ms. */
const SOON_MS = 45_000;
/** Each SIGUSR2 makes a process busy for nine tenths of its time, or lets it be again. */
const BUSY_ON_SIGNAL =
  '--import=data:text/javascript,let%20on;function%20spin(){const%20end=performance.now()+90;' +
  'while(performance.now()<end);if(on)setTimeout(spin,10)}' +
  "process.on('SIGUSR2',()=>{on=!on;if(on)spin()})";

const server = useServer();
afterAll(endServices);

test(
  'a busy worker gets another one beside it, which leaves without losing a request',
  async () => {
    const service = await startService(server().url, {
      WEB_CONCURRENCY: '1',
      REDIS_MAX_CONNECTIONS: '20',
      AUTH_MAX_WORKERS: '2',
      AUTH_SCALE_UP_SECONDS: '2',
      AUTH_SCALE_DOWN_SECONDS: '3',
      NODE_OPTIONS: BUSY_ON_SIGNAL,
    });
    expect(service.output()).toContain(
      '1 workers, 10 connections in all, 10 each; up to 2 workers, 20 connections',
    );
    const [first] = await workersOf(service);
    process.kill(first!, 'SIGUSR2');
    const page = async () => (await fetch(`${service.url}/metrics`)).text();
    await until(async () => /^auth_workers 2$/m.test(await page()), SOON_MS);
    expect(service.output()).toMatch(/"event":"autoscale","what":"workers","action":"grow"/);
    const failures: unknown[] = [];
    let isOver = false;
    const ask = async () => {
      while (!isOver) {
        const status = await fetch(`${service.url}/health/live`).then(
          (answer) => answer.arrayBuffer().then(() => answer.status),
          (error: Error) => error.message,
        );
        if (status !== 200) failures.push(status);
        await sleep(20);
      }
    };
    const clients = Array.from({ length: 4 }, ask);
    process.kill(first!, 'SIGUSR2');
    // What is asked meanwhile takes far less than half of one worker's time.
    await until(async () => (await workersOf(service)).length === 1, SOON_MS);
    isOver = true;
    await Promise.all(clients);
    expect(failures).toEqual([]);
    expect(await workersOf(service)).toEqual([first]);
    expect(await page()).toMatch(/^auth_worker_scalings_total\{action="shrink"\} 1$/m);
  },
  2 * SOON_MS,
);
