// A server of its own behind the TCP proxy, and the pool that gets to it through the proxy or past it.

import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import { createPool, type PlimsollOptions, type Pool } from '../../src/index.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import type { Fault, Stage, World, WorldContext } from './fault.js';

/** The deadline of a call, unless a fault says otherwise, ms. */
const DEADLINE_MS = 1_000;
const POLL_MS = 2;
const POOL_NAME = 'under-test';

export interface OneServer extends World {
  readonly server: PrivateServer;
  readonly proxy: TcpProxy;
  /** What the pools log in with; the server's own until a fault changes it. */
  password: string | undefined;
  /** Starts the killed server again. @returns When its port was open. */
  restart(): Promise<number>;
  /** Sends a command to the server, past the fault. */
  ask<T>(...args: string[]): Promise<T>;
  /** CLIENT KILL of all connections but the one that kills. */
  killConnections(): Promise<void>;
}

export type OneServerFault = Omit<Fault<OneServer>, 'topology' | 'build'> & {
  readonly server?: {
    readonly args?: readonly string[];
    readonly password?: string;
  };
  readonly pool?: PlimsollOptions;
  /** The pool connects to the server itself. */
  readonly isDirect?: boolean;
};

/** Syncs each write before it answers: an acknowledged one survives kill -9. */
export const DURABLE = { args: ['--appendonly', 'yes', '--appendfsync', 'always'] } as const;

export function oneServer(faults: readonly OneServerFault[]): Fault<OneServer>[] {
  return faults.map((fault) => ({
    ...fault,
    topology: 'one server',
    build: (context) => build(context, fault),
  }));
}

export type OneServerStage = Stage<OneServer>;

async function build(
  { found }: WorldContext,
  { server: settings = {}, pool = {}, isDirect = false }: OneServerFault,
): Promise<OneServer> {
  const server = await startPrivateServer({ server: found, ...settings });
  const proxy = await startTcpProxy({ host: server.host, port: server.port });
  const { password } = settings;
  const login = password === undefined ? {} : { password: () => world.password ?? '' };
  const { host, port } = server;
  // Not by name, as it has the connection's number behind it.
  const auditor = createPool({ host, port, ...login, maxConnections: 1, name: 'auditor' }, {});
  const world: OneServer = {
    options: {
      host,
      port: isDirect ? port : proxy.port,
      ...login,
      name: POOL_NAME,
      maxConnections: 8,
      // A few commands fill a lane, so that there are several.
      laneDepth: 8,
      commandTimeoutMs: DEADLINE_MS,
      acquireTimeoutMs: DEADLINE_MS,
      ...pool,
    },
    isLossy: false,
    server,
    proxy,
    auditor,
    password,
    async openConnections() {
      if (!isDirect) return proxy.openConnections;
      const list = String(await world.ask('CLIENT', 'LIST'));
      return list.split('\n').filter((line) => line.includes(`name=${POOL_NAME}`)).length;
    },
    async ask<T>(...args: string[]) {
      return (await auditor.client.sendCommand(args)) as T;
    },
    async restart() {
      const opened = portOpening(server);
      await server.restart();
      return opened;
    },
    async killConnections() {
      for (const type of ['normal', 'pubsub']) {
        await world.ask('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
      }
    },
    letGo: () => proxy.resetAll(),
    lend: (lender, _key, use) => lender.withLease(use),
    async stop() {
      await auditor.close({ timeoutMs: 0 });
      await proxy.stop();
      await server.stop();
    },
  };
  return world;
}

/** When a port takes connections. */
async function portOpening({ host, port }: PrivateServer): Promise<number> {
  for (;;) {
    const socket = net.connect({ host, port });
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return performance.now();
    await sleep(POLL_MS);
  }
}

/** Settles when INFO says so. */
export async function untilInfo({ ask }: OneServer, section: string, line: string): Promise<void> {
  await until(async () => String(await ask('INFO', section)).includes(line));
}

export function openPool(world: World, options: PlimsollOptions = {}): Pool {
  return createPool({ ...world.options, ...options } as object, {}) as unknown as Pool;
}
