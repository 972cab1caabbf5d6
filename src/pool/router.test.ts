// What the pool does with several servers, on simulated connections and fake time.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CoreClient } from '../../test/support/core-client.js';
import { outcomeOf } from '../../test/support/outcome.js';
import { settle, simulatedClock, soon } from '../../test/support/simulated-connection.js';
import { SimulatedTopology, simulatedEndpoint } from '../../test/support/simulated-topology.js';
import { Command } from '../base/command.js';
import { routeOf } from '../base/route.js';
import type { PoolOptions } from '../config/options.js';
import { resolveOptions } from '../config/resolve.js';
import { PoolError } from '../errors.js';
import { ErrorReply } from '../wire/protocol.js';
import { ConnectionPool } from './pool.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function openCluster(options: PoolOptions = {}) {
  const [a, b] = [simulatedEndpoint('a:1'), simulatedEndpoint('b:1')];
  const topology = new SimulatedTopology();
  topology.show([a, b], { 1: a, 2: b });
  const resolved = resolveOptions({ maxConnections: 4, ...options }, {});
  const pool = new ConnectionPool(resolved, { topology, clock: simulatedClock, random: () => 0 });
  await settle();
  return { a, b, topology, pool, ...callersOf(pool) };
}

function callersOf(pool: ConnectionPool) {
  const redis = new CoreClient(pool);
  const commandFor = (slot: number | undefined, name: string): Command => {
    const command = redis.command('write', [name, 'key']);
    command.route = routeOf(slot, 'write');
    return command;
  };
  const send = (slot: number | undefined, name: string) => pool.execute(commandFor(slot, name));
  return { commandFor, send };
}

const namesAt = ({ source }: ReturnType<typeof simulatedEndpoint>) =>
  source.connections.flatMap(({ sentNames }) => sentNames);
const moved = (slot: number, to: string) => new ErrorReply(`MOVED ${slot} ${to}`);
const ask = (slot: number, to: string) => new ErrorReply(`ASK ${slot} ${to}`);

describe('a command', () => {
  test('goes to the server of its slot', async () => {
    const { a, b, send } = await openCluster();
    void outcomeOf(send(1, 'ONE'));
    void outcomeOf(send(2, 'TWO'));
    await settle();
    expect([namesAt(a), namesAt(b)]).toEqual([['ONE'], ['TWO']]);
  });

  test('that was MOVED goes on at once, and those after it go there first', async () => {
    const { a, b, pool, send } = await openCluster();
    a.source.answer = () => moved(1, 'b:1');
    b.source.answer = () => 'here';
    expect(await soon(send(1, 'FIRST'))).toMatchObject({ value: 'here' });
    expect(await soon(send(1, 'SECOND'))).toMatchObject({ value: 'here' });
    expect([namesAt(a), namesAt(b)]).toEqual([['FIRST'], ['FIRST', 'SECOND']]);
    expect(pool.status().counters).toMatchObject({ redirects: 1, retries: 0 });
  });

  test('that was ASKed goes on behind ASKING, and those after it go where they went', async () => {
    const { a, b, send } = await openCluster();
    a.source.answer = (name) => (name === 'GONE' ? ask(1, 'b:1') : 'stayed');
    b.source.answer = () => 'asked';
    expect(await soon(send(1, 'GONE'))).toMatchObject({ value: 'asked' });
    expect(await soon(send(1, 'THERE'))).toMatchObject({ value: 'stayed' });
    expect([namesAt(a), namesAt(b)]).toEqual([
      ['GONE', 'THERE'],
      ['ASKING', 'GONE'],
    ]);
  });

  test('that was MOVED to a server which then ASKs for it elsewhere gets there', async () => {
    const { a, b, send, pool } = await openCluster();
    let isAsking = false;
    a.source.answer = (name) => {
      if (name === 'ASKING') isAsking = true;
      return isAsking ? 'asked' : moved(1, 'b:1');
    };
    b.source.answer = () => ask(1, 'a:1');
    expect(await soon(send(1, 'GONE'))).toMatchObject({ value: 'asked' });
    expect([namesAt(a), namesAt(b)]).toEqual([['GONE', 'ASKING', 'GONE'], ['GONE']]);
    expect(pool.status().counters.redirects).toBe(2);
  });

  test('that servers send to and fro is not kept beyond its deadline', async () => {
    const { a, b, pool } = await openCluster();
    a.source.answer = () => moved(1, 'b:1');
    b.source.answer = () => moved(1, 'a:1');
    const redis = new CoreClient(pool, { timeout: 100 });
    const command = redis.command('write', ['BALL', 'key']);
    command.route = routeOf(1, 'write');
    const outcome = outcomeOf(pool.execute(command));
    await settle(140);
    expect(command.settled).toBe(true);
    expect((await outcome).error).toMatchObject({ message: expect.stringMatching(/^MOVED 1 /) });
  });

  test("that servers send to and fro is its caller's in the end", async () => {
    const { a, b, send } = await openCluster();
    a.source.answer = () => moved(1, 'b:1');
    b.source.answer = () => moved(1, 'a:1');
    const outcome = outcomeOf(send(1, 'BALL'));
    await settle(60_000);
    expect((await outcome).error).toMatchObject({ message: expect.stringMatching(/^MOVED 1 /) });
    const sent = [...namesAt(a), ...namesAt(b)].filter((name) => name === 'BALL');
    expect(sent).toHaveLength(17);
  });

  test('that is put off while the cluster is down runs once it is up again', async () => {
    const { a, topology, send } = await openCluster();
    a.source.answer = () => new ErrorReply('CLUSTERDOWN The cluster is down');
    const outcome = outcomeOf(send(1, 'LATER'));
    await settle(1_500);
    a.source.answer = () => 'up';
    await settle(600);
    expect(await outcome).toMatchObject({ value: 'up' });
    expect(topology.facts).toContainEqual({ kind: 'unreachable', endpoint: a });
  });

  test('that is put off by a server that serves others says nothing against it', async () => {
    const { a, topology, send } = await openCluster();
    a.source.answer = () =>
      new ErrorReply('TRYAGAIN Multiple keys request during rehashing of slot');
    const outcome = outcomeOf(send(1, 'HALF'));
    await settle(100);
    a.source.answer = () => 'whole';
    await settle(600);
    expect(await outcome).toMatchObject({ value: 'whole' });
    expect(topology.facts).toEqual([]);
  });

  test('of no slot goes to any server, and one for an endpoint to that alone', async () => {
    const { b, send, pool, commandFor } = await openCluster();
    void outcomeOf(send(undefined, 'ANY'));
    const command = commandFor(undefined, 'THAT');
    command.route = { slot: undefined, access: 'write', endpointId: b.id };
    void outcomeOf(pool.execute(command));
    await settle();
    expect(namesAt(b)).toEqual(['THAT']);
    expect(pool.endpointIds('primaries')).toEqual(['a:1', 'b:1']);
  });
});

describe('an error that a script may have made up', () => {
  async function openScripted(answerToProbe: unknown) {
    const cluster = await openCluster();
    cluster.a.source.answer = (name) => (name === 'EXISTS' ? answerToProbe : moved(1, 'b:1'));
    cluster.b.source.answer = () => 'ran';
    const { payload } = cluster.commandFor(1, 'EXISTS');
    const kind = { name: 'EVAL', retryClass: 'unknown', mayMakeUpErrors: true } as const;
    const command = new Command(kind, { timeoutMs: 5_000 }, payload, true);
    command.route = routeOf(1, 'write');
    command.probe = payload;
    return { ...cluster, outcome: await soon(cluster.pool.execute(command)) };
  }

  test('is followed where the server says the same of the keys', async () => {
    const { a, b, outcome } = await openScripted(moved(1, 'b:1'));
    expect(outcome).toMatchObject({ value: 'ran' });
    expect([namesAt(a), namesAt(b)]).toEqual([['EVAL', 'EXISTS'], ['EVAL']]);
  });

  test("is its caller's answer where the server does not", async () => {
    const { b, outcome } = await openScripted(1);
    expect(outcome.error).toMatchObject({ message: 'MOVED 1 b:1' });
    expect(namesAt(b)).toEqual([]);
  });

  test('is so too where the server says another thing, as the slot has moved since', async () => {
    const { a, outcome } = await openScripted(moved(1, 'c:1'));
    expect(outcome.error).toMatchObject({ message: 'MOVED 1 b:1' });
    expect(namesAt(a)).toEqual(['EVAL', 'EXISTS']);
  });

  test('does not wait for the server beyond its own deadline', async () => {
    const cluster = await openCluster();
    cluster.a.source.answer = (name) => (name === 'EXISTS' ? undefined : moved(1, 'b:1'));
    const { payload } = cluster.commandFor(1, 'EXISTS');
    const kind = { name: 'EVAL', retryClass: 'unknown', mayMakeUpErrors: true } as const;
    const command = new Command(kind, { timeoutMs: 100 }, payload, true);
    command.route = routeOf(1, 'write');
    command.probe = payload;
    const outcome = outcomeOf(cluster.pool.execute(command));
    await settle(140);
    expect(command.settled).toBe(true);
    expect((await outcome).error).toMatchObject({ message: 'MOVED 1 b:1' });
  });
});

describe('callers of whom no server is known', () => {
  test('wait until one is', async () => {
    const [a, b] = [simulatedEndpoint('a:1'), simulatedEndpoint('b:1')];
    const topology = new SimulatedTopology();
    const resolved = resolveOptions({ maxConnections: 4 }, {});
    topology.onLook = new PoolError('CONNECT_FAILED', 'nobody answers', { sent: false });
    const pool = new ConnectionPool(resolved, { topology, clock: simulatedClock, random: () => 0 });
    b.source.answer = () => 'found';
    const outcome = outcomeOf(callersOf(pool).send(2, 'EARLY'));
    await settle(300);
    expect(topology.looks).toBeGreaterThan(1);
    expect(pool.status().waiting).toBe(1);
    topology.onLook = () => topology.show([a, b], { 1: a, 2: b });
    await settle(600);
    expect(await outcome).toMatchObject({ value: 'found' });
    expect(pool.status()).toMatchObject({ waiting: 0, state: 'ready' });
  });

  test('are told why when that takes too long', async () => {
    const topology = new SimulatedTopology();
    topology.onLook = new PoolError('CONNECT_FAILED', 'nobody answers', { sent: false });
    const resolved = resolveOptions({ maxConnections: 4 }, {});
    const pool = new ConnectionPool(resolved, { topology, clock: simulatedClock, random: () => 0 });
    const outcome = outcomeOf(callersOf(pool).send(2, 'EARLY'));
    await settle(3_000);
    expect(await outcome).toMatchObject({ code: 'BREAKER_OPEN', error: { sent: false } });
    expect(pool.status().state).toBe('down');
  });
});

describe('when servers change', () => {
  test('who waits for one that is gone moves to the one that has his slot', async () => {
    const { a, b, topology, send, pool } = await openCluster();
    a.source.onDial = 'hold';
    a.source.connections[0]?.lose();
    const command = outcomeOf(send(1, 'STRAY'));
    const lease = pool.acquireLease({ route: routeOf(1, 'write') });
    await settle(100);
    b.source.answer = () => 'adopted';
    topology.show([b], { 1: b, 2: b });
    await settle(50);
    expect(await command).toMatchObject({ value: 'adopted' });
    expect(b.source.open).toContain((await lease).entry.connection);
    expect(pool.status().endpoints.map(({ address }) => address)).toEqual(['b:1']);
  });

  test('who waits for one that is gone, and for that alone, is told so at once', async () => {
    const { a, b, topology, pool, commandFor } = await openCluster();
    a.source.onDial = 'hold';
    a.source.connections[0]?.lose();
    const route = { slot: undefined, access: 'write', endpointId: a.id } as const;
    const command = commandFor(undefined, 'BOUND');
    command.route = route;
    const outcomes = [outcomeOf(pool.execute(command)), outcomeOf(pool.acquireLease({ route }))];
    await settle(100);
    topology.show([b], { 1: b, 2: b });
    await settle(20);
    outcomes.push(outcomeOf(pool.acquireLease({ route })));
    await settle(20);
    for (const { code, error } of await Promise.all(outcomes)) {
      expect([code, error?.sent]).toEqual(['CONNECTION_LOST', false]);
    }
  });

  test('what is in flight on one that is left is answered before it is closed', async () => {
    const { a, b, topology, send } = await openCluster();
    const outcome = outcomeOf(send(1, 'LAST'));
    await settle();
    topology.show([b], { 1: b, 2: b });
    await settle(50);
    expect(a.source.open).toHaveLength(1);
    a.source.open[0]?.reply('done');
    expect(await outcome).toMatchObject({ value: 'done' });
    expect(a.source.open).toHaveLength(0);
  });

  test('one that is down leaves the others their callers', async () => {
    const { a, b, send, pool } = await openCluster();
    a.source.onDial = new PoolError('CONNECT_FAILED', 'refused', { sent: false });
    a.source.connections[0]?.lose();
    b.source.answer = () => 'well';
    const lost = outcomeOf(send(1, 'LOST'));
    await settle(3_000);
    expect(await lost).toMatchObject({ code: 'BREAKER_OPEN' });
    expect(await soon(send(2, 'FINE'))).toMatchObject({ value: 'well' });
    expect(pool.status()).toMatchObject({ state: 'degraded' });
    expect(pool.status().endpoints.map(({ state }) => state)).toEqual(['down', 'ready']);
  });
});

describe('the budget', () => {
  test("is one for all servers, and idle connections of one serve the other's leases", async () => {
    const { a, b, pool } = await openCluster({ maxConnections: 4 });
    const lent = [1, 2].map(() => pool.acquireLease({ route: routeOf(1, 'write') }));
    await settle(50);
    expect(pool.status().connections).toMatchObject({ open: 4, leased: 2 });
    for (const lease of await Promise.all(lent)) lease.release();
    const wanted = [1, 2].map(() => pool.acquireLease({ route: routeOf(2, 'write') }));
    await settle(50);
    expect(await Promise.all(wanted)).toHaveLength(2);
    expect(a.source.open.length + b.source.open.length).toBeLessThanOrEqual(4);
  });
});

test('a blocking command follows its slot', async () => {
  const { a, b, pool, commandFor } = await openCluster();
  a.source.answer = () => moved(1, 'b:1');
  b.source.answer = () => 'element';
  const command = commandFor(1, 'BLPOP');
  command.isBlocking = true;
  expect(await soon(pool.executeExclusive(command))).toMatchObject({ value: 'element' });
  await settle(50);
  expect(pool.status().connections.leased).toBe(0);
});

test('a blocking command that was sent away waits no longer than its own deadline', async () => {
  const { a, b, pool, commandFor } = await openCluster({ maxConnections: 1 });
  const lent = await soon(pool.acquireLease({ route: routeOf(2, 'write') }));
  const command = commandFor(1, 'BLPOP');
  command.isBlocking = true;
  const outcome = outcomeOf(pool.executeExclusive(command));
  await settle(3_000);
  expect(namesAt(a)).toEqual(['BLPOP']);
  a.source.open.find(({ inFlight }) => inFlight > 0)?.reply(moved(1, 'b:1'));
  await settle(2_100);
  expect(await outcome).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  expect(lent.value?.entry.connection).toBe(b.source.open[0]);
});

test('a blocking command goes on where its slot went when its primary became a replica', async () => {
  const { a, b, topology, pool, commandFor } = await openCluster();
  const command = commandFor(1, 'BLPOP');
  command.isBlocking = true;
  const outcome = outcomeOf(pool.executeExclusive(command));
  await settle(50);
  topology.show([a, b], { 1: b, 2: b });
  b.source.answer = () => 'element';
  const text = 'UNBLOCKED force unblock, instance state changed (master -> replica?)';
  a.source.open.find(({ inFlight }) => inFlight > 0)?.reply(new ErrorReply(text));
  await settle(50);
  expect(await outcome).toMatchObject({ value: 'element' });
});

test('close() waits for what is in flight on all servers', async () => {
  const { a, b, pool, send } = await openCluster();
  const outcomes = [outcomeOf(send(1, 'ONE')), outcomeOf(send(2, 'TWO'))];
  await settle();
  const closed = outcomeOf(pool.close());
  a.source.open[0]?.reply('1');
  b.source.open[0]?.reply('2');
  await settle(50);
  expect((await Promise.all(outcomes)).map(({ value }) => value)).toEqual(['1', '2']);
  await closed;
  expect([a, b].map(({ source }) => source.open.length)).toEqual([0, 0]);
});

test('what the pool asks of one server stays there when the view changes', async () => {
  const { a, b, pool, topology } = await openCluster({ minConnections: 0 });
  for (const { source } of [a, b]) source.answer = () => 'PONG';
  b.source.onDial = 'hold';
  const report = pool.healthCheck();
  await settle();
  topology.show([a, b], { 1: a, 2: a });
  b.source.heldDials[0]?.accept();
  await settle();
  expect((await report).healthy).toBe(true);
  expect(namesAt(b)).toContain('PING');
});
