// Under what terms a group behind sentinels is used all the same: sentinels that all moved, users who
// may not ask, TLS, a primary that was demoted before anybody knows; and each kind of server.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import { createPool, type PlimsollOptions } from '../../src/index.js';
import { type Certificates, makeCertificates } from '../support/certificates.js';
import { outcomeOf } from '../support/outcome.js';
import { afterHandshake, startScriptedServer } from '../support/scripted-server.js';
import {
  PRIMARY_NAME,
  type SentinelSetup,
  startSentinels,
  useSentinels,
} from '../support/sentinels.js';
import { foundServers } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const FAILOVER_MS = 15_000;

type Pool = ReturnType<typeof createPool>;

function openPool(nodes: SentinelSetup['nodes'], options: Partial<PlimsollOptions> = {}): Pool {
  return createPool({ sentinel: { name: PRIMARY_NAME, nodes }, ...options } as object, {});
}

const knowsReplicas = (pool: Pool, count: number) =>
  until(
    () => pool.status().endpoints.filter(({ role }) => role === 'replica').length === count,
    FAILOVER_MS,
  );

const serverOf = async (pool: Pool) =>
  Number(/tcp_port:(\d+)/.exec((await pool.client.info('server')).toString())?.[1]);

/** Settles once a write is taken by the server that is the primary by now. */
const movesTo = (pool: Pool, port: number) =>
  until(async () => (await serverOf(pool).catch(() => 0)) === port, FAILOVER_MS);

describe('sentinels that all moved', () => {
  const setup = useSentinels({ sentinels: 3 });

  test('are found by the seed’s name, though all addresses that were known are dead', async () => {
    const [seed] = setup().nodes as [{ host: string; port: number }];
    // A name that leads elsewhere later on.
    const name = await startTcpProxy(seed);
    const nodes = [{ host: '127.0.0.1', port: name.port }];
    await using pool = openPool(nodes, { reads: 'prefer-replica' });
    await knowsReplicas(pool, 1);
    for (const index of [0, 1, 2]) await setup().renewSentinel(index);
    await setup().prepare();
    name.target = setup().nodes[1] as { host: string; port: number };
    name.resetAll();
    const after = await setup().failOver();
    await movesTo(pool, after.port);
    expect(await pool.client.set('key', 'v')).toBe('OK');
    await knowsReplicas(pool, 1);
    await until(async () => (await pool.client.get('key')) === 'v');
    await name.stop();
  });
});

describe('a user who may not run ROLE', () => {
  const setup = useSentinels({ sentinels: 1 });

  test('believes the sentinels, of the primary and of replicas, over a failover too', async () => {
    for (const server of setup().servers) {
      const rights = ['~*', '&*', '+@all', '-role', '-info'];
      await setup().ask(server, 'ACL', 'SETUSER', 'guest', 'on', '>pw', ...rights);
    }
    const login = { username: 'guest', password: 'pw' };
    await using pool = openPool(setup().nodes, { ...login, reads: 'prefer-replica' });
    await knowsReplicas(pool, 1);
    expect(await pool.client.set('key', 'before')).toBe('OK');
    await until(async () => (await pool.client.get('key')) === 'before');
    await setup().failOver();
    await until(
      async () => (await outcomeOf(pool.client.set('key', 'after'))).code === 'ok',
      FAILOVER_MS,
    );
    await knowsReplicas(pool, 1);
    await until(async () => (await pool.client.get('key')) === 'after', FAILOVER_MS);
  });
});

describe('TLS to sentinels and to servers', () => {
  let certificates: Certificates;
  let setup: SentinelSetup;
  beforeAll(async () => {
    certificates = await makeCertificates();
    const { caFile, server } = certificates;
    setup = await startSentinels({ tls: { caFile, ...server } });
  });
  afterAll(async () => {
    await setup?.stop();
    certificates?.remove();
  });

  test('is used for all of them, over a failover too, each with its own options', async () => {
    const tls = { ca: certificates.ca };
    const sentinel = { name: PRIMARY_NAME, nodes: setup.nodes, tls };
    const options = { sentinel, tls, reads: 'prefer-replica' };
    await using pool = createPool(options as object, {});
    await knowsReplicas(pool, 1);
    expect(await pool.client.set('key', 'v')).toBe('OK');
    await until(async () => (await pool.client.get('key')) === 'v');
    const after = await setup.failOver();
    await movesTo(pool, after.port);
    const ports = setup.servers.map(({ tlsPort }) => `:${tlsPort}`);
    await knowsReplicas(pool, 1);
    for (const { address } of pool.status().endpoints) {
      expect(
        ports.some((port) => address.includes(port)),
        address,
      ).toBe(true);
    }
  });

  test('with a certificate that is not trusted is refused at once, at either', async () => {
    const tls = { ca: certificates.ca };
    const patience = { breaker: { patienceMs: 0, failures: 1 } };
    for (const [ofSentinel, ofServer] of [
      [true, tls],
      [tls, true],
    ]) {
      const sentinel = { name: PRIMARY_NAME, nodes: setup.nodes, tls: ofSentinel };
      await using pool = createPool({ sentinel, tls: ofServer, ...patience } as object, {});
      const { error, tookMs } = await outcomeOf(pool.client.ping());
      expect(error?.cause).toMatchObject({ code: 'TLS_FAILED' });
      expect(tookMs).toBeLessThan(1_500);
    }
  });
});

describe('a primary that was demoted, and that the sentinels name still', () => {
  let server: PrivateServer;
  beforeAll(async () => {
    server = await startPrivateServer();
  });
  afterAll(async () => {
    await server?.stop();
  });

  test('is not dialed in a loop, and takes writes soon after it is a primary again', async () => {
    const bulk = (text: string | number) => `$${`${text}`.length}\r\n${text}\r\n`;
    const answer = `*2\r\n${bulk(server.host)}${bulk(server.port)}`;
    await using sentinel = await startScriptedServer(
      afterHandshake(([, what]) => (what === 'GET-MASTER-ADDR-BY-NAME' ? answer : '*0\r\n')),
    );
    await using direct = createPool({ url: server.url }, {});
    const nodes = [{ host: sentinel.host, port: sentinel.port }];
    await using pool = openPool(nodes, { retryWrites: 'safe', commandTimeoutMs: 500 });
    expect(await pool.client.set('key', '0')).toBe('OK');
    const dialsOf = async () => {
      const info = await direct.client.info('stats');
      return Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
    };
    const before = await dialsOf();
    await direct.client.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    let isOver = false;
    const taken: number[] = [];
    const writing = (async () => {
      for (let value = 1; !isOver; value++) {
        const { code } = await outcomeOf(pool.client.set('key', String(value)));
        if (code === 'ok') taken.push(performance.now());
        await sleep(2);
      }
    })();
    await sleep(2_000);
    const dials = (await dialsOf()) - before;
    expect(taken).toEqual([]);
    await direct.client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    const againAt = performance.now();
    await until(() => taken.length > 0, 5_000);
    isOver = true;
    await writing;
    const tookMs = (taken[0] as number) - againAt;
    console.log(`${dials} dials in 2 s of READONLY; writes ${Math.round(tookMs)} ms after it`);
    expect(dials).toBeLessThan(60);
    expect(tookMs).toBeLessThan(2_000);
  });
});

describe.each(foundServers)('$kind $version behind sentinels', (found) => {
  const setup = useSentinels({ server: found, sentinels: 1 });

  test('serves reads from its replica, and goes on after a failover', async () => {
    await using pool = openPool(setup().nodes, { reads: 'prefer-replica' });
    await knowsReplicas(pool, 1);
    await pool.client.set('key', 'before');
    await until(async () => (await pool.client.get('key')) === 'before');
    const after = await setup().failOver();
    await movesTo(pool, after.port);
    await knowsReplicas(pool, 1);
    await pool.client.set('key', 'after');
    await until(async () => (await pool.client.get('key')) === 'after');
  });
});

describe('a group behind sentinels as one of several endpoints', () => {
  const setup = useSentinels({ sentinels: 1 });

  test('serves reads from its replica, whose loss does not make another endpoint be used', async () => {
    await using other = await startPrivateServer();
    const sentinel = { name: PRIMARY_NAME, nodes: setup().nodes };
    const endpoints = [
      { id: 'group', weight: 2, sentinel, reads: 'prefer-replica' },
      { id: 'other', weight: 1, url: other.url },
    ];
    const failover = { patienceMs: 100, checkIntervalMs: 1_000 };
    await using pool = createPool({ endpoints, failover } as object, {});
    await knowsReplicas(pool, 1);
    const [, replica] = setup().servers as [PrivateServer, PrivateServer];
    await pool.client.set('key', 'v');
    await until(() => setup().isInStep());
    await setup().ask(replica, 'CONFIG', 'RESETSTAT');
    for (let count = 0; count < 10; count++) expect(await pool.client.get('key')).toBe('v');
    const stats = await setup().ask<string>(replica, 'INFO', 'commandstats');
    expect(stats).toContain('cmdstat_get:calls=10');
    await replica.kill();
    for (let count = 0; count < 100; count++) {
      expect(await pool.client.get('key')).toBe('v');
      await sleep(5);
    }
    expect(pool.status().failover?.active).toBe('group');
    await replica.restart();
    await knowsReplicas(pool, 1);
  });
});
