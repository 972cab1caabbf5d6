// Suites that run against real servers, once for each kind that this machine has. Ordinary
// suites use the server of REDIS_URL where that is set; suites that kill, pause or configure
// theirs always start a private one.
// With REDIS_URL set, the server may hold somebody's data: suites must not flush it.

import { afterAll, beforeAll, describe } from 'vitest';

import {
  findServers,
  type PrivateServer,
  type PrivateServerOptions,
  type ServerAddress,
  serverFromEnvironment,
  startPrivateServer,
} from '../../scripts/redis-server.js';

/** The servers of this machine; `global-setup.ts` has seen to it that there is one. */
export const foundServers = await findServers();

/**
 * Starts a private server before the suite's tests and stops it after them. Call it inside
 * `describe`; what it returns gives the server, from `beforeAll` on.
 */
export function useServer(options: PrivateServerOptions = {}): () => PrivateServer {
  let server: PrivateServer | undefined;
  beforeAll(async () => {
    server = await startPrivateServer(options);
  });
  afterAll(async () => {
    await server?.stop();
  });
  return () => {
    if (server === undefined) throw new Error('The server starts in beforeAll, ask for it later.');
    return server;
  };
}

/**
 * One suite for each kind of server, with a private server that the suite may hurt.
 * A test that leaves it dead or paused has to bring it back.
 */
export function describeEachPrivateServer(
  name: string,
  define: (server: () => PrivateServer) => void,
  options: Omit<PrivateServerOptions, 'server'> = {},
): void {
  for (const found of foundServers) {
    describe(`${name} (${found.kind} ${found.version})`, () => {
      define(useServer({ ...options, server: found }));
    });
  }
}

/** One suite on the server of REDIS_URL where that is set, else one for each kind of server. */
export function describeEachServer(
  name: string,
  define: (server: () => ServerAddress) => void,
): void {
  const given = serverFromEnvironment();
  if (given === undefined) describeEachPrivateServer(name, define);
  else describe(`${name} (REDIS_URL)`, () => define(() => given));
}
