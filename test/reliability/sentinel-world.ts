// A primary with a replica, three sentinels, and a pool that knows the sentinels.

import type { PrivateServer } from '../../scripts/redis-server.js';
import { createPool, type PlimsollOptions, type Pool } from '../../src/index.js';
import { PRIMARY_NAME, type SentinelSetup, startSentinels } from '../support/sentinels.js';
import { until } from '../support/until.js';
import { type Fault, LATE, type Stage, type World, type WorldContext } from './fault.js';

/** A failed election is repeated after 4 s. */
const FAILOVER_MS = 20_000;
/** So long is no server silent on a busy machine. */
const NEVER_DOWN_MS = 5_000;
const RETRY_MS = 3_000;
const MAX_TRIES = 5;
const DEADLINE_MS = 1_000;
/** From the moment that the new primary takes writes (acceptance, ms). */
export const RETURN_MS = 500;
/** Between the old primary's end and the new one's beginning. */
export const IN_FAILOVER: readonly string[] = [...LATE, 'BREAKER_OPEN', 'READONLY', 'EXECABORT'];
const PASSWORD = 'of-everybody-else';
const POOL_NAME = 'under-test';

export interface SentinelWorld extends World {
  readonly setup: SentinelSetup;
  /** The primary, as the faults know it: in a split brain two servers say that they are. */
  current: PrivateServer;
  /** The other of the two servers. */
  readonly other: PrivateServer;
  /** When the other server says that it is the primary; it is the current one from then on. */
  promotion(withinMs?: number): Promise<number>;
  /** A planned failover. @returns When the new primary said that it is one. */
  failOver(): Promise<number>;
  untilInStep(): Promise<void>;
}

export type SentinelStage = Stage<SentinelWorld>;

export type SentinelFault = Omit<Fault<SentinelWorld>, 'topology' | 'build'> & {
  /** How long a server is silent until the sentinels replace it, ms. */
  readonly downAfterMs?: number;
  /** The sentinels log in as {@link WATCHER}. */
  readonly isLockable?: boolean;
  /** Further sentinels that the pool is given, before the real ones. */
  readonly liars?: (servers: readonly PrivateServer[]) => Promise<readonly Liar[]>;
};

/** What looks like a sentinel and is none. */
export interface Liar {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A user whom a server can lock out without anybody else noticing. */
export const WATCHER = { username: 'watcher', password: 'of-the-watcher' } as const;

export function behindSentinels(faults: readonly SentinelFault[]): Fault<SentinelWorld>[] {
  return faults.map((fault) => ({
    ...fault,
    topology: 'Sentinel',
    build: (context) => build(context, fault),
  }));
}

async function build(
  { found }: WorldContext,
  { isLockable = false, downAfterMs = NEVER_DOWN_MS, liars: startLiars }: SentinelFault,
): Promise<SentinelWorld> {
  // Without a password whoever is locked out goes on as the default user.
  const watcher = isLockable ? { watcher: WATCHER, password: PASSWORD } : {};
  const setup = await startSentinels({ server: found, sentinels: 3, downAfterMs, ...watcher });
  const liars = (await startLiars?.(setup.servers)) ?? [];
  const auditors = new Map<PrivateServer, Pool>();
  for (const server of setup.servers) {
    const auditor = createPool({ url: server.url, maxConnections: 1, name: 'auditor' }, {});
    await auditor.client.ping();
    auditors.set(server, auditor);
  }
  const nodes = [...liars.map(({ host, port }) => ({ host, port })), ...setup.nodes];
  const options: PlimsollOptions = {
    sentinel: { name: PRIMARY_NAME, nodes },
    ...(isLockable ? { password: PASSWORD } : {}),
    name: POOL_NAME,
    maxConnections: 8,
    laneDepth: 8,
    commandTimeoutMs: DEADLINE_MS,
    acquireTimeoutMs: DEADLINE_MS,
  };
  const world: SentinelWorld = {
    options,
    isLossy: true,
    setup,
    current: setup.servers[0] as PrivateServer,
    get other() {
      return setup.servers.find((server) => server !== world.current) as PrivateServer;
    },
    get auditor() {
      return auditors.get(world.current) as Pool;
    },
    async openConnections() {
      const lists = setup.servers
        .filter(({ running }) => running)
        .map((server) => setup.ask<string>(server, 'CLIENT', 'LIST'));
      const lines = (await Promise.all(lists)).flatMap((list) => String(list).split('\n'));
      return lines.filter((line) => line.includes(`name=${POOL_NAME}`)).length;
    },
    async promotion(withinMs = FAILOVER_MS) {
      const { other } = world;
      const isPrimary = async () => {
        const role = await setup.ask<unknown[]>(other, 'ROLE').catch(() => []);
        return role[0] === 'master';
      };
      await until(isPrimary, withinMs);
      world.current = other;
      return performance.now();
    },
    async failOver() {
      const [sentinel] = setup.sentinels as [PrivateServer];
      for (let tries = 1; ; tries++) {
        // A sentinel whose facts are too old gives up, and has to be told again.
        await setup.ask(sentinel, 'SENTINEL', 'FAILOVER', PRIMARY_NAME).catch(() => undefined);
        try {
          return await world.promotion(RETRY_MS);
        } catch (error) {
          if (tries === MAX_TRIES) throw error;
        }
      }
    },
    async untilInStep() {
      await until(() => setup.isInStep(), FAILOVER_MS);
      await setup.prepare();
    },
    lend: (pool, _key, use) => pool.withLease(use),
    async stop() {
      for (const auditor of auditors.values()) await auditor.close({ timeoutMs: 0 });
      for (const liar of liars) await liar.stop();
      await setup.stop();
    },
  };
  return world;
}
