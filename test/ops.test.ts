// The environment files are read as a deployment would: all of them are valid, give the sizes of
// the presets, and hold no secret.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../apps/auth/src/config.js';
import { findProgram } from '../scripts/find-server.js';
import { resolveOptions } from '../src/index.js';

const OPS = path.join(import.meta.dirname, '..', 'ops');
const SIZES = { development: [1, 20], staging: [2, 30], production: [4, 40] } as const;

test('systemd finds nothing wrong with the unit', async ({ skip }) => {
  const program = await findProgram('systemd-analyze');
  skip(program === undefined, 'no systemd-analyze');
  const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-unit-'));
  const unit = path.join(folder, 'plimsoll-auth.service');
  const text = readFileSync(path.join(OPS, 'systemd', 'plimsoll-auth.service'), 'utf8');
  // Node may be elsewhere here.
  writeFileSync(unit, text.replace('/usr/bin/node', process.execPath));
  const { stdout, stderr } = await promisify(execFile)(program!, ['verify', unit]);
  expect(`${stdout}${stderr}`).toBe('');
  writeFileSync(unit, text.replace('Type=notify', 'Type=notified'));
  const broken = await promisify(execFile)(program!, ['verify', unit]).catch((error) => error);
  expect(String(broken.stderr)).toContain('notified');
  rmSync(folder, { recursive: true });
});

describe('ops/.env', () => {
  let secrets = '';

  beforeAll(() => {
    secrets = mkdtempSync(path.join(tmpdir(), 'plimsoll-secrets-'));
    for (const name of ['redis-password', 'auth-keys.json']) {
      writeFileSync(path.join(secrets, name), 'x');
    }
  });
  afterAll(() => rmSync(secrets, { recursive: true }));

  test.each(Object.entries(SIZES))('.%s has the sizes of its preset', (name, [workers, share]) => {
    const text = readFileSync(path.join(OPS, `.env.${name}`), 'utf8');
    const env = parseEnv(text.replaceAll('/run/secrets', secrets)) as NodeJS.ProcessEnv;
    expect(resolveOptions({}, env)).toMatchObject({ workers, maxConnections: share });
    expect(resolveConfig(env).port).toBe(8000);
  });

  test('names files of secrets and holds none', () => {
    const files = readdirSync(OPS).filter((file) => file.startsWith('.env.'));
    expect(files.sort()).toEqual(['.env.development', '.env.production', '.env.staging']);
    for (const file of files) {
      const env = parseEnv(readFileSync(path.join(OPS, file), 'utf8'));
      const suspicious = Object.entries(env).filter(
        ([name, value]) => /PASSWORD|SECRET|KEY/.test(name) && !value?.startsWith('/run/secrets/'),
      );
      expect(suspicious).toEqual([]);
      expect(env.REDIS_URL ?? '').not.toContain('@');
    }
  });
});
