// Which endpoint is used when, on simulated connections and fake time.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '../../../test/support/outcome.js';
import {
  SimulatedSource,
  settle,
  simulatedClock,
} from '../../../test/support/simulated-connection.js';
import { SimulatedTopology, simulatedEndpoint } from '../../../test/support/simulated-topology.js';
import { routeOf } from '../../base/route.js';
import { PoolError } from '../../errors.js';
import type { FailoverOptions } from '../../policy/failback.js';
import { ErrorReply } from '../../wire/protocol.js';
import type { FailoverEvent } from '../failover.js';
import { SingleTopology } from '../single.js';
import type { LeaveTerms, Topology } from '../topology.js';
import { EndpointsTopology } from './endpoints.js';

const OPTIONS: FailoverOptions = {
  checkIntervalMs: 5_000,
  checkTimeoutMs: 1_000,
  probes: 3,
  probePauseMs: 500,
  policy: 'all',
  patienceMs: 1_000,
  graceMs: 60_000,
  failbackIntervalMs: 120_000,
  drainMs: 1_000,
};
const REFUSED = new PoolError('CONNECT_FAILED', 'refused', { sent: false });
/** Longer than a check takes that succeeds. */
const CHECK_MS = 1_100;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A server that answers, is away (refuses), or is silent. */
class Server {
  readonly source = new SimulatedSource();
  readonly topology = new SingleTopology(this.source);

  constructor() {
    this.answer();
  }

  answer(reply: unknown = 'PONG'): void {
    this.source.onDial = 'accept';
    this.source.answer = () => reply;
  }

  die(): void {
    this.source.onDial = REFUSED;
    for (const connection of this.source.open) connection.lose();
  }

  fallSilent(): void {
    this.source.onDial = 'hold';
    this.source.answer = () => undefined;
  }
}

async function open(options: Partial<FailoverOptions> = {}, weights: Record<string, number> = {}) {
  const servers = { a: new Server(), b: new Server(), c: new Server() };
  const { a, b, c } = servers;
  const members = [
    { id: 'a', weight: weights.a ?? 3, topology: a.topology as Topology },
    { id: 'b', weight: weights.b ?? 2, topology: b.topology },
    { id: 'c', weight: weights.c ?? 1, topology: c.topology },
  ];
  const topology = new EndpointsTopology(members, { ...OPTIONS, ...options }, simulatedClock);
  const changes: (LeaveTerms | undefined)[] = [];
  const events: string[] = [];
  topology.onEvent = (event) => events.push(textOf(event));
  topology.start({ onChange: (terms) => changes.push(terms) });
  await settle(CHECK_MS);
  const current = () => topology.route(undefined)?.site;
  /** As a pool reports it that has no connection left. */
  const lose = (downForMs: number | undefined) => {
    const endpoint = topology.route(undefined);
    if (endpoint !== undefined) topology.report({ kind: 'unreachable', endpoint, downForMs });
  };
  const stateOf = (id: string) => topology.status().endpoints.find((each) => each.id === id)?.state;
  return { ...servers, topology, changes, events, current, lose, stateOf };
}

function textOf({ name, facts }: FailoverEvent): string {
  if (name === 'endpointsDown') return `endpointsDown (${facts.reason})`;
  return `${facts.from} -> ${facts.to} (${facts.reason})`;
}

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
    const { a, current, events, changes, stateOf } = await open();
    a.fallSilent();
    await settle(5_000 + CHECK_MS);
    expect(current()).toBe('b');
    expect(events).toEqual(['a -> b (health-check)']);
    expect(changes).toEqual([{ drainMs: 1_000 }]);
    expect(stateOf('a')).toBe('unhealthy');
  });

  test('is left when no connection can be made for as long as one is patient', async () => {
    const { current, events, lose } = await open();
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
    const { a, current } = await open();
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
    const { topology, current, b } = await open();
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
    const { b, current, lose, events, stateOf } = await open();
    b.die();
    lose(1_000);
    await settle();
    expect(current()).toBe('c');
    expect(events).toEqual(['a -> c (breaker)']);
    expect(stateOf('b')).toBe('unhealthy');
  });

  test('is asked again once it is used, and left if it failed meanwhile', async () => {
    const { b, current, lose, events } = await open();
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
    const { a, b, c, current, stateOf } = await open();
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
    const { a, b, current, lose, stateOf } = await open();
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
    const { a, current, events } = await open();
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
    const { a, current } = await open({ failbackIntervalMs: 7_000, graceMs: 0 });
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
      const { a, current } = await open(options, weights);
      a.die();
      await settle(5_000);
      a.answer();
      await settle(300_000);
      expect(current()).toBe('b');
    }
  });
});

describe('switchTo', () => {
  test('moves to an endpoint that passes its check, and stays there', async () => {
    const { topology, current, events } = await open();
    const switching = topology.switchTo('c', {});
    await settle(CHECK_MS);
    await switching;
    expect(current()).toBe('c');
    expect(events).toEqual(['a -> c (manual)']);
    await settle(500_000);
    expect(current()).toBe('c');
    const { lastSwitch, switches, active } = topology.status();
    expect(lastSwitch).toMatchObject({ from: 'a', to: 'c', reason: 'manual', agoMs: 500_100 });
    expect([active, switches.manual]).toEqual(['c', 1]);
  });

  test('lets a better one have it back after forMs', async () => {
    const { topology, current, events } = await open();
    await topology.switchTo('c', { force: true, forMs: 30_000 });
    await settle(29_000);
    expect(current()).toBe('c');
    await settle(1_001);
    expect(current()).toBe('a');
    expect(events).toEqual(['a -> c (manual)', 'c -> a (failback)']);
  });

  test('refuses an endpoint that does not answer, unless it is forced', async () => {
    const { b, topology, current } = await open();
    b.die();
    const refused = outcomeOf(topology.switchTo('b', {}));
    await settle(CHECK_MS);
    expect(await refused).toMatchObject({ code: 'CONNECT_FAILED' });
    expect((await refused).error?.message).toMatch(/b fails its health check: refused/);
    expect(current()).toBe('a');
    await topology.switchTo('b', { force: true });
    expect(current()).toBe('b');
    // It is left as soon as that is found.
    await settle();
    expect(current()).toBe('a');
  });

  test('keeps a forced one for its time, though it does not answer', async () => {
    const { b, topology, current, lose } = await open();
    b.die();
    await topology.switchTo('b', { force: true, forMs: 20_000 });
    lose(5_000);
    await settle(19_900);
    expect(current()).toBe('b');
    await settle(200);
    expect(current()).toBe('a');
  });

  test('forgets why an endpoint was left before: it does not bounce', async () => {
    const { a, topology, current, stateOf, lose } = await open();
    lose(1_000);
    await settle();
    expect([current(), stateOf('a')]).toEqual(['b', 'unhealthy']);
    const switching = topology.switchTo('a', {});
    await settle(CHECK_MS);
    await switching;
    expect([current(), stateOf('a')]).toEqual(['a', 'healthy']);
    await settle(20_000);
    expect(current()).toBe('a');
    expect(a.source.open.length).toBe(1);
  });

  test('chooses the one in use anew: what was found of it before is forgotten', async () => {
    const { b, c, topology, current, lose, events } = await open();
    b.fallSilent();
    c.fallSilent();
    lose(1_000);
    await settle(100);
    // The others are being asked; somebody says that A is right.
    await topology.switchTo('a', { force: true });
    await settle(3 * CHECK_MS);
    expect(current()).toBe('a');
    expect(events).toEqual([]);
  });

  test('refuses a name that there is not, and times that are none', async () => {
    const { topology } = await open();
    const codes = [
      topology.switchTo('nowhere', {}),
      topology.switchTo('b', { forMs: 0 }),
      topology.switchTo('b', { forMs: Number.NaN }),
      topology.switchTo('b', { forMs: '1' as never }),
    ].map(async (promise) => (await outcomeOf(promise)).code);
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['INVALID_ARGUMENT']));
  });
});

describe('where nobody answers', () => {
  async function openDead() {
    const setup = await open({ graceMs: 0 });
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
    await topology.look();
    expect(current()).toBe('c');
    expect(events.at(-1)).toBe('a -> c (health-check)');
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
    const { b, current } = await open();
    b.fallSilent();
    await settle(100_000);
    expect(b.source.heldDials.length).toBeLessThanOrEqual(1);
    expect(b.source.open.length).toBe(0);
    b.answer();
    await settle(10_000);
    expect([b.source.open.length, current()]).toEqual([1, 'a']);
  });

  test('use one connection for all checks, which ends with the pool', async () => {
    const { b, topology } = await open();
    await settle(60_000);
    expect(b.source.dials).toBe(1);
    topology.stop();
    expect(b.source.open).toEqual([]);
    const { dials } = b.source;
    await settle(60_000);
    expect(b.source.dials).toBe(dials);
  });

  test('that dial at the same time keep one connection', async () => {
    const { b, current, lose } = await open();
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
      const { a, current } = await open({ policy });
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
