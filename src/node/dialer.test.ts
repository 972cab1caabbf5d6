import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  SimulatedSource,
  settle,
  simulatedClock,
} from '../../test/support/simulated-connection.js';
import { PoolError, type PoolErrorCode } from '../errors.js';
import { Breaker } from '../policy/breaker.js';
import { Dialer } from './dialer.js';

const REFUSED = new PoolError('CONNECT_FAILED', 'refused');

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A dialer whose owner wants as many connections as `facts.wanted` says. */
function newDialer({ wanted = 1, open = 0 } = {}) {
  const source = new SimulatedSource();
  const facts = { wanted, open, mustStayAlive: false };
  const events: string[] = [];
  const dialer = new Dialer(
    source,
    new Breaker({ failures: 4, maxPauseMs: 512, patienceMs: 0 }, () => 1),
    simulatedClock,
    {
      get missingConnections() {
        return facts.wanted - facts.open;
      },
      keepsAlive: true,
      get servingConnections() {
        return facts.open;
      },
      generation: 0,
      get mustStayAlive() {
        return facts.mustStayAlive;
      },
      onConnected: () => {
        facts.open++;
        events.push('connected');
      },
      onConnectFailed: (error) => events.push(error.code),
      onBreakerChange: (isOpen, error) => events.push(isOpen ? `open: ${error?.code}` : 'closed'),
    },
  );
  return { dialer, source, facts, events };
}

describe('the dialer', () => {
  test('dials what is missing, 4 at a time', async () => {
    const { dialer, source, facts } = newDialer({ wanted: 6 });
    source.onDial = 'hold';
    dialer.pump();
    dialer.pump();
    await settle();
    expect([source.heldDials.length, dialer.dialing]).toEqual([4, 4]);
    source.heldDials[0]!.accept();
    await settle();
    expect([source.dials, facts.open, dialer.dialing]).toEqual([5, 1, 4]);
    for (let accepted = 0; accepted < 5; accepted++) {
      source.heldDials[0]!.accept();
      await settle();
    }
    expect([source.dials, facts.open, dialer.dialing]).toEqual([6, 6, 0]);
  });

  test('takes a connection that has ended already for a failed attempt', async () => {
    const { dialer, source, events } = newDialer();
    source.onDial = 'hold';
    dialer.pump();
    await settle();
    source.heldDials[0]!.accept().lose();
    await settle();
    expect(events).toEqual(['CONNECT_FAILED']);
    source.onDial = 'accept';
    await settle(10);
    expect(events).toEqual(['CONNECT_FAILED', 'connected']);
  });

  test('does not dial when nothing is missing', async () => {
    const { dialer, source } = newDialer({ wanted: 2, open: 2 });
    dialer.pump();
    await settle(10_000);
    expect(source.dials).toBe(0);
  });

  test('after a failure dials one at a time, with a pause that grows to its limit', async () => {
    const { dialer, source } = newDialer({ wanted: 4 });
    source.onDial = 'hold';
    dialer.pump();
    for (const dial of [...source.heldDials]) dial.refuse(REFUSED);
    source.onDial = REFUSED;
    const startedAt = Date.now();
    await settle();
    const dialedAt: number[] = [];
    for (let known = source.dials; dialedAt.length < 5; ) {
      await settle(1);
      if (source.dials > known) dialedAt.push(Date.now() - startedAt);
      known = source.dials;
    }
    // Four dials had failed, so the pauses are already at 512 ms.
    expect(dialedAt.map((at, index) => at - (dialedAt[index - 1] ?? 0))).toEqual([
      512, 512, 512, 512, 512,
    ]);
    expect(source.dials).toBe(4 + 5);
    expect(dialer.dialing).toBe(0);
  });

  test('pauses 8, 32, 128 and 512 ms after the first failures, however often it is asked', async () => {
    const { dialer, source } = newDialer();
    source.onDial = REFUSED;
    dialer.pump();
    const startedAt = Date.now();
    const dialedAt: number[] = [0];
    for (let known = 1; dialedAt.length < 5; known = source.dials) {
      await settle(1);
      dialer.pump();
      if (source.dials > known) dialedAt.push(Date.now() - startedAt);
    }
    expect(dialedAt).toEqual([0, 8, 40, 168, 680]);
  });

  test('dials 4 at a time again after the first success', async () => {
    const { dialer, source, facts, events } = newDialer({ wanted: 1 });
    source.onDial = REFUSED;
    dialer.pump();
    await settle(7);
    source.onDial = 'accept';
    await settle(1);
    expect(events).toEqual(['CONNECT_FAILED', 'connected']);
    source.onDial = 'hold';
    facts.wanted = 9;
    dialer.pump();
    await settle();
    expect(dialer.dialing).toBe(4);
  });

  test('says once that the breaker opened, and once that it closed', async () => {
    const { dialer, source, events } = newDialer();
    source.onDial = REFUSED;
    dialer.pump();
    await settle(2_000);
    expect(events.filter((event) => event !== 'CONNECT_FAILED')).toEqual(['open: CONNECT_FAILED']);
    expect(events.indexOf('open: CONNECT_FAILED')).toBe(4);
    source.onDial = 'accept';
    await settle(600);
    expect(events.slice(-2)).toEqual(['closed', 'connected']);
  });

  test.each<PoolErrorCode>(['AUTH_FAILED', 'TLS_FAILED', 'PROTOCOL_ERROR', 'HANDSHAKE_FAILED'])(
    'opens the breaker at the first %s, and goes on trying',
    async (code) => {
      const { dialer, source, events } = newDialer();
      source.onDial = new PoolError(code, 'no');
      dialer.pump();
      await settle();
      expect(events).toEqual([code, `open: ${code}`]);
      await settle(1_000);
      expect(source.dials).toBeGreaterThan(2);
    },
  );

  test('says how long it pauses, ever longer where the password is refused', async () => {
    const { dialer, source } = newDialer();
    expect(dialer.nextDialInMs).toBeUndefined();
    source.onDial = new PoolError('AUTH_FAILED', 'no');
    dialer.pump();
    await settle(60_000);
    // After 8, 32, 128, 512 ms, 2, 8 and 33 s.
    expect(source.dials).toBe(8);
    await settle(42_000);
    expect(dialer.nextDialInMs).toBeGreaterThan(0);
    expect(dialer.nextDialInMs).toBeLessThan(60_000);
    source.onDial = 'accept';
    await settle(60_000);
    expect(dialer.nextDialInMs).toBeUndefined();
  });

  test('does not open the breaker while a connection serves', async () => {
    const { dialer, source, events } = newDialer({ wanted: 2, open: 1 });
    source.onDial = new PoolError('MAX_CLIENTS', 'max number of clients reached');
    dialer.pump();
    await settle(2_000);
    expect(events.length).toBeGreaterThan(4);
    expect(new Set(events)).toEqual(new Set(['MAX_CLIENTS']));
  });

  test('makes a PoolError of whatever a source throws', async () => {
    const { dialer, source, events } = newDialer();
    source.onDial = new TypeError('a bug in the source');
    dialer.pump();
    await settle();
    expect(events).toEqual(['CONNECT_FAILED']);
  });

  test('stopped, cancels its attempts, tells nobody and dials no more', async () => {
    const { dialer, source, events } = newDialer({ wanted: 3 });
    source.onDial = 'hold';
    dialer.pump();
    dialer.stop();
    await settle();
    expect([source.heldDials.length, dialer.dialing]).toEqual([0, 0]);
    dialer.pump();
    await settle(10_000);
    expect([source.dials, events]).toEqual([3, []]);
  });

  test('stopped during a pause, dials no more', async () => {
    const { dialer, source } = newDialer();
    source.onDial = REFUSED;
    dialer.pump();
    await settle();
    dialer.stop();
    await settle(10_000);
    expect(source.dials).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('destroys a connection that comes after it was stopped', async () => {
    const { dialer, source, events } = newDialer();
    dialer.pump();
    dialer.stop();
    await settle();
    expect(source.connections[0]?.endError).toMatchObject({ code: 'POOL_CLOSED' });
    expect(events).toEqual([]);
  });

  test('lets its pause keep the process alive only while somebody waits', async () => {
    const { dialer, source, facts } = newDialer();
    const refs: string[] = [];
    const timers = vi.spyOn(globalThis, 'setTimeout');
    source.onDial = REFUSED;
    dialer.pump();
    await settle();
    const timer = timers.mock.results.at(-1)?.value as NodeJS.Timeout;
    for (const act of ['ref', 'unref'] as const) {
      vi.spyOn(timer, act).mockImplementation(() => {
        refs.push(act);
        return timer;
      });
    }
    facts.mustStayAlive = true;
    dialer.refresh();
    facts.mustStayAlive = false;
    dialer.refresh();
    expect(refs).toEqual(['ref', 'unref']);
  });
});
