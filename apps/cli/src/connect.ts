// Connections as the environment says: the addresses that the pool would use, each with a small pool of
// its own, so that every server of a cluster is asked for itself.

import {
  createPool,
  type PlimsollOptions,
  type Pool,
  PoolError,
  type ResolvedOptions,
} from 'plimsoll';

export type Target = ResolvedOptions['target'];

/** The command's own connections: few, and no patience with a server that is away. */
const OWN_OPTIONS = {
  maxConnections: 2,
  minConnections: 0,
  idleTimeoutMs: 0,
  leakThresholdMs: 0,
  breaker: { failures: 1, patienceMs: 0 },
} as const;

/** What the commands may connect to: one target, or each of several endpoints. */
export function targetsOf({ target, endpoints }: ResolvedOptions): readonly Target[] {
  return endpoints.length === 0 ? [target] : endpoints.map(({ target: own }) => own);
}

/** A server, or what has servers behind it, for people. */
export function addressOf({ host, port, path, sentinel, cluster }: Target): string {
  if (cluster !== undefined) return cluster.nodes.map(hostAndPort).join(',');
  if (sentinel !== undefined) {
    return `${sentinel.name} at ${sentinel.nodes.map(hostAndPort).join(',')}`;
  }
  return path ?? hostAndPort({ host, port });
}

function hostAndPort({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The server of an address as `pool.status()` has it: `host:port`, or `name (host:port)`. */
export function serverTarget(target: Target, text: string): Target {
  if (target.sentinel === undefined && target.cluster === undefined) return target;
  const address = /\((.+)\)$/.exec(text)?.[1] ?? text;
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(colon + 1));
  return { ...target, host, port, path: undefined, sentinel: undefined, cluster: undefined };
}

/** @param name The connections' name on the server. */
export function openPool(target: Target, name: string): Pool {
  const { username, password, tls, database, connectTimeoutMs, maxReplyBytes, protocol } = target;
  const options = {
    ...OWN_OPTIONS,
    ...placeOf(target),
    ...{ username, database, connectTimeoutMs, maxReplyBytes, name },
    password: password?.reveal(),
    tls: tls?.reveal(),
    RESP: protocol,
  };
  // An empty environment: it has had its say.
  return createPool(options as unknown as PlimsollOptions, {}) as unknown as Pool;
}

function placeOf({ host, port, path, family, sentinel, cluster }: Target): object {
  if (cluster !== undefined) return { cluster };
  if (sentinel !== undefined) {
    const { password, tls, ...rest } = sentinel;
    return { sentinel: { ...rest, password: password?.reveal(), tls: tls?.reveal() } };
  }
  return path === undefined ? { host, port, family } : { path };
}

/** What kept a pool from its server: the failed connect rather than what callers were told of it. */
export function connectFailure(pool: Pool, error: unknown): PoolError {
  const failed = error instanceof PoolError ? error : undefined;
  if (failed?.code === 'BREAKER_OPEN' && failed.cause instanceof PoolError) return failed.cause;
  const { lastConnectError } = pool.status();
  const { code, message } = lastConnectError ?? {};
  if (lastConnectError !== undefined) return new PoolError(code as PoolError['code'], `${message}`);
  return failed ?? new PoolError('CONNECT_FAILED', String(error), { cause: error });
}

/** Asks each server of a target in turn; a server that is gone by then is passed over. */
export async function primariesOf(target: Target, name: string): Promise<readonly Target[]> {
  const isOneServer = target.sentinel === undefined && target.cluster === undefined;
  const pool = openPool(target, name);
  try {
    await answerOf(pool);
    if (isOneServer) return [target];
    return pool
      .status()
      .endpoints.filter(({ role }) => role === 'primary')
      .map(({ address }) => serverTarget(target, address));
  } catch (error) {
    throw connectFailure(pool, error);
  } finally {
    await pool.close({ timeoutMs: 0 });
  }
}

/** Any answer will do: who refuses PING lives. */
async function answerOf(pool: Pool): Promise<void> {
  await pool.client.ping().catch((error: unknown) => {
    if (error instanceof PoolError) throw error;
  });
}
