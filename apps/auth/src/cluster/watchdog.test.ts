import { expect, test } from 'vitest';
import { HEARTBEAT_MS, HUNG_AFTER_LOOKS, LATE_MS, Watchdog } from './watchdog.js';

const WORKERS = [1, 2];

/** Looks `count` times, each so long after the one before; says who was hung at any of them. */
function looks(watchdog: Watchdog, count: number, clock: { now: number }, every = HEARTBEAT_MS) {
  const hung = new Set<number>();
  for (let look = 0; look < count; look++) {
    clock.now += every;
    watchdog.heard(2);
    for (const worker of watchdog.look(WORKERS, clock.now)) hung.add(worker);
  }
  return [...hung];
}

test('a worker that is silent for ten looks is hung at the next, one that answers never', () => {
  const clock = { now: 0 };
  const watchdog = new Watchdog(clock.now);
  expect(looks(watchdog, HUNG_AFTER_LOOKS, clock)).toEqual([]);
  expect(looks(watchdog, 1, clock)).toEqual([1]);
});

test('a heartbeat begins the count anew', () => {
  const clock = { now: 0 };
  const watchdog = new Watchdog(clock.now);
  looks(watchdog, HUNG_AFTER_LOOKS, clock);
  watchdog.heard(1);
  expect(looks(watchdog, HUNG_AFTER_LOOKS, clock)).toEqual([]);
});

test('while the primary itself is late nobody is judged, however long that lasts', () => {
  const clock = { now: 0 };
  const watchdog = new Watchdog(clock.now);
  expect(looks(watchdog, 1_000, clock, HEARTBEAT_MS + LATE_MS + 1)).toEqual([]);
});

test('one long pause of the whole service is not ten looks', () => {
  const clock = { now: 0 };
  const watchdog = new Watchdog(clock.now);
  looks(watchdog, HUNG_AFTER_LOOKS - 1, clock);
  clock.now += 3_600_000;
  expect(looks(watchdog, 1, clock)).toEqual([]);
});

test('a worker that has gone is forgotten', () => {
  const watchdog = new Watchdog(0);
  for (let look = 1; look <= HUNG_AFTER_LOOKS; look++) watchdog.look([1], look * HEARTBEAT_MS);
  watchdog.look([], (HUNG_AFTER_LOOKS + 1) * HEARTBEAT_MS);
  expect(watchdog.look([1], (HUNG_AFTER_LOOKS + 2) * HEARTBEAT_MS)).toEqual([]);
});
