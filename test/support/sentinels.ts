// A primary with replicas, and sentinels that watch it, all of them private servers. Time-outs are
// as short as a busy machine allows: a killed primary is replaced within 1 to 4 s.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import {
  type FoundServer,
  type PrivateServer,
  type PrivateServerOptions,
  startPrivateServer,
} from '../../scripts/redis-server.js';
import { createPool, PoolError } from '../../src/index.js';
import { until } from './until.js';

/**
 * Sentinel's own periods, ms. From 250 for PING on, a candidate's INFO is never too old. Sentinels that
 * have not heard of a failover undo it after four times `publish-period`, which has to be longer than
 * the second that the leader needs to notice that it worked.
 */
const PERIODS = [
  ...['info-period', '300', 'ping-period', '250', 'ask-period', '100', 'publish-period', '500'],
  ...['election-timeout', '1000', 'min-link-reconnect-period', '500'],
  ...['slave-reconf-timeout', '1000', 'tilt-period', '500'],
];
const READY_MS = 15_000;
/** A server that is back is found at the next attempt to connect. */
const RETURN_MS = 2_000;

export const PRIMARY_NAME = 'harbour';

export interface SentinelSetup {
  /** The first is the primary at the start. */
  readonly servers: readonly PrivateServer[];
  readonly sentinels: readonly PrivateServer[];
  readonly nodes: { host: string; port: number }[];
  /** Sends a command to one of the servers or sentinels. */
  ask<T>(server: PrivateServer, ...args: string[]): Promise<T>;
  /** The server that says it is the primary, among those that run. */
  findPrimary(): Promise<PrivateServer | undefined>;
  /** Whether the replica has all that the primary has: only then nothing is lost. */
  isInStep(): Promise<boolean>;
  /** A planned failover. @returns The new primary. */
  failOver(): Promise<PrivateServer>;
  /** Ends a sentinel for good and starts one at another address, which the others get to know. */
  renewSentinel(index: number): Promise<void>;
  /** Settles when the sentinels know each other and the replica, which is in step. */
  prepare(): Promise<void>;
  stop(): Promise<void>;
}

export interface SetupOptions {
  /** Which program the servers and sentinels are. Default: the first found. */
  readonly server?: FoundServer;
  readonly sentinels?: number;
  /** Default 1. */
  readonly replicas?: number;
  /** Further arguments of each server, by its place: 0 is the primary at the start. */
  readonly serverArgs?: (place: number) => readonly string[];
  /** Of servers and sentinels. */
  readonly tls?: PrivateServerOptions['tls'];
  /** How long a server has to be silent until it is taken for dead, ms. Default 400. */
  readonly downAfterMs?: number;
  /**
   * How long a promotion may take to be noticed, ms; else it is undone, and tried again after twice
   * that. Sentinels look once a second. Default 3,000.
   */
  readonly failoverTimeoutMs?: number;
  /** Password of the servers, not of the sentinels. */
  readonly password?: string;
  readonly sentinelPassword?: string;
  /** As whom the sentinels log in at the servers, so that they alone can be locked out. */
  readonly watcher?: { readonly username: string; readonly password: string };
}

export async function startSentinels(options: SetupOptions = {}): Promise<SentinelSetup> {
  const { password, sentinelPassword, watcher } = options;
  const user = watcher && [
    '--user',
    watcher.username,
    'on',
    `>${watcher.password}`,
    '~*',
    '&*',
    '+@all',
  ];
  const tlsArgs = options.tls === undefined ? [] : ['--tls-replication', 'yes'];
  const login = [...(user ?? []), ...(password === undefined ? [] : ['--masterauth', password])];
  const secret = password === undefined ? {} : { password };
  const program = options.server === undefined ? {} : { server: options.server };
  const tls = options.tls === undefined ? {} : { tls: options.tls };
  const prompt = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];
  const startServer = (place: number, args: readonly string[]) =>
    startPrivateServer({
      args: [...login, ...prompt, ...tlsArgs, ...args, ...(options.serverArgs?.(place) ?? [])],
      ...secret,
      ...program,
      ...tls,
    });
  const primary = await startServer(0, []);
  const replicaOf = ['--replicaof', '127.0.0.1', `${portOf(primary)}`];
  const replicas = await Promise.all(
    Array.from({ length: options.replicas ?? 1 }, (_, index) => startServer(index + 1, replicaOf)),
  );
  const count = options.sentinels ?? 1;
  const startSentinel = (watched: PrivateServer) =>
    startPrivateServer({
      configFile: 'sentinel.conf',
      files: { 'sentinel.conf': configuration(watched, Math.floor(count / 2) + 1, options) },
      args: ['--sentinel', ...tlsArgs],
      ...program,
      ...tls,
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
    });
  const sentinels = await Promise.all(Array.from({ length: count }, () => startSentinel(primary)));
  const setup = new Setup([primary, ...replicas], sentinels, startSentinel);
  await setup.prepare();
  return setup;
}

/** Starts them before the suite's tests and stops them after those; call it inside `describe`. */
export function useSentinels(options: SetupOptions = {}): () => SentinelSetup {
  let setup: SentinelSetup | undefined;
  beforeAll(async () => {
    setup = await startSentinels(options);
  });
  afterAll(async () => {
    await setup?.stop();
  });
  return () => {
    if (setup === undefined) throw new Error('The sentinels start in beforeAll, ask later.');
    return setup;
  };
}

/** Where servers find each other, and clients them. */
function portOf({ tlsPort, port }: PrivateServer): number {
  return tlsPort ?? port;
}

function configuration(
  primary: PrivateServer,
  quorum: number,
  { password, downAfterMs = 400, failoverTimeoutMs = 3_000, watcher }: SetupOptions,
): string {
  const secret = watcher?.password ?? password;
  return [
    `sentinel monitor ${PRIMARY_NAME} 127.0.0.1 ${portOf(primary)} ${quorum}`,
    `sentinel down-after-milliseconds ${PRIMARY_NAME} ${downAfterMs}`,
    `sentinel failover-timeout ${PRIMARY_NAME} ${failoverTimeoutMs}`,
    ...(watcher === undefined ? [] : [`sentinel auth-user ${PRIMARY_NAME} ${watcher.username}`]),
    ...(secret === undefined ? [] : [`sentinel auth-pass ${PRIMARY_NAME} ${secret}`]),
    '',
  ].join('\n');
}

type SeenReplica = Readonly<Record<string, string>>;

class Setup implements SentinelSetup {
  readonly #pools = new Map<PrivateServer, ReturnType<typeof createPool>>();

  constructor(
    readonly servers: readonly PrivateServer[],
    readonly sentinels: PrivateServer[],
    readonly startSentinel: (watched: PrivateServer) => Promise<PrivateServer>,
  ) {}

  get nodes(): { host: string; port: number }[] {
    return this.sentinels.map((sentinel) => ({ host: sentinel.host, port: portOf(sentinel) }));
  }

  async ask<T>(server: PrivateServer, ...args: string[]): Promise<T> {
    let pool = this.#pools.get(server);
    if (pool === undefined) {
      pool = createPool({ url: server.url, commandTimeoutMs: 1_000, breaker: { patienceMs: 500 } });
      this.#pools.set(server, pool);
    }
    const deadline = performance.now() + RETURN_MS;
    for (;;) {
      try {
        return (await pool.client.sendCommand(args)) as T;
      } catch (error) {
        const isRefused = error instanceof PoolError && error.code === 'BREAKER_OPEN';
        if (!isRefused || !server.running || performance.now() > deadline) throw error;
        await sleep(50);
      }
    }
  }

  async prepare(): Promise<void> {
    for (const sentinel of this.sentinels)
      await this.ask(sentinel, 'SENTINEL', 'DEBUG', ...PERIODS);
    await until(() => this.#isReady(), READY_MS);
  }

  findPrimary(): Promise<PrivateServer | undefined> {
    return this.#primaryAmong(this.servers);
  }

  async isInStep(): Promise<boolean> {
    const roles = await Promise.all(
      this.servers.map((server) => this.ask<unknown[]>(server, 'ROLE').catch(() => [])),
    );
    const linked = roles.filter(([role, , , state]) => role === 'slave' && state === 'connected');
    const replicas = roles.find(([role]) => role === 'master')?.[2];
    const count = this.servers.length - 1;
    return linked.length === count && Array.isArray(replicas) && replicas.length === count;
  }

  async failOver(): Promise<PrivateServer> {
    await until(() => this.#isReady(), READY_MS);
    const before = await this.findPrimary();
    const others = this.servers.filter((server) => server !== before);
    const deadline = performance.now() + READY_MS;
    for (;;) {
      // A sentinel whose facts are too old gives up, and has to be told again.
      const sentinel = this.sentinels[0] as PrivateServer;
      await this.ask(sentinel, 'SENTINEL', 'FAILOVER', PRIMARY_NAME).catch(() => undefined);
      for (let look = 0; look < 60; look++) {
        await sleep(50);
        const primary = await this.#primaryAmong(others);
        if (primary !== undefined) return await this.#untilAlone(primary, deadline);
      }
      if (performance.now() > deadline) throw new Error('There was no failover.');
    }
  }

  async renewSentinel(index: number): Promise<void> {
    const primary = await this.findPrimary();
    if (primary === undefined) throw new Error('There is no primary to watch.');
    const old = this.sentinels[index] as PrivateServer;
    await this.#pools.get(old)?.close({ timeoutMs: 0 });
    this.#pools.delete(old);
    await old.stop();
    this.sentinels[index] = await this.startSentinel(primary);
    // The gone one still counts for those who know it, until they look anew.
    for (const sentinel of this.sentinels) {
      await this.ask(sentinel, 'SENTINEL', 'RESET', PRIMARY_NAME);
    }
  }

  async stop(): Promise<void> {
    for (const pool of this.#pools.values()) await pool.close({ timeoutMs: 0 });
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()));
  }

  async #primaryAmong(servers: readonly PrivateServer[]): Promise<PrivateServer | undefined> {
    for (const server of servers) {
      if (!server.running) continue;
      const role = await this.ask<unknown[]>(server, 'ROLE').catch(() => []);
      if (role[0] === 'master') return server;
    }
    return undefined;
  }

  /** The old primary goes on as one for a while. */
  async #untilAlone(primary: PrivateServer, deadline: number): Promise<PrivateServer> {
    const others = this.servers.filter((server) => server !== primary);
    while ((await this.#primaryAmong(others)) !== undefined) {
      if (performance.now() > deadline) throw new Error('There are two primaries.');
      await sleep(50);
    }
    return primary;
  }

  async #isReady(): Promise<boolean> {
    if (!(await this.isInStep())) return false;
    for (const sentinel of this.sentinels) {
      const peers = await this.ask<unknown[]>(sentinel, 'SENTINEL', 'SENTINELS', PRIMARY_NAME);
      const replicas = await this.ask<SeenReplica[]>(
        sentinel,
        'SENTINEL',
        'REPLICAS',
        PRIMARY_NAME,
      );
      if (
        peers.length !== this.sentinels.length - 1 ||
        replicas.length !== this.servers.length - 1 ||
        !replicas.every(isSeenAsReplica)
      ) {
        return false;
      }
    }
    return true;
  }
}

/**
 * A sentinel that still takes an old primary's role for that of a primary would make it a replica
 * again as soon as it is promoted.
 */
function isSeenAsReplica(seen: SeenReplica): boolean {
  return seen['role-reported'] === 'slave';
}
