// The two programs of the README that drive the service, as they are run: scaled down, so that they
// end soon, on a server and a service of their own.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

function validate(...args: string[]) {
  const { REDIS_URL: _elsewhere, ...env } = process.env;
  const program = path.join(ROOT, 'build', 'scripts', 'validation', 'main.js');
  return run(process.execPath, [program, ...args], { env });
}

describe('npm run validate', () => {
  test('drives users, judges and leaves reports', { timeout: 60_000 }, async () => {
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

  test.each([
    [['--phases', 'ultimat'], 'unknown ultimat'],
    [['--scale', '0'], '--scale must be a number above 0'],
    [['--frobnicate'], '--frobnicate'],
  ])('refuses %j before anything is started', async (args, text) => {
    const error = await validate(...args).catch((failure) => failure);
    expect(error.code).toBe(2);
    expect(error.stderr).toContain(text);
  });
});
