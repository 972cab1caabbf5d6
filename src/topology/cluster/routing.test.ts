// Where the topology sends what: after MOVED and ASK, reads, and what has no keys.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  endpointOf,
  FakeCluster,
  idOf,
  owner,
  reader,
  stopTopologies,
  THIRDS,
  tick,
  WITH_REPLICAS,
} from '../../../test/support/cluster-nodes.js';
import { routeOf } from '../../base/route.js';
import type { PoolOptions } from '../../config/options.js';
import type { ClusterTopology } from './cluster.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  stopTopologies();
  vi.useRealTimers();
});

describe('MOVED', () => {
  async function started(lines = THIRDS, options: PoolOptions = {}) {
    const cluster = new FakeCluster(lines, [1, 2, 3, 4, 5, 9]);
    const topology = cluster.topology(options);
    await tick(0);
    const moved = (slot: number, to: string, from: string) =>
      topology.report({ kind: 'moved', slot, to, from: endpointOf(topology, from) });
    return { cluster, topology, moved };
  }

  it('puts one slot right at once, and a look follows', async () => {
    const { cluster, topology, moved } = await started();
    cluster.set({ lines: [...THIRDS.slice(1), [1, 5_460, 1], [0, 0, 2]], epoch: 2 });
    moved(0, 'h:2', 'h:1');
    expect([0, 1].map((slot) => owner(topology, slot))).toEqual(['h:2', 'h:1']);
    expect(cluster.changes).toBe(1);
    await tick(0);
    expect(cluster.changes).toBe(2);
    const before = cluster.dialed.length + cluster.links.length;
    await tick(60);
    expect(cluster.dialed.length + cluster.links.length).toBeGreaterThanOrEqual(before);
    expect(owner(topology, 0)).toBe('h:2');
  });

  it('makes a new node known before it returns', async () => {
    const { cluster, topology, moved } = await started();
    moved(0, 'h:9', 'h:1');
    expect([owner(topology, 0), cluster.changes]).toEqual(['h:9', 2]);
    expect(endpointOf(topology, 'h:9').role).toBe('primary');
    moved(1, ':8', 'h:1');
    expect(owner(topology, 1)).toBe('h:8');
  });

  it('is seen in the spans of slots that are told of each server', async () => {
    const { topology, moved } = await started();
    const spansOf = (id: string) => topology.slotsOf(endpointOf(topology, id));
    expect(spansOf('h:1')).toEqual([[0, 5_460]]);
    moved(7, 'h:2', 'h:1');
    expect(spansOf('h:1')).toEqual([
      [0, 6],
      [8, 5_460],
    ]);
    expect(spansOf('h:2')[0]).toEqual([7, 7]);
  });

  it('to a replica moves all slots of its primary', async () => {
    const { topology, moved } = await started(WITH_REPLICAS);
    expect(topology.slotsOf(endpointOf(topology, 'h:3'))).toEqual([[0, 8_191]]);
    moved(7, 'h:3', 'h:1');
    expect(topology.slotsOf(endpointOf(topology, 'h:3'))).toEqual([[0, 8_191]]);
    expect([0, 7, 8_191, 8_192].map((slot) => owner(topology, slot))).toEqual([
      ...['h:3', 'h:3', 'h:3', 'h:2'],
    ]);
    expect(topology.endpoints.map(({ id, role }) => `${id} ${role}`)).toEqual([
      ...['h:2 primary', 'h:3 primary', 'h:5 replica', 'h:4 replica'],
    ]);
  });

  it('to the replica of another shard leaves each node one role', async () => {
    const { topology, moved } = await started(WITH_REPLICAS);
    moved(0, 'h:5', 'h:1');
    expect([owner(topology, 0), owner(topology, 8_192)]).toEqual(['h:5', 'h:2']);
    expect(topology.endpoints.filter(({ id }) => id === 'h:5')).toHaveLength(1);
  });

  it('of who is not in charge changes nothing but brings a look', async () => {
    const { cluster, topology, moved } = await started();
    const looks = cluster.links.flatMap(({ sentNames }) => sentNames).length;
    moved(0, 'h:2', 'h:3');
    expect(owner(topology, 0)).toBe('h:1');
    await tick(150);
    expect(cluster.links.flatMap(({ sentNames }) => sentNames).length).toBeGreaterThan(looks);
  });

  it('from a replica keeps the replicas', async () => {
    const { topology, moved } = await started(WITH_REPLICAS, { reads: 'prefer-replica' });
    moved(0, 'h:1', 'h:3');
    expect(['h:3', 'h:4']).toContain(reader(topology, 0));
  });

  it('with nonsense changes nothing', async () => {
    const { topology, moved } = await started();
    for (const to of ['', '?', '?:7', 'h', 'h:x', 'h:99999']) moved(0, to, 'h:1');
    for (const slot of [-1, 16_384, 0.5, Number.NaN, '__proto__' as never])
      moved(slot, 'h:2', 'h:1');
    expect(owner(topology, 0)).toBe('h:1');
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('to and fro is followed each time', async () => {
    const { topology, moved } = await started();
    moved(0, 'h:2', 'h:1');
    moved(0, 'h:1', 'h:2');
    expect(owner(topology, 0)).toBe('h:1');
  });
});

describe('ASK', () => {
  it('names an endpoint and changes nothing', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    const topology = cluster.topology();
    await tick(0);
    const from = endpointOf(topology, 'h:1');
    expect(topology.endpointAt('h:2', from)).toBe(endpointOf(topology, 'h:2'));
    const unknown = topology.endpointAt('h:9', from);
    expect([unknown?.id, unknown?.role]).toEqual(['h:9', 'primary']);
    expect(topology.endpointAt('h:9', from)).toBe(unknown);
    expect(topology.endpointAt('?', from)).toBeUndefined();
    expect([owner(topology, 0), topology.endpoints.length]).toEqual(['h:1', 3]);
  });
});

describe('reads', () => {
  const many = (topology: ClusterTopology, slot = 0) => {
    const served: Record<string, number> = {};
    for (let count = 0; count < 60; count++) {
      const id = String(reader(topology, slot));
      served[id] = (served[id] ?? 0) + 1;
    }
    return served;
  };

  async function started(options: PoolOptions, zones: Record<number, string> = {}) {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    for (const [port, zone] of Object.entries(zones)) cluster.set({ zone }, [Number(port)]);
    const topology = cluster.topology(options);
    await tick(10);
    return { cluster, topology };
  }

  it('go to the primary unless asked otherwise', async () => {
    const { topology } = await started({});
    expect(many(topology)).toEqual({ 'h:1': 60 });
  });

  it('go to replicas in turn, and writes never', async () => {
    const { topology } = await started({ reads: 'prefer-replica' });
    expect(many(topology)).toEqual({ 'h:3': 30, 'h:4': 30 });
    expect(owner(topology, 0)).toBe('h:1');
    expect(many(topology, 8_192)).toEqual({ 'h:5': 60 });
  });

  it('pass over replicas that are away for a while, and come back to the primary', async () => {
    const { topology } = await started({ reads: 'prefer-replica' });
    topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:3') });
    expect(many(topology)).toEqual({ 'h:4': 60 });
    topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:4') });
    expect(many(topology)).toEqual({ 'h:1': 60 });
    await tick(15_001);
    expect(many(topology)).toEqual({ 'h:3': 30, 'h:4': 30 });
  });

  it('go to the zone: replicas, then the primary, then replicas elsewhere', async () => {
    const options = { reads: 'nearest-zone', zone: 'west' } as const;
    const near = await started(options, { 1: 'west', 3: 'west', 4: 'east', 2: 'east', 5: 'east' });
    expect(many(near.topology)).toEqual({ 'h:3': 60 });
    expect(many(near.topology, 8_192)).toEqual({ 'h:5': 60 });
    near.topology.report({ kind: 'unreachable', endpoint: endpointOf(near.topology, 'h:3') });
    expect(many(near.topology)).toEqual({ 'h:1': 60 });
    expect(endpointOf(near.topology, 'h:4').zone).toBe('east');
    const far = await started(options, { 1: 'west', 3: 'east', 4: 'east' });
    expect(many(far.topology)).toEqual({ 'h:1': 60 });
    const nowhere = await started(options);
    expect(many(nowhere.topology)).toEqual({ 'h:3': 30, 'h:4': 30 });
  });

  it('ask each node for its zone once', async () => {
    const { cluster, topology } = await started({ reads: 'nearest-zone', zone: 'west' });
    for (let count = 0; count < 5; count++) await topology.look();
    await tick(100);
    const asked = cluster.links.flatMap(({ sentNames }) => sentNames);
    expect(asked.filter((name) => name === 'INFO')).toHaveLength(5);
  });

  it('begin with READONLY on connections to replicas alone', async () => {
    const { cluster, topology } = await started({ reads: 'prefer-replica' });
    const { signal } = new AbortController();
    await endpointOf(topology, 'h:3').source.connect(signal, true);
    await endpointOf(topology, 'h:1').source.connect(signal, true);
    expect(cluster.preludes.get(3)).toContain('READONLY');
    expect(cluster.preludes.get(1)).not.toContain('READONLY');
  });
});

describe('a connection', () => {
  it('is refused at the address of a node where another one is by now', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    const topology = cluster.topology();
    await tick(0);
    const { source } = endpointOf(topology, 'h:2');
    const { signal } = new AbortController();
    await source.connect(signal, true);
    expect(cluster.preludes.get(2)).toEqual(['CLUSTER MYID']);
    cluster.set({ cluster: 'other' }, [2]);
    await expect(source.connect(signal, true)).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringContaining('another node than the one that was meant (a2)'),
    });
    // That is what all say by now: the node was reset, and is one of them again.
    for (const port of [1, 2, 3]) cluster.set({ cluster: 'other', epoch: 2 }, [port]);
    topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:1') });
    topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:2') });
    topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:3') });
    await tick(1_000);
    await expect(source.connect(signal, true)).resolves.toBeDefined();
  });
});

describe('what has no keys', () => {
  it('goes to primaries in turn, past one that is away', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology({ reads: 'prefer-replica' });
    await tick(0);
    const ids = () => [1, 2, 3, 4].map(() => idOf(topology.route(routeOf(undefined, 'read'))));
    expect(ids().sort()).toEqual(['h:1', 'h:1', 'h:2', 'h:2']);
    topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:1') });
    expect(ids()).toEqual(['h:2', 'h:2', 'h:2', 'h:2']);
  });

  it('goes to one endpoint where that is asked for', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology();
    await tick(0);
    const at = (endpointId: string) =>
      idOf(topology.route({ slot: undefined, access: 'read', endpointId }));
    expect([at('h:4'), at('h:9')]).toEqual(['h:4', undefined]);
  });
});
