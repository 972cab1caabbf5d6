// Is there room for the pool's connections, and what could end them?

import type { ClientFacts, PoolFacts, ServerFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { bytesText, counted, numberOf, round } from './numbers.js';

/** Name of the doctor's own connections, which are gone in a moment. */
export const DOCTOR_NAME = 'plimsoll-doctor';
/** Of maxclients; beyond it a deployment, which doubles connections for a moment, may not fit. */
const NEAR_PERCENT = 80;
/** A health check of the pool may come this much late. */
const IDLE_MARGIN = 1.5;
const LONG_KEEPALIVE_SECONDS = 600;
/** 512 commands in flight on a lane, 128 KiB each. */
const SMALL_OUTPUT_BUFFER_BYTES = 64 * 1024 * 1024;
const BIG_OUTPUT_BYTES = 16 * 1024 * 1024;
const BIG_CLIENT_BYTES = 64 * 1024 * 1024;

export function judgeConnections(server: ServerFacts, pool: PoolFacts): Verdict[] {
  return [
    ...judgeRoom(server, pool),
    ...judgeRejections(server),
    ...judgeIdleTimeout(server, pool),
    ...judgeKeepAlive(server),
    ...judgeOutputBuffers(server),
    ...judgeBigClients(server),
  ];
}

export interface Holders {
  readonly maxClients: number;
  /** Connections that the pool's workers may open together. */
  readonly budget: number;
  /** Open now under the pool's name. */
  readonly own: number;
  /** Open now under other names; without CLIENT LIST all of them. */
  readonly others: number;
  /** What has to fit in the worst case. */
  readonly needed: number;
}

/** Who holds connections; `undefined` where the server tells no limit. */
export function holdersOf({ config, info, clients }: ServerFacts, pool: PoolFacts) {
  const maxClients = numberOf(config, 'maxclients') ?? numberOf(info, 'maxclients');
  if (maxClients === undefined) return undefined;
  const budget = pool.workers * pool.maxConnections;
  if (clients === undefined) {
    const others = Math.max(0, (numberOf(info, 'connected_clients') ?? 1) - 1);
    // Some of these may be the pool's.
    return { maxClients, budget, own: 0, others, needed: Math.max(others, budget) };
  }
  const counting = clients.filter(({ name, isReplica }) => name !== DOCTOR_NAME && !isReplica);
  const own = counting.filter(({ name }) => name === pool.name).length;
  const others = counting.length - own;
  return { maxClients, budget, own, others, needed: others + Math.max(own, budget) };
}

function judgeRoom(server: ServerFacts, pool: PoolFacts): Verdict[] {
  const holders: Holders | undefined = holdersOf(server, pool);
  if (holders === undefined) return [];
  const { maxClients, budget, others, needed } = holders;
  const sum = `all workers may open ${budget}, others hold ${others}, maxclients is ${maxClients}`;
  const cure =
    'Raise maxclients (CONFIG SET maxclients, and the open files of the server with it), lower ' +
    'REDIS_MAX_CONNECTIONS, or find out in CLIENT LIST who holds the others.';
  if (needed > maxClients) {
    const number = needed - maxClients;
    const message = `${counted(number, 'connection')} too few: ${sum}.`;
    return [{ code: 'MAXCLIENTS_SHORT', severity: 'critical', number, message, cure }];
  }
  const number = round((100 * needed) / maxClients);
  if (number <= NEAR_PERCENT) return [];
  const message = `${number} % of maxclients may be taken: ${sum}.`;
  return [{ code: 'MAXCLIENTS_NEAR', severity: 'warning', number, message, cure }];
}

function judgeRejections({ info }: ServerFacts): Verdict[] {
  const number = numberOf(info, 'rejected_connections') ?? 0;
  if (number === 0) return [];
  const verdict = {
    code: 'CONNECTIONS_REJECTED',
    severity: 'warning',
    number,
    message: `The server has turned away ${counted(number, 'connection')} since its start, as maxclients was reached.`,
    cure: 'Compare the budget of all services with maxclients, and see whether one of them leaks connections.',
  } as const;
  return [verdict];
}

function judgeIdleTimeout({ config }: ServerFacts, pool: PoolFacts): Verdict[] {
  const number = numberOf(config, 'timeout') ?? 0;
  if (number === 0) return [];
  const checkSeconds = pool.healthCheckIntervalMs / 1000;
  const cutsHealthy = number <= checkSeconds * IDLE_MARGIN;
  return [
    {
      code: 'IDLE_TIMEOUT',
      severity: cutsHealthy ? 'warning' : 'notice',
      number,
      message:
        `The server closes connections that were idle for ${number} s; the pool touches ` +
        `its own every ${checkSeconds} s.`,
      cure: cutsHealthy
        ? `CONFIG SET timeout 0, or a healthCheckIntervalMs below ${Math.floor((number * 1000) / 2)}.`
        : 'CONFIG SET timeout 0: the pool closes what is idle by itself, and leases may be idle on purpose.',
    },
  ];
}

function judgeKeepAlive({ config }: ServerFacts): Verdict[] {
  const number = numberOf(config, 'tcp-keepalive');
  if (number === undefined || (number > 0 && number <= LONG_KEEPALIVE_SECONDS)) return [];
  return [
    {
      code: 'KEEPALIVE',
      severity: number === 0 ? 'warning' : 'notice',
      number,
      message:
        number === 0
          ? 'tcp-keepalive is 0: connections of hosts that vanished count against maxclients for ever.'
          : `tcp-keepalive is ${number} s: connections of hosts that vanished stay that long.`,
      cure: 'CONFIG SET tcp-keepalive 300, or 60 behind a load balancer.',
    },
  ];
}

interface BufferLimit {
  readonly hard: number;
  readonly soft: number;
}

/** `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60` */
function bufferLimits(text: string): Record<string, BufferLimit> {
  const words = text.trim().split(/\s+/);
  const limits: Record<string, BufferLimit> = {};
  for (let at = 0; at + 3 < words.length; at += 4) {
    const name = words[at] === 'slave' ? 'replica' : words[at]!;
    limits[name] = { hard: Number(words[at + 1]), soft: Number(words[at + 2]) };
  }
  return limits;
}

function judgeOutputBuffers(server: ServerFacts): Verdict[] {
  const text = server.config?.['client-output-buffer-limit'];
  if (text === undefined) return [];
  const { normal, pubsub, replica } = bufferLimits(text);
  const verdicts: Verdict[] = [];
  const least = normal && Math.min(normal.hard || Infinity, normal.soft || Infinity);
  if (least !== undefined && least !== Infinity) {
    verdicts.push({
      code: 'OUTPUT_BUFFER_NORMAL',
      severity: least < SMALL_OUTPUT_BUFFER_BYTES ? 'warning' : 'notice',
      number: least,
      message: `The server ends an ordinary connection to which it owes ${bytesText(least)} of replies; a lane carries those of many callers.`,
      cure: 'CONFIG SET client-output-buffer-limit "normal 0 0 0", and maxmemory-clients from Redis 7 on; or a lower laneDepth.',
    });
  }
  if (pubsub !== undefined && pubsub.hard === 0 && pubsub.soft === 0) {
    verdicts.push({
      code: 'OUTPUT_BUFFER_PUBSUB',
      severity: 'warning',
      number: 0,
      message:
        'The limit for subscribers is 0, so none: one that reads slowly fills the memory of the server.',
      cure: 'CONFIG SET client-output-buffer-limit "pubsub 33554432 8388608 60".',
    });
  }
  return replica === undefined ? verdicts : [...verdicts, ...judgeReplicaBuffer(server, replica)];
}

function judgeReplicaBuffer({ config, info }: ServerFacts, { hard }: BufferLimit): Verdict[] {
  const hasReplicas = (numberOf(info, 'connected_slaves') ?? 0) > 0;
  const backlog = numberOf(config, 'repl-backlog-size') ?? 0;
  if (!hasReplicas || hard === 0 || hard >= backlog) return [];
  return [
    {
      code: 'OUTPUT_BUFFER_REPLICA',
      severity: 'warning',
      number: hard,
      message:
        `The limit for replicas (${bytesText(hard)}) is below the backlog ` +
        `(${bytesText(backlog)}): a replica that catches up is cut off, again and again.`,
      cure: 'Raise client-output-buffer-limit of replicas above repl-backlog-size.',
    },
  ];
}

function judgeBigClients({ clients = [] }: ServerFacts): Verdict[] {
  const sizeOf = ({ outputBytes, totalBytes }: ClientFacts) => Math.max(outputBytes, totalBytes);
  const big = clients
    .filter(({ isReplica }) => !isReplica)
    .filter((client) => {
      return client.outputBytes >= BIG_OUTPUT_BYTES || client.totalBytes >= BIG_CLIENT_BYTES;
    })
    .sort((one, other) => sizeOf(other) - sizeOf(one));
  const [biggest] = big;
  if (biggest === undefined) return [];
  const number = sizeOf(biggest);
  const more = big.length > 1 ? `, and ${counted(big.length - 1, 'other')} are big too` : '';
  const name = biggest.name === '' ? 'without a name' : `named ${biggest.name}`;
  return [
    {
      code: 'BIG_CLIENT',
      severity: 'warning',
      number,
      message: `The client ${name} at ${biggest.address} (${biggest.command}) takes ${bytesText(number)} of the memory of the server${more}.`,
      cure: 'See what it asks for: large replies in parts (SCAN, HSCAN, LRANGE by pages), subscribers that keep up.',
    },
  ];
}
