import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { settle, simulatedClock } from '../../test/support/simulated-connection.js';
import { Housekeeper } from './housekeeper.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function newHousekeeper() {
  const facts = { isBusy: false, mustStayAlive: false };
  const sweeps: number[] = [];
  const inspections: number[] = [];
  const lags: number[] = [];
  const startedAt = Date.now();
  const housekeeper = new Housekeeper(simulatedClock, {
    sweep: (now) => {
      sweeps.push(now - startedAt);
      return facts.isBusy;
    },
    inspect: (now) => {
      inspections.push(now - startedAt);
    },
    onLag: (lagMs) => {
      lags.push(lagMs);
    },
    get mustStayAlive() {
      return facts.mustStayAlive;
    },
  });
  housekeeper.start();
  return { housekeeper, facts, sweeps, inspections, lags };
}

/** The event loop stands still: time passes, and no timer fires until it goes on. */
function block(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

describe('the housekeeper', () => {
  test('ticks twice a second while nothing is going on', async () => {
    const { sweeps, inspections } = newHousekeeper();
    await settle(2_000);
    expect(sweeps).toEqual([500, 1_000, 1_500, 2_000]);
    expect(inspections).toEqual(sweeps);
  });

  test('ticks every 20 ms from hurry() until nothing is going on, and inspects no more often', async () => {
    const { housekeeper, facts, sweeps, inspections } = newHousekeeper();
    facts.isBusy = true;
    await settle(100);
    housekeeper.hurry();
    expect(housekeeper.isFast).toBe(true);
    housekeeper.hurry();
    await settle(1_000);
    expect(sweeps).toHaveLength(50);
    expect(sweeps.slice(0, 3)).toEqual([120, 140, 160]);
    expect(inspections).toEqual([480, 960]);
    facts.isBusy = false;
    await settle(20);
    expect(housekeeper.isFast).toBe(false);
    await settle(1_000);
    expect(sweeps).toHaveLength(53);
  });

  test('gives replies that lie in the sockets time after a block, and then keeps deadlines', async () => {
    const { housekeeper, facts, sweeps } = newHousekeeper();
    facts.isBusy = true;
    housekeeper.hurry();
    await settle(20);
    expect(sweeps).toEqual([20]);
    block(3_000);
    await settle(20);
    expect(sweeps).toEqual([20]);
    await settle(99);
    expect(sweeps).toEqual([20]);
    await settle(1);
    expect(sweeps).toEqual([20, 3_140]);
  });

  test('tells how late each tick came', async () => {
    const { lags } = newHousekeeper();
    await settle(500);
    expect(lags).toEqual([0]);
    block(3_000);
    await settle(500);
    expect(lags).toEqual([0, 3_000]);
  });

  test('keeps deadlines though the event loop is blocked again and again', async () => {
    const { housekeeper, facts, sweeps } = newHousekeeper();
    facts.isBusy = true;
    housekeeper.hurry();
    for (let times = 0; times < 4; times++) {
      block(1_000);
      await settle(100);
    }
    expect(sweeps.length).toBeGreaterThanOrEqual(1);
  });

  test('ticks no more once it is stopped, nor hurries', async () => {
    const { housekeeper, sweeps } = newHousekeeper();
    housekeeper.stop();
    housekeeper.hurry();
    await settle(10_000);
    expect([sweeps, vi.getTimerCount()]).toEqual([[], 0]);
  });

  test('keeps the process alive only while somebody waits', () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const { housekeeper, facts } = newHousekeeper();
    const timer = timers.mock.results.at(-1)?.value as NodeJS.Timeout;
    expect(timer.hasRef()).toBe(false);
    facts.mustStayAlive = true;
    housekeeper.refresh();
    expect(timer.hasRef()).toBe(true);
    facts.mustStayAlive = false;
    housekeeper.refresh();
    expect(timer.hasRef()).toBe(false);
  });
});
