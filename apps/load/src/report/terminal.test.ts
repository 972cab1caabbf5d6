import { expect, it } from 'vitest';
import type { LoadProgress } from './load-report.js';
import { progressPrinter } from './terminal.js';

const PROGRESS: LoadProgress = {
  phase: 'steady',
  elapsedMs: 1000,
  users: 10,
  targetUsers: 10,
  requests: 100,
  failures: 1,
  rps: 10,
  failuresPerS: 0.1,
  p50: 1,
  p95: 2,
  p99: 300,
  generatorCpuPercent: 5,
  poolUtilizationPercent: 40,
};

function printed(isTTY: boolean, seconds: number): string[] {
  const texts: string[] = [];
  const output = { isTTY, columns: 60, write: (text: string) => texts.push(text) };
  const print = progressPrinter(output);
  for (let second = 1; second <= seconds; second += 1) {
    print({ ...PROGRESS, elapsedMs: second * 1000 + (second % 3) });
  }
  return texts;
}

it('a terminal shows one block that is redrawn, in lines that do not wrap', () => {
  const texts = printed(true, 3);
  expect(texts).toHaveLength(3);
  expect(texts[0]).toMatch(/^steady {2}1 s {2}users 10\/10\n/);
  expect(texts[1]!.startsWith('\u001b[3A\r\u001b[J')).toBe(true);
  const lines = texts.flatMap((text) => text.split('\n'));
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(60);
});

it('a file gets a line each five seconds', () => {
  const texts = printed(false, 21);
  expect(texts).toHaveLength(5);
  expect(texts[0]).toMatch(/pool 40 %\n$/);
});
