import { describe, expect, test } from 'vitest';
import { connectionsFor, erlangB, erlangC, queueAnswer, waitsLongerThan } from './erlang.js';

describe('Erlang B', () => {
  test('is what is published of it', () => {
    // erlang.com, manual of its calculator: 15 lines lose 1 % of 8.108 erlangs.
    expect(erlangB(15, 8.108)).toBeCloseTo(0.01, 5);
    // Wolfram demonstrations: 30 lines lose about 5 % of 25 erlangs.
    expect(erlangB(30, 25)).toBeCloseTo(0.0526, 4);
    expect(erlangB(1, 1)).toBe(0.5);
  });
});

describe('Erlang C', () => {
  test.each([
    // Mitan's example: 360 calls in half an hour, 4 minutes each, 55 agents.
    { servers: 55, offered: 48, holdMs: 240_000, waits: 0.239, meanMs: 8_200 },
    // Call Centre Helper's example: 200 calls an hour, 3 minutes each, 14 agents.
    { servers: 14, offered: 10, holdMs: 180_000, waits: 0.174, meanMs: 7_800 },
    // By hand: M/M/1 waits with probability a; M/M/2 with a = 1 in a third of all cases.
    { servers: 1, offered: 0.8, holdMs: 1_000, waits: 0.8, meanMs: 4_000 },
    { servers: 2, offered: 1, holdMs: 1_000, waits: 1 / 3, meanMs: 333 },
  ])('is what is published for $offered erlangs on $servers', (published) => {
    const { servers, offered, holdMs, waits, meanMs } = published;
    const callsPerSecond = (offered * 1_000) / holdMs;
    const answer = queueAnswer({ connections: servers, callsPerSecond, holdMs });
    expect(answer.waitProbability).toBeCloseTo(waits, 3);
    expect(Math.abs(answer.meanWaitMs - meanMs)).toBeLessThan(meanMs * 0.005 + 1);
  });

  test.each([
    // By the same definition with 60 digits.
    [5_000, 4_900, 0.0999378772344876],
    [100_000, 99_500, 0.0709061993551133],
    [1_000, 500, 3.30483025550268e-86],
    [2_000, 1_000, 3.06124115523749e-170],
  ])('keeps its digits with %d servers and %d erlangs', (servers, offered, exact) => {
    expect(Math.abs(erlangC(servers, offered) / exact - 1)).toBeLessThan(1e-9);
  });

  test('ends at what can be: nobody waits where nobody comes, everybody where more come than leave', () => {
    expect(erlangC(10, 0)).toBe(0);
    expect(erlangC(10, 10)).toBe(1);
    expect(erlangC(1_000_000, 1_000_000.5)).toBe(1);
    expect(erlangC(1_000_000, 1)).toBe(0);
  });
});

test('a queue to which more come than leave grows without end', () => {
  const answer = queueAnswer({ connections: 10, callsPerSecond: 300, holdMs: 50 });
  expect(answer).toMatchObject({ utilization: 1.5, waitProbability: 1, growthPerSecond: 100 });
  expect(answer.meanWaitMs).toBe(Infinity);
  expect(waitsLongerThan(5_000, answer)).toBe(1);
});

test('the p99 is the time that one call in a hundred waits longer than', () => {
  const answer = queueAnswer({ connections: 40, callsPerSecond: 740, holdMs: 50 });
  expect(answer.waitProbability).toBeGreaterThan(0.1);
  expect(waitsLongerThan(answer.p99WaitMs, answer)).toBeCloseTo(0.01, 12);
  expect(queueAnswer({ connections: 40, callsPerSecond: 100, holdMs: 50 }).p99WaitMs).toBe(0);
});

test('connectionsFor finds the least number that keeps waits rare', () => {
  for (const offered of [0.1, 10, 25, 4_900]) {
    const connections = connectionsFor(offered, 0.01);
    expect(erlangC(connections, offered)).toBeLessThanOrEqual(0.01);
    expect(erlangC(connections - 1, offered)).toBeGreaterThan(0.01);
  }
});
