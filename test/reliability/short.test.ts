// The fault suite in short: some of its faults, two rounds each, and that its judge finds what it is
// there to find. `npm run test:faults` runs all of them.

import { describe, expect, test } from 'vitest';
import { testSeed } from '../support/seeded-random.js';
import { foundServers } from '../support/servers.js';
import { CATALOGUE } from './catalogue.js';
import { runFault } from './rounds.js';
import { judgeTokens, type Token } from './tokens.js';

const ROUNDS = 2;
const TIME_LIMIT_MS = 90_000;

describe.each(foundServers)('the fault suite, in short ($kind $version)', (found) => {
  for (const fault of CATALOGUE.filter(({ isQuick }) => isQuick === true)) {
    test(`${fault.topology}: ${fault.name}`, { timeout: TIME_LIMIT_MS }, async () => {
      const seed = testSeed();
      const { violations, sums, returnMs } = await runFault(fault, { found, seed, rounds: ROUNDS });
      console.log(
        `seed ${seed}; ${sums.calls} calls, served again after ${returnMs.toFixed(0)} ms`,
      );
      expect(violations).toEqual([]);
      expect(sums.acknowledged).toBeGreaterThan(50);
    });
  }
});

describe('the catalogue', () => {
  test('has each name once', () => {
    const names = CATALOGUE.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the judge of tokens', () => {
  const token = (text: string, fate: Token['fate'], partner?: Token): Token => ({
    ...{ text, list: 'list', startedAt: 0, fate },
    ...(partner && { partner }),
  });
  const judge = (tokens: Token[], standing: Record<string, number>, mayBeGone = false) =>
    judgeTokens(tokens, {
      standing: new Map(Object.entries(standing)),
      mayBeGone: () => mayBeGone,
    });

  test('finds nothing where all is as the callers were told', () => {
    const half = token('d', 'acknowledged');
    const tokens = [
      ...[token('a', 'acknowledged'), token('b', 'unknown'), token('c', 'unknown')],
      ...[token('r', 'refused'), half, token('e', 'acknowledged', half)],
    ];
    const found = judge(tokens, { a: 1, b: 1, d: 1, e: 1 });
    expect(found).toMatchObject({ lost: [], twice: [], uninvited: [], halved: [], unknown: 2 });
  });

  test('finds what was lost, ran twice, ran though refused, or ran by half', () => {
    const half = token('d', 'unknown');
    const tokens = [
      ...[token('a', 'acknowledged'), token('b', 'unknown'), token('r', 'refused')],
      ...[half, token('e', 'unknown', half)],
    ];
    const { lost, twice, uninvited, halved } = judge(tokens, { b: 2, r: 1, d: 1 });
    const textsOf = (found: readonly Token[]) => found.map(({ text }) => text);
    expect([lost, twice, uninvited, halved].map(textsOf)).toEqual([['a'], ['b'], ['r'], ['e']]);
  });

  test('excuses what a replaced primary took with it, but nothing that a replica had', () => {
    const tokens = [token('a', 'acknowledged'), token('b', 'replicated')];
    const { lost, unreplicated } = judge(tokens, {}, true);
    expect([lost.map(({ text }) => text), unreplicated]).toEqual([['b'], 1]);
  });
});
