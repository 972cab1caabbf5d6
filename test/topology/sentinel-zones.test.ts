// Replicas that can't be had on demand, by scripted servers: zones, one that loads, one that is
// another's, one under another name; and sentinels that know nothing of replicas.

import { describe, expect, test } from 'vitest';
import { createPool, type PlimsollOptions } from '../../src/index.js';
import type { FakeServer } from '../support/fake-server.js';
import { outcomeOf } from '../support/outcome.js';
import { afterHandshake, startScriptedServer } from '../support/scripted-server.js';
import { until } from '../support/until.js';

const NAME = 'harbour';
/** A look comes at the start; the next after 5 s. */
const LOOK_MS = 8_000;

const bulk = (text: string | number) => `$${`${text}`.length}\r\n${text}\r\n`;
const list = (...parts: string[]) => `*${parts.length}\r\n${parts.join('')}`;

interface ServerFacts {
  readonly name: string;
  zone?: string;
  /** Of a replica: whose it says it is; else it is a primary. */
  of?: { host: string; port: number };
  state?: string;
  /** What it answers to GET instead of its name. */
  refusal?: string;
}

/** Answers GET with its name. */
function startServer(facts: ServerFacts): Promise<FakeServer> {
  return startScriptedServer(
    afterHandshake(([command, what]) => {
      if (command === 'GET') return facts.refusal ?? bulk(facts.name);
      if (command === 'INFO' && what === 'server') {
        return bulk(facts.zone === undefined ? '' : `availability_zone:${facts.zone}\r\n`);
      }
      if (command !== 'ROLE') return '+OK\r\n';
      const { of, state = 'connected' } = facts;
      if (of === undefined) return list(bulk('master'), ':0\r\n', '*0\r\n');
      return list(bulk('slave'), bulk(of.host), `:${of.port}\r\n`, bulk(state), ':0\r\n');
    }),
  );
}

interface Group extends AsyncDisposable {
  readonly primary: FakeServer;
  readonly sentinel: FakeServer;
  /** What the sentinel says of the replicas; `undefined`: it does not know the question. */
  replicas: { host: string; port: number; flags?: string; link?: string }[] | undefined;
}

async function startGroup(primary: ServerFacts, host = '127.0.0.1'): Promise<Group> {
  const server = await startServer(primary);
  const group: Group = {
    primary: server,
    replicas: [],
    sentinel: await startScriptedServer(
      afterHandshake(([, what]) => {
        if (what === 'GET-MASTER-ADDR-BY-NAME') return list(bulk(host), bulk(server.port));
        if (what !== 'REPLICAS') return '*0\r\n';
        if (group.replicas === undefined) return '-ERR Unknown sentinel subcommand\r\n';
        return list(...group.replicas.map(factsOf));
      }),
    ),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await group.sentinel[Symbol.asyncDispose]();
    },
  };
  return group;
}

function factsOf(replica: { host: string; port: number; flags?: string; link?: string }): string {
  const { host, port, flags = 'slave', link = 'ok' } = replica;
  const pairs = { ip: host, port, flags, 'master-link-status': link };
  return list(...Object.entries(pairs).flatMap(([name, value]) => [bulk(name), bulk(value)]));
}

function openPool({ sentinel }: Group, options: Partial<PlimsollOptions> = {}) {
  const nodes = [{ host: sentinel.host, port: sentinel.port }];
  const base = { sentinel: { name: NAME, nodes }, reads: 'prefer-replica' };
  return createPool({ ...base, ...options } as object, {});
}

async function readsOf(pool: ReturnType<typeof openPool>, count = 4): Promise<string[]> {
  const names = new Set<string>();
  for (let index = 0; index < count; index++) names.add(String(await pool.client.get('key')));
  return [...names].sort();
}

describe('reads behind sentinels', () => {
  test('go to the zone: replicas, then the primary, then replicas elsewhere', async () => {
    const reads = { reads: 'nearest-zone', zone: 'west' } as const;
    await using group = await startGroup({ name: 'primary', zone: 'west' });
    const of = { host: '127.0.0.1', port: group.primary.port };
    await using near = await startServer({ name: 'near', zone: 'west', of });
    await using far = await startServer({ name: 'far', zone: 'east', of });
    group.replicas = [near, far];
    await using pool = openPool(group, reads);
    await until(async () => (await readsOf(pool)).join() === 'near');
    group.replicas = [far];
    await using other = openPool(group, reads);
    await until(async () => (await readsOf(other)).join() === 'primary');
    expect(other.status().endpoints).toHaveLength(2);
    await using distant = openPool(group, { ...reads, zone: 'south' });
    await until(async () => (await readsOf(distant)).join() === 'far');
    await until(async () => (await readsOf(pool)).join() === 'primary', LOOK_MS);
  });

  test('leave out who is down, has lost its primary, loads, is another’s or a primary', async () => {
    await using group = await startGroup({ name: 'primary' });
    const of = { host: '127.0.0.1', port: group.primary.port };
    await using good = await startServer({ name: 'good', of });
    await using syncing = await startServer({ name: 'syncing', of, state: 'sync' });
    await using another = await startServer({ name: 'another', of: { ...of, port: 1 } });
    await using promoted = await startServer({ name: 'promoted' });
    await using down = await startServer({ name: 'down', of });
    group.replicas = [
      good,
      syncing,
      another,
      promoted,
      { host: down.host, port: down.port, flags: 'slave,s_down' },
      { host: down.host, port: down.port, flags: 'slave,disconnected' },
      { host: down.host, port: down.port, link: 'err' },
      { host: '127.0.0.1', port: 9 },
      { host: 'no-such-host.invalid', port: 6_379 },
    ];
    await using pool = openPool(group);
    await until(() => pool.status().endpoints.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await readsOf(pool, 10)).toEqual(['good']);
  });

  test('take a replica that names the primary by another name, or by a map', async () => {
    await using group = await startGroup({ name: 'primary' }, 'localhost');
    const of = { host: '127.0.0.1', port: group.primary.port };
    await using byAddress = await startServer({ name: 'by address', of });
    group.replicas = [byAddress];
    await using pool = openPool(group);
    await until(async () => (await readsOf(pool)).join() === 'by address');
    await using inside = await startServer({ name: 'inside', of: { host: '10.0.0.1', port: 1 } });
    group.replicas = [{ host: '10.0.0.2', port: 6_379 }];
    const addressMap = { '10.0.0.2:6379': { host: inside.host, port: inside.port } };
    const nodes = [{ host: group.sentinel.host, port: group.sentinel.port }];
    const sentinel = { name: NAME, nodes, addressMap };
    await using mapped = createPool({ sentinel, reads: 'prefer-replica' } as object, {});
    await until(async () => (await readsOf(mapped)).join() === 'inside');
  });

  test('are done elsewhere where a replica refuses them, and it is left alone', async () => {
    await using group = await startGroup({ name: 'primary' });
    const of = { host: '127.0.0.1', port: group.primary.port };
    const facts: ServerFacts = { name: 'loading', of };
    await using loading = await startServer(facts);
    await using good = await startServer({ name: 'good', of });
    group.replicas = [loading, good];
    await using pool = openPool(group);
    await until(async () => (await readsOf(pool)).join() === 'good,loading');
    facts.refusal = '-LOADING Redis is loading the dataset in memory\r\n';
    facts.state = 'connect';
    for (let index = 0; index < 20; index++) expect(await pool.client.get('key')).toBe('good');
    const single = pool.client.multi().get('key').get('key');
    expect(await single.execAsPipeline()).toEqual(['good', 'good']);
    facts.refusal = undefined as never;
    facts.state = 'connected';
    await until(async () => (await readsOf(pool)).join() === 'good,loading', LOOK_MS);
  });

  test('are the primary’s where sentinels know no replicas, or nothing of them', async () => {
    await using group = await startGroup({ name: 'primary' });
    await using none = openPool(group);
    expect(await readsOf(none)).toEqual(['primary']);
    group.replicas = undefined;
    await using unknown = openPool(group);
    expect(await readsOf(unknown)).toEqual(['primary']);
    expect((await outcomeOf(unknown.healthCheck())).value).toMatchObject({ healthy: true });
  });

  test('pass from one replica to the next evenly, over many rounds', async () => {
    await using group = await startGroup({ name: 'primary' });
    const of = { host: '127.0.0.1', port: group.primary.port };
    await using one = await startServer({ name: 'one', of });
    await using two = await startServer({ name: 'two', of });
    await using three = await startServer({ name: 'three', of });
    group.replicas = [one, two, three];
    await using pool = openPool(group);
    await until(() => pool.status().endpoints.length === 4);
    const counts: Record<string, number> = {};
    for (let index = 0; index < 300; index++) {
      const name = String(await pool.client.get('key'));
      counts[name] = (counts[name] ?? 0) + 1;
    }
    expect(counts).toEqual({ one: 100, two: 100, three: 100 });
  });
});
