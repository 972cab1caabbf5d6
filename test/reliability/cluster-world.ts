// A cluster of three primaries with a replica each, and a pool that knows two of its nodes.

import type { PrivateServer } from '../../scripts/redis-server.js';
import { createPool, type PlimsollOptions, type Pool } from '../../src/index.js';
import { startCluster, type TestCluster } from '../support/clusters.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { type Fault, LATE, type Stage, type World } from './fault.js';

const DEADLINE_MS = 1_000;
/** A failed election is repeated after 4 s. */
const FAILOVER_MS = 20_000;
/** From the moment that the new primary says that it is one (acceptance, ms). */
export const RETURN_MS = 500;
/** So long is no node silent on a busy machine. */
const NODE_TIMEOUT_MS = 1_000;
const POOL_NAME = 'under-test';
/** While a shard has no primary. */
export const WITHOUT_PRIMARY: readonly string[] = [
  ...[...LATE, 'BREAKER_OPEN', 'READONLY', 'EXECABORT', 'CLUSTERDOWN', 'CONNECT_FAILED'],
  ...['MOVED', 'UNBLOCKED'],
];

export interface ClusterWorld extends World {
  readonly cluster: TestCluster;
  /** In front of the nodes, in the same order; empty where the fault needs none. */
  readonly proxies: readonly TcpProxy[];
  /** When a replica says that it is the primary. */
  promotion(replica: PrivateServer): Promise<number>;
  /** The one replica of a primary. */
  replicaOf(primary: PrivateServer): Promise<PrivateServer>;
}

export type ClusterStage = Stage<ClusterWorld>;

export type ClusterFault = Omit<Fault<ClusterWorld>, 'topology' | 'build'> & {
  /** Primaries are replaced without being asked: acknowledged writes may go with them. */
  readonly isLossy?: boolean;
  /** Nodes announce the ports of proxies. */
  readonly isBehindNat?: boolean;
  /** Further arguments of each server. */
  readonly args?: readonly string[];
};

export function inCluster(faults: readonly ClusterFault[]): Fault<ClusterWorld>[] {
  return faults.map((fault) => ({
    ...fault,
    topology: 'Cluster',
    build: () => build(fault),
  }));
}

async function build(fault: ClusterFault): Promise<ClusterWorld> {
  const { isLossy = false, isBehindNat = false, args = [] } = fault;
  const cluster = await startCluster({
    replicas: 1,
    nodeTimeoutMs: NODE_TIMEOUT_MS,
    // Shards that are well serve on while another one is away.
    args: ['--cluster-require-full-coverage', 'no', ...args],
  });
  const proxies = isBehindNat ? await putBehindNat(cluster) : [];
  const nodes = (isBehindNat ? proxies : cluster.servers).slice(0, 2);
  const options: PlimsollOptions = {
    cluster: { nodes: nodes.map(({ host, port }) => ({ host, port })) },
    name: POOL_NAME,
    maxConnections: 18,
    laneDepth: 8,
    commandTimeoutMs: DEADLINE_MS,
    acquireTimeoutMs: DEADLINE_MS,
  };
  const audited = { ...options, name: 'auditor', commandTimeoutMs: 5_000 };
  const auditor = createPool(audited as object, {}) as unknown as Pool;
  return {
    options,
    isLossy,
    cluster,
    proxies,
    auditor,
    async openConnections() {
      const running = cluster.servers.filter((server) => server.running);
      const lists = running.map((server) => cluster.ask<string>(server, 'CLIENT', 'LIST'));
      const lines = (await Promise.all(lists)).flatMap((list) => String(list).split('\n'));
      // Beside those of the pool there is one to each node that is asked for the slots.
      const isOfPool = (line: string) => !line.includes('cmd=cluster');
      return lines.filter((line) => line.includes(`name=${POOL_NAME}`) && isOfPool(line)).length;
    },
    letGo: () => void auditor.close({ timeoutMs: 0 }),
    async promotion(replica) {
      await until(() => cluster.isPrimary(replica), FAILOVER_MS);
      return performance.now();
    },
    async replicaOf(primary) {
      return (await cluster.replicasOf(primary))[0] as PrivateServer;
    },
    lend: (pool, key, use) => pool.withLease(use, { key } as object),
    async stop() {
      await auditor.close({ timeoutMs: 0 });
      for (const proxy of proxies) await proxy.stop();
      await cluster.stop();
    },
  };
}

async function putBehindNat(cluster: TestCluster): Promise<TcpProxy[]> {
  const proxies = await Promise.all(
    cluster.servers.map(({ host, port }) => startTcpProxy({ host, port })),
  );
  for (const [index, server] of cluster.servers.entries()) {
    const port = String(proxies[index]?.port);
    await cluster.ask(server, 'CONFIG', 'SET', 'cluster-announce-port', port);
  }
  // All have to hear of it from one another.
  const ports = proxies.map(({ port }) => `:${port}@`);
  await until(async () => {
    const views = await Promise.all(
      cluster.servers.map((server) => cluster.ask<string>(server, 'CLUSTER', 'NODES')),
    );
    return views.every((view) => ports.every((port) => view.includes(port)));
  }, FAILOVER_MS);
  return proxies;
}
