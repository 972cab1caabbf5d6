import { expect, it } from 'vitest';
import { DemotionPause } from './demotion.js';

it('gives up the connections of a demoted server at once, and those of a replica ever more rarely', () => {
  const pause = new DemotionPause();
  const givenUpAt = [];
  for (let now = 1_000; now <= 31_000; now += 2) if (pause.note(now)) givenUpAt.push(now - 1_000);
  expect(givenUpAt).toEqual([0, 32, 160, 672, 2_720, 10_912, 20_912]);
});

it('takes a demotion for the first one again after a minute without any', () => {
  const pause = new DemotionPause();
  for (let now = 0; now < 10_000; now += 10) pause.note(now);
  expect(pause.note(70_000)).toBe(true);
  expect([70_020, 70_032].map((now) => pause.note(now))).toEqual([false, true]);
});
