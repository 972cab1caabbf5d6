// A pool with several endpoints, of which one is used at a time, on real servers: failover, failback
// and switches by hand, while callers go on. The endpoints don't replicate, so that what ran where
// can be counted.

import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import type { Pool } from '../../src/index.js';
import { createPool, defineScript } from '../../src/index.js';
import { useCluster } from '../support/clusters.js';
import { startFakeServer, staysSilent } from '../support/fake-server.js';
import { outcomeOf, slowest } from '../support/outcome.js';
import { usePools } from '../support/pools.js';
import { PRIMARY_NAME, type SentinelSetup, startSentinels } from '../support/sentinels.js';
import { until } from '../support/until.js';

const QUICK = {
  checkIntervalMs: 200,
  checkTimeoutMs: 500,
  probes: 2,
  probePauseMs: 50,
  patienceMs: 300,
  graceMs: 500,
  failbackIntervalMs: 300,
  drainMs: 500,
};
/** Longer than it takes to find a fault with these, on a busy machine too. */
const NOTICED_MS = 5_000;

let a: PrivateServer;
let b: PrivateServer;
const openPool = usePools();

beforeAll(async () => {
  [a, b] = await Promise.all([startPrivateServer(), startPrivateServer()]);
  // The first connection of a process takes its time, longer than a probe may.
  await ask(a, 'PING');
});
afterAll(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
});

interface Told {
  readonly pool: Pool;
  /** `a>b health-check`, `down`. */
  readonly events: string[];
}

function open(options: object = {}, failover: object = {}): Told {
  const endpoints = [
    { id: 'a', url: a.url, weight: 2 },
    { id: 'b', url: b.url, weight: 1 },
  ];
  const pool = openPool({ endpoints, failover: { ...QUICK, ...failover }, ...options });
  const events: string[] = [];
  pool.on('failover', ({ from, to, reason }) => events.push(`${from}>${to} ${reason}`));
  pool.on('endpointsDown', () => events.push('down'));
  return { pool, events };
}

const activeOf = (pool: Pool) => pool.status().failover?.active;

/** What a server says, asked over a pool of the test's own. */
async function ask<T>(server: PrivateServer, ...args: string[]): Promise<T> {
  await using pool = createPool({ url: server.url, breaker: { patienceMs: 500 } }, {});
  return (await pool.client.sendCommand(args)) as T;
}

describe('failover', () => {
  test('leaves a killed server, and goes back when it is there again and out of grace', async () => {
    const { pool, events } = open();
    await pool.client.set('where', 'a');
    await a.kill();
    const tookMs = (await outcomeOf(pool.client.set('where', 'b'))).tookMs;
    expect(activeOf(pool)).toBe('b');
    expect(tookMs).toBeLessThan(2_000);
    expect(await ask(b, 'GET', 'where')).toBe('b');
    await a.restart();
    await until(() => activeOf(pool) === 'a', NOTICED_MS);
    expect(await pool.client.get('where')).toBeNull();
    expect(events).toEqual([expect.stringMatching(/^a>b (breaker|health-check)$/), 'b>a failback']);
    expect(pool.status().failover).toMatchObject({ lastSwitch: { from: 'b', reason: 'failback' } });
  });

  test('leaves a server that hangs: reads go on, and so does who comes later', async () => {
    const { pool, events } = open();
    await pool.client.set('here', 'a');
    await ask(b, 'SET', 'here', 'b');
    a.pause();
    const read = outcomeOf(pool.client.get('here'));
    expect(await read).toMatchObject({ value: 'b' });
    expect(events).toEqual(['a>b health-check']);
    a.resume();
    await until(() => activeOf(pool) === 'a', NOTICED_MS);
    expect(await pool.client.get('here')).toBe('a');
  });

  test('never repeats at another endpoint what may have run at one', async () => {
    for (const retryWrites of ['safe', 'always']) {
      const { pool } = open({ retryWrites, commandTimeoutMs: 10_000 });
      await pool.client.ping();
      a.pause();
      const writes = Array.from({ length: 50 }, () => outcomeOf(pool.client.incr('count')));
      for (const { code, error } of await Promise.all(writes)) {
        expect([code, error?.sent]).toEqual(['OUTCOME_UNKNOWN', true]);
      }
      expect(activeOf(pool)).toBe('b');
      a.resume();
      expect(Number(await ask(a, 'GET', 'count'))).toBeLessThanOrEqual(50);
      expect(await ask(b, 'GET', 'count')).toBeNull();
      await ask(a, 'DEL', 'count');
      await pool.close({ timeoutMs: 0 });
    }
  });

  test('of a killed server loses no write silently and doubles none, under load', async () => {
    const { pool } = open({ retryWrites: 'always' });
    let isOver = false;
    const acknowledged: string[] = [];
    const unknown: string[] = [];
    const callers = Array.from({ length: 20 }, async (_, caller) => {
      for (let number = 0; !isOver; number++) {
        const token = `${caller}:${number}`;
        const { code } = await outcomeOf(pool.client.rPush('tokens', token));
        if (code === 'ok') acknowledged.push(token);
        else unknown.push(token);
      }
    });
    await until(() => acknowledged.length > 1_000);
    // Nothing is persisted: what A had is gone with it, and A was in use until then.
    const before = await ask<string[]>(a, 'LRANGE', 'tokens', '0', '-1');
    await a.kill();
    await until(() => activeOf(pool) === 'b', NOTICED_MS);
    await sleep(300);
    isOver = true;
    await Promise.all(callers);
    const after = await ask<string[]>(b, 'LRANGE', 'tokens', '0', '-1');
    for (const list of [before, after]) expect(new Set(list).size).toBe(list.length);
    expect(after.filter((token) => before.includes(token))).toEqual([]);
    // What nobody knows of ran at A, if anywhere.
    expect(after.filter((token) => unknown.includes(token))).toEqual([]);
    expect(after.length).toBeGreaterThan(0);
    await Promise.all([a.restart(), ask(b, 'DEL', 'tokens')]);
  });

  test('takes subscriptions along, from a server that is gone and from one that hangs', async () => {
    const { pool } = open();
    const heard: string[] = [];
    await pool.client.subscribe('tide', (message) => heard.push(message));
    const isHeardAt = async (id: string) => {
      await until(() => activeOf(pool) === id, NOTICED_MS);
      await until(async () => Number(await pool.client.publish('tide', id)) === 1, NOTICED_MS);
      await until(() => heard.includes(id));
      heard.length = 0;
    };
    for (const [fail, mend] of [
      [() => a.kill(), () => a.restart()],
      [() => a.pause(), () => a.resume()],
    ] as const) {
      await fail();
      await isHeardAt('b');
      await mend();
      await isHeardAt('a');
    }
  });

  test('keeps to an endpoint whose password is right', async () => {
    await using closed = await startPrivateServer({ password: 'for-another' });
    const endpoints = [
      { id: 'a', url: a.url, weight: 3 },
      { id: 'refusing', url: `redis://:wrong-word@127.0.0.1:${closed.port}`, weight: 2 },
      { id: 'b', url: b.url, weight: 1 },
    ];
    const pool = openPool({ endpoints, failover: QUICK });
    await pool.client.ping();
    a.pause();
    await until(() => activeOf(pool) === 'b', NOTICED_MS);
    expect(JSON.stringify(pool.status())).not.toContain('wrong-word');
    a.resume();
  });
});

describe('a switch by hand', () => {
  test('costs callers nothing: each write runs once, at one of the two', async () => {
    const { pool, events } = open();
    let isOver = false;
    const tokens: string[] = [];
    const errors: unknown[] = [];
    const callers = Array.from({ length: 20 }, async (_, caller) => {
      for (let number = 0; !isOver; number++) {
        const token = `${caller}:${number}`;
        const { code, error } = await outcomeOf(pool.client.rPush('moved', token));
        if (code === 'ok') tokens.push(token);
        else errors.push(error);
      }
    });
    for (const id of ['b', 'a', 'b', 'a']) {
      await sleep(100);
      await pool.switchTo(id);
    }
    isOver = true;
    await Promise.all(callers);
    expect(errors).toEqual([]);
    expect(events).toEqual(['a>b manual', 'b>a manual', 'a>b manual', 'b>a manual']);
    const lists = await Promise.all(
      [a, b].map((server) => ask<string[]>(server, 'LRANGE', 'moved', '0', '-1')),
    );
    expect(lists.flat().sort()).toEqual(tokens.sort());
    for (const list of lists) expect(list.length).toBeGreaterThan(0);
    await Promise.all([a, b].map((server) => ask(server, 'DEL', 'moved')));
  });

  test('lets what blocks go on there: nothing is lost', async () => {
    const { pool } = open();
    const popped = outcomeOf(pool.client.blPop('jobs', 0));
    const onDuplicate = outcomeOf(pool.client.duplicate().blPop('jobs', 0));
    const blockedAt = (server: PrivateServer) =>
      ask<string>(server, 'INFO', 'clients').then(
        (text) => /blocked_clients:(\d+)/.exec(text)?.[1],
      );
    await until(async () => (await blockedAt(a)) === '2');
    await pool.switchTo('b');
    await until(async () => (await blockedAt(b)) === '2');
    expect(await blockedAt(a)).toBe('0');
    await ask(b, 'RPUSH', 'jobs', 'one', 'two');
    const elements = [await popped, await onDuplicate].map(({ value }) => value?.element);
    expect(elements.sort()).toEqual(['one', 'two']);
    expect(await ask(b, 'EXISTS', 'jobs')).toBe(0);
  });

  test('ends leases and their transactions, which begin anew', async () => {
    const { pool } = open();
    await using lease = await pool.acquire();
    await lease.client.watch('key');
    await pool.switchTo('b');
    const exec = await outcomeOf(lease.client.multi().set('key', '1').exec());
    expect(exec).toMatchObject({ code: 'CONNECTION_LOST', error: { sent: false } });
    await pool.withLease(async (client) => {
      await client.watch('key');
      expect(await client.multi().set('key', '2').exec()).toEqual(['OK']);
    });
    expect([await ask(a, 'GET', 'key'), await ask(b, 'GET', 'key')]).toEqual([null, '2']);
    await ask(b, 'DEL', 'key');
  });

  test('takes scripts along', async () => {
    const say = defineScript({
      SCRIPT: 'return ARGV[1]',
      NUMBER_OF_KEYS: 0,
      parseCommand: (parser, text: string) => parser.push(text),
      transformReply: undefined as unknown as () => string,
    });
    const endpoints = [
      { id: 'a', url: a.url, weight: 2 },
      { id: 'b', url: b.url },
    ];
    await using pool = createPool({ endpoints, failover: QUICK, scripts: { say } }, {});
    expect(await pool.client.say('at a')).toBe('at a');
    await pool.switchTo('b');
    expect(await pool.client.say('at b')).toBe('at b');
  });

  test('is refused for an endpoint that is away, and for a pool without any', async () => {
    const { pool } = open();
    await b.kill();
    const refused = await outcomeOf(pool.switchTo('b'));
    expect(refused.code).toBe('CONNECT_FAILED');
    expect(refused.error?.message).toMatch(/b fails its health check/);
    expect(activeOf(pool)).toBe('a');
    await b.restart();
    const single = openPool({ url: a.url });
    expect((await outcomeOf(single.switchTo('a'))).code).toBe('INVALID_ARGUMENT');
    expect(single.status().failover).toBeUndefined();
    await single.close();
    expect((await outcomeOf(single.switchTo('a'))).code).toBe('POOL_CLOSED');
  });

  test('does not bounce off an endpoint that was left before', async () => {
    const { pool, events } = open({}, { graceMs: 60_000 });
    a.pause();
    await until(() => activeOf(pool) === 'b', NOTICED_MS);
    a.resume();
    await until(() => pool.status().failover?.endpoints[0]?.state === 'grace', NOTICED_MS);
    await pool.switchTo('a');
    await sleep(1_500);
    expect(events).toEqual(['a>b health-check', 'b>a manual']);
  });
});

describe('where no endpoint answers', () => {
  const outage = { breaker: { patienceMs: 600 } };

  test('callers are told soon, at once later, and served again when one is back', async () => {
    const { pool, events } = open(outage);
    await pool.client.ping();
    await Promise.all([a.kill(), b.kill()]);
    await until(() => events.includes('down'), NOTICED_MS);
    const { client } = pool;
    const first = await Promise.all([
      outcomeOf(client.set('lost', '1')),
      outcomeOf(client.get('x')),
    ]);
    expect(first.map(({ code }) => code)).toEqual(['BREAKER_OPEN', 'BREAKER_OPEN']);
    expect(slowest(first)).toBeLessThan(4_000);
    const later = [await outcomeOf(client.set('lost', '1')), await outcomeOf(client.blPop('x', 0))];
    expect(later.map(({ code }) => code)).toEqual(['BREAKER_OPEN', 'BREAKER_OPEN']);
    expect(slowest(later)).toBeLessThan(200);
    expect(pool.status().state).toBe('down');
    await b.restart();
    const backAt = performance.now();
    await until(async () => (await outcomeOf(pool.client.ping())).code === 'ok', NOTICED_MS);
    expect(performance.now() - backAt).toBeLessThan(1_500);
    // What was refused did not run after all.
    expect(await pool.client.get('lost')).toBeNull();
    expect(activeOf(pool)).toBe('b');
    await a.restart();
  });

  test('though all only hang, nobody waits for ever, and it goes on', async () => {
    const { pool, events } = open({ ...outage, commandTimeoutMs: 8_000 });
    await pool.client.ping();
    for (const server of [a, b]) server.pause();
    await until(() => events.includes('down'), NOTICED_MS);
    expect(await outcomeOf(pool.client.get('key'))).toMatchObject({ code: 'BREAKER_OPEN' });
    for (const server of [a, b]) server.resume();
    await until(async () => (await outcomeOf(pool.client.ping())).code === 'ok', NOTICED_MS);
    expect(pool.status().state).toBe('ready');
  });

  test('at the start too, and a listener that comes after createPool() hears of it', async () => {
    await Promise.all([a.kill(), b.kill()]);
    const { pool, events } = open(outage);
    expect((await outcomeOf(pool.client.get('key'))).code).toBe('BREAKER_OPEN');
    expect(events).toEqual(['down']);
    expect(pool.status().failover?.endpoints.map(({ state }) => state)).toEqual([
      'unhealthy',
      'unhealthy',
    ]);
    await Promise.all([a.restart(), b.restart()]);
    await until(() => activeOf(pool) !== undefined, NOTICED_MS);
  });
});

describe('beside that', () => {
  test('a first endpoint that is away at the start is left for the second', async () => {
    await a.kill();
    const { pool } = open();
    const { code, tookMs } = await outcomeOf(pool.client.set('start', 'b'));
    expect(code).toBe('ok');
    expect(tookMs).toBeLessThan(1_500);
    await a.restart();
  });

  test('connect() again and again leaves the pool as it is', async () => {
    const { pool, events } = open();
    const { client } = pool;
    for (let round = 0; round < 5; round++) await client.connect().catch(() => undefined);
    expect(await client.ping()).toBe('PONG');
    expect([events, activeOf(pool)]).toEqual([[], 'a']);
  });

  test('checks cost each endpoint one connection, and failing ones leave none', async () => {
    await using silent = await startFakeServer(staysSilent);
    const endpoints = [
      { id: 'a', url: a.url, weight: 2 },
      { id: 'silent', url: silent.url },
      { id: 'b', url: b.url, weight: 0 },
    ];
    const failover = { ...QUICK, checkIntervalMs: 50, probes: 1 };
    const pool = openPool({ endpoints, failover, name: 'counted' });
    await pool.client.ping();
    await sleep(2_500);
    const countAt = async (server: PrivateServer) =>
      (await ask<string>(server, 'CLIENT', 'LIST')).split('name=counted').length - 1;
    expect([await countAt(a), await countAt(b)]).toEqual([2, 1]);
    expect(silent.openConnections).toBeLessThanOrEqual(1);
    await pool.close();
    await until(async () => (await countAt(a)) + (await countAt(b)) === 0);
  });

  test('the process stays as long as somebody waits, and ends when nobody does', async () => {
    const program = `
      import { createPool } from 'plimsoll';
      const endpoints = [{ url: 'redis://127.0.0.1:9' }, { url: 'redis://127.0.0.1:10' }];
      const pool = createPool({ endpoints, breaker: { patienceMs: 500 } }, {});
      const { code } = await pool.client.get('key').catch((error) => error);
      console.log(code);
      // It goes on asking the endpoints, which is no reason to stay.
      pool.unref();
    `;
    const args = ['--input-type=module', '--eval', program];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      timeout: 15_000,
    });
    expect([stdout, stderr]).toEqual(['BREAKER_OPEN\n', '']);
  });

  test('REDIS_ENDPOINTS alone is enough', async () => {
    const env = { REDIS_ENDPOINTS: `${a.url} ${b.url}` };
    const pool = openPool({ failover: QUICK }, env);
    await pool.client.ping();
    const { endpoints } = pool.status().failover ?? {};
    expect(endpoints?.map(({ weight }) => weight)).toEqual([2, 1]);
    await a.kill();
    await pool.client.ping();
    expect(activeOf(pool)).toBe(`127.0.0.1:${b.port}`);
    await a.restart();
  });
});

describe('a cluster as an endpoint', () => {
  const cluster = useCluster();

  test('is left as a whole, and gone back to, with keys in all its slots', async () => {
    const endpoints = [
      { id: 'cluster', cluster: { nodes: cluster().nodes }, weight: 2 },
      { id: 'b', url: b.url },
    ];
    const pool = openPool({ endpoints, failover: { ...QUICK, failbackIntervalMs: 0 } });
    const keys = Array.from({ length: 30 }, (_, index) => `key ${index}`);
    const setAll = (value: string) => Promise.all(keys.map((key) => pool.client.set(key, value)));
    await setAll('cluster');
    expect(pool.status().endpoints).toHaveLength(3);
    await pool.switchTo('b');
    await setAll('b');
    expect(await pool.client.mGet(keys)).toEqual(keys.map(() => 'b'));
    expect(await ask(b, 'DBSIZE')).toBeGreaterThanOrEqual(30);
    await pool.switchTo('cluster');
    expect(await pool.client.mGet(keys)).toEqual(keys.map(() => 'cluster'));
    await pool.client.del(keys);
    await ask(b, 'DEL', ...keys);
    for (const server of cluster().servers) server.pause();
    await until(() => activeOf(pool) === 'b', NOTICED_MS);
    expect((await outcomeOf(pool.client.get('key 1'))).code).toBe('ok');
    for (const server of cluster().servers) server.resume();
  });
});

describe('a group behind sentinels as an endpoint', () => {
  let group: SentinelSetup;
  beforeAll(async () => {
    group = await startSentinels();
  });
  afterAll(async () => {
    await group?.stop();
  });

  test('mends its own failover, where one is patient enough', async () => {
    const sentinel = { name: PRIMARY_NAME, nodes: group.nodes };
    const endpoints = [
      { id: 'group', sentinel, weight: 2 },
      { id: 'b', url: b.url },
    ];
    const failover = { ...QUICK, policy: 'any', probes: 8, probePauseMs: 500, patienceMs: 5_000 };
    const pool = openPool({ endpoints, failover, breaker: { patienceMs: 10_000 } });
    await pool.client.set('in', 'group');
    const after = await group.failOver();
    await until(async () => {
      const { value } = await outcomeOf(pool.client.info('server'));
      return value?.includes(`tcp_port:${after.port}`) === true;
    }, 10_000);
    expect(activeOf(pool)).toBe('group');
    for (const server of group.servers) await server.kill();
    await until(() => activeOf(pool) === 'b', 20_000);
    expect(await pool.client.set('in', 'b')).toBe('OK');
    expect(await ask(b, 'GET', 'in')).toBe('b');
  });
});
