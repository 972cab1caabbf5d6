import { beforeEach, expect, test } from 'vitest';
import { MAX_OUTAGE_MS, MERGE_MS, Outages } from './outages.js';

const GRACE_MS = 10_000;
let now: number;
let outages: Outages;
beforeEach(() => {
  now = 5_000;
  outages = new Outages(() => now);
});

test('without an outage the time of grace is what it is, however quiet it was', () => {
  now += 3_600_000;
  outages.answered();
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS);
});

test('an outage counts from the last answer before it, while it is on', () => {
  outages.answered();
  now += 1_000;
  outages.failed();
  now += 20_000;
  outages.failed();
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS + 21_000);
});

test('one that is over counts until the time of grace is over as well', () => {
  outages.failed();
  now += 30_000;
  outages.answered();
  now += GRACE_MS - 1;
  outages.answered();
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS + 30_000);
  now += 1;
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS);
});

test('a server that comes back and goes again was away all the time', () => {
  outages.failed();
  now += 30_000;
  outages.answered();
  now += MERGE_MS - 1;
  outages.failed();
  now += 1;
  outages.answered();
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS + 30_000 + MERGE_MS);
  now += MERGE_MS;
  outages.answered();
  outages.failed();
  now += 7;
  outages.answered();
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS + 7);
});

test('no outage counts for ever, and none makes a grace of nothing', () => {
  outages.failed();
  now += 10 * MAX_OUTAGE_MS;
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS + MAX_OUTAGE_MS);
  expect(outages.prolong(0)).toBe(0);
});

test('of parts one answers and another one does not: it is over when nothing fails any more', () => {
  outages = new Outages(() => now, { quietMs: 2_000, lateMs: 500 });
  outages.answered();
  now += 1_000;
  outages.answered();
  outages.failed();
  for (let second = 0; second < 20; second++) {
    outages.answered();
    now += 1_000;
    outages.failed();
  }
  outages.answered();
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS + 20_500);
  now += 2_000;
  outages.answered();
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS + 22_500);
  now += GRACE_MS;
  outages.answered();
  expect(outages.prolong(GRACE_MS)).toBe(GRACE_MS);
});
