// What the scripts conclude from what they read: versions, distributions, the table of the
// matrix. Running apt-get and four Node versions is left to a fresh machine.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

import { findServers, parseVersion } from '../../scripts/find-server.js';
import { installAdvice, parseOsRelease } from '../../scripts/install-server.js';
import { serverFromEnvironment } from '../../scripts/redis-server.js';
import { formatTable, highestVersion } from '../../scripts/test-matrix.js';

describe('finding a server', () => {
  test('reads kind and version from what the program prints', () => {
    expect(parseVersion('Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0')).toEqual({
      kind: 'redis',
      version: '7.0.15',
    });
    expect(parseVersion('Valkey server v=8.0.1 sha=00000000:0')).toEqual({
      kind: 'valkey',
      version: '8.0.1',
    });
    expect(parseVersion('command not found')).toBeUndefined();
  });

  test('takes a redis-server that is Valkey for what it is, once, and skips broken programs', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-path-'));
    const valkey = '#!/bin/sh\necho "Valkey server v=8.0.1 sha=0"\n';
    for (const name of ['redis-server', 'valkey-server']) {
      writeFileSync(path.join(folder, name), valkey, { mode: 0o755 });
    }
    expect(await findServers(folder)).toEqual([
      { kind: 'valkey', version: '8.0.1', program: path.join(folder, 'redis-server') },
    ]);
    writeFileSync(path.join(folder, 'redis-server'), '#!/bin/sh\nexit 1\n');
    expect(await findServers(folder)).toMatchObject([
      { program: path.join(folder, 'valkey-server') },
    ]);
    expect(await findServers('')).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

describe('the advice to install', () => {
  test.each([
    ['darwin', '', 'brew install redis'],
    ['win32', '', 'wsl --install'],
    ['linux', 'ID=debian', 'sudo apt-get install redis-server'],
    ['linux', 'ID=linuxmint\nID_LIKE="ubuntu debian"', 'sudo apt-get install redis-server'],
    ['linux', 'ID=fedora', 'sudo dnf install valkey'],
    ['linux', "ID='alpine'", 'sudo apk add redis'],
    ['linux', '', 'your package manager'],
  ] as const)('on %s with %j names %s', (platform, release, command) => {
    const advice = installAdvice('redis', { platform, distributions: parseOsRelease(release) });
    expect(advice).toContain(command);
    expect(advice).not.toContain('\n');
  });
});

describe('REDIS_URL', () => {
  test('names the server to use, and nothing does where it is unset or empty', () => {
    expect(serverFromEnvironment({ REDIS_URL: 'rediss://cache.example:6380/2' })).toEqual({
      url: 'rediss://cache.example:6380/2',
      host: 'cache.example',
      port: 6380,
    });
    expect(serverFromEnvironment({ REDIS_URL: 'redis://cache' })?.port).toBe(6379);
    expect(serverFromEnvironment({ REDIS_URL: ' ' })).toBeUndefined();
    expect(serverFromEnvironment({})).toBeUndefined();
  });

  test('that is no URL is refused without being repeated', () => {
    const ask = () => serverFromEnvironment({ REDIS_URL: 'secret-password@host' });
    expect(ask).toThrow('REDIS_URL is no URL');
    expect(ask).not.toThrow(/secret/);
  });
});

describe('the test matrix', () => {
  test('takes the highest version and not the last in the list', () => {
    expect(highestVersion(['20.20.2', '20.9.0', '20.19.11'])).toBe('20.20.2');
    expect(highestVersion([])).toBeUndefined();
  });

  test('prints a row for each version', () => {
    const table = formatTable([
      { major: '20', version: '20.20.2', passed: true, durationMs: 61_230 },
      { major: '22', version: '22.1.0', passed: false, durationMs: 950 },
    ]);
    expect(table).toMatch(/v20\.20\.2 +passed +61\.2 s/);
    expect(table).toMatch(/v22\.1\.0 +FAILED +1\.0 s|v22\.1\.0 +FAILED +0\.9 s/);
  });
});
