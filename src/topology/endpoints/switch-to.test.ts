// Choosing an endpoint by hand, on simulated connections and fake time.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '../../../test/support/outcome.js';
import { settle } from '../../../test/support/simulated-connection.js';
import { CHECK_MS, openEndpoints } from '../../../test/support/simulated-endpoints.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('switchTo', () => {
  test('moves to an endpoint that passes its check, and stays there', async () => {
    const { topology, current, events } = await openEndpoints();
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
    const { topology, current, events } = await openEndpoints();
    await topology.switchTo('c', { force: true, forMs: 30_000 });
    await settle(29_000);
    expect(current()).toBe('c');
    await settle(1_001);
    expect(current()).toBe('a');
    expect(events).toEqual(['a -> c (manual)', 'c -> a (failback)']);
  });

  test('refuses an endpoint that does not answer, unless it is forced', async () => {
    const { b, topology, current } = await openEndpoints();
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
    const { b, topology, current, lose } = await openEndpoints();
    b.die();
    await topology.switchTo('b', { force: true, forMs: 20_000 });
    lose(5_000);
    await settle(19_900);
    expect(current()).toBe('b');
    await settle(200);
    expect(current()).toBe('a');
  });

  test('forgets why an endpoint was left before: it does not bounce', async () => {
    const { a, topology, current, stateOf, lose } = await openEndpoints();
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
    const { b, c, topology, current, lose, events } = await openEndpoints();
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
    const { topology } = await openEndpoints();
    const codes = [
      topology.switchTo('nowhere', {}),
      topology.switchTo('b', { forMs: 0 }),
      topology.switchTo('b', { forMs: Number.NaN }),
      topology.switchTo('b', { forMs: '1' as never }),
    ].map(async (promise) => (await outcomeOf(promise)).code);
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['INVALID_ARGUMENT']));
  });
});
