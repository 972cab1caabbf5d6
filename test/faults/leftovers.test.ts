// After twenty rounds of faults a closed pool leaves nothing behind: no socket, no timer, no
// listener on a caller's signal.

import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { createPool } from '../../src/index.js';
import { countCodes, outcomeOf, outcomesOf } from '../support/outcome.js';
import { resources, surplus } from '../support/resources.js';
import { seededRandom } from '../support/seeded-random.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const ROUNDS = 20;
const FAULTS = ['reset', 'end', 'swallow', 'refuse'] as const;

describeEachPrivateServer('a pool that went through many faults', (server) => {
  test('leaves no socket and no timer behind, by resets and half-open connections', async () => {
    const random = seededRandom();
    console.log(`seed ${random.seed}`);
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    const before = resources();
    const pool = createPool(
      {
        url: proxy.url,
        maxConnections: 8,
        minConnections: 2,
        laneDepth: 5,
        commandTimeoutMs: 150,
        connectTimeoutMs: 150,
        acquireTimeoutMs: 150,
        healthCheckIntervalMs: 50,
      },
      {},
    );
    const warnings: string[] = [];
    const noteWarning = ({ message }: Error) => warnings.push(message);
    process.on('warning', noteWarning);
    const abort = new AbortController();
    const listening = pool.client.withAbortSignal(abort.signal);
    const outcomes = [];
    for (let round = 0; round < ROUNDS; round++) {
      await until(async () => (await outcomeOf(pool.client.ping())).code === 'ok', 3_000);
      const commands = Array.from({ length: 60 }, (_, id) => listening.echo(`${id}`));
      const leases = Array.from({ length: 3 }, () => pool.withLease((redis) => redis.ping()));
      const settled = outcomesOf<unknown>([...commands, ...leases]);
      await sleep(random.integer(0, 5));
      const fault = FAULTS[round % FAULTS.length];
      if (fault === 'reset') proxy.resetAll();
      else if (fault === 'end') proxy.endAll();
      else if (fault === 'swallow') proxy.swallow();
      else {
        proxy.refuseConnections();
        proxy.resetAll();
      }
      const { unhealthy } = pool.status().counters.evictions;
      outcomes.push(...(await settled));
      proxy.resume();
      // Half-open ones, where something was lost, are found before the next fault ends them.
      const isFound = () => pool.status().counters.evictions.unhealthy > unhealthy;
      if (fault === 'swallow') await until(isFound, 1_600).catch(() => undefined);
      await proxy.acceptConnections();
    }
    console.log(countCodes(outcomes), pool.status().counters.evictions);
    await until(async () => (await pool.healthCheck()).healthy, 3_000);
    expect(pool.status().counters.evictions.unhealthy).toBeGreaterThan(0);
    expect(pool.status().counters.evictions.lost).toBeGreaterThan(0);
    await pool.close();
    await until(() => proxy.openConnections === 0);
    await until(() => Object.keys(surplus(before)).length === 0, 1_000).catch(() => undefined);
    expect(surplus(before)).toEqual({});
    const { opened, evictions } = pool.status().counters;
    expect(Object.values(evictions).reduce((sum, count) => sum + count, 0)).toBe(opened);
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    process.off('warning', noteWarning);
    // 60 commands listened to one signal at a time, which is no leak.
    expect(warnings).toEqual([]);
    await proxy.stop();
  });

  test('leaves no socket and no timer behind, by kill and restart', async () => {
    const before = resources();
    const pool = createPool({ url: server().url, maxConnections: 4, laneDepth: 5 }, {});
    for (let round = 0; round < ROUNDS; round++) {
      const settled = outcomesOf(Array.from({ length: 40 }, (_, id) => pool.client.echo(`${id}`)));
      await server().kill();
      await server().restart();
      await settled;
      await until(async () => (await outcomeOf(pool.client.ping())).code === 'ok', 1_000);
    }
    await pool.close();
    await until(() => Object.keys(surplus(before)).length === 0, 1_000).catch(() => undefined);
    expect(surplus(before)).toEqual({});
  });

  test('leaves no socket and no timer behind when it is closed without delay', async () => {
    const before = resources();
    for (let round = 0; round < ROUNDS; round++) {
      const pool = createPool({ url: server().url, minConnections: 3, maxConnections: 6 }, {});
      const settled = outcomesOf(Array.from({ length: 50 }, () => pool.client.ping()));
      await sleep(round % 4);
      await pool.close({ timeoutMs: 0 });
      await settled;
    }
    await until(() => Object.keys(surplus(before)).length === 0, 1_000).catch(() => undefined);
    expect(surplus(before)).toEqual({});
  });
});
