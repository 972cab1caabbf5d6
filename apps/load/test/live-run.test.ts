// Users are changed while a run lasts: who comes, who goes, and what the report says of it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LiveRun } from '../src/live-run.js';
import type { LoadOptions } from '../src/options.js';
import { runWatched } from '../src/run-load.js';
import { answerOk, type HttpService, startHttpService } from './support/http-service.js';

const USER = `export default { name: 'Named', waitMs: () => 30, tasks: [{ name: 'get',
  run: (user) => user.get('/' + user.account.username, { name: '/' }) }] };`;
const ACCOUNTS = ['ann', 'bob', 'cy', 'di', 'ed', 'flo'];
const MAX_SECONDS = 20;

const folder = mkdtempSync(path.join(os.tmpdir(), 'plimsoll-live-'));
const file = (name: string) => path.join(folder, name);
let service: HttpService;

beforeAll(async () => {
  service = await startHttpService(answerOk);
  writeFileSync(file('named.mjs'), USER);
  const lines = ACCOUNTS.map((username) => JSON.stringify({ username, password: 'x' }));
  writeFileSync(file('users.ndjson'), lines.join('\n'));
});

afterAll(async () => {
  await service.close();
  rmSync(folder, { recursive: true });
});

/** Takes each step at the first second at which as many users are there as the step before wanted. */
async function run(more: Partial<LoadOptions>, steps: readonly ((run: LiveRun) => number)[]) {
  const stop = new AbortController();
  const left = [...steps];
  let live: LiveRun;
  let wanted = more.users ?? 1;
  let seconds = 0;
  const userClass = file('named.mjs');
  const options = { userClass, host: service.url, spawnRate: 100, ...more, signal: stop.signal };
  return runWatched(options, {
    onStart: (run) => {
      live = run;
    },
    onSecond: ({ users }) => {
      seconds += 1;
      const step = users === wanted ? left.shift() : undefined;
      if (step !== undefined) wanted = step(live);
      else if (left.length === 0 || seconds > MAX_SECONDS) stop.abort();
    },
  });
}

it('users come with accounts of their own, over all processes, up to the last account', async () => {
  const usersFile = file('users.ndjson');
  const report = await run({ usersFile, users: 2, processes: 2 }, [
    (live) => {
      expect(new Set(service.paths)).toEqual(new Set(['/ann', '/bob']));
      expect(() => live.change({ users: 7, spawnRate: 1 })).toThrow(/6 accounts for 7 users/);
      expect(() => live.change({ users: 1.5, spawnRate: 1 })).toThrow(/whole number/);
      expect(() => live.change({ users: 1, spawnRate: 0 })).toThrow(/spawn rate/);
      live.change({ users: 6, spawnRate: 100 });
      return 6;
    },
    (live) => {
      service.paths.length = 0;
      live.change({ users: 3, spawnRate: 100 });
      return 3;
    },
    () => {
      service.paths.length = 0;
      return 3;
    },
  ]);
  expect(new Set(service.paths)).toEqual(new Set(['/ann', '/bob', '/cy']));
  expect(report.notes.filter((note) => note.includes('users were set'))).toEqual([
    expect.stringMatching(/^After \d+ s the users were set to 6, 100 a second\.$/),
    expect.stringMatching(/ set to 3, 100 a second\.$/),
  ]);
  expect(report.samples.map(({ users }) => users)).toEqual(expect.arrayContaining([2, 6, 3]));
  expect(report.steady!.startMs, 'of the last number').toBeGreaterThan(report.startMs + 1500);
  expect(report.steady!.aggregated.count).toBeLessThan(report.aggregated.count);
  expect(report.aggregated.failures).toBe(0);
});

it.each<[Partial<LoadOptions>, RegExp]>([
  [{ rate: 10, users: 2 }, /open model/],
  [{ shape: { tick: () => ({ users: 1, spawnRate: 1 }) } }, /load shape/],
])('%j keeps its users', async (more, message) => {
  writeFileSync(file('named.mjs'), USER.replace('user.account.username', "''"));
  const wish = { users: 5, spawnRate: 1 };
  await run(more, [
    (live) => {
      expect(() => live.change(wish)).toThrow(message);
      return more.users ?? 1;
    },
  ]);
});
