// The door to everything that gets programs and tests a real server: finds, installs, starts.
// `openServer` is what a demonstration wants: the server that REDIS_URL names, else a private one.

import {
  type PrivateServerOptions,
  type ServerAddress,
  startPrivateServer,
} from './private-server.js';

export { type FoundServer, findServers, type ServerKind } from './find-server.js';
export {
  ensureLocust,
  ensureNginx,
  ensureOpenssl,
  ensurePrometheus,
  ensureServer,
  ensureWrk,
  type PrometheusPrograms,
} from './install-server.js';
export {
  type PrivateServer,
  type PrivateServerOptions,
  type ServerAddress,
  startPrivateServer,
} from './private-server.js';

const DEFAULT_PORT = 6379;

/** A server to work with, whoever started it. */
export interface OpenServer extends ServerAddress {
  /** Whether it is ours; `stop()` of a server that isn't does nothing. */
  readonly isPrivate: boolean;
  stop(): Promise<void>;
}

/**
 * The server that REDIS_URL names, or undefined where it is unset or empty.
 * @throws Error where REDIS_URL is no URL; the text doesn't repeat it, as it may hold a password.
 */
export function serverFromEnvironment(
  environment: NodeJS.ProcessEnv = process.env,
): ServerAddress | undefined {
  const url = environment.REDIS_URL?.trim();
  if (url === undefined || url === '') return undefined;
  if (!URL.canParse(url)) throw new Error('REDIS_URL is no URL; write redis://host:port.');
  const { hostname, port } = new URL(url);
  return { url, host: hostname, port: port === '' ? DEFAULT_PORT : Number(port) };
}

/** The server that REDIS_URL names, else a private one that `stop()` ends. */
export async function openServer(options: PrivateServerOptions = {}): Promise<OpenServer> {
  const given = serverFromEnvironment();
  if (given !== undefined) return { ...given, isPrivate: false, stop: async () => undefined };
  const server = await startPrivateServer(options);
  const { url, host, port } = server;
  return { url, host, port, isPrivate: true, stop: () => server.stop() };
}
