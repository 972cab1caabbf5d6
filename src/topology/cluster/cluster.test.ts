// What the topology knows and believes, on simulated time, with nodes that say what the test wants.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  endpointOf,
  FakeCluster,
  type Line,
  owner,
  stopTopologies,
  THIRDS,
  tick,
  WITH_REPLICAS,
} from '../../../test/support/cluster-nodes.js';
import type { Endpoint } from '../topology.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  stopTopologies();
  vi.useRealTimers();
});

describe('what is known', () => {
  it('comes from one seed and covers all nodes', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology();
    expect([topology.endpoints, owner(topology, 0)]).toEqual([[], undefined]);
    await tick(0);
    expect(cluster.changes).toBe(1);
    expect(topology.endpoints.map(({ id, role }) => [id, role])).toEqual([
      ['h:1', 'primary'],
      ['h:2', 'primary'],
      ['h:3', 'replica'],
      ['h:4', 'replica'],
      ['h:5', 'replica'],
    ]);
    expect([0, 8_191, 8_192, 16_383].map((slot) => owner(topology, slot))).toEqual([
      ...['h:1', 'h:1', 'h:2', 'h:2'],
    ]);
    expect(topology.address).toBe('cluster (h:1)');
  });

  it('comes from the one seed that lives, and quickly', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3, 90, 91, 92, 93]);
    cluster.set({ state: 'refuses' }, [90, 91, 92]);
    cluster.set({ state: 'hangs' }, [93]);
    const topology = cluster.topology({ seeds: [90, 91, 92, 93, 1] });
    await tick(500);
    expect(owner(topology, 0)).toBe('h:1');
  });

  it('is asked of nodes that are known where all seeds are gone, and the other way round', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3, 4, 5, 6]);
    const topology = cluster.topology({ seeds: [1] });
    await tick(0);
    cluster.set({ state: 'refuses' }, [1]);
    cluster.set({ lines: [...THIRDS.slice(1), [0, 5_460, 4]], epoch: 2 });
    await topology.look();
    expect(owner(topology, 0)).toBe('h:4');
    cluster.set({ state: 'refuses' }, [2, 3, 4]);
    cluster.set({ state: 'up', lines: [[0, 16_383, 5]] }, [1]);
    for (const id of ['h:2', 'h:3', 'h:4']) {
      topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, id) });
    }
    await tick(200);
    expect(owner(topology, 0)).toBe('h:5');
  });

  it('is told with the reason where nobody answers', async () => {
    const cluster = new FakeCluster(THIRDS, []);
    const topology = cluster.topology({ seeds: [1, 2] });
    await expect(topology.look()).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringMatching(/No node of the cluster told .*\(asked h:\d, h:\d\).*refused/),
    });
  });

  it.each([
    ['ERR This instance has cluster support disabled', 'HANDSHAKE_FAILED'],
    ["NOPERM this user has no permissions to run the 'cluster|slots' command", 'AUTH_FAILED'],
    ['ERR whatever', 'CONNECT_FAILED'],
  ])('is told where a server says %j', async (words, code) => {
    const cluster = new FakeCluster(THIRDS, [1]);
    cluster.set({ reply: new Error(words) });
    await expect(cluster.topology().look()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(words),
    });
  });

  it('is found late, when the cluster is there at last', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    cluster.set({ lines: [] });
    const topology = cluster.topology();
    await tick(3_000);
    expect(topology.endpoints).toEqual([]);
    cluster.set({ lines: THIRDS });
    await tick(250);
    expect(owner(topology, 0)).toBe('h:1');
  });
});

describe('a view that is worse than that in use', () => {
  it('is not adopted: fewer slots, nonsense, nothing', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    const topology = cluster.topology();
    await tick(0);
    const nonsense = [[], null, 'OK', [[0, 16_383]], [[0, 16_383, ['?', 7, 'x', []]]]];
    for (const reply of [...nonsense, [[0, 9, ['h', 2, 'a2', []]]]]) {
      cluster.set({ reply, epoch: 0 });
      await topology.look().catch(() => undefined);
      expect([0, 5_461, 16_383].map((slot) => owner(topology, slot))).toEqual([
        ...['h:1', 'h:2', 'h:3'],
      ]);
    }
    expect(cluster.changes).toBe(1);
  });

  it('is not adopted: what others knew better before', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3, 4]);
    cluster.set({ epoch: 5 });
    const topology = cluster.topology();
    await tick(0);
    cluster.set({ lines: [[0, 5_460, 4], ...THIRDS.slice(1)], epoch: 4 });
    await topology.look();
    expect(owner(topology, 0)).toBe('h:1');
    cluster.set({ epoch: 5 });
    await topology.look();
    expect(owner(topology, 0)).toBe('h:4');
  });

  it('is adopted in part where it is the newest, as when a failover loses a slot', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology();
    await tick(0);
    const lines: Line[] = [
      [1, 8_191, 3, 4, 1],
      [8_192, 16_382, 2, 5],
    ];
    cluster.set({ lines, epoch: 2 });
    await topology.look();
    const owners = () => [0, 1, 16_382, 16_383].map((slot) => owner(topology, slot));
    // Who was demoted keeps nothing, who was not keeps what nobody else has.
    expect(owners()).toEqual([undefined, 'h:3', 'h:2', 'h:2']);
    const { changes } = cluster;
    await topology.look();
    expect(cluster.changes).toBe(changes);
    await tick(11_000);
    expect(owners()).toEqual([undefined, 'h:3', 'h:2', undefined]);
  });

  it('is adopted where all say it for long, as after a shard was given up', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    const topology = cluster.topology();
    await tick(0);
    cluster.set({ lines: THIRDS.slice(0, 2), epoch: 2 });
    await topology.look();
    await tick(9_000);
    expect(owner(topology, 16_383)).toBe('h:3');
    await tick(2_500);
    expect(owner(topology, 16_383)).toBeUndefined();
    expect(owner(topology, 0)).toBe('h:1');
  });

  it('is not that of another cluster at an old address', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3, 70, 71]);
    const topology = cluster.topology({ seeds: [70] });
    await tick(0);
    cluster.set({ lines: [[0, 16_383, 71]], epoch: 99, cluster: 'z' }, [70, 71]);
    for (let count = 0; count < 10; count++) await topology.look();
    expect(owner(topology, 0)).toBe('h:1');
  });

  it('gives way to the newest where nodes contradict each other', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3, 4]);
    cluster.set({ lines: [[0, 5_460, 4], ...THIRDS.slice(1)], epoch: 5 }, [2]);
    const topology = cluster.topology({ seeds: [1, 2, 3] });
    await tick(0);
    expect(owner(topology, 0)).toBe('h:4');
  });

  it('does not count where it comes late', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    cluster.set({ state: 'silent' }, [2]);
    const topology = cluster.topology({ seeds: [1, 2] });
    await tick(99);
    expect(topology.endpoints).toEqual([]);
    await tick(2);
    expect(owner(topology, 0)).toBe('h:1');
  });
});

describe('a node that is away', () => {
  it('is looked for again and again until another has its place', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology();
    await tick(0);
    cluster.set({ state: 'refuses' }, [1]);
    topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:1') });
    await tick(2_000);
    expect(owner(topology, 0)).toBe('h:1');
    cluster.set({ lines: [[0, 8_191, 3, 4], WITH_REPLICAS[1] as Line], epoch: 2 });
    await tick(300);
    expect(owner(topology, 0)).toBe('h:3');
    const asked = () => cluster.links.flatMap(({ sentNames }) => sentNames).length;
    await tick(2_000);
    const before = asked();
    await tick(20_000);
    expect(asked()).toBe(before);
  });

  it('costs few dials while it is looked for', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology();
    await tick(0);
    cluster.set({ state: 'refuses' }, [1]);
    for (let count = 0; count < 100; count++) {
      topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:1') });
      await tick(20);
    }
    expect(cluster.dialed.filter((port) => port !== 1).length).toBeLessThan(12);
  });

  it('is no trouble any more once it was reached', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    const topology = cluster.topology();
    await tick(0);
    const endpoint = endpointOf(topology, 'h:1');
    topology.report({ kind: 'unreachable', endpoint });
    const link = await endpoint.source.connect(new AbortController().signal, true);
    await tick(3_000);
    const asked = () => cluster.links.flatMap(({ sentNames }) => sentNames).length;
    const before = asked();
    await tick(20_000);
    expect(asked()).toBe(before);
    link?.destroy(new Error('the test is over'));
  });

  it('is found in its new role though the first to know of it did not say so', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology();
    await tick(0);
    topology.report({ kind: 'demoted', endpoint: endpointOf(topology, 'h:1') });
    cluster.set({ lines: [[0, 8_191, 3, 4], WITH_REPLICAS[1] as Line], epoch: 2 });
    await tick(200);
    cluster.set({ lines: [[0, 8_191, 3, 4, 1], WITH_REPLICAS[1] as Line] });
    expect(topology.endpoints.map(({ id }) => id)).not.toContain('h:1');
    await tick(1_100);
    expect(endpointOf(topology, 'h:1').role).toBe('replica');
  });

  it('is suspected while a dial takes long, as a server that hangs accepts it', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology();
    await tick(5_000);
    cluster.set({ state: 'hangs' }, [1]);
    cluster.set({ lines: [[0, 8_191, 3, 4], WITH_REPLICAS[1] as Line], epoch: 2 });
    const { signal } = new AbortController();
    const dial = endpointOf(topology, 'h:1').source.connect(signal, true);
    dial.catch(() => undefined);
    await tick(200);
    expect(owner(topology, 0)).toBe('h:1');
    await tick(250);
    expect(owner(topology, 0)).toBe('h:3');
  });

  it('has a bound for what is in flight there once another has its place', async () => {
    const cluster = new FakeCluster(WITH_REPLICAS, [1, 2, 3, 4, 5]);
    const topology = cluster.topology();
    await tick(0);
    const lines: Line[] = [[0, 8_191, 3, 4], WITH_REPLICAS[1] as Line];
    topology.report({ kind: 'unreachable', endpoint: endpointOf(topology, 'h:1') });
    cluster.set({ lines, epoch: 2 });
    await topology.look();
    expect([owner(topology, 0), cluster.terms]).toEqual(['h:3', { drainMs: 1_000 }]);
    // Who is well answers by himself what he still has.
    cluster.set({ lines: [[0, 8_191, 4, 3], WITH_REPLICAS[1] as Line], epoch: 3 });
    await topology.look();
    expect([owner(topology, 0), cluster.terms]).toEqual(['h:4', undefined]);
  });

  it('comes back as the same endpoint where its role is the same', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3, 4]);
    const topology = cluster.topology();
    await tick(0);
    const before = endpointOf(topology, 'h:1');
    cluster.set({ lines: [[0, 5_460, 4, 1], ...THIRDS.slice(1)], epoch: 2 });
    await topology.look();
    const asReplica = endpointOf(topology, 'h:1');
    expect(asReplica.role).toBe('replica');
    expect(asReplica.source).not.toBe(before.source);
    cluster.set({ lines: THIRDS, epoch: 3 });
    await topology.look();
    expect(endpointOf(topology, 'h:1')).toBe(before);
  });
});

describe('in the end', () => {
  it('connections of its own close by themselves', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    cluster.topology({ seeds: [1, 2, 3] });
    await tick(1_500);
    expect(cluster.openLinks).toBeGreaterThan(0);
    await tick(4_000);
    expect(cluster.openLinks).toBe(0);
  });

  it('nothing is left once it was stopped', async () => {
    const cluster = new FakeCluster(THIRDS, [1, 2, 3]);
    cluster.set({ state: 'silent' }, [2]);
    const topology = cluster.topology({ seeds: [1, 2, 3] });
    const look = topology.look().catch(() => undefined);
    await tick(10);
    topology.stop();
    await look;
    await tick(0);
    topology.report({ kind: 'unreachable', endpoint: { id: 'h:1' } as Endpoint });
    await tick(3_000);
    expect(cluster.openLinks).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
