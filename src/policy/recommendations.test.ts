import { describe, expect, it } from 'vitest';
import {
  isAlertRaised,
  recommendations,
  utilizationLevel,
  utilizationPercent,
} from './recommendations.js';

describe('recommendations', () => {
  it('says that all is well up to 60 %', () => {
    const sentences = recommendations({ utilizationPercent: 60, exhaustedCount: 0 });
    expect(sentences).toEqual(['Pool operating optimally']);
  });

  it('warns above 60 %, up to 80 %', () => {
    for (const percent of [60.1, 80]) {
      const sentences = recommendations({ utilizationPercent: percent, exhaustedCount: 0 });
      expect(sentences).toHaveLength(1);
      expect(sentences[0]).toMatch(/^Warning: utilisation is [\d.]+ %, above 60 %/);
    }
  });

  it('is critical above 80 %', () => {
    const sentences = recommendations({ utilizationPercent: 83.333, exhaustedCount: 0 });
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(/^Critical: utilisation is 83\.3 %, above 80 %/);
  });

  it('is critical when the pool was exhausted, even if it is quiet now', () => {
    const once = recommendations({ utilizationPercent: 1, exhaustedCount: 1 });
    expect(once).toHaveLength(1);
    expect(once[0]).toMatch(/^Critical: the pool was exhausted once;/);
  });

  it('puts exhaustion before utilisation', () => {
    const [first, second] = recommendations({ utilizationPercent: 100, exhaustedCount: 3 });
    expect(first).toMatch(/exhausted 3 times/);
    expect(second).toMatch(/utilisation is 100 %/);
  });
});

describe('isAlertRaised', () => {
  it('raises above 80 % and clears below 70 %, so that it does not flap', () => {
    let raised = false;
    const course = [79, 80, 80.1, 79, 70, 69.9, 75, 81].map((percent) => {
      raised = isAlertRaised(raised, percent);
      return raised;
    });
    expect(course).toEqual([false, false, true, true, true, false, false, true]);
  });
});

describe('utilizationLevel', () => {
  it('is ok to 60 %, warning to 80 % and critical above', () => {
    const levels = [0, 60, 61, 80, 81].map(utilizationLevel);
    expect(levels).toEqual(['ok', 'ok', 'warning', 'warning', 'critical']);
  });
});

describe('utilizationPercent', () => {
  it('is the part of the maximum that is in use', () => {
    expect(utilizationPercent(24, 160)).toBe(15);
  });

  it('is a number for a pool of no connections too', () => {
    expect(utilizationPercent(0, 0)).toBe(0);
    expect(utilizationPercent(1, 0)).toBe(100);
  });
});
