// Which endpoint is used when, on simulated connections and fake time.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '../../../test/support/outcome.js';
import { settle, simulatedClock } from '../../../test/support/simulated-connection.js';
import {
  CHECK_MS,
  OPTIONS,
  openEndpoints,
  REFUSED,
  Server,
} from '../../../test/support/simulated-endpoints.js';
import { SimulatedTopology, simulatedEndpoint } from '../../../test/support/simulated-topology.js';
import { routeOf } from '../../base/route.js';
import { DEFAULTS } from '../../config/defaults.js';
import { ErrorReply } from '../../wire/protocol.js';
import type { Topology } from '../topology.js';
import { EndpointsTopology } from './endpoints.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the endpoint in use', () => {
  test('is at first the one of highest weight, before any check has ended', () => {
    const { topology } = new Server();
    const members = [
      { id: 'low', weight: 1, topology },
      { id: 'high', weight: 2, topology: new Server().topology },
      { id: 'high too', weight: 2, topology: new Server().topology },
    ];
    const endpoints = new EndpointsTopology(members, OPTIONS, simulatedClock);
    expect(endpoints.route(undefined)?.id).toBe('high/primary');
    expect(endpoints.endpoints).toHaveLength(1);
    expect(endpoints.endpoints[0]).toBe(endpoints.route(routeOf(12, 'write')));
  });

  test('is left when its health check fails, for the next by weight', async () => {
    const { a, current, events, changes, stateOf } = await openEndpoints();
    a.fallSilent();
    await settle(5_000 + CHECK_MS);
    expect(current()).toBe('b');
    expect(events).toEqual(['a -> b (health-check)']);
    expect(changes).toEqual([{ drainMs: 1_000 }]);
    expect(stateOf('a')).toBe('unhealthy');
  });

  test('is not left for one PING that is lost, by the policy that is the default', async () => {
    const { policy } = DEFAULTS.failover;
    const { a, current } = await openEndpoints({ policy });
    a.fallSilent();
    await settle(5_000);
    a.answer();
    await settle(1_000 + CHECK_MS);
    expect(current()).toBe('a');
    a.fallSilent();
    await settle(5_000 + 2 * 1_000 + 500);
    expect(current()).toBe('b');
  });

  test('stays where the check of another one fails, which is told once', async () => {
    const { b, current, failedLooks } = await openEndpoints();
    b.die();
    await settle(3 * 5_000);
    expect(current()).toBe('a');
    expect(failedLooks).toEqual([expect.objectContaining({ code: 'CONNECT_FAILED' })]);
  });

  test('is left when no connection can be made for as long as one is patient', async () => {
    const { current, events, lose } = await openEndpoints();
    lose(undefined);
    lose(0);
    lose(999);
    await settle();
    expect(current()).toBe('a');
    lose(1_000);
    await settle();
    expect(current()).toBe('b');
    expect(events).toEqual(['a -> b (breaker)']);
  });

  test('is not left for what a server answers: who answers is alive', async () => {
    const { a, current } = await openEndpoints();
    for (const text of ['BUSY a script', 'NOPERM no', 'MISCONF disk', 'ERR unknown command']) {
      a.answer(new ErrorReply(text));
      await settle(5_000);
    }
    expect(current()).toBe('a');
    a.answer(new ErrorReply('LOADING the dataset'));
    await settle(5_000);
    expect(current()).toBe('b');
  });

  test('is not left for the loss of connections at another one', async () => {
    const { topology, current, b } = await openEndpoints();
    const endpoint = topology.route(undefined);
    await topology.switchTo('b', { force: true });
    if (endpoint === undefined) throw new Error('There was an endpoint.');
    topology.report({ kind: 'unreachable', endpoint, downForMs: 5_000 });
    await settle(10_000);
    expect(current()).toBe('b');
    expect(b.source.open.length).toBe(1);
  });
});

describe('who takes over', () => {
  test('is asked first, as it may have failed since its last check', async () => {
    const { b, current, lose, events, stateOf } = await openEndpoints();
    b.die();
    lose(1_000);
    await settle();
    expect(current()).toBe('c');
    expect(events).toEqual(['a -> c (breaker)']);
    expect(stateOf('b')).toBe('unhealthy');
  });

  test('is asked again once it is used, and left if it failed meanwhile', async () => {
    const { b, current, lose, events } = await openEndpoints();
    lose(1_000);
    b.source.answer = () => {
      // The answer to the one PING that it takes to be chosen.
      b.fallSilent();
      return 'PONG';
    };
    await settle();
    expect(current()).toBe('b');
    await settle(CHECK_MS);
    expect(current()).toBe('c');
    expect(events).toEqual(['a -> b (breaker)', 'b -> c (health-check)']);
  });

  test('is one in grace only for want of a better', async () => {
    const { a, b, c, current, stateOf } = await openEndpoints();
    a.die();
    await settle(5_000);
    a.answer();
    await settle(5_000);
    expect([current(), stateOf('a')]).toEqual(['b', 'grace']);
    b.die();
    await settle(5_000);
    expect(current()).toBe('c');
    c.die();
    await settle(5_000);
    expect([current(), stateOf('a')]).toEqual(['a', 'healthy']);
  });

  test('is not decided by a check that began before more was known', async () => {
    const { a, b, current, lose, stateOf } = await openEndpoints();
    // The check of B under way fails on its last probe, but it is chosen meanwhile.
    await settle(5_000 - CHECK_MS + 700);
    lose(1_000);
    await settle();
    expect(current()).toBe('b');
    expect(b.source.open.length).toBe(1);
    // The check of A under way ends well, which says nothing of the loss that came later.
    await settle(600);
    expect(stateOf('a')).toBe('unhealthy');
    await settle(5_000);
    expect(stateOf('a')).toBe('grace');
    expect(a.source.open.length).toBe(1);
  });
});

describe('failback', () => {
  test('goes to the highest weight that is healthy and out of grace, at its interval', async () => {
    const { a, current, events } = await openEndpoints();
    a.die();
    await settle(5_000);
    expect(current()).toBe('b');
    a.answer();
    await settle(60_000 + CHECK_MS);
    expect(current()).toBe('b');
    await settle(60_000);
    expect(current()).toBe('a');
    expect(events.at(-1)).toBe('b -> a (failback)');
  });

  test('asks first whether the better one still answers', async () => {
    const { a, current } = await openEndpoints({ failbackIntervalMs: 7_000, graceMs: 0 });
    a.die();
    await settle(5_000);
    a.answer();
    await settle(5_000);
    a.fallSilent();
    await settle(10_000);
    expect(current()).toBe('b');
  });

  test('never happens with an interval of 0, nor between equal weights', async () => {
    for (const [options, weights] of [
      [{ failbackIntervalMs: 0, graceMs: 0 }, {}],
      [
        { failbackIntervalMs: 1_000, graceMs: 0 },
        { a: 2, b: 2 },
      ],
    ] as const) {
      const { a, current } = await openEndpoints(options, weights);
      a.die();
      await settle(5_000);
      a.answer();
      await settle(300_000);
      expect(current()).toBe('b');
    }
  });
});

describe('where nobody answers', () => {
  async function openDead() {
    const setup = await openEndpoints({ graceMs: 0 });
    const { a, b, c } = setup;
    for (const server of [a, b, c]) server.die();
    await settle(5_000);
    return setup;
  }

  test('that is told once, nothing is shown, and looks are in vain', async () => {
    const { topology, events, changes } = await openDead();
    expect(topology.endpoints).toEqual([]);
    expect(topology.route(undefined)).toBeUndefined();
    await settle(60_000);
    expect(events).toEqual(['endpointsDown (health-check)']);
    expect(changes).toEqual([undefined]);
    expect(topology.status().active).toBeUndefined();
    const { code, error } = await outcomeOf(topology.look());
    expect([code, error?.message]).toEqual([
      'CONNECT_FAILED',
      expect.stringMatching(/No endpoint answers \(a, b, c\): refused/),
    ]);
  });

  test('the first that answers a look is used, after a single probe', async () => {
    const { c, topology, current, events } = await openDead();
    c.answer();
    const look = topology.look();
    await settle(50);
    await look;
    expect(current()).toBe('c');
    expect(events.at(-1)).toBe('a -> c (health-check)');
  });

  test('the best of those is used that answer at about the same time', async () => {
    const { a, b, c, topology, current } = await openDead();
    for (const server of [c, b]) server.answer();
    a.source.onDial = 'hold';
    const look = outcomeOf(topology.look());
    await settle(10);
    expect(current()).toBeUndefined();
    await settle(40);
    expect(current()).toBe('b');
    await settle(1_000);
    expect((await look).code).toBe('ok');
  });

  test('the one before comes back without a switch, and checks find it too', async () => {
    const { a, current, events, changes, stateOf } = await openDead();
    a.answer();
    await settle(5_000 + CHECK_MS);
    expect([current(), stateOf('a')]).toEqual(['a', 'healthy']);
    expect(events).toEqual(['endpointsDown (health-check)']);
    expect(changes).toEqual([undefined, { drainMs: 1_000 }]);
  });
});

describe('probes', () => {
  test('leave no connection behind, however often they fail', async () => {
    const { b, current } = await openEndpoints();
    b.fallSilent();
    await settle(100_000);
    expect(b.source.heldDials.length).toBeLessThanOrEqual(1);
    expect(b.source.open.length).toBe(0);
    b.answer();
    await settle(10_000);
    expect([b.source.open.length, current()]).toEqual([1, 'a']);
  });

  test('use one connection for all checks, which ends with the pool', async () => {
    const { b, topology } = await openEndpoints();
    await settle(60_000);
    expect(b.source.dials).toBe(1);
    topology.stop();
    expect(b.source.open).toEqual([]);
    const { dials } = b.source;
    await settle(60_000);
    expect(b.source.dials).toBe(dials);
  });

  test('that dial at the same time keep one connection', async () => {
    const { b, current, lose } = await openEndpoints();
    for (const connection of b.source.open) connection.lose();
    b.source.onDial = 'hold';
    await settle(5_000 - CHECK_MS);
    lose(1_000);
    await settle();
    expect(b.source.heldDials.length).toBe(2);
    for (const dial of [...b.source.heldDials]) dial.accept();
    await settle();
    expect([current(), b.source.open.length]).toEqual(['b', 1]);
  });

  test('count as the policy says', async () => {
    for (const [policy, left] of [
      ['all', true],
      ['majority', false],
      ['any', false],
    ] as const) {
      const { a, current } = await openEndpoints({ policy });
      let pings = 0;
      a.source.answer = () => (pings++ % 3 === 0 ? new ErrorReply('LOADING') : 'PONG');
      await settle(10_000);
      expect([policy, current() !== 'a']).toEqual([policy, left]);
    }
  });
});

describe('a cluster among them', () => {
  async function openMixed() {
    const [one, two, three] = ['1:1', '2:1', '3:1'].map((id) => simulatedEndpoint(id));
    if (!one || !two || !three) throw new Error('There are three.');
    for (const { source } of [one, two, three]) source.answer = () => 'PONG';
    const cluster = new SimulatedTopology();
    cluster.show([one, two, three], { 1: one, 2: two, 3: three });
    const single = new Server();
    const members = [
      { id: 'cluster', weight: 2, topology: cluster as Topology },
      { id: 'single', weight: 1, topology: single.topology },
    ];
    const topology = new EndpointsTopology(members, OPTIONS, simulatedClock);
    topology.start({ onChange() {} });
    await settle(CHECK_MS);
    return { topology, cluster, nodes: [one, two, three] as const, single };
  }

  test('is asked by slot, and told what is learnt, under its own names', async () => {
    const { topology, cluster, nodes } = await openMixed();
    expect(topology.isSharded).toBe(true);
    const endpoint = topology.route(routeOf(2, 'write'));
    expect(endpoint?.id).toBe('cluster/2:1');
    if (endpoint === undefined) return;
    topology.report({ kind: 'moved', from: endpoint, slot: 2, to: '3:1' });
    expect(cluster.facts).toEqual([{ kind: 'moved', from: nodes[1], slot: 2, to: '3:1' }]);
    expect(topology.route(routeOf(2, 'write'))?.id).toBe('cluster/3:1');
    expect(topology.endpointAt('1:1', endpoint)?.id).toBe('cluster/1:1');
  });

  test('is healthy while most of its primaries are', async () => {
    const { topology, nodes } = await openMixed();
    const [one, two] = nodes;
    const lose = ({ source }: typeof one) => {
      source.onDial = REFUSED;
      for (const connection of source.open) connection.lose();
    };
    lose(one);
    await settle(10_000);
    expect(topology.route(routeOf(1, 'write'))?.site).toBe('cluster');
    lose(two);
    // A sign of trouble has it checked at once.
    const endpoint = topology.route(routeOf(2, 'write'));
    if (endpoint !== undefined) topology.report({ kind: 'unreachable', endpoint });
    await settle(10);
    expect(topology.route(routeOf(1, 'write'))?.id).toBe('single/primary');
  });
});
