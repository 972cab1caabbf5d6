// `npm run validate -- --topology`, as it is run: scaled down, on servers of its own, of which one dies.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..', '..');
const PROGRAM = path.join(ROOT, 'build', 'scripts', 'validation', 'main.js');

test('kills a primary of a cluster, and tells what that cost', { timeout: 180_000 }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-validate-'));
  try {
    const args = ['--topology', 'cluster', '--scale', '0.02', '--reports', folder];
    // How long a busy machine takes is no matter here.
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...args]).catch(
      (error: { code: number; stdout: string }) => {
        expect([error.code, error.stdout]).toEqual([1, expect.anything()]);
        return error;
      },
    );
    expect(stdout).toMatch(/revoked tokens accepted +0 +0 +PASS/);
    expect(stdout).toMatch(/logouts answered, and undone +0 +0 +PASS/);
    expect(stdout).toMatch(/sessions lost that a replica had +0 +0 +PASS/);
    const report = readFileSync(path.join(folder, 'validation.md'), 'utf8');
    expect(report).toMatch(/until a replica said that it is the primary \| [\d,]+ ms/);
    expect(report).not.toContain('One Redis without a replica');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
