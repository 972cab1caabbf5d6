import { describe, expect, it } from 'vitest';
import { Staffing } from './generator/staffing.js';
import { type LoadStage, planOf } from './load-shape.js';

const shapeOf = (stages: (LoadStage | null)[]) => ({
  tick: (elapsedS: number) => stages[elapsedS] ?? null,
});

describe('a load shape', () => {
  it('becomes a plan of steps, the most users, and an end', () => {
    const [up, down] = [
      { users: 10, spawnRate: 5 },
      { users: 3, spawnRate: 1 },
    ];
    expect(planOf(shapeOf([up, { ...up }, down, null]))).toEqual({
      steps: [
        { fromMs: 0, ...up },
        { fromMs: 2000, ...down },
      ],
      users: 10,
      runTimeMs: 3000,
    });
  });

  it('ends after a day at the latest', () => {
    const plan = planOf({ tick: () => ({ users: 1, spawnRate: 1 }) });
    expect(plan).toMatchObject({ runTimeMs: 86_400_000, steps: [{ users: 1 }] });
  });

  it.each([
    [[null], /has no users/],
    [[{ users: 1.5, spawnRate: 1 }], /at second 0/],
    [[{ users: 1, spawnRate: 0 }], /at second 0/],
    [
      [
        { users: 1, spawnRate: 1 },
        { users: -1, spawnRate: 1 },
      ],
      /at second 1/,
    ],
  ])('is refused where it makes no sense: %j', (stages, message) => {
    expect(() => planOf(shapeOf(stages))).toThrow(message);
    expect(() => planOf({ tick: () => JSON.parse('{') })).toThrow(/threw at second 0/);
  });
});

describe('the users of a process', () => {
  /** How many there are each half second. */
  function followed(processIndex: number): number[] {
    const steps = [
      { fromMs: 0, users: 7, spawnRate: 4 },
      { fromMs: 4000, users: 1, spawnRate: 6 },
    ];
    const staffing = new Staffing(steps, 2, processIndex);
    let active = 0;
    return Array.from({ length: 12 }, (_, half) => {
      for (let tick = 0; tick < 10; tick += 1) {
        active += staffing.change(half * 500 + tick * 50, active);
      }
      return active;
    });
  }

  it('come and go at their share of the rate, up to their share of the users', () => {
    expect(followed(0)).toEqual([1, 2, 3, 4, 4, 4, 4, 4, 2, 1, 1, 1]);
    expect(followed(1)).toEqual([1, 2, 3, 3, 3, 3, 3, 3, 1, 0, 0, 0]);
  });
});
