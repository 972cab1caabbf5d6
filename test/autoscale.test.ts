// The option `autoscale` on real servers, with times of a second where users have minutes: the whole
// of growth and shrinking, the bound that pools of several processes keep together, and what happens
// where the server tells nothing.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { registerPoolMetrics } from 'plimsoll/prometheus';
import { Registry } from 'prom-client';
import { describe, expect, type TestContext, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../scripts/redis-server.js';
import {
  type AutoscaleDecision,
  createPool,
  type Lease,
  type PlimsollOptions,
  type Pool,
} from '../src/index.js';
import { until } from './support/until.js';

const LIBRARY = path.join(import.meta.dirname, '..', 'dist', 'index.js');
const QUICK = { growAfterMs: 1_000, shrinkAfterMs: 1_000, reserve: 10 };
/** For a busy machine, ms. */
const SOON_MS = 40_000;

/** What a test opens, and what ends with it: the tests run at once, as most of them wait. */
function stageOf({ onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  return {
    async start(maxClients: number): Promise<PrivateServer> {
      const server = await startPrivateServer({ args: ['--maxclients', String(maxClients)] });
      onTestFinished(() => server.stop());
      return server;
    },
    open(options: object): Pool {
      const pool = createPool(options as PlimsollOptions, {}) as unknown as Pool;
      onTestFinished(() => pool.close({ timeoutMs: 0 }));
      return pool;
    },
    process(url: string): Process {
      const process = startProcess(url);
      onTestFinished(async () => {
        const { child } = process;
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGKILL');
        await once(child, 'exit');
      });
      return process;
    },
  };
}

/** Leases all that the pool has but its last lane, now and whenever it grows. */
function fill(pool: Pool): { release(): void } {
  const leases: Lease[] = [];
  let isOver = false;
  const take = async () => {
    while (!isOver) {
      const lease = await pool.acquire({ timeoutMs: 60_000 }).catch(() => undefined);
      if (lease === undefined) return;
      if (isOver) lease.release();
      else leases.push(lease);
    }
  };
  void take();
  return {
    release() {
      isOver = true;
      for (const lease of leases.splice(0)) lease.release();
    },
  };
}

function decisionsOf(pool: Pool): AutoscaleDecision[] {
  const told: AutoscaleDecision[] = [];
  pool.on('autoscale', (decision) => told.push(decision));
  return told;
}

const inShort = (told: readonly AutoscaleDecision[]) =>
  told.map(({ action, from, to, reason }) => `${action} ${from}-${to} ${reason}`);

describe.concurrent('autoscale', () => {
  test(
    'grows to the ceiling while it is full, says so, and shrinks to where it began',
    async (context) => {
      const { start, open } = stageOf(context);
      const { url } = await start(1_000);
      const autoscale = { ...QUICK, ceiling: 8, step: 3 };
      const pool = open({ url, name: 'main', maxConnections: 4, autoscale });
      const registry = new Registry();
      registerPoolMetrics(pool, { registry });
      const told = decisionsOf(pool);
      const load = fill(pool);
      await until(() => told.at(-1)?.action === 'hold', SOON_MS);
      const grown = ['grow 4-7 utilization', 'grow 7-8 utilization', 'hold 8-8 ceiling'];
      expect(inShort(told)).toEqual(grown);
      expect(told[0]!.utilizationPercent).toBeGreaterThan(80);
      load.release();
      await until(() => pool.status().connections.max === 4, SOON_MS);
      expect(inShort(told)).toEqual([...grown, 'shrink 8-5 utilization', 'shrink 5-4 utilization']);
      expect(pool.status().autoscale).toMatchObject({
        base: 4,
        ceiling: 8,
        decisions: { grow: 2, shrink: 2, hold: 1 },
        lastDecision: { action: 'shrink', from: 5, to: 4, reason: 'utilization' },
      });
      const page = await registry.metrics();
      expect(page).toContain('redis_pool_autoscale_ceiling{pool="main"} 8\n');
      expect(page).toContain('redis_pool_autoscale_decisions_total{pool="main",action="grow"} 2\n');
      expect(page).toContain('redis_pool_connections_max{pool="main"} 4\n');
      pool.resize(6);
      expect(pool.status().autoscale?.base).toBe(6);
      expect(await pool.client.ttl('plimsoll:autoscale')).toBeGreaterThan(0);
    },
    2 * SOON_MS,
  );

  test(
    'pools of two processes keep within maxclients together, and one takes what the other leaves',
    async (context) => {
      const { start, open, process } = stageOf(context);
      const server = await start(60);
      const watcher = open({ url: server.url, maxConnections: 1 });
      const one = process(server.url);
      const other = process(server.url);
      let highest = 0;
      const sample = async () => {
        const info = await watcher.client.info('clients');
        highest = Math.max(highest, Number(/connected_clients:(\d+)/.exec(info)?.[1]));
      };
      await until(async () => {
        await sample();
        return [one, other].every(({ told }) => told.at(-1)?.reason === 'maxclients');
      }, SOON_MS);
      // 60 less the reserve of 10 and the watcher's connection.
      expect(maxOf(one) + maxOf(other)).toBeLessThanOrEqual(49);
      expect(maxOf(one) + maxOf(other)).toBeGreaterThanOrEqual(47);
      expect(Math.min(maxOf(one), maxOf(other))).toBeGreaterThanOrEqual(10);
      const before = maxOf(other);
      // It is not asked to shrink first: its claim ends by itself.
      one.child.kill('SIGKILL');
      await until(async () => {
        await sample();
        return maxOf(other) > before;
      }, SOON_MS);
      expect(maxOf(other)).toBeLessThanOrEqual(49);
      expect(highest).toBeLessThanOrEqual(50);
    },
    3 * SOON_MS,
  );

  test(
    'gives back what it has grown by when others need the room',
    async (context) => {
      const { start, open } = stageOf(context);
      const { url } = await start(100);
      const autoscale = { ...QUICK, ceiling: 40, step: 20, shrinkBelowPercent: 0 };
      const pool = open({ url, maxConnections: 4, autoscale });
      const told = decisionsOf(pool);
      const load = fill(pool);
      await until(() => pool.status().connections.max === 24, SOON_MS);
      await pool.client.configSet('maxclients', '30');
      await until(() => pool.status().connections.max === 20, SOON_MS);
      expect(inShort(told).at(-1)).toBe('shrink 24-20 maxclients');
      load.release();
    },
    2 * SOON_MS,
  );

  test(
    'is told where the server does not say how much room it has, and serves as before',
    async (context) => {
      const { start, open } = stageOf(context);
      const server = await start(100);
      const admin = open({ url: server.url, maxConnections: 1 });
      await admin.client.aclSetUser('app', ['on', '>secret', '~app:*', '+@all', '-info']);
      const autoscale = { ...QUICK, ceiling: 8 };
      const login = { username: 'app', password: 'secret' };
      const pool = open({ url: server.url, ...login, maxConnections: 2, autoscale });
      const told = decisionsOf(pool);
      const load = fill(pool);
      await until(() => told.length > 0, SOON_MS);
      await sleep(1_200);
      expect(inShort(told)).toEqual(['hold 2-2 unknown']);
      expect(told[0]!.error?.message).toMatch(/^NOPERM/);
      expect(await pool.client.set('app:key', 'x')).toBe('OK');
      load.release();
    },
    2 * SOON_MS,
  );
});

interface Process {
  readonly child: ChildProcess;
  readonly told: AutoscaleDecision[];
}

const BASE = 10;
const maxOf = ({ told }: Process) => told.at(-1)?.to ?? BASE;

/** A process whose pool is always full, and that tells of its decisions. */
function startProcess(url: string): Process {
  const autoscale = { ...QUICK, ceiling: 60, step: 15 };
  const program = `
    import { createPool } from ${JSON.stringify(LIBRARY)};
    const options = ${JSON.stringify({ url, maxConnections: BASE, autoscale })};
    const pool = createPool(options, {});
    pool.client.on('error', () => undefined);
    pool.on('autoscale', (decision) => process.send(decision));
    for (;;) await pool.acquire({ timeoutMs: 60_000 });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const told: AutoscaleDecision[] = [];
  child.on('message', (decision) => told.push(decision as AutoscaleDecision));
  return { child, told };
}
