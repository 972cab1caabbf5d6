// The servers themselves, by INFO: what they do for everybody, whether or not a service is running.

import { type Pool, resolveOptions } from 'plimsoll';
import { addressOf, connectFailure, openPool, primariesOf, targetsOf } from '../connect.js';
import { bytesText, keysOf, numberOf, replicasOf } from '../doctor/judge/numbers.js';
import { infoFields } from '../words.js';
import { figure, type Gauge, LINES, type Source, type Table, type View } from './view.js';

const TOP_NAME = 'plimsoll-top';
const BUSIEST = 10;

type Info = Readonly<Record<string, string>>;

export interface ServerLook {
  readonly address: string;
  readonly info: Info;
  readonly atMs: number;
}

export class RedisSource implements Source {
  readonly #env: NodeJS.ProcessEnv;
  #pools: { readonly address: string; readonly pool: Pool }[] = [];
  #before: readonly ServerLook[] = [];

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** @throws PoolError with the reason, where a server cannot be asked; the next look tries again. */
  async look(): Promise<View> {
    if (this.#pools.length === 0) await this.#open();
    const now = await Promise.all(
      this.#pools.map(async ({ address, pool }) => {
        const text = await pool.client.sendCommand(['INFO', 'ALL']).catch((error: unknown) => {
          throw connectFailure(pool, error);
        });
        return { address, info: infoFields(String(text)), atMs: performance.now() };
      }),
    ).catch(async (error: unknown) => {
      // After a failover the primaries are others.
      await this.close();
      throw error;
    });
    const view = redisView(this.#before, now);
    this.#before = now;
    return view;
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.splice(0).map(({ pool }) => pool.close({ timeoutMs: 0 })));
  }

  async #open(): Promise<void> {
    for (const target of targetsOf(resolveOptions({}, this.#env))) {
      for (const server of await primariesOf(target, TOP_NAME)) {
        this.#pools.push({ address: addressOf(server), pool: openPool(server, TOP_NAME) });
      }
    }
  }
}

/** @param before The look before, for rates. */
export function redisView(before: readonly ServerLook[], now: readonly ServerLook[]): View {
  const changes = now.map((look) => {
    return new Change(
      before.find(({ address }) => address === look.address),
      look,
    );
  });
  const sumOf = (read: (change: Change) => number | undefined) => {
    const values = changes.map(read).filter((value) => value !== undefined);
    return values.length === 0 ? undefined : values.reduce((total, value) => total + value, 0);
  };
  const perSecond = (name: string) => sumOf((change) => change.perSecond(name));
  const total = (name: string) => sumOf((change) => change.of(name));
  const [hits = 0, misses = 0] = [perSecond('keyspace_hits'), perSecond('keyspace_misses')];
  const asked = hits + misses;
  const [first] = now;
  const version = first?.info.valkey_version ?? first?.info.redis_version ?? 'unknown';
  const keys = now.reduce((count, { info }) => count + keysOf(info).total, 0);
  const replicas = now.reduce((count, { info }) => count + replicasOf(info).length, 0);
  const bytes = (name: string) => bytesText(Math.round(perSecond(name) ?? 0));
  return {
    title: `${now.map(({ address }) => address).join(' ')}  version ${version}`,
    gauges: [clientGauge(total), ...memoryGauge(total)],
    lines: [
      [
        'commands',
        `${figure(perSecond('total_commands_processed'))}/s, hits ${asked === 0 ? '-' : figure((100 * hits) / asked)} %, ` +
          `CPU ${figure(sumOf((change) => change.cpuPercent))} %`,
      ],
      [
        'network',
        `${bytes('total_net_input_bytes')}/s in, ${bytes('total_net_output_bytes')}/s out`,
      ],
      [
        'keys',
        `${figure(keys)}, ${figure(perSecond('expired_keys'))}/s expire, ${figure(perSecond('evicted_keys'))}/s are evicted`,
      ],
      [
        'clients',
        `${figure(total('blocked_clients'))} block, ${figure(perSecond('total_connections_received'))}/s connect, ` +
          `${figure(total('rejected_connections'))} were rejected`,
      ],
      ['replicas', figure(replicas)],
    ],
    tables: [...busiestCommands(changes), ...serverTable(changes)],
  };
}

/** What a server did between two looks. */
class Change {
  constructor(
    readonly before: ServerLook | undefined,
    readonly now: ServerLook,
  ) {}

  of(name: string): number | undefined {
    return numberOf(this.now.info, name);
  }

  /** `undefined` on the first look, and after a restart. */
  perSecond(name: string): number | undefined {
    return this.grown(numberOf(this.before?.info, name), this.of(name));
  }

  grown(earlier: number | undefined, later: number | undefined): number | undefined {
    if (earlier === undefined || later === undefined || later < earlier) return undefined;
    const seconds = (this.now.atMs - this.before!.atMs) / 1000;
    return seconds <= 0 ? undefined : (later - earlier) / seconds;
  }

  /** Of one core. */
  get cpuPercent(): number | undefined {
    const [user, system] = ['used_cpu_user', 'used_cpu_sys'].map((name) => this.perSecond(name));
    return user === undefined || system === undefined ? undefined : 100 * (user + system);
  }
}

function clientGauge(total: (name: string) => number | undefined): Gauge {
  const [connected = 0, maximum = 0] = [total('connected_clients'), total('maxclients')];
  const percent = maximum === 0 ? 0 : (100 * connected) / maximum;
  return {
    name: 'connections',
    percent,
    text: `${figure(connected)} of ${maximum === 0 ? 'an unknown maximum' : figure(maximum)}`,
    ...LINES,
  };
}

function memoryGauge(total: (name: string) => number | undefined): Gauge[] {
  const [used, maximum = 0] = [total('used_memory'), total('maxmemory')];
  if (used === undefined) return [];
  return [
    {
      name: 'memory',
      percent: maximum === 0 ? 0 : (100 * used) / maximum,
      text: `${bytesText(used)} of ${maximum === 0 ? 'no maximum' : bytesText(maximum)}`,
      ...LINES,
    },
  ];
}

interface Busy {
  calls: number;
  microseconds: number;
}

/** From INFO commandstats: `cmdstat_get:calls=2,usec=5,...`. */
function busiestCommands(changes: readonly Change[]): Table[] {
  const busy = new Map<string, Busy>();
  for (const change of changes) {
    for (const [name, text] of Object.entries(change.now.info)) {
      if (!name.startsWith('cmdstat_')) continue;
      const now = callsOf(text);
      const before = callsOf(change.before?.info[name] ?? 'calls=0,usec=0');
      const calls = change.grown(change.before && before.calls, now.calls) ?? 0;
      if (calls === 0) continue;
      const known = busy.get(name) ?? { calls: 0, microseconds: 0 };
      known.calls += calls;
      known.microseconds += change.grown(before.microseconds, now.microseconds) ?? 0;
      busy.set(name, known);
    }
  }
  const rows = [...busy]
    .sort(([, one], [, other]) => other.microseconds - one.microseconds)
    .slice(0, BUSIEST)
    .map(([name, { calls, microseconds }]) => [
      name.slice('cmdstat_'.length).replace('|', ' ').toUpperCase(),
      figure(calls),
      figure(microseconds / calls),
      figure(microseconds / 10_000),
    ]);
  const columns = ['command', 'calls/s', 'us a call', '% of a core'];
  return rows.length === 0 ? [] : [{ title: 'Busiest commands', columns, rows }];
}

function callsOf(text: string): Busy {
  return {
    calls: Number(/calls=(\d+)/.exec(text)?.[1] ?? 0),
    microseconds: Number(/usec=(\d+)/.exec(text)?.[1] ?? 0),
  };
}

function serverTable(changes: readonly Change[]): Table[] {
  if (changes.length < 2) return [];
  const rows = changes.map((change) => [
    change.now.address,
    figure(change.of('connected_clients')),
    figure(change.perSecond('total_commands_processed')),
    figure(change.cpuPercent),
    bytesText(change.of('used_memory') ?? 0),
    figure(keysOf(change.now.info).total),
    figure(replicasOf(change.now.info).length),
  ]);
  const columns = ['server', 'clients', 'commands/s', 'CPU %', 'memory', 'keys', 'replicas'];
  return [{ title: 'Servers', columns, rows }];
}
