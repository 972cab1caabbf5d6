// The command from its flags to what it prints, without a server.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { planCommand } from './command.js';
import { DEFAULT_COSTS } from './costs.js';

const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-plan-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function plan(...args: string[]) {
  let [out, err] = ['', ''];
  const code = await planCommand.run(['--no-simulation', ...args], {
    env: {},
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

test('the production preset carries 10,000 users with a margin of 60 %, and few of them wait', async () => {
  const flags = '--users 10000 --workers 4 --requests-per-user 0.1 --redis-calls 2 --request-ms 50';
  const { code, out } = await plan(...flags.split(' '), '--json');
  expect(code).toBe(0);
  const { rates, checkout, scale } = JSON.parse(out);
  expect(rates).toMatchObject({ requestsPerSecond: 1_000, callsPerWorker: 500 });
  expect(checkout).toMatchObject({ connectionsPerWorker: 40, formula: { total: 160 } });
  expect(checkout.capacity).toMatchObject({ perConnection: 10, total: 1_600 });
  expect(checkout.queue).toMatchObject({ offered: 25, utilization: 0.625 });
  expect(checkout.queue.waitProbability).toBeCloseTo(0.00375, 5);
  expect(scale.at(-1).users).toBe(1e8);
});

test('the text has each figure with its formula and where its cost comes from', async () => {
  const { code, out } = await plan('--users', '10,000', '--request-us', '100');
  expect(code).toBe(0);
  for (const text of ['60 %', 'Erlang B', '--request-us', DEFAULT_COSTS.source, '100,000,000']) {
    expect(out).toContain(text);
  }
});

test('a pool that is too small is told to grow, not given a number of milliseconds', async () => {
  const { out } = await plan('--workers', '1', '--connections', '40');
  expect(out).toContain('the queue grows by');
  expect(out).not.toMatch(/NaN|Infinity/);
});

test.each([
  [['--users', '0'], "--users must be a whole number from 1 to 10000000000, not '0'."],
  [['--users', '1.5'], 'a whole number'],
  [['--users', ''], '--users'],
  [['--request-ms', 'fast'], '--request-ms must be a number'],
  [['--requests-per-user', '-1'], '--requests-per-user'],
  [['--environment', 'moon'], 'development, staging, production'],
  [['--environment', 'toString'], "not 'toString'"],
  [['--users', '1e10', '--request-ms', '60000'], 'more --workers'],
  [['--userz', '5'], '--userz'],
  [['extra'], 'extra'],
  [['--measure', '--costs', 'x'], 'exclude'],
  [['--costs', path.join(folder, 'missing.json')], 'missing.json'],
])('%j is answered with exit code 64 and what is wrong', async (args, what) => {
  const { code, out, err } = await plan(...args);
  expect(code).toBe(64);
  expect(out).toBe('');
  expect(err).toContain('INVALID_OPTION');
  expect(err).toContain(what);
});

test('costs come from what was measured before, and a file of something else is refused', async () => {
  const good = path.join(folder, 'good.json');
  writeFileSync(good, (await plan('--json', '--user-bytes', '777')).out);
  expect(JSON.parse((await plan('--costs', good, '--json')).out).costs.userBytes).toBe(777);
  const bad = path.join(folder, 'bad.json');
  writeFileSync(bad, JSON.stringify({ costs: { ...DEFAULT_COSTS, redisBatchUs: 'cheap' } }));
  const refused = await plan('--costs', bad);
  expect(refused.code).toBe(64);
  expect(refused.err).toContain('costs.redisBatchUs');
});
