// Where a validation takes place: a Redis that keeps what it was told (or the one that REDIS_URL
// names), the service on it, and a pool of the validation's own to ask the server.

import { createPool, type Pool } from 'plimsoll';
import {
  type PrivateServer,
  type ServerAddress,
  serverFromEnvironment,
  startPrivateServer,
} from '../redis-server.js';
import { parseRedisState, type RedisState, readRedisState } from './redis-state.js';
import { type Service, type ServiceOptions, startService } from './service.js';
import { startTopology, type Topology, type TopologyName } from './topology.js';

/** As in production: acknowledged writes outlive the process. */
const PERSISTENT = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxclients', '10000'];

export interface Stage {
  readonly service: Service;
  /** Ours, so that it may be killed; `undefined`: REDIS_URL names somebody else's. */
  readonly privateServer: PrivateServer | undefined;
  readonly serverVersion: string;
  readonly redisUrl: string;
  /** The same service on another driver, or pinned; stop it when done. */
  startService(options?: Omit<ServiceOptions, 'redisUrl'>): Promise<Service>;
  redisState(): Promise<RedisState>;
  /** Drops all keys of our own Redis, so that what one driver left doesn't weigh on the next. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/** @param terms - Of the service. */
export async function openStage(
  terms: Pick<ServiceOptions, 'port' | 'hasDashboard'> = {},
): Promise<Stage> {
  const given = serverFromEnvironment();
  const privateServer =
    given === undefined ? await startPrivateServer({ args: PERSISTENT }) : undefined;
  const { url: redisUrl } = (given ?? privateServer) as ServerAddress;
  const pool = createPool({ url: redisUrl, maxConnections: 2, name: 'validation' }, {});
  const closers: (() => Promise<unknown>)[] = [
    async () => privateServer?.stop(),
    () => pool.close(),
  ];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const service = await startService({ redisUrl, ...terms });
    closers.push(() => service.stop());
    return {
      service,
      privateServer,
      serverVersion: await versionOf(pool),
      redisUrl,
      startService: (options = {}) => startService({ redisUrl, ...options }),
      redisState: () => readRedisState(pool),
      async forget() {
        if (privateServer !== undefined) await pool.client.flushAll();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The same where a replica can take over. What phases ask of one Redis, is asked of its primaries. */
export async function openTopologyStage(
  name: TopologyName,
): Promise<{ readonly stage: Stage; readonly topology: Topology }> {
  const topology = await startTopology(name, PERSISTENT);
  const { redisUrl } = topology;
  const start = (options: Omit<ServiceOptions, 'redisUrl'> = {}) =>
    startService({ redisUrl, revocationReplicas: 1, ...options });
  try {
    const service = await start();
    const [{ kind, version }] = topology.servers as [PrivateServer];
    const stage: Stage = {
      service,
      privateServer: undefined,
      serverVersion: `${kind === 'valkey' ? 'Valkey' : 'Redis'} ${version}`,
      redisUrl,
      startService: start,
      redisState: () => stateOf(topology),
      forget: async () => undefined,
      async close() {
        await service.stop();
        await topology.stop();
      },
    };
    return { stage, topology };
  } catch (error) {
    await topology.stop();
    throw error;
  }
}

async function stateOf(topology: Topology): Promise<RedisState> {
  const primaries = await topology.primaries();
  const infos = await Promise.all(
    primaries.map(async (server) => {
      const [stats, memory] = await Promise.all([
        topology.ask<string>(server, 'INFO', 'stats'),
        topology.ask<string>(server, 'INFO', 'memory'),
      ]);
      return parseRedisState(`${stats}\n${memory}`);
    }),
  );
  const sum = (read: (state: RedisState) => number) =>
    infos.reduce((total, state) => total + read(state), 0);
  return {
    rejectedConnections: sum(({ rejectedConnections }) => rejectedConnections),
    evictedKeys: sum(({ evictedKeys }) => evictedKeys),
    dataBytes: sum(({ dataBytes }) => dataBytes),
  };
}

async function versionOf(pool: Pool): Promise<string> {
  const info = await pool.client.info('server');
  const find = (field: string) => new RegExp(`${field}:(\\S+)`).exec(info)?.[1];
  const valkey = find('valkey_version');
  return valkey === undefined ? `Redis ${find('redis_version')}` : `Valkey ${valkey}`;
}
