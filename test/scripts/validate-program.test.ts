// The two programs of the README that drive the service, as they are run: scaled down, so that they
// end soon, on a server and a service of their own.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { useServer } from '../support/servers.js';

const ROOT = path.join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

function validate(...args: string[]) {
  return validateOn(undefined, ...args);
}

function validateOn(redisUrl: string | undefined, ...args: string[]) {
  const { REDIS_URL: _elsewhere, ...others } = process.env;
  const env = redisUrl === undefined ? others : { ...others, REDIS_URL: redisUrl };
  const program = path.join(ROOT, 'build', 'scripts', 'validation', 'main.js');
  return run(process.execPath, [program, ...args], { env });
}

describe('npm run validate', () => {
  const server = useServer();

  test('drives users, judges and leaves reports', { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-validate-'));
    try {
      const args = ['--scale', '0.02', '--phases', 'baseline', '--reports', folder];
      // A busy machine may miss a latency; what is looked at here is that it is measured and told.
      const { stdout } = await validate(...args).catch(
        (error: { code: number; stdout: string }) => {
          expect(error.code).toBe(1);
          return error;
        },
      );
      expect(stdout).toMatch(/failures +< 0\.5 % +0 % +PASS/);
      expect(stdout).toMatch(/pool exhaustions +0 +0 +PASS/);
      expect(readdirSync(folder).sort()).toEqual([
        'baseline.html',
        'baseline_exceptions.csv',
        'baseline_failures.csv',
        'baseline_stats.csv',
        'baseline_stats_history.csv',
        'validation.html',
        'validation.json',
        'validation.md',
      ]);
      const json = JSON.parse(readFileSync(path.join(folder, 'validation.json'), 'utf8'));
      expect(json.sections[0].title).toBe('baseline');
      const measured = new Map(
        json.sections[0].rows.map((row: { what: string; measured: string }) => [
          row.what,
          row.measured,
        ]),
      );
      expect(measured.get('event-loop lag of a worker, p99')).toMatch(/^[\d.,]+ ms$/);
      expect(measured.get('keys evicted by Redis')).toBe('0');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('is incomplete, and no pass, where a section could not run', {
    timeout: 120_000,
  }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-validate-'));
    try {
      const args = ['--phases', 'restart', '--reports', folder];
      const error = await validateOn(server().url, ...args).catch((failure) => failure);
      expect(error.code).toBe(3);
      expect(error.stdout).toContain('INCOMPLETE');
      const report = readFileSync(path.join(folder, 'validation.md'), 'utf8');
      expect(report).toMatch(/Not run: restart .*not ours to kill/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('looks for the end of the service, step by step', { timeout: 180_000 }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-validate-'));
    try {
      const args = ['--capacity', '--drivers', 'plimsoll', '--scale', '0.01', '--reports', folder];
      // Whether a busy machine holds a rate is no matter here.
      const { stdout } = await validate(...args).catch(
        (error: { code: number; stdout: string }) => {
          expect(error.code).toBe(1);
          return error;
        },
      );
      expect(stdout).toMatch(/highest rate that holds, on Plimsoll +>= 90 requests\/s/);
      expect(stdout).toMatch(/Logins apart.*: \d+\/s/);
      const report = JSON.parse(readFileSync(path.join(folder, 'validation.json'), 'utf8'));
      const steps = report.sections[0].details[1].rows as string[][];
      expect(steps[0]?.[0]).toBe('40');
      // All three parties are told apart.
      for (const share of steps[0]?.slice(7, 10) ?? []) expect(Number(share)).toBeGreaterThan(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    [['--docs', '--scale', '0.1'], '--docs takes whole runs only'],
    [['--docs', '--capacity', '--soak'], '--docs takes one kind of run at a time'],
    [['--topology', 'ring'], 'unknown ring; there are cluster, sentinel'],
    [['--topology', 'cluster', '--capacity'], '--topology stands alone'],
    [['--capacity', '--drivers', 'jedis'], 'unknown jedis'],
    [['--phases', 'ultimat'], 'unknown ultimat'],
    [['--scale', '0'], '--scale must be a number above 0'],
    [['--frobnicate'], '--frobnicate'],
  ])('refuses %j before anything is started', async (args, text) => {
    const error = await validate(...args).catch((failure) => failure);
    expect(error.code).toBe(2);
    expect(error.stderr).toContain(text);
  });
});
