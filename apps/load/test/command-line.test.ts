// The command as a user runs it: a program of its own, against a real HTTP server.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { flagNames } from '../src/command-line.js';
import { LOAD_ERROR_CODES } from '../src/errors.js';
import type { LoadReport } from '../src/index.js';
import { answerOk, type HttpService, startHttpService } from './support/http-service.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PROGRAM = path.join(ROOT, 'apps/load/bin/plimsoll-load.js');
const GUIDE = readFileSync(path.join(ROOT, 'docs/load-testing.md'), 'utf8');
const METRICS = 'redis_pool_utilization_percent 42\nprocess_resident_memory_bytes 1000\n';

/** Each test starts programs, all at once; on a busy machine that takes its time. */
vi.setConfig({ testTimeout: 60_000 });

// Below the repository, so that the example finds the package by its name.
mkdirSync(path.join(ROOT, 'build'), { recursive: true });
const folder = mkdtempSync(path.join(ROOT, 'build', 'load-test-'));
const file = (name: string) => path.join(folder, name);
let service: HttpService;

beforeAll(async () => {
  service = await startHttpService((request, response) => {
    if (request.url === '/metrics') response.end(METRICS);
    else answerOk(request, response);
  });
  for (const name of ['plain', 'counted']) {
    writeFileSync(
      file(`${name}.mjs`),
      `export default { name: 'Plain', waitMs: () => 50, tasks: [{ name: 'get', weight: 1,
        run: (user) => user.get('/${name}', { expect: 200 }) }] };`,
    );
  }
  writeFileSync(
    file('crashing.mjs'),
    `export default { name: 'Crashing', waitMs: () => 50, tasks: [{ name: 'get', weight: 1,
      run: async (user) => { if (user.index === 1) process.kill(process.pid, 'SIGKILL');
        await user.get('/plain'); } }] };`,
  );
});

afterAll(async () => {
  await service.close();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: string[], during?: (child: ChildProcess) => void): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (texts.stdout += chunk));
  child.stderr.on('data', (chunk) => (texts.stderr += chunk));
  during?.(child);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...texts })));
}

const readReport = (name: string) => JSON.parse(readFileSync(file(name), 'utf8')) as LoadReport;

describe.concurrent('a run', () => {
  it('with two processes leaves all files, passes, and says how it measured', async () => {
    const { code, stdout, stderr } = await run([
      ...['counted.mjs', '-H', service.url, '-u', '21', '-r', '100', '-t', '3s', '--headless'],
      ...['--csv=out', '--html', 'out.html', '--json', 'out.json', '--processes', '2'],
      ...['--metrics-url', `${service.url}/metrics`],
      ...['--threshold', 'p95<20000', 'fail%<1', '--threshold', 'GET /counted:rps>1'],
    ]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(/Aggregated/);
    expect(stdout).toMatch(/met {5}p95<20000/);
    const report = readReport('out.json');
    expect(report).toMatchObject({ model: 'closed', passed: true, endReason: 'run-time' });
    expect(report.thresholds).toHaveLength(3);
    expect(report.aggregated.count).toBe(service.paths.filter((one) => one === '/counted').length);
    expect(report.steady?.aggregated.rps).toBeGreaterThan(0.9 * report.aggregated.rps);
    expect(Math.max(...report.samples.map((sample) => sample.users))).toBe(21);
    expect(report.metrics[0]).toMatchObject({
      poolUtilizationPercent: 42,
      residentMemoryBytes: 1000,
    });
    const total = `,Aggregated,${report.aggregated.count},0,`;
    expect(readFileSync(file('out_stats.csv'), 'utf8'), 'up to the end').toContain(total);
    const history = readFileSync(file('out_stats_history.csv'), 'utf8').trim().split('\r\n');
    expect(history.length).toBeGreaterThanOrEqual(4);
    expect(history.length).toBeLessThanOrEqual(6);
    for (const name of ['out_failures.csv', 'out_exceptions.csv', 'out.html']) {
      expect(existsSync(file(name)), name).toBe(true);
    }
  });

  it('shows its classes and tasks in place of a run', async () => {
    const shows = async (...args: string[]) => (await run(args)).stdout;
    expect(await shows('-f', 'plain.mjs,counted.mjs', '--list')).toBe('Plain\nPlain\n');
    expect(await shows('plain.mjs', '--show-task-ratio', '-u', '3')).toBe(
      'Plain: 3 users\n  100.0 %  get\n',
    );
    expect(await shows('-V')).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('that misses a threshold ends with 1', async () => {
    const args = ['plain.mjs', '-H', service.url, '-t', '1s', '--threshold', 'rps>100000'];
    const { code, stdout, stderr } = await run(args);
    expect(code).toBe(1);
    expect(stdout).toMatch(/MISSED {2}rps>100000/);
    expect(stderr).toMatch(/--web is for a page/);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stops at %s with a report', async (signal, expected) => {
    const json = `${signal}.json`;
    const args = ['plain.mjs', '-H', service.url, '--headless', '--json', json];
    const { code } = await run(args, (child) => {
      child.stdout!.once('data', () => child.kill(signal));
    });
    expect(code).toBe(expected);
    expect(readReport(json)).toMatchObject({ endReason: 'stopped' });
    expect(readReport(json).aggregated.count).toBeGreaterThan(0);
  });

  it('ends with a failure and a report when a generator crashes', async () => {
    const args = ['crashing.mjs', '-H', service.url, '-u', '4', '-r', '1', '--processes', '2'];
    const { code, stdout } = await run([
      ...args,
      '-t',
      '30s',
      '--headless',
      '--json',
      'crash.json',
    ]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/Generator 2 crashed: it ended with SIGKILL/);
    expect(readReport('crash.json')).toMatchObject({
      endReason: 'generator-crashed',
      passed: false,
    });
  });
});

describe.concurrent('bad input', () => {
  const H = ['-H', 'http://127.0.0.1:9'];
  it.each([
    [['plain.mjs'], 'INVALID_OPTION'],
    [['plain.mjs', '-H', 'nowhere'], 'INVALID_OPTION'],
    [['plain.mjs', ...H, '-u', 'many'], 'INVALID_OPTION'],
    [['plain.mjs', ...H, '-t', 'soon'], 'INVALID_OPTION'],
    [['plain.mjs', ...H, '--processes', '3'], 'INVALID_OPTION'],
    [['plain.mjs', ...H, '--sail'], 'INVALID_OPTION'],
    [['NoSuchUser', ...H], 'UNKNOWN_USER_CLASS'],
    [['plain.mjs', ...H, '--threshold', 'p95=1'], 'INVALID_THRESHOLD'],
    [['plain.mjs', ...H, '--users-file', 'none.ndjson'], 'INVALID_USERS_FILE'],
    [['plain.mjs', ...H, '--html', 'plain.mjs/no-folder/x.html'], 'OUTPUT_NOT_WRITABLE'],
  ])('%j ends with 2 and %s', async (args, errorCode) => {
    const { code, stderr } = await run(args);
    expect(stderr).toContain(`${errorCode}: `);
    expect(code).toBe(2);
  });
});

describe.concurrent('docs/load-testing.md', () => {
  it('names every flag and every error code', () => {
    const missing = [...flagNames(), ...LOAD_ERROR_CODES].filter((name) => !GUIDE.includes(name));
    expect(missing).toEqual([]);
  });

  it("has an example of a user class that runs with a user's own account", async () => {
    const [, name, text] = /```js\n\/\/ ([\w-]+\.js)\n([\s\S]*?)```/.exec(GUIDE) ?? [];
    expect(name).toBe('harbour-user.js');
    const example = file('harbour-user.mjs');
    writeFileSync(example, text!);
    const account = { username: 'ann', password: 'x', access_token: 'token-of-ann' };
    writeFileSync(file('users.ndjson'), `${JSON.stringify(account)}\n`);
    const args = [example, '-H', service.url, '-t', '1s', '--users-file', 'users.ndjson'];
    const { code } = await run([...args, '--wait-scale', '0.02', '--json', 'example.json']);
    expect(code).toBe(0);
    const report = readReport('example.json');
    expect(report.exceptions).toEqual([]);
    expect(report.failures).toEqual([]);
    expect(report.rows.map((row) => row.name)).toContain('/berths');
  });
});
