// Everything that the doctor wants to know, of every server that the environment names.

import { type PoolError, type ResolvedOptions, resolveOptions } from 'plimsoll';
import { addressOf, primariesOf, type Target, targetsOf } from '../connect.js';
import type { Facts, FailureFacts, PoolFacts, ServerFacts } from './facts.js';
import { gatherHost } from './gather-host.js';
import { gatherServer, type Surroundings } from './gather-server.js';
import { gatherTls } from './gather-tls.js';
import { DOCTOR_NAME } from './judge/connections.js';

/** @throws InvalidOptionsError where the pool would refuse this environment. */
export async function gather(env: NodeJS.ProcessEnv, pings: number): Promise<Facts> {
  const options = resolveOptions({}, env);
  const servers: ServerFacts[] = [];
  const failures: FailureFacts[] = [];
  for (const target of targetsOf(options)) {
    const surroundings = { pool: poolFactsOf(options, target), env, pings };
    await visit(target, surroundings, servers, failures);
  }
  return {
    nowMs: Date.now(),
    pool: poolFactsOf(options, options.target),
    host: await gatherHost(),
    servers,
    failures,
    configurationWarnings: options.warnings.map(({ message }) => message),
  };
}

async function visit(
  target: Target,
  surroundings: Surroundings,
  servers: ServerFacts[],
  failures: FailureFacts[],
): Promise<void> {
  const startMs = performance.now();
  try {
    for (const server of await primariesOf(target, DOCTOR_NAME)) {
      servers.push(await gatherServer(addressOf(server), server, surroundings));
    }
  } catch (error) {
    const { code, message } = error as PoolError;
    const isOneServer = target.sentinel === undefined && target.cluster === undefined;
    failures.push({
      address: addressOf(target),
      ...{ code, message },
      afterMs: performance.now() - startMs,
      tls: isOneServer ? await gatherTls(target, surroundings.env) : undefined,
    });
  }
}

function poolFactsOf(options: ResolvedOptions, target: Target): PoolFacts {
  const { workers, maxConnections, autoscale, healthCheckIntervalMs, laneDepth } = options;
  return {
    ...{ workers, healthCheckIntervalMs, laneDepth },
    maxConnections: Math.max(maxConnections, autoscale.ceiling),
    mayGrow: autoscale.ceiling > 0,
    name: target.name,
    username: target.username ?? 'default',
    database: target.database,
    usesReplicas: target.reads !== 'primary',
    usesZones: target.reads === 'nearest-zone',
    isCluster: target.cluster !== undefined,
    asksSentinels: target.sentinel !== undefined,
  };
}
