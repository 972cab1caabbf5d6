// ops/prometheus as Prometheus' own tools judge it: the files are valid, each alert fires on the series
// that it is for and not on others, and each has a place in docs/alerts.md that says what to do.

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ensurePrometheus } from '../scripts/redis-server.js';
import { poolMetrics } from '../src/observe/pool-metrics.js';

const ROOT = path.join(import.meta.dirname, '..');
const RULES = ['plimsoll-recording.yml', 'plimsoll-alerts.yml'];
const TESTS = 'plimsoll.test.yml';
/** Brief §5 and what an operator is to hear of besides. */
const WANTED = [
  'redis_pool_utilization_percent > 80',
  'rate(redis_pool_exhausted_total[5m]) > 0',
  'avg_over_time(redis_pool_utilization_percent[5m])',
];
/** Metrics of others than this project. */
const FOREIGN = /^redis_(connected|config|rejected|exporter)/;

const read = (...names: string[]) => readFileSync(path.join(ROOT, ...names), 'utf8');
const all = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => match[1] as string);
const alerts = all(read('ops/prometheus/plimsoll-alerts.yml'), /- alert: (\w+)/g);
/** promtool makes a database for each series of tests; on a busy machine that lasts, ms. */
const PROMTOOL_MS = 60_000;
const programs = await ensurePrometheus();

describe('promtool', () => {
  let folder = '';

  const promtool = (...args: string[]) =>
    promisify(execFile)(programs!.promtool, args, { cwd: folder });

  beforeEach(({ skip }) => skip(programs === undefined, 'no promtool; apt-get install prometheus'));
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-rules-'));
    cpSync(path.join(ROOT, 'ops/prometheus'), folder, { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('finds nothing wrong with the configuration and the rules', async () => {
    await promtool('check', 'config', '--lint-fatal', 'prometheus.yml');
    await promtool('check', 'rules', '--lint-fatal', ...RULES);
  });

  test(
    'sees each alert fire where it should, and nowhere else',
    async () => {
      await promtool('test', 'rules', TESTS);
    },
    PROMTOOL_MS,
  );

  test(
    'notices rules that are not what their tests say',
    async () => {
      const file = path.join(folder, 'plimsoll-alerts.yml');
      const text = readFileSync(file, 'utf8');
      // One that fires less than it should, and one that fires more.
      const changed = text
        .replace('percent > 80', 'percent > 95')
        .replace('redis_pool_waiters > 0', 'redis_pool_waiters >= 0');
      writeFileSync(file, changed);
      const failure = await promtool('test', 'rules', TESTS).catch((error) => error);
      expect(all(String(failure.stderr), /alertname: (\w+)/g)).toEqual(
        expect.arrayContaining(['PlimsollUtilizationHigh', 'PlimsollCallersWait']),
      );
    },
    PROMTOOL_MS,
  );
});

test('each alert has series that fire it, series that do not, and what to do in docs/alerts.md', () => {
  expect(new Set(alerts).size).toBe(alerts.length);
  const tests = read('ops/prometheus', TESTS);
  const runbook = read('docs/alerts.md');
  for (const alert of alerts) {
    expect(tests).toContain(`name: ${alert} fires\n`);
    expect(tests).toContain(`name: ${alert} stays quiet\n`);
    expect(runbook).toMatch(new RegExp(`^### ${alert}\\n\\n.{40}`, 'm'));
    const link = `runbook: docs/alerts.md#${alert.toLowerCase()}\n`;
    expect(read('ops/prometheus/plimsoll-alerts.yml')).toContain(link);
  }
  expect(all(runbook, /^### (\w+)/gm).sort()).toEqual([...alerts].sort());
});

test('the alerts that dashboards already have are among them, and all ask for metrics that exist', () => {
  const text = RULES.map((name) => read('ops/prometheus', name)).join('\n');
  for (const expression of WANTED) expect(text).toContain(expression);
  const known = poolMetrics([]).map(({ name }) => name);
  const asked = all(text, /(?<![:\w])(redis_\w+)/g).map((name) =>
    name.replace(/_seconds_(bucket|count|sum)$/, '_seconds'),
  );
  expect(asked.length).toBeGreaterThan(20);
  const unknown = asked.filter((name) => !known.includes(name) && !FOREIGN.test(name));
  expect(unknown).toEqual([]);
});
