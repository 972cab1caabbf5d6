// What becomes of what callers have under way when another endpoint takes over, on simulated
// connections and fake time.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CoreClient } from '../../test/support/core-client.js';
import { outcomeOf } from '../../test/support/outcome.js';
import {
  SimulatedSource,
  settle,
  simulatedClock,
  soon,
} from '../../test/support/simulated-connection.js';
import type { PoolOptions } from '../config/options.js';
import { resolveOptions } from '../config/resolve.js';
import { PoolError } from '../errors.js';
import { EndpointsTopology } from '../topology/endpoints/endpoints.js';
import { SingleTopology } from '../topology/single.js';
import { ErrorReply } from '../wire/protocol.js';
import { ConnectionPool } from './pool.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const REFUSED = new PoolError('CONNECT_FAILED', 'refused', { sent: false });

async function open(options: PoolOptions = {}, failover: object = {}) {
  const [a, b] = [new SimulatedSource(), new SimulatedSource()];
  for (const source of [a, b]) {
    source.answer = (name) => (name === 'PING' ? 'PONG' : undefined);
  }
  const resolved = resolveOptions({ maxConnections: 4, ...options }, {});
  const members = [
    { id: 'a', weight: 2, topology: new SingleTopology(a) },
    { id: 'b', weight: 1, topology: new SingleTopology(b) },
  ];
  const topology = new EndpointsTopology(
    members,
    {
      ...{ checkIntervalMs: 5_000, checkTimeoutMs: 1_000, probes: 1, probePauseMs: 500 },
      ...{ policy: 'all', patienceMs: 1_000, graceMs: 60_000, failbackIntervalMs: 0 },
      ...{ drainMs: 1_000, ...failover },
    },
    simulatedClock,
  );
  const pool = new ConnectionPool(resolved, { topology, clock: simulatedClock, random: () => 0 });
  await settle();
  const send = (kind: 'read' | 'write', name: string) =>
    pool.execute(new CoreClient(pool).command(kind, [name, 'key']));
  const toB = async () => {
    await pool.switchTo('b', { force: true });
    await settle();
  };
  return { a, b, pool, send, toB };
}

/** All that was sent, but for PINGs. */
const namesAt = ({ connections }: SimulatedSource) =>
  connections.flatMap(({ sentNames }) => sentNames).filter((name) => name !== 'PING');

const lanesOf = ({ open: connections }: SimulatedSource) =>
  connections.filter(({ sentNames }) => sentNames.some((name) => name !== 'PING'));

function die(source: SimulatedSource): void {
  source.onDial = REFUSED;
  for (const connection of source.open) connection.lose();
}

describe('when another endpoint takes over', () => {
  test('what is in flight is answered where it is, and what follows goes there', async () => {
    const { a, b, send, toB, pool } = await open();
    const before = outcomeOf(send('write', 'BEFORE'));
    await settle();
    await toB();
    const after = outcomeOf(send('write', 'AFTER'));
    await settle();
    expect([namesAt(a), namesAt(b)]).toEqual([['BEFORE'], ['AFTER']]);
    lanesOf(a)[0]?.reply('from a');
    lanesOf(b)[0]?.reply('from b');
    expect([(await before).value, (await after).value]).toEqual(['from a', 'from b']);
    await settle(100);
    expect(pool.status().connections.open).toBe(1);
    expect(a.open.length).toBe(1);
  });

  test('what is not answered in time is cut: a read goes on, a write is not repeated', async () => {
    for (const retryWrites of ['safe', 'always'] as const) {
      const { a, b, send, toB } = await open({ retryWrites });
      const [read, write] = [outcomeOf(send('read', 'GET')), outcomeOf(send('write', 'INCR'))];
      await settle();
      await toB();
      await settle(1_100);
      expect(await write).toMatchObject({ code: 'OUTCOME_UNKNOWN', error: { sent: true } });
      expect([namesAt(a), namesAt(b)]).toEqual([['GET', 'INCR'], ['GET']]);
      lanesOf(b)[0]?.reply('value');
      expect((await read).value).toBe('value');
    }
  });

  test('a write that waits to be repeated is not repeated there', async () => {
    const { a, b, send, toB } = await open({ retryWrites: 'always', retry: { baseMs: 100 } });
    const write = outcomeOf(send('write', 'INCR'));
    await settle();
    die(a);
    await settle(50);
    await toB();
    await settle(200);
    expect(await write).toMatchObject({ code: 'OUTCOME_UNKNOWN', error: { sent: true } });
    expect(namesAt(b)).toEqual([]);
  });

  test('a write that is being repeated in the queue of the old one is not either', async () => {
    const { a, b, send, toB } = await open({ retryWrites: 'always' });
    const write = outcomeOf(send('write', 'INCR'));
    await settle();
    a.onDial = 'hold';
    for (const connection of a.open) connection.lose();
    await settle(100);
    await toB();
    await settle(200);
    expect(await write).toMatchObject({ code: 'OUTCOME_UNKNOWN', error: { sent: true } });
    expect(namesAt(b)).toEqual([]);
  });

  test('a write is repeated where the same endpoint is used, as its caller wants it', async () => {
    const { a, send } = await open({ retryWrites: 'always' });
    const write = outcomeOf(send('write', 'INCR'));
    await settle();
    lanesOf(a)[0]?.lose();
    await settle(50);
    expect(namesAt(a)).toEqual(['INCR', 'INCR']);
    lanesOf(a)[0]?.reply(1);
    expect((await write).value).toBe(1);
  });

  test('who waits moves: commands and leases', async () => {
    const { a, b, pool, send } = await open({ breaker: { patienceMs: 4_000 } });
    die(a);
    await settle();
    const write = outcomeOf(send('write', 'SET'));
    const lease = outcomeOf(pool.acquireLease());
    await settle(1_500);
    expect(pool.status().failover?.active).toBe('b');
    expect(namesAt(b)).toEqual(['SET']);
    lanesOf(b)[0]?.reply();
    await settle(100);
    expect([(await write).code, (await lease).code]).toEqual(['ok', 'ok']);
  });

  test("what the pool itself asks of the old one does not move: it is no other one's answer", async () => {
    const { a, b, pool, toB } = await open();
    a.onDial = 'hold';
    for (const connection of a.open) connection.lose();
    const report = pool.healthCheck();
    await settle(100);
    await toB();
    await settle(100);
    expect(await report).toMatchObject({ healthy: false, error: { code: 'CONNECTION_LOST' } });
    // The one for checks alone.
    expect(b.open.filter(({ sentNames }) => sentNames.includes('PING'))).toHaveLength(1);
    expect(b.open).toHaveLength(2);
  });

  test('leases of the old one end: at once where they are idle, else with the answer', async () => {
    const { a, pool, toB } = await open();
    const [idle, busy] = [await pool.acquireLease(), await pool.acquireLease()];
    const client = new CoreClient(pool);
    const running = outcomeOf(busy.execute(client.command('write', ['EXEC'])));
    await settle();
    await toB();
    expect(idle.lostError).toMatchObject({ code: 'CONNECTION_LOST' });
    const next = await soon(busy.execute(client.command('write', ['SET'])));
    expect(next).toMatchObject({ code: 'CONNECTION_LOST', error: { sent: false } });
    lanesOf(a)[0]?.reply('done');
    expect((await running).value).toBe('done');
    expect(namesAt(a)).toEqual(['EXEC']);
    for (const lease of [idle, busy]) lease.release();
  });

  test('what blocks goes on there, once the old one says that it handed nothing out', async () => {
    const { a, b, pool, toB } = await open();
    const pop = new CoreClient(pool).command('write', ['BLPOP', 'key', '0']);
    pop.isBlocking = true;
    const popped = outcomeOf(pool.executeExclusive(pop));
    await settle();
    const blocked = lanesOf(a)[0];
    if (blocked === undefined) throw new Error('It blocks.');
    blocked.serverClientId = 12;
    a.answer = (name) => {
      if (name !== 'CLIENT') return undefined;
      blocked.reply(new ErrorReply('UNBLOCKED client unblocked via CLIENT UNBLOCK'));
      return 1;
    };
    await toB();
    await settle(10);
    expect(namesAt(b)).toEqual(['BLPOP']);
    lanesOf(b)[0]?.reply(['key', 'element']);
    expect((await popped).value).toEqual(['key', 'element']);
    await settle(100);
    expect(pool.status().connections.leased).toBe(0);
  });

  test('what blocks where nobody can say is of unknown outcome', async () => {
    const { pool, toB, b } = await open();
    const pop = new CoreClient(pool).command('write', ['BLPOP', 'key', '0']);
    pop.isBlocking = true;
    const popped = outcomeOf(pool.executeExclusive(pop));
    await settle();
    await toB();
    await settle(1_100);
    expect(await popped).toMatchObject({ code: 'OUTCOME_UNKNOWN', error: { sent: true } });
    expect(namesAt(b)).toEqual([]);
  });

  test('an element that the old one handed out just then is not lost', async () => {
    const { a, b, pool, toB } = await open();
    const pop = new CoreClient(pool).command('write', ['BLPOP', 'key', '0']);
    pop.isBlocking = true;
    const popped = outcomeOf(pool.executeExclusive(pop));
    await settle();
    const blocked = lanesOf(a)[0];
    if (blocked === undefined) throw new Error('It blocks.');
    blocked.serverClientId = 12;
    await toB();
    blocked.reply(['key', 'element']);
    expect((await popped).value).toEqual(['key', 'element']);
    expect(namesAt(b)).toEqual([]);
  });
});

describe('where no endpoint answers', () => {
  async function openDead() {
    const setup = await open({ breaker: { patienceMs: 2_000 } });
    const told: string[] = [];
    setup.pool.on('endpointsDown', ({ endpoints }) => told.push(endpoints.join()));
    die(setup.a);
    die(setup.b);
    await settle(1_500);
    return { ...setup, told };
  }

  test('who waits is told after the usual patience, who comes later at once', async () => {
    const { pool, send, told } = await openDead();
    expect(told).toEqual(['a,b']);
    const waiting = outcomeOf(send('read', 'GET'));
    const lease = outcomeOf(pool.acquireLease());
    await settle(3_000);
    expect([(await waiting).code, (await lease).code]).toEqual(['BREAKER_OPEN', 'BREAKER_OPEN']);
    expect((await soon(send('write', 'SET'))).code).toBe('BREAKER_OPEN');
    expect(pool.status()).toMatchObject({ state: 'down', failover: { active: undefined } });
    expect((await pool.healthCheck()).healthy).toBe(false);
  });

  test('though nobody waited, who comes later is told at once too', async () => {
    const { pool, send } = await openDead();
    await settle(5_000);
    expect(pool.status().state).toBe('down');
    expect((await soon(send('read', 'GET'))).code).toBe('BREAKER_OPEN');
  });

  test('refused commands are not run later, and those after the return are served', async () => {
    const { b, send, pool } = await openDead();
    const refused = outcomeOf(send('write', 'REFUSED'));
    await settle(5_000);
    expect((await refused).code).toBe('BREAKER_OPEN');
    b.onDial = 'accept';
    await settle(600);
    expect(pool.status()).toMatchObject({ state: 'ready', failover: { active: 'b' } });
    void outcomeOf(send('write', 'SERVED'));
    await settle();
    expect(namesAt(b)).toEqual(['SERVED']);
  });

  test('what is in flight at a silent one is not cut, as it may be slow', async () => {
    const { a, b, send, pool } = await open({}, { graceMs: 0 });
    const write = outcomeOf(send('write', 'SLOW'));
    await settle();
    const lane = lanesOf(a)[0];
    for (const source of [a, b]) {
      source.answer = () => undefined;
      source.onDial = 'hold';
    }
    await settle(4_900);
    expect(lane?.endError).toBeUndefined();
    await settle(1_600);
    expect(pool.status().failover?.active).toBeUndefined();
    expect((await write).code).toBe('COMMAND_TIMEOUT');
  });
});

test('budget and counts are as before when connections came and went', async () => {
  const { pool, send, a, b } = await open();
  for (let round = 0; round < 10; round++) {
    const target = round % 2 === 0 ? 'b' : 'a';
    await pool.switchTo(target, { force: true });
    const write = outcomeOf(send('write', 'SET'));
    await settle();
    for (const lane of [...lanesOf(a), ...lanesOf(b)]) if (lane.inFlight > 0) lane.reply();
    expect((await write).code).toBe('ok');
    await settle(100);
  }
  const { connections, endpoints, failover } = pool.status();
  expect(connections).toMatchObject({ open: 1, connecting: 0, inUse: 0, available: 4 });
  expect(endpoints).toHaveLength(1);
  expect(failover?.switches.manual).toBe(10);
  // Beside the pool's own there is the one for checks at each.
  expect(a.open.length + b.open.length).toBe(3);
});
