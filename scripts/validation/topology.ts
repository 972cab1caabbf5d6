// Servers of our own in which a replica takes over: a cluster of three primaries with a replica each, or
// a primary with two replicas and three sentinels. They keep their data as in production, and are told to
// call a silent server dead after two seconds.

import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createPool, type Pool } from 'plimsoll';
import { type PrivateServer, startPrivateServer } from '../redis-server.js';

export const TOPOLOGIES = ['cluster', 'sentinel'] as const;
export type TopologyName = (typeof TOPOLOGIES)[number];

/** After so long a silent server is said to be dead. */
const DEAD_AFTER_MS = 2_000;
const READY_MS = 30_000;
const POLL_MS = 20;
/** The machine may be as busy as it gets. */
const ASK_TIMEOUT_MS = 10_000;
const GROUP = 'validation';

export interface Topology {
  readonly name: TopologyName;
  readonly redisUrl: string;
  readonly what: string;
  /** Those with data, primaries and replicas. */
  readonly servers: readonly PrivateServer[];
  /** Of those that run. */
  primaries(): Promise<PrivateServer[]>;
  /** Settles when another server says that it has the place of one that was killed. */
  untilReplaced(victim: PrivateServer): Promise<void>;
  /** Settles when everybody who names the primary names another one: then it may come back. */
  untilForgotten(victim: PrivateServer): Promise<void>;
  ask<T>(server: PrivateServer, ...words: string[]): Promise<T>;
  stop(): Promise<void>;
}

/** @param args Of each server with data. */
export function startTopology(name: TopologyName, args: readonly string[]): Promise<Topology> {
  return name === 'cluster' ? Cluster.start(args) : SentinelGroup.start(args);
}

abstract class Servers {
  readonly #pools = new Map<PrivateServer, Pool>();
  #isStopped = false;

  constructor(
    readonly servers: readonly PrivateServer[],
    private readonly others: readonly PrivateServer[] = [],
  ) {}

  async ask<T>(server: PrivateServer, ...words: string[]): Promise<T> {
    if (this.#isStopped) throw new Error('The servers have been stopped.');
    let pool = this.#pools.get(server);
    if (pool === undefined) {
      const options = { url: server.url, maxConnections: 1, commandTimeoutMs: ASK_TIMEOUT_MS };
      pool = createPool({ ...options, breaker: { patienceMs: 100, maxPauseMs: 50 } }, {}) as Pool;
      this.#pools.set(server, pool);
    }
    return (await pool.client.sendCommand(words)) as T;
  }

  async primaries(): Promise<PrivateServer[]> {
    const running = this.servers.filter((server) => server.running);
    const roles = await Promise.all(running.map((server) => this.#roleOf(server)));
    return running.filter((_, index) => roles[index] === 'master');
  }

  async untilReplaced(victim: PrivateServer): Promise<void> {
    const count = (await this.primaries()).filter((server) => server !== victim).length;
    await until('another primary', async () => (await this.primaries()).length > count);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const pool of this.#pools.values()) await pool.close({ timeoutMs: 0 });
    await Promise.all([...this.others, ...this.servers].map((server) => server.stop()));
  }

  async #roleOf(server: PrivateServer): Promise<unknown> {
    const role = await this.ask<unknown[]>(server, 'ROLE').catch(() => []);
    return role[0];
  }

  /** Whether each replica is in step with its primary. */
  protected async areLinked(replicas: number): Promise<boolean> {
    const roles = await Promise.all(
      this.servers.map((server) => this.ask<unknown[]>(server, 'ROLE').catch(() => [])),
    );
    return (
      roles.filter(([role, , , link]) => role === 'slave' && link === 'connected').length ===
      replicas
    );
  }
}

class Cluster extends Servers implements Topology {
  readonly name = 'cluster';
  readonly what = `3 primaries with a replica each, cluster-node-timeout ${DEAD_AFTER_MS} ms`;

  static async start(args: readonly string[]): Promise<Cluster> {
    const own = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(DEAD_AFTER_MS)];
    const servers = await startAll(6, () => [...own, ...args]);
    const cluster = new Cluster(servers);
    try {
      const create = ['--cluster', 'create', ...servers.map(addressOf)];
      await promisify(execFile)('redis-cli', [
        ...create,
        '--cluster-replicas',
        '1',
        '--cluster-yes',
      ]);
      await until('a cluster that is whole', () => cluster.#isWhole());
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get redisUrl(): string {
    return `redis-cluster://${this.servers.map(addressOf).join(',')}`;
  }

  async untilForgotten(victim: PrivateServer): Promise<void> {
    const others = this.servers.filter((server) => server !== victim && server.running);
    const namesIt = async (server: PrivateServer) => {
      const lines = await this.ask<unknown[][]>(server, 'CLUSTER', 'SLOTS').catch(() => undefined);
      return lines?.some(([, , primary]) => (primary as unknown[])[1] === victim.port) ?? true;
    };
    await until('all to know of it', async () =>
      (await Promise.all(others.map(namesIt))).every((isNamed) => !isNamed),
    );
  }

  async #isWhole(): Promise<boolean> {
    for (const server of this.servers) {
      const info = await this.ask<string>(server, 'CLUSTER', 'INFO');
      if (!info.includes('cluster_state:ok')) return false;
    }
    return this.areLinked(3);
  }
}

class SentinelGroup extends Servers implements Topology {
  readonly name = 'sentinel';
  readonly what =
    `a primary with 2 replicas, 3 sentinels, down-after-milliseconds ${DEAD_AFTER_MS}`;
  readonly #sentinels: readonly PrivateServer[];

  constructor(servers: readonly PrivateServer[], sentinels: readonly PrivateServer[]) {
    super(servers, sentinels);
    this.#sentinels = sentinels;
  }

  static async start(args: readonly string[]): Promise<SentinelGroup> {
    const [primary] = (await startAll(1, () => args)) as [PrivateServer];
    const replicaOf = ['--replicaof', primary.host, String(primary.port)];
    const replicas = await startAll(2, () => [...args, ...replicaOf]);
    const configuration = [
      `sentinel monitor ${GROUP} ${primary.host} ${primary.port} 2`,
      `sentinel down-after-milliseconds ${GROUP} ${DEAD_AFTER_MS}`,
      `sentinel failover-timeout ${GROUP} 10000`,
      '',
    ].join('\n');
    const sentinels = await Promise.all(
      Array.from({ length: 3 }, () =>
        startPrivateServer({
          configFile: 'sentinel.conf',
          files: { 'sentinel.conf': configuration },
          args: ['--sentinel'],
        }),
      ),
    );
    const group = new SentinelGroup([primary, ...replicas], sentinels);
    try {
      await until('sentinels that know all', () => group.#isWhole());
      return group;
    } catch (error) {
      await group.stop();
      throw error;
    }
  }

  get redisUrl(): string {
    return `redis-sentinel://${this.#sentinels.map(addressOf).join(',')}/${GROUP}/0`;
  }

  async untilForgotten(victim: PrivateServer): Promise<void> {
    const named = async (sentinel: PrivateServer) => {
      const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', GROUP];
      return Number((await this.ask<[string, string]>(sentinel, ...words))[1]);
    };
    await until('all to know of it', async () =>
      (await Promise.all(this.#sentinels.map(named))).every((port) => port !== victim.port),
    );
  }

  async #isWhole(): Promise<boolean> {
    for (const sentinel of this.#sentinels) {
      const peers = await this.ask<unknown[]>(sentinel, 'SENTINEL', 'SENTINELS', GROUP);
      const replicas = await this.ask<unknown[]>(sentinel, 'SENTINEL', 'REPLICAS', GROUP);
      if (peers.length !== 2 || replicas.length !== 2) return false;
    }
    return this.areLinked(2);
  }
}

function startAll(count: number, args: () => readonly string[]): Promise<PrivateServer[]> {
  return Promise.all(Array.from({ length: count }, () => startPrivateServer({ args: args() })));
}

function addressOf({ host, port }: PrivateServer): string {
  return `${host}:${port}`;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${what}.`);
    await sleep(POLL_MS);
  }
}
