import { describe, expect, it } from 'vitest';
import { type Answer, bestOf, isKin } from './answers.js';
import { coverageOf, readSlots } from './slot-map.js';

const origin = { host: 'h', port: 1 };

function answer(lines: unknown[], facts: Partial<Answer> = {}): Answer {
  const ranges = readSlots(lines, origin, (address) => address);
  return { from: origin, ranges, coverage: coverageOf(ranges), epoch: 1, isOk: true, ...facts };
}

const whole = (id: string) => [[0, 16_383, ['h', 1, id]]];
const half = (id: string) => [[0, 8_191, ['h', 1, id]]];

describe('bestOf', () => {
  const known = new Set(['a', 'b']);

  it('prefers this cluster to another one at an old address', () => {
    const [own, other] = [answer(half('a')), answer(whole('x'), { epoch: 99 })];
    expect(bestOf([other, own], known)).toBe(own);
    expect(bestOf([own, other], new Set())).toBe(other);
    expect([isKin(own, known), isKin(other, known)]).toEqual([true, false]);
  });

  it('takes a server that tells no number of its own for kin', () => {
    const nameless = answer([[0, 1, ['h', 1]]]);
    expect(isKin(nameless, known)).toBe(true);
  });

  it('prefers who knows of more slots, then who is not cut off, then the newer knowledge', () => {
    const full = answer(whole('a'));
    expect(bestOf([answer(half('a'), { epoch: 9 }), full], known)).toBe(full);
    expect(bestOf([answer(whole('b'), { isOk: false, epoch: 9 }), full], known)).toBe(full);
    const newer = answer(whole('b'), { epoch: 2 });
    expect(bestOf([full, newer], known)).toBe(newer);
    expect(bestOf([newer, full], known)).toBe(newer);
  });

  it('believes most where nothing else tells them apart', () => {
    const most = [answer(whole('a')), answer(whole('a'))];
    expect(most).toContain(bestOf([answer(whole('b')), ...most], known));
  });
});
