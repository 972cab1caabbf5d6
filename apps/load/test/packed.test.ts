// The tester as a package: installed into an empty folder, started with npx, with user classes that lie
// in another folder, where nothing is installed.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { answerOk, type HttpService, startHttpService } from './support/http-service.js';
import { startWebTester } from './support/web-tester.js';

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const ROOT = path.join(PACKAGE, '../..');
const QUIET = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
const SET_UP_TIMEOUT_MS = 120_000;
const RUN_TIMEOUT_MS = 60_000;
const USER_CLASS = `import { constant, defineUser, type User } from 'plimsoll-load';

const visit = async (user: User): Promise<void> => {
  await user.get('/visited', { expect: 200 });
};

export default defineUser({ name: 'Visitor', waitMs: constant(20), tasks: [{ name: 'visit', run: visit }] });
`;

const base = mkdtempSync(path.join(os.tmpdir(), 'plimsoll-packed-'));
const home = path.join(base, 'empty');
const elsewhere = path.join(base, 'elsewhere');
let service: HttpService;

beforeAll(async () => {
  service = await startHttpService(answerOk);
  for (const folder of [home, elsewhere]) mkdirSync(folder);
  const { stdout } = await run('npm', ['pack', '--json', ...QUIET, '--pack-destination', base], {
    cwd: PACKAGE,
  });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const tarball = path.join(base, filename);
  writeFileSync(path.join(home, 'package.json'), '{ "private": true }');
  await run('npm', ['install', '--prefer-offline', ...QUIET, tarball], { cwd: home });
}, SET_UP_TIMEOUT_MS);

afterAll(async () => {
  await service.close();
  rmSync(base, { recursive: true });
});

async function load(file: string): Promise<{ code: number; output: string }> {
  const args = ['--no', 'plimsoll-load', file, '-H', service.url, '--headless', '-t', '1s'];
  const ended = await run('npx', args, { cwd: home }).catch((error) => error);
  return { code: ended.code ?? 0, output: `${ended.stdout}${ended.stderr}` };
}

it(
  'runs user classes of any folder, which import it by name',
  async () => {
    const types = /: (User|Promise<void>)|, type User/g;
    writeFileSync(path.join(elsewhere, 'visitor.mjs'), USER_CLASS.replace(types, ''));
    const { code, output } = await load('../elsewhere/visitor.mjs');
    expect(output).toMatch(/GET +\/visited +\d+ +0 \(0\.00 %\)/);
    expect(code).toBe(0);
    expect(service.paths).toContain('/visited');
  },
  RUN_TIMEOUT_MS,
);

it(
  'runs TypeScript where Node does, and says what is needed elsewhere',
  async () => {
    writeFileSync(path.join(elsewhere, 'visitor.ts'), USER_CLASS);
    const { code, output } = await load('../elsewhere/visitor.ts');
    if ('typescript' in process.features && process.features.typescript) {
      expect(output).toMatch(/GET +\/visited +\d+ +0 \(0\.00 %\)/);
    } else {
      expect(output).toMatch(/INVALID_USER_CLASS: .*take Node 22\.18 or later/);
      expect(code).toBe(2);
    }
  },
  RUN_TIMEOUT_MS,
);

it(
  'serves its page with all that belongs to it',
  async () => {
    const program = path.join(home, 'node_modules/plimsoll-load/bin/plimsoll-load.js');
    const args = ['AuthenticationLoadTest', '-H', service.url];
    const tester = await startWebTester({ program, args, cwd: home });
    const page = await (await fetch(tester.url)).text();
    const assets = [...page.matchAll(/(?:href|src)="\/(assets\/[^"]+)"/g)].map(([, name]) => name!);
    expect(assets).toContain('assets/uPlot.iife.min.js');
    for (const name of [...assets, 'assets/charts.js']) {
      expect((await fetch(tester.url + name)).status, name).toBe(200);
    }
    await tester.stop();
  },
  RUN_TIMEOUT_MS,
);

it(
  'has types with which a user class compiles strictly',
  async () => {
    const project = path.join(home, 'types');
    mkdirSync(project);
    writeFileSync(path.join(project, 'visitor.ts'), USER_CLASS);
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'es2023',
      types: [],
    };
    writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    writeFileSync(path.join(project, 'package.json'), '{ "type": "module" }');
    const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [tsc, '-p', project]).catch((error) => error);
    expect(stdout).toBe('');
  },
  RUN_TIMEOUT_MS,
);
