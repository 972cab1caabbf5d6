// A cluster of private servers, with the verbs of those who run one: fail over, move slots, freeze a
// move half way. Time-outs are as short as a busy machine allows: a killed primary is replaced
// within 1 to 3 s, and a failed election is repeated 4 s later.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import {
  type PrivateServer,
  type PrivateServerOptions,
  startPrivateServer,
} from '../../scripts/redis-server.js';
import { createPool } from '../../src/index.js';

const SLOTS = 16_384;
const READY_MS = 20_000;
const POLL_MS = 50;

export interface ClusterSetupOptions {
  /** Default 3. */
  readonly primaries?: number;
  /** For each primary. Default 0. */
  readonly replicas?: number;
  /** After so long a silent node is said to be down. Default 500. */
  readonly nodeTimeoutMs?: number;
  readonly password?: string;
  /** Further arguments of each server. */
  readonly args?: readonly string[];
  readonly tls?: PrivateServerOptions['tls'];
}

export async function startCluster(options: ClusterSetupOptions = {}): Promise<TestCluster> {
  const { primaries = 3, replicas = 0, password, tls } = options;
  const args = serverArguments(options);
  const servers = await Promise.all(
    Array.from({ length: primaries * (1 + replicas) }, () =>
      startPrivateServer({
        args,
        ...(password === undefined ? {} : { password }),
        ...(tls === undefined ? {} : { tls }),
      }),
    ),
  );
  const cluster = new TestCluster(servers);
  try {
    await cluster.form(primaries);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/** Starts one before the suite's tests and stops it after them; call it inside `describe`. */
export function useCluster(options: ClusterSetupOptions = {}): () => TestCluster {
  let cluster: TestCluster | undefined;
  beforeAll(async () => {
    cluster = await startCluster(options);
  });
  afterAll(async () => {
    await cluster?.stop();
  });
  return () => {
    if (cluster === undefined) throw new Error('The cluster starts in beforeAll, ask later.');
    return cluster;
  };
}

function serverArguments(options: ClusterSetupOptions): string[] {
  const { nodeTimeoutMs = 500, password, args = [], tls } = options;
  return [
    ...['--cluster-enabled', 'yes', '--cluster-node-timeout', String(nodeTimeoutMs)],
    ...['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'],
    ...['--cluster-allow-replica-migration', 'no', '--cluster-replica-validity-factor', '0'],
    ...(password === undefined ? [] : ['--masterauth', password]),
    ...(tls === undefined ? [] : ['--tls-replication', 'yes', '--tls-cluster', 'yes']),
    ...args,
  ];
}

/** A line of CLUSTER SLOTS: from, to, and the ports of primary and replicas. */
interface Line {
  readonly start: number;
  readonly end: number;
  readonly ports: readonly number[];
}

export class TestCluster {
  readonly #pools = new Map<PrivateServer, ReturnType<typeof createPool>>();
  readonly #ids = new Map<PrivateServer, string>();

  /** Use `startCluster`, which also forms it. @param servers Primaries at the start come first. */
  constructor(readonly servers: readonly PrivateServer[]) {}

  get nodes(): { host: string; port: number }[] {
    return this.servers.map(({ host, port }) => ({ host, port }));
  }

  /** Sends a command to one of the servers, whatever it says of slots. */
  async ask<T>(server: PrivateServer, ...args: string[]): Promise<T> {
    let pool = this.#pools.get(server);
    if (pool === undefined) {
      const patience = { patienceMs: 500, maxPauseMs: 50 };
      pool = createPool(
        { url: server.url, maxConnections: 1, commandTimeoutMs: 2_000, breaker: patience },
        {},
      );
      this.#pools.set(server, pool);
    }
    return (await pool.client.sendCommand(args)) as T;
  }

  /** Gives the slots to the first ones in equal parts, and to each its replicas. */
  async form(primaries: number): Promise<void> {
    const { host, port, tlsPort } = this.servers[0] as PrivateServer;
    for (const [index, server] of this.servers.entries()) {
      await this.ask(server, 'CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
      if (index > 0) await this.ask(server, 'CLUSTER', 'MEET', host, String(tlsPort ?? port));
    }
    const bounds = Array.from({ length: primaries + 1 }, (_, index) =>
      Math.round((index * SLOTS) / primaries),
    );
    for (let index = 0; index < primaries; index++) {
      const [start, next] = bounds.slice(index) as [number, number];
      const server = this.servers[index] as PrivateServer;
      await this.ask(server, 'CLUSTER', 'ADDSLOTSRANGE', String(start), String(next - 1));
    }
    await this.#until(() => this.#knowEachOther(), 'The nodes did not come to know each other.');
    for (const [index, server] of this.servers.entries()) {
      if (index < primaries) continue;
      const primary = this.servers[index % primaries] as PrivateServer;
      await this.ask(server, 'CLUSTER', 'REPLICATE', await this.idOf(primary));
    }
    await this.ready();
  }

  /** Waits until all that run serve and agree, and replicas are in step. */
  async ready(): Promise<void> {
    await this.#until(() => this.#isReady(), 'The cluster did not become ready.');
  }

  /** A node's own number, 40 characters. */
  async idOf(server: PrivateServer): Promise<string> {
    const id = this.#ids.get(server) ?? (await this.ask<string>(server, 'CLUSTER', 'MYID'));
    this.#ids.set(server, id);
    return id;
  }

  async ownerOf(slot: number): Promise<PrivateServer> {
    const line = (await this.#lines()).find(({ start, end }) => start <= slot && slot <= end);
    return this.#serverAt(line?.ports[0]);
  }

  async primaries(): Promise<PrivateServer[]> {
    const ports = new Set((await this.#lines()).map((line) => line.ports[0]));
    return [...ports].map((port) => this.#serverAt(port));
  }

  async replicasOf(primary: PrivateServer): Promise<PrivateServer[]> {
    const line = (await this.#lines()).find(({ ports }) => ports[0] === primary.port);
    return (line?.ports.slice(1) ?? []).map((port) => this.#serverAt(port));
  }

  async isPrimary(server: PrivateServer): Promise<boolean> {
    const role = await this.ask<unknown[]>(server, 'ROLE').catch(() => []);
    return role[0] === 'master';
  }

  /**
   * Makes a replica the primary; settles when it says so itself.
   * @param mode `FORCE` where its primary is dead, `TAKEOVER` where there is no majority.
   */
  async failOver(replica: PrivateServer, mode?: 'FORCE' | 'TAKEOVER'): Promise<void> {
    const words = mode === undefined ? [] : [mode];
    const deadline = performance.now() + READY_MS;
    while (!(await this.isPrimary(replica))) {
      if (performance.now() > deadline) throw new Error('There was no failover.');
      await this.ask(replica, 'CLUSTER', 'FAILOVER', ...words).catch(() => undefined);
      for (let look = 0; look < 40 && !(await this.isPrimary(replica)); look++)
        await sleep(POLL_MS);
    }
  }

  /** A slot is on its way: keys that the source lacks are asked for at the destination (ASK). */
  async beginMove(slot: number, to: PrivateServer): Promise<PrivateServer> {
    const from = await this.ownerOf(slot);
    const [source, destination] = [await this.idOf(from), await this.idOf(to)];
    await this.ask(to, 'CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', source);
    await this.ask(from, 'CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', destination);
    return from;
  }

  /** Takes keys of a slot that is on its way to the other side. @param keys Default: all. */
  async moveKeys(
    slot: number,
    from: PrivateServer,
    to: PrivateServer,
    keys?: readonly string[],
  ): Promise<void> {
    const moving =
      keys ?? (await this.ask<string[]>(from, 'CLUSTER', 'GETKEYSINSLOT', String(slot), '100000'));
    if (moving.length === 0) return;
    const where = [to.host, String(to.port), '', '0', '5000'];
    await this.ask(from, 'MIGRATE', ...where, 'KEYS', ...moving);
  }

  /** Ends a move. @param among Who is told at once, by default all; others hear of it later. */
  async endMove(
    slot: number,
    to: PrivateServer,
    among: readonly PrivateServer[] = this.servers,
  ): Promise<void> {
    const id = await this.idOf(to);
    const told = [to, ...among.filter((server) => server !== to && server.running)];
    for (const server of told) {
      const words = ['CLUSTER', 'SETSLOT', String(slot), 'NODE', id];
      // A replica takes it from its primary.
      await this.ask(server, ...words).catch(() => undefined);
    }
  }

  async moveSlot(slot: number, to: PrivateServer): Promise<void> {
    const from = await this.beginMove(slot, to);
    const deadline = performance.now() + READY_MS;
    for (;;) {
      await this.moveKeys(slot, from, to);
      await this.endMove(slot, to);
      if (await this.#agreeSoon()) return;
      if (performance.now() > deadline) throw new Error(await this.#disagreement());
      // Among stale words of other nodes, the new owner's count for more from now on.
      await this.ask(to, 'CLUSTER', 'BUMPEPOCH');
    }
  }

  /** On all that run. */
  async configure(...setting: string[]): Promise<void> {
    const running = this.servers.filter((server) => server.running);
    await Promise.all(running.map((server) => this.ask(server, 'CONFIG', 'SET', ...setting)));
  }

  async stop(): Promise<void> {
    for (const pool of this.#pools.values()) await pool.close({ timeoutMs: 0 });
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  /** As any of those says who runs. */
  async #lines(): Promise<Line[]> {
    for (const server of this.servers) {
      if (!server.running) continue;
      const lines = await this.#linesOf(server);
      if (lines.length > 0) return lines;
    }
    return [];
  }

  async #linesOf(server: PrivateServer): Promise<Line[]> {
    const reply = await this.ask<unknown[][]>(server, 'CLUSTER', 'SLOTS').catch(() => []);
    return reply.map(([start, end, ...nodes]) => ({
      start: start as number,
      end: end as number,
      ports: nodes.map((node) => Number((node as unknown[])[1])),
    }));
  }

  #serverAt(port: number | undefined): PrivateServer {
    const server = this.servers.find((each) => each.port === port);
    if (server === undefined) throw new Error(`No server of this cluster has the port ${port}.`);
    return server;
  }

  async #knowEachOther(): Promise<boolean> {
    for (const server of this.servers) {
      const list = await this.ask<string>(server, 'CLUSTER', 'NODES');
      const nodes = list.trim().split('\n');
      if (nodes.length !== this.servers.length || /handshake/.test(list)) return false;
    }
    return true;
  }

  async #isReady(): Promise<boolean> {
    const running = this.servers.filter((server) => server.running);
    for (const server of running) {
      const info = await this.ask<string>(server, 'CLUSTER', 'INFO').catch(() => '');
      if (!/cluster_state:ok/.test(info) || !/cluster_slots_ok:16384/.test(info)) return false;
      const replication = await this.ask<string>(server, 'INFO', 'replication');
      if (/role:slave/.test(replication) && !/master_link_status:up/.test(replication)) {
        return false;
      }
    }
    return (await this.#agree()) && (await this.#listed()) === running.length;
  }

  /**
   * A replica that has not heard of a move yet would forget it in a failover; and who has not heard of
   * its epoch may make the next move under an older one, on which nodes never agree.
   */
  async #agree(): Promise<boolean> {
    const running = this.servers.filter((server) => server.running);
    const views = await Promise.all(
      running.map(async (server) => {
        const info = await this.ask<string>(server, 'CLUSTER', 'INFO').catch(() => '');
        const epoch = /cluster_current_epoch:(\d+)/.exec(info)?.[1];
        return JSON.stringify([epoch, normal(await this.#linesOf(server))]);
      }),
    );
    return new Set(views).size === 1;
  }

  async #agreeSoon(): Promise<boolean> {
    for (let look = 0; look < 40; look++) {
      if (await this.#agree()) return true;
      await sleep(POLL_MS);
    }
    return false;
  }

  async #disagreement(): Promise<string> {
    const running = this.servers.filter((server) => server.running);
    const views = await Promise.all(
      running.map((server) => this.ask<string>(server, 'CLUSTER', 'NODES').catch(String)),
    );
    return `The nodes did not agree on who has which slot:\n${views.join('\n')}`;
  }

  /** How many nodes CLUSTER SLOTS has. */
  async #listed(): Promise<number> {
    return new Set((await this.#lines()).flatMap(({ ports }) => ports)).size;
  }

  async #until(condition: () => Promise<boolean>, problem: string): Promise<void> {
    const deadline = performance.now() + READY_MS;
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(problem);
      await sleep(POLL_MS);
    }
  }
}

/** The same for all who say the same. */
function normal(lines: readonly Line[]): unknown[] {
  return lines
    .map(({ start, end, ports: [primary, ...replicas] }) => [start, end, primary, replicas.sort()])
    .sort(([one], [other]) => (one as number) - (other as number));
}
