// What a topology knows of a real cluster: found from one node, and followed when slots move,
// primaries change, and nodes say their addresses in all the ways that they can.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { PrivateServer } from '../../scripts/redis-server.js';
import { systemClock } from '../../src/base/clock.js';
import { keySlot } from '../../src/base/key-slot.js';
import { routeOf } from '../../src/base/route.js';
import type { PoolOptions } from '../../src/config/options.js';
import { resolveOptions } from '../../src/config/resolve.js';
import { ClusterTopology } from '../../src/topology/cluster/cluster.js';
import { question } from '../../src/topology/question.js';
import type { Endpoint } from '../../src/topology/topology.js';
import { type Certificates, makeCertificates, SERVER_NAME } from '../support/certificates.js';
import { startCluster, type TestCluster, useCluster } from '../support/clusters.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const FAILOVER_MS = 15_000;
/** From the moment that the new primary says that it is one, ms. */
const SEEN_MS = 500;

const opened: { topology: ClusterTopology; counter: { changes: number } }[] = [];
afterEach(() => {
  for (const { topology } of opened.splice(0)) topology.stop();
});

async function openTopology(
  nodes: readonly { host: string; port: number }[],
  options: PoolOptions & { addressMap?: object } = {},
) {
  const { addressMap, ...rest } = options;
  const cluster = { nodes, ...(addressMap === undefined ? {} : { addressMap }) };
  const { target } = resolveOptions({ cluster, ...rest } as object, {});
  const topology = new ClusterTopology(target.cluster as never, target, systemClock, Math.random);
  const counter = { changes: 0 };
  topology.start({ onChange: () => counter.changes++ });
  opened.push({ topology, counter });
  await topology.look();
  return { topology, counter };
}

/** What the endpoint's server says to a command, an error's text too. */
async function ask(endpoint: Endpoint | undefined, ...args: string[]): Promise<unknown> {
  const link = await endpoint?.source.connect(AbortSignal.timeout(5_000), true);
  if (link === undefined) throw new Error('There is no endpoint.');
  try {
    return await question(link, args, 2_000, systemClock);
  } catch (error) {
    return (error as Error).message;
  } finally {
    link.destroy(new Error('The test has asked'));
  }
}

const portOf = (endpoint: Endpoint | undefined) => Number(endpoint?.id.split(':').at(-1));
const ownerIn = (topology: ClusterTopology, slot: number) => topology.route(routeOf(slot, 'write'));
const portsOf = (servers: readonly PrivateServer[]) => servers.map(({ port }) => port).sort();
const seedOf = (cluster: TestCluster) => cluster.nodes.slice(0, 1);

describe('a cluster with replicas', () => {
  const cluster = useCluster({ replicas: 1 });

  test('is found from one node: who serves which slot, and who is a replica', async () => {
    const { topology } = await openTopology(seedOf(cluster()));
    expect(topology.endpoints.map(portOf).sort()).toEqual(portsOf(cluster().servers));
    for (const key of ['a', 'b', 'c', 'd', '{tag}x']) {
      const owner = ownerIn(topology, keySlot(key));
      expect(portOf(owner)).toBe((await cluster().ownerOf(keySlot(key))).port);
      expect(await ask(owner, 'SET', key, key)).toBe('OK');
    }
    const roles = topology.endpoints.map(({ role }) => role).sort();
    expect(roles).toEqual(['primary', 'primary', 'primary', 'replica', 'replica', 'replica']);
  });

  test('is found though all nodes of the options but one are gone', async () => {
    const dead = [9, 10, 11].map((port) => ({ host: '127.0.0.1', port }));
    const gone = [...dead, { host: 'no-such-host.invalid', port: 7_000 }];
    const { topology } = await openTopology([...gone, ...seedOf(cluster())]);
    expect(topology.endpoints).toHaveLength(6);
  });

  test('is read from replicas, whose connections may read from the first command on', async () => {
    const { topology } = await openTopology(seedOf(cluster()), { reads: 'prefer-replica' });
    const slot = keySlot('a');
    await ask(ownerIn(topology, slot), 'SET', 'a', 'a');
    const replica = topology.route(routeOf(slot, 'read'));
    expect(replica?.role).toBe('replica');
    await until(async () => (await ask(replica, 'GET', 'a')) === 'a');
    expect(String(await ask(replica, 'SET', 'a', 'b'))).toMatch(/^MOVED /);
  });

  test('says where a slot has gone as soon as its old owner does', async () => {
    const { topology, counter } = await openTopology(seedOf(cluster()));
    const slot = keySlot('voyage');
    const from = ownerIn(topology, slot) as Endpoint;
    const to = (await cluster().primaries()).find(({ port }) => port !== portOf(from));
    await cluster().moveSlot(slot, to as PrivateServer);
    const [, number, address] = String(await ask(from, 'GET', 'voyage')).split(' ');
    expect(Number(number)).toBe(slot);
    expect(portOf(ownerIn(topology, slot))).toBe(portOf(from));
    topology.report({ kind: 'moved', from, slot, to: address as string });
    expect(portOf(ownerIn(topology, slot))).toBe(to?.port);
    expect(portOf(ownerIn(topology, slot + 1))).toBe(portOf(from));
    await topology.look();
    expect(portOf(ownerIn(topology, slot))).toBe(to?.port);
    expect(counter.changes).toBeGreaterThanOrEqual(2);
  });

  test('names the node that ASK means, and moves nothing', async () => {
    const { topology } = await openTopology(seedOf(cluster()));
    const slot = keySlot('halfway');
    const owner = ownerIn(topology, slot) as Endpoint;
    const to = (await cluster().primaries()).find(({ port }) => port !== portOf(owner));
    const source = await cluster().beginMove(slot, to as PrivateServer);
    const [kind, , address] = String(await ask(owner, 'GET', 'halfway')).split(' ');
    expect(kind).toBe('ASK');
    expect(portOf(topology.endpointAt(address as string, owner))).toBe(to?.port);
    expect(ownerIn(topology, slot)).toBe(owner);
    await cluster().endMove(slot, source);
  });

  test('shows a planned failover in the next look', async () => {
    const { topology } = await openTopology(seedOf(cluster()));
    const [primary] = (await cluster().primaries()) as [PrivateServer];
    const [replica] = (await cluster().replicasOf(primary)) as [PrivateServer];
    const before = topology.endpoints.find((each) => portOf(each) === primary.port) as Endpoint;
    await cluster().failOver(replica);
    topology.report({ kind: 'demoted', endpoint: before });
    const now = (port: number) => topology.endpoints.find((each) => portOf(each) === port);
    await until(() => now(primary.port)?.role === 'replica');
    expect(now(replica.port)?.role).toBe('primary');
    // Its connections are set up in another way from now on.
    expect(now(primary.port)?.source).not.toBe(before.source);
    await cluster().ready();
  });

  test('shows who took the place of a killed primary soon after', async () => {
    const { topology } = await openTopology(seedOf(cluster()));
    const slot = keySlot('kill');
    const primary = await cluster().ownerOf(slot);
    const [replica] = (await cluster().replicasOf(primary)) as [PrivateServer];
    const endpoint = ownerIn(topology, slot) as Endpoint;
    expect(topology.primariesWithoutReplica).toBe(0);
    await primary.kill();
    topology.report({ kind: 'unreachable', endpoint });
    await until(() => cluster().isPrimary(replica), FAILOVER_MS);
    const promotedAt = performance.now();
    await until(() => portOf(ownerIn(topology, slot)) === replica.port, FAILOVER_MS);
    const tookMs = performance.now() - promotedAt;
    console.log(`seen ${Math.round(tookMs)} ms after the promotion`);
    expect(tookMs).toBeLessThan(SEEN_MS);
    expect(topology.primariesWithoutReplica).toBe(1);
    await primary.restart();
    await cluster().ready();
    await until(async () => {
      await topology.look();
      return topology.primariesWithoutReplica === 0;
    });
  });

  test('is followed when every node of the options is gone', async () => {
    const [first] = cluster().servers as [PrivateServer];
    const { topology } = await openTopology([{ host: first.host, port: first.port }]);
    const endpoint = topology.endpoints.find((each) => portOf(each) === first.port) as Endpoint;
    await first.kill();
    topology.report({ kind: 'unreachable', endpoint });
    if (endpoint.role === 'primary') {
      await until(() => portOf(ownerIn(topology, 0)) !== first.port, FAILOVER_MS);
    }
    await topology.look();
    await first.restart();
    await cluster().ready();
  });
});

describe('the ways in which nodes say where they are', () => {
  const cluster = useCluster();
  const proxies: TcpProxy[] = [];

  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.stop();
  });

  /** Whether each slot's owner serves it. */
  async function isServed(topology: ClusterTopology): Promise<boolean> {
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      if ((await ask(ownerIn(topology, keySlot(key)), 'SET', key, '1')) !== 'OK') return false;
    }
    return true;
  }

  test('a host name', async () => {
    await cluster().configure('cluster-announce-hostname', 'localhost');
    await cluster().configure('cluster-preferred-endpoint-type', 'hostname');
    await until(async () => {
      const { topology } = await openTopology([
        { host: '127.0.0.1', port: seedOf(cluster())[0]?.port as number },
      ]);
      return topology.endpoints.every(({ id }) => id.startsWith('localhost:'));
    });
    const { topology } = await openTopology(seedOf(cluster()));
    expect(await isServed(topology)).toBe(true);
    const owner = ownerIn(topology, 0) as Endpoint;
    // By its IP address, as a node says that has not heard of names yet.
    const other = topology.endpoints.find((endpoint) => endpoint !== owner) as Endpoint;
    expect(topology.endpointAt(`127.0.0.1:${portOf(other)}`, owner)).toBe(other);
    expect(topology.endpointAt(`localhost:${portOf(other)}`, owner)).toBe(other);
  });

  test('a question mark, where names are preferred and there are none', async () => {
    await cluster().configure('cluster-announce-hostname', '');
    await cluster().configure('cluster-preferred-endpoint-type', 'hostname');
    await until(async () => {
      const seed = cluster().servers[0] as PrivateServer;
      const reply = JSON.stringify(await cluster().ask(seed, 'CLUSTER', 'SLOTS'));
      return (reply.match(/"\?"/g) ?? []).length === 3;
    });
    const { topology } = await openTopology(seedOf(cluster()));
    expect(topology.endpoints.map(portOf).sort()).toEqual(portsOf(cluster().servers));
    expect(await isServed(topology)).toBe(true);
  });

  test('nothing, which means the host that was asked', async () => {
    await cluster().configure('cluster-preferred-endpoint-type', 'unknown-endpoint');
    const port = cluster().servers[0]?.port as number;
    const { topology } = await openTopology([{ host: 'localhost', port }]);
    expect(topology.endpoints.map(({ id }) => id).sort()).toEqual(
      portsOf(cluster().servers).map((each) => `localhost:${each}`),
    );
    expect(await isServed(topology)).toBe(true);
    const slot = keySlot('a');
    const owner = ownerIn(topology, slot) as Endpoint;
    const other = topology.endpoints.find((endpoint) => endpoint !== owner) as Endpoint;
    const [, , address] = String(await ask(other, 'GET', 'a')).split(' ');
    expect(address).toMatch(/^:\d+$/);
    expect(topology.endpointAt(address as string, other)).toBe(owner);
    await cluster().configure('cluster-preferred-endpoint-type', 'ip');
  });

  test('ports of a NAT, by themselves or through a map', async () => {
    const map: Record<string, { host: string; port: number }> = {};
    for (const server of cluster().servers) {
      const proxy = await startTcpProxy({ host: server.host, port: server.port });
      proxies.push(proxy);
      map[`127.0.0.1:${server.port}`] = { host: '127.0.0.1', port: proxy.port };
    }
    const seeds = proxies.slice(0, 1).map(({ host, port }) => ({ host, port }));
    const proxied = portsOf(proxies as never);
    const mapped = await openTopology(seeds, { addressMap: map });
    expect(mapped.topology.endpoints.map(portOf).sort()).toEqual(proxied);
    expect(await isServed(mapped.topology)).toBe(true);
    const owner = ownerIn(mapped.topology, keySlot('a')) as Endpoint;
    const other = mapped.topology.endpoints.find((endpoint) => endpoint !== owner) as Endpoint;
    const [, , address] = String(await ask(other, 'GET', 'a')).split(' ');
    expect(mapped.topology.endpointAt(address as string, other)).toBe(owner);

    for (const [index, server] of cluster().servers.entries()) {
      const port = String(proxies[index]?.port);
      await cluster().ask(server, 'CONFIG', 'SET', 'cluster-announce-port', port);
    }
    await until(async () => {
      const { topology } = await openTopology(seeds);
      return topology.endpoints.map(portOf).sort().join() === proxied.join();
    }, 10_000);
    const announced = await openTopology(seeds);
    expect(await isServed(announced.topology)).toBe(true);
    await cluster().configure('cluster-announce-port', '0');
  });
});

describe('a cluster that wants a password', () => {
  const password = 'for-all-nodes';
  const cluster = useCluster({ password });

  test('is found with it, and says so where it is wrong', async () => {
    const { topology } = await openTopology(seedOf(cluster()), { password });
    expect(await ask(ownerIn(topology, 0), 'PING')).toBe('PONG');
    for (const wrong of [{ password: 'wrong-word' }, {}]) {
      const refused = openTopology(seedOf(cluster()), wrong);
      await expect(refused).rejects.toMatchObject({ code: 'AUTH_FAILED' });
      await refused.catch((error) => expect(error.message).not.toContain('wrong-word'));
    }
  });

  test('says which user may not ask', async () => {
    for (const server of cluster().servers) {
      const rules = ['on', '>pw', '~*', '+@all', '-cluster'];
      await cluster().ask(server, 'ACL', 'SETUSER', 'limited', ...rules);
    }
    const login = { username: 'limited', password: 'pw' };
    await expect(openTopology(seedOf(cluster()), login)).rejects.toMatchObject({
      code: 'AUTH_FAILED',
      message: expect.stringContaining('NOPERM'),
    });
    for (const server of cluster().servers) {
      await cluster().ask(server, 'ACL', 'SETUSER', 'limited', '+cluster|slots');
    }
    const { topology } = await openTopology(seedOf(cluster()), login);
    expect(topology.endpoints).toHaveLength(3);
  });
});

describe('a cluster with TLS', () => {
  let certificates: Certificates;
  let cluster: TestCluster;
  beforeAll(async () => {
    certificates = await makeCertificates();
    const { caFile, server } = certificates;
    cluster = await startCluster({ tls: { caFile, ...server } });
  });
  afterAll(async () => {
    await cluster?.stop();
    certificates?.remove();
  });

  test('is found by its TLS ports, under the names of its certificates', async () => {
    const tlsPorts = cluster.servers.map(({ tlsPort }) => tlsPort as number);
    const seeds = [{ host: '127.0.0.1', port: tlsPorts[0] as number }];
    const tls = { ca: certificates.ca };
    const byAddress = await openTopology(seeds, { tls });
    expect(byAddress.topology.endpoints.map(portOf).sort()).toEqual([...tlsPorts].sort());
    expect(await ask(ownerIn(byAddress.topology, 0), 'PING')).toBe('PONG');
    await expect(openTopology(seeds, { tls: true })).rejects.toMatchObject({ code: 'TLS_FAILED' });
    await cluster.configure('cluster-announce-hostname', 'localhost');
    await cluster.configure('cluster-preferred-endpoint-type', 'hostname');
    const withName = { ...tls, servername: SERVER_NAME };
    for (const options of [tls, withName]) {
      await until(async () => {
        const { topology } = await openTopology(seeds, { tls: options });
        return topology.endpoints.every(({ id }) => id.startsWith('localhost:'));
      });
    }
    const byName = await openTopology(seeds, { tls });
    for (const endpoint of byName.topology.endpoints) {
      expect(await ask(endpoint, 'PING')).toBe('PONG');
    }
  });
});
