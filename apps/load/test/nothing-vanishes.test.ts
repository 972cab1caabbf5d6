// What a run must not lose: requests that are still open when it ends, checks that throw, processes
// that die or hang, and results when the tester itself is killed.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { LoadReport } from '../src/index.js';
import { constant, defineUser, type User } from '../src/user-class.js';
import { generate } from './support/generate.js';
import { answerOk, type HttpService, startHttpService } from './support/http-service.js';

const PROGRAM = fileURLToPath(new URL('../bin/plimsoll-load.js', import.meta.url));
/** Most tests start programs, all at once; on a busy machine that takes its time. */
vi.setConfig({ testTimeout: 60_000 });

const folder = mkdtempSync(path.join(os.tmpdir(), 'plimsoll-load-'));
const file = (name: string) => path.join(folder, name);
let service: HttpService;
let silent: HttpService;

beforeAll(async () => {
  service = await startHttpService(answerOk);
  // It answers each connection once and then never again.
  const seen = new WeakSet();
  silent = await startHttpService((request, response) => {
    if (seen.has(request.socket)) return;
    seen.add(request.socket);
    response.end('ok');
  });
  writeFileSync(
    file('get.mjs'),
    `export default { name: 'Get', waitMs: () => 50, tasks: [{ name: 'get', weight: 1,
      run: (user) => user.get('/') }] };`,
  );
});

afterAll(async () => {
  await Promise.all([service.close(), silent.close()]);
  rmSync(folder, { recursive: true });
});

const running = (run: (user: User) => Promise<unknown>) =>
  defineUser({ name: 'Test', waitMs: constant(20), tasks: [{ name: 'it', weight: 1, run }] });

describe.concurrent('at the end of a run', () => {
  it('open requests are failures with their time so far, in the steady state too', async () => {
    const userClass = running((user) => user.get('/hangs'));
    const overrides = { users: 3, stopTimeoutMs: 200 };
    const { ledger, windows } = await generate(userClass, silent.url, 2500, overrides);
    const steady = ledger.steady()!.aggregated;
    for (const { count, failures, max } of [ledger.totals(0).aggregated, steady]) {
      expect(failures).toBe(3);
      expect(count).toBeGreaterThanOrEqual(3);
      expect(max).toBeGreaterThan(2000);
    }
    expect(ledger.failures()).toEqual([
      {
        method: 'GET',
        name: '/hangs',
        error: 'no response until the run was over',
        occurrences: 3,
      },
    ]);
    expect(windows.at(-1)).toMatchObject({ aborted: 3, unfinished: 0 });
  });

  it('users who hang without a request are told', async () => {
    const userClass = running(() => new Promise(() => {}));
    const overrides = { users: 2, stopTimeoutMs: 50 };
    const { windows } = await generate(userClass, service.url, 300, overrides);
    expect(windows.at(-1)).toMatchObject({ aborted: 0, unfinished: 2 });
  });
});

it('a check that throws is a failure and an exception, and the user goes on', async () => {
  const userClass = running(async (user) => {
    const check = () => {
      throw new Error('no such field');
    };
    const response = await user.get('/checked', { expect: check });
    expect(response.ok).toBe(false);
    await user.get('/after');
  });
  const { ledger } = await generate(userClass, service.url, 300);
  const { rows, exceptions } = ledger.totals(0);
  const [after, checked] = rows;
  expect(checked!.failures).toBe(checked!.count);
  expect(exceptions).toBe(checked!.count);
  expect(after!.count).toBeGreaterThanOrEqual(checked!.count - 1);
  expect(ledger.failures()[0]!.error).toBe('expect threw: no such field');
});

it('a step of the wall clock changes neither durations nor rates', async () => {
  const real = Date.now.bind(Date);
  let stepMs = 0;
  vi.spyOn(Date, 'now').mockImplementation(() => real() + stepMs);
  try {
    setTimeout(() => (stepMs = -3_600_000), 700);
    const userClass = running((user) => user.get('/'));
    const startMs = performance.now();
    const isEnough = () => performance.now() - startMs > 2500;
    const { ledger, windows } = await generate(userClass, service.url, 1e9, {}, isEnough);
    const lasted = windows.map((window) => window.endMs - window.startMs);
    expect(Math.min(...lasted)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...lasted)).toBeLessThan(10_000);
    const { durationMs, aggregated } = ledger.steady()!;
    expect(durationMs).toBeLessThan(10_000);
    expect(aggregated.rps).toBeLessThan(60);
    expect(aggregated.rps).toBeGreaterThan(1);
  } finally {
    vi.restoreAllMocks();
  }
});

/** Starts the command in a group of its own, as a shell does. */
function start(args: string[]): { child: ChildProcess; ended: Promise<number | null> } {
  const child = spawn(process.execPath, [PROGRAM, 'get.mjs', '--headless', ...args], {
    cwd: folder,
    detached: true,
    stdio: 'ignore',
  });
  return { child, ended: new Promise((resolve) => child.on('exit', resolve)) };
}

/** Resolves when a file of the run has so many lines. */
async function untilLines(name: string, lines: number): Promise<void> {
  const count = () => readFileSync(file(name), 'utf8').split('\r\n').length - 1;
  await vi.waitUntil(() => existsSync(file(name)) && count() >= lines, { timeout: 30_000 });
}

const generatorsOf = ({ pid }: ChildProcess) =>
  execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number);
const readReport = (name: string) => JSON.parse(readFileSync(file(name), 'utf8')) as LoadReport;

describe.concurrent('the command', () => {
  it('ends with 1 after silence, and with 0 where a threshold allows it', async () => {
    const args = ['-H', silent.url, '-u', '2', '-r', '9', '-t', '2s', '-s', '0.1'];
    const runs = [start(args), start([...args, '--threshold', 'fail%<=100'])];
    const other = start([...args, '--exit-code-on-error', '7']);
    expect(await Promise.all(runs.map((run) => run.ended))).toEqual([1, 0]);
    expect(await other.ended).toBe(7);
  });

  it('has written its files when it is killed', async () => {
    const { child, ended } = start(['-H', service.url, '--csv', 'killed']);
    await untilLines('killed_stats_history.csv', 3);
    child.kill('SIGKILL');
    await ended;
    expect(readFileSync(file('killed_stats.csv'), 'utf8')).toMatch(/^,Aggregated,\d+,0,/m);
    const history = readFileSync(file('killed_stats_history.csv'), 'utf8');
    expect(history).toMatch(/\r\n$/);
    for (const name of ['failures', 'exceptions']) {
      expect(existsSync(file(`killed_${name}.csv`)), name).toBe(true);
    }
  });

  it('goes on when nobody reads its output, and says which file it could not write', async () => {
    const args = ['get.mjs', '-H', service.url, '--headless', '-t', '2s', '--json', 'unread.json'];
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder });
    child.stdout.destroy();
    child.stderr.destroy();
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0);
    expect(readReport('unread.json').passed).toBe(true);
    // A folder has the name that a file should get.
    mkdirSync(file('taken.json'));
    expect(await start(['-H', service.url, '-t', '1s', '--json', 'taken.json']).ended).toBe(1);
  });

  it('ends cleanly when its whole group is told to', async () => {
    const args = ['-H', service.url, '--csv', 'group', '--json', 'group.json', '--processes', '2'];
    const { child, ended } = start([...args, '-u', '4', '-r', '9']);
    await untilLines('group_stats_history.csv', 2);
    process.kill(-child.pid!, 'SIGTERM');
    expect(await ended).toBe(143);
    expect(readReport('group.json')).toMatchObject({ endReason: 'stopped', failures: [] });
  });

  it.each([
    ['ending', ['-t', '2s', '-s', '0']],
    ['lasting', []],
  ])('counts a generator that hangs as a crash: %s run', async (name, args) => {
    const { child, ended } = start(['-H', service.url, `--csv=${name}`, '--json', name, ...args]);
    await untilLines(`${name}_stats_history.csv`, 2);
    for (const pid of generatorsOf(child)) process.kill(pid, 'SIGSTOP');
    expect(await ended).toBe(1);
    const report = readReport(name);
    expect(report).toMatchObject({ endReason: 'generator-crashed', passed: false });
    expect(report.notes.join()).toMatch(
      /Generator 1 crashed: it (was silent for|did not stop in) 10000 ms/,
    );
  });
});
