// All that one server is asked. Only reads, and nothing that takes long: CLIENT LIST is the dearest.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { openPool, type Target } from '../connect.js';
import { infoFields, pairFields, wordFields } from '../words.js';
import type {
  ClientFacts,
  ClusterFacts,
  Nearness,
  PoolFacts,
  RoundTripFacts,
  ServerFacts,
  SlowCommand,
} from './facts.js';
import { socketsTo } from './gather-host.js';
import { gatherTls } from './gather-tls.js';
import { Interview } from './interview.js';
import { DOCTOR_NAME } from './judge/connections.js';
import { missingRights } from './rights.js';

const WARM_UP_PINGS = 5;
const SLOW_LOG_LENGTH = 128;
const SLOWEST = 10;
const PRIVATE_ADDRESS =
  /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.|f[cd]|fe80)/i;

export interface Surroundings {
  readonly pool: PoolFacts;
  readonly env: NodeJS.ProcessEnv;
  readonly pings: number;
}

export async function gatherServer(
  address: string,
  target: Target,
  { pool: facts, env, pings }: Surroundings,
): Promise<ServerFacts> {
  const pool = openPool(target, DOCTOR_NAME);
  try {
    const interview = new Interview(pool.client);
    const roundTrip = await measureRoundTrip(() => pool.client.ping(), pings);
    const info = await interview.text('INFO', 'ALL');
    const config = await interview.ask('CONFIG', 'GET', '*');
    const clients = await interview.text('CLIENT', 'LIST');
    const slowLog = await interview.ask('SLOWLOG', 'GET', String(SLOW_LOG_LENGTH));
    const latency = await interview.ask('LATENCY', 'LATEST');
    const infoWords = info === undefined ? undefined : infoFields(info);
    return {
      address,
      nearness: await nearnessOf(target),
      roundTrip,
      info: infoWords,
      config: config === undefined ? undefined : publicConfig(pairFields(config)),
      clients: clients === undefined ? undefined : clientsOf(clients),
      slowest: Array.isArray(slowLog) ? slowestOf(slowLog) : undefined,
      latencyEvents: Array.isArray(latency) ? latency.map(latencyEvent) : undefined,
      cluster: infoWords?.cluster_enabled === '1' ? await clusterOf(interview) : undefined,
      tls: await gatherTls(target, env),
      missingRights: await missingRights(pool, facts),
      refused: interview.refused,
      localSockets: target.path === undefined ? await socketsTo(target.port) : undefined,
    };
  } finally {
    await pool.close({ timeoutMs: 0 });
  }
}

/** Passwords are no facts of a report. */
function publicConfig(config: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).filter(([name]) => !/pass|auth$|user$|key-file/i.test(name)),
  );
}

/** One after the other, as a caller would see it who is alone. `undefined`: PING is refused. */
async function measureRoundTrip(
  ping: () => Promise<unknown>,
  count: number,
): Promise<RoundTripFacts | undefined> {
  const times: number[] = [];
  for (let sent = 0; sent < WARM_UP_PINGS + count; sent++) {
    const startMs = performance.now();
    const isAnswered = await ping().then(
      () => true,
      () => false,
    );
    if (!isAnswered) return undefined;
    if (sent >= WARM_UP_PINGS) times.push(performance.now() - startMs);
  }
  times.sort((one, other) => one - other);
  const at = (part: number) => times[Math.min(count - 1, Math.floor(count * part))]!;
  return { count, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function clientsOf(text: string): ClientFacts[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const fields = wordFields(line);
      return {
        address: fields.addr ?? '',
        name: fields.name ?? '',
        library: fields['lib-name'] ?? '',
        command: fields.cmd ?? '',
        outputBytes: Number(fields.omem ?? 0),
        totalBytes: Number(fields['tot-mem'] ?? 0),
        isReplica: /S/.test(fields.flags ?? ''),
      };
    });
}

/** Entries are `[id, seconds, microseconds, [words], address, name]`. */
function slowestOf(entries: readonly unknown[]): SlowCommand[] {
  return entries
    .filter((entry): entry is unknown[] => Array.isArray(entry))
    .map(([, atSeconds, microseconds, words, address, name]) => ({
      name: slowName(words),
      argumentCount: Array.isArray(words) ? words.length - 1 : 0,
      ms: Number(microseconds) / 1000,
      atSeconds: Number(atSeconds),
      client: String(name || address || 'unknown'),
    }))
    .sort((one, other) => other.ms - one.ms)
    .slice(0, SLOWEST);
}

/** The first word alone: the others are keys and values. */
function slowName(words: unknown): string {
  return Array.isArray(words) ? String(words[0]).toUpperCase() : 'UNKNOWN';
}

function latencyEvent(entry: unknown) {
  const [event, , lastMs, maxMs] = entry as unknown[];
  return { event: String(event), lastMs: Number(lastMs), maxMs: Number(maxMs) };
}

async function clusterOf(interview: Interview): Promise<ClusterFacts> {
  const info = await interview.text('CLUSTER', 'INFO');
  const nodes = await interview.text('CLUSTER', 'NODES');
  return {
    info: infoFields(info ?? ''),
    nodes: (nodes ?? '')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(clusterNode),
  };
}

/** `id host:port@bus,name flags primary ping pong epoch link 0-5460 7000 [5461->-id]` */
export function clusterNode(line: string) {
  const [id = '', place = '', flags = '', primaryId = '', , , , , ...parts] = line
    .trim()
    .split(' ');
  const isMove = (part: string) => part.startsWith('[');
  return {
    id,
    address: place.replace(/@.*$/, ''),
    flags: flags.split(','),
    primaryId,
    slots: parts.filter((part) => !isMove(part)).reduce((sum, part) => sum + slotsIn(part), 0),
    moving: parts.filter(isMove).length,
  };
}

function slotsIn(part: string): number {
  const [first, last = first] = part.split('-').map(Number);
  return first === undefined || last === undefined ? 0 : last - first + 1;
}

async function nearnessOf({ host, path }: Target): Promise<Nearness> {
  if (path !== undefined) return 'same-host';
  const found = isIP(host) === 0 ? await lookup(host).catch(() => undefined) : { address: host };
  const address = found?.address ?? host;
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const isOwn = own.some((each) => each.address === address);
  if (isOwn || /^127\.|^::1$/.test(address)) return 'same-host';
  return PRIVATE_ADDRESS.test(address) ? 'private-network' : 'public-network';
}
