import { expect, test } from 'vitest';
import { commandsPerBatch, commandsPerShard } from './batches.js';
import { lanesFor } from './lanes.js';

const IDLE = { commandUs: 1, batchUs: 40, workUs: 100 };

test('a worker with little to do sends each command alone', () => {
  expect(commandsPerBatch(10, IDLE)).toBeCloseTo(1, 4);
});

test('batches grow as a worker fills up, until no batch is large enough', () => {
  const sizes = [1_000, 5_000, 9_000, 9_900].map((calls) => commandsPerBatch(calls, IDLE));
  expect(sizes).toEqual([...sizes].sort((left, right) => left - right));
  expect(sizes.at(-1)).toBeGreaterThan(10);
  expect(commandsPerBatch(10_000, IDLE)).toBe(Infinity);
});

test('a batch is what comes while the one before it is sent', () => {
  const calls = 9_500;
  const commands = commandsPerBatch(calls, IDLE);
  const turnSeconds = (IDLE.batchUs + commands * (IDLE.commandUs + IDLE.workUs)) / 1e6;
  const gathered = calls * turnSeconds;
  expect(commands).toBeCloseTo(gathered + Math.exp(-gathered), 6);
});

test('a batch that is spread over many shards is one command for each', () => {
  expect(commandsPerShard(8, 1)).toBe(8);
  expect(commandsPerShard(2, 2)).toBeCloseTo(2 / 1.5, 12);
  expect(commandsPerShard(8, 100_000)).toBeCloseTo(1, 3);
  expect(commandsPerShard(1, 7)).toBe(1);
});

test('lanes grow with the square root of what is in flight (docs/adr/0002)', () => {
  expect([0, 512, 1_000, 10_000].map((inFlight) => lanesFor(inFlight, 512))).toEqual([1, 1, 2, 5]);
});
