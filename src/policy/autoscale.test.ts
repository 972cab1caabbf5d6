// The rule on simulated time: a load over the minutes, and which sizes it leads to when.

import { describe, expect, it } from 'vitest';
import { Scaling, type ScalingRule } from './autoscale.js';

const MINUTE_MS = 60_000;
const SAMPLE_MS = 500;

const RULE: ScalingRule = {
  least: 40,
  most: 60,
  step: 10,
  growAbovePercent: 80,
  growAfterMs: 5 * MINUTE_MS,
  shrinkBelowPercent: 50,
  shrinkAfterMs: 15 * MINUTE_MS,
};

/** Use at a minute; the part of a minute tells of what comes and goes. */
type Load = (minute: number) => number;

const from = (changes: readonly [minute: number, used: number][]): Load => {
  return (minute) => changes.findLast(([since]) => minute >= since)?.[1] ?? 0;
};
/** So much in every other half minute, and so much else. */
const inTurn = (one: number, other: number): Load => {
  return (minute) => (Math.floor(minute * 2) % 2 === 0 ? one : other);
};

/** What is decided when, a word each: `5:50` is a size of 50 after the fifth minute. */
function decisions(load: Load, minutes: number, rule: Partial<ScalingRule> = {}): string[] {
  const scaling = new Scaling({ ...RULE, ...rule }, 0);
  const told: string[] = [];
  let size = rule.least ?? RULE.least;
  for (let now = SAMPLE_MS; now <= minutes * MINUTE_MS; now += SAMPLE_MS) {
    const used = Math.min(size, load(now / MINUTE_MS));
    const verdict = scaling.judge(used, size, now);
    if (verdict === undefined) continue;
    const minute = Math.floor(now / MINUTE_MS);
    if (verdict.action === 'full') {
      if (!told.at(-1)?.endsWith('full')) told.push(`${minute}:full`);
      continue;
    }
    size = verdict.to;
    scaling.restart(now);
    told.push(`${minute}:${size}`);
  }
  return told;
}

describe('a size that follows its load', () => {
  it.each<[name: string, load: Load, minutes: number, expected: string[]]>([
    ['stays where 80 % are in use', () => 32, 60, []],
    ['grows after 5 minutes above 80 %', () => 33, 12, ['5:50']],
    ['grows step by step, each after its own 5 minutes', () => 49, 11, ['5:50', '10:60']],
    ['ends at the ceiling and says so', () => 60, 60, ['5:50', '10:60', '15:full']],
    [
      'does not grow for a peak of 4 minutes',
      from([
        [1, 40],
        [5, 10],
      ]),
      30,
      [],
    ],
    ['does not grow for peaks with lulls between', inTurn(40, 10), 60, []],
    [
      'grows for a load that dips for moments',
      (minute) => (minute % 0.1 < 0.01 ? 10 : 38),
      6,
      ['5:50'],
    ],
    [
      'shrinks after 15 minutes in which less would do',
      from([
        [0, 38],
        [5.2, 10],
      ]),
      30,
      ['5:50', '20:40'],
    ],
    ['never falls below where it began', () => 0, 120, []],
    [
      'keeps what every peak needs, however short',
      from([
        [0, 38],
        [5.2, 10],
        [15, 30],
        [15.02, 10],
      ]),
      29,
      ['5:50'],
    ],
    [
      'shrinks while something goes on',
      from([
        [0, 45],
        [11, 15],
      ]),
      60,
      ['5:50', '10:60', '26:50', '41:40'],
    ],
  ])('%s', (_name, load, minutes, expected) => {
    expect(decisions(load, minutes)).toEqual(expected);
  });

  it('does not go up and down at any steady load, however large its step', () => {
    const quick = { least: 4, growAfterMs: MINUTE_MS, shrinkAfterMs: 3 * MINUTE_MS };
    for (const step of [1, 7, 20, 60]) {
      for (let used = 0; used <= 60; used += 3) {
        const sizes = decisions(() => used, 70, { ...quick, step }).filter(
          (word) => !word.endsWith('full'),
        );
        const grown = sizes.map((word) => Number(word.split(':')[1]));
        expect(grown).toEqual([...grown].sort((one, other) => one - other));
      }
    }
  });

  it('knows nothing of the time in which its process stood still', () => {
    const scaling = new Scaling(RULE, 0);
    for (let now = 0; now < 4 * MINUTE_MS; now += SAMPLE_MS) scaling.judge(40, 40, now);
    expect(scaling.judge(40, 40, 60 * MINUTE_MS)).toBeUndefined();
    expect(scaling.judge(40, 40, 60 * MINUTE_MS + 30_001)).toBeUndefined();
  });

  it('grows on from another least size', () => {
    const scaling = new Scaling(RULE, 0);
    scaling.startFrom(70, 0);
    const verdicts = new Set<string>();
    for (let now = 0; now < 30 * MINUTE_MS; now += SAMPLE_MS) {
      const verdict = scaling.judge(70, 70, now);
      if (verdict !== undefined) verdicts.add(verdict.action);
    }
    expect([...verdicts]).toEqual(['full']);
  });
});
