import { describe, expect, it } from 'vitest';
import { mayRetry, type RetryOptions, retryWaitMs } from './retry.js';

const brief: RetryOptions = { retries: 3, baseMs: 8, factor: 4, capMs: 512, jitter: false };

function unasked(): number {
  throw new Error('chance was asked where no jitter is wanted');
}

describe('retryWaitMs', () => {
  it('waits 8, 32 and 128 ms and then gives up', () => {
    const waits = [1, 2, 3, 4, 5].map((attempt) => retryWaitMs(attempt, brief, unasked));
    expect(waits).toEqual([8, 32, 128, undefined, undefined]);
  });

  it('never waits longer than the cap', () => {
    const patient = { ...brief, retries: 100 };
    expect(retryWaitMs(4, patient, unasked)).toBe(512);
    expect(retryWaitMs(100, patient, unasked)).toBe(512);
  });

  it('gives up at once where retry is switched off', () => {
    expect(retryWaitMs(1, { ...brief, retries: 0 }, unasked)).toBeUndefined();
  });

  it('spreads a wait between half and all of it where jitter is on', () => {
    const jittered = { ...brief, jitter: true };
    expect(retryWaitMs(2, jittered, () => 0)).toBe(16);
    expect(retryWaitMs(2, jittered, () => 0.5)).toBe(24);
    expect(retryWaitMs(2, jittered, () => 1 - Number.EPSILON)).toBeCloseTo(32, 9);
  });
});

describe('mayRetry', () => {
  it('answers every case as this table says', () => {
    const table = (['read', 'write', 'unknown', 'once'] as const).map((retryClass) =>
      (['not-applied', 'unknown', 'partly-applied'] as const).map((outcome) =>
        (['safe', 'always', 'never'] as const).map((writes) =>
          mayRetry(retryClass, outcome, writes),
        ),
      ),
    );
    const write = [
      [true, true, false], // certainly did not run
      [false, true, false], // may have run
      [false, false, false], // ran in part
    ];
    expect(table).toEqual([
      [
        [true, true, true],
        [true, true, true],
        [true, true, true],
      ],
      write,
      write,
      [
        [false, false, false],
        [false, false, false],
        [false, false, false],
      ],
    ]);
  });
});
