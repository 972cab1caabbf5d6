// What `npm publish` would ship, installed into an empty folder as a user does: it holds what it
// should and no more, works from import and from require(), and the README's code compiles.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { useServer } from './support/servers.js';

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TSC = path.join(ROOT, 'node_modules/typescript/bin/tsc');
const SET_UP_TIMEOUT_MS = 120_000;
const RUN_TIMEOUT_MS = 30_000;
/** Beside these, `dist/`, the command `plimsoll` and what the README speaks of nothing is in it. */
const PAGE_FILES = ['page.css', 'page.html', 'theme.css', 'token.html'].map(
  (name) => `src/http/page/${name}`,
);
const SINGLE_FILES = [
  ...['ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md'],
  'package.json',
];
const COMMAND_FILES = ['apps/cli/bin/plimsoll.js'];
const PAPERS = /^(docs\/.*|bench\/\w+)\.md$|^examples\/[\w-]+\.ts$/;

interface PackedFile {
  readonly path: string;
}

let folder: string;
let packedFiles: string[];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-package-'));
  const tarball = await pack(folder);
  writeJson('package.json', { name: 'empty-folder', private: true, type: 'module' });
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  await run('npm', ['install', '--prefer-offline', ...quiet, tarball, TYPESCRIPT_5], {
    cwd: folder,
  });
}, SET_UP_TIMEOUT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Packs what `npm test` has built, and returns the tarball's path. `prepack` would build it anew,
 * under the feet of tests that run at the same time.
 */
async function pack(destination: string): Promise<string> {
  const quiet = ['--ignore-scripts', '--loglevel=error'];
  const args = ['pack', '--json', ...quiet, '--pack-destination', destination];
  const { stdout } = await run('npm', args, { cwd: ROOT, maxBuffer: 16 * 1024 * 1024 }).catch(
    (error: Error & { stdout?: string }) => {
      // Without a cause: it would repeat the same output three times over.
      throw new Error(`npm pack failed: ${error.message}\n${error.stdout ?? ''}`);
    },
  );
  const report = stdout.slice(stdout.search(/^[[{]/m));
  const [packed] = JSON.parse(report) as [{ filename: string; files: PackedFile[] }];
  packedFiles = packed.files.map((file) => file.path).sort();
  return path.join(destination, packed.filename);
}

function writeJson(file: string, content: unknown): void {
  writeFileSync(path.join(folder, file), JSON.stringify(content, null, 2));
}

/** Runs a program of the installed package's user, and returns what it printed. */
async function runProgram(file: string, text: string, ...args: string[]): Promise<string> {
  writeFileSync(path.join(folder, file), text);
  const { stdout } = await run(process.execPath, [file, ...args], {
    cwd: folder,
    timeout: RUN_TIMEOUT_MS,
  });
  return stdout.trim();
}

/** Some users have TypeScript 5, which knows ways to find a package that later ones do not. */
const TYPESCRIPT_5 = 'typescript@5.9.3';

/** The files of `folder/project`, checked as strictly as a careful user would; empty: all fine. */
async function typeErrors(
  project: string,
  files: Record<string, string>,
  { isOld = false, ...settings }: { isOld?: boolean; [name: string]: unknown } = {},
): Promise<string> {
  mkdirSync(path.join(folder, project), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path.join(folder, project, name), text);
  }
  writeJson(path.join(project, 'tsconfig.json'), {
    compilerOptions: {
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [path.join(ROOT, 'node_modules/@types')],
      ...settings,
    },
    files: Object.keys(files),
  });
  const tsc = isOld ? path.join(folder, 'node_modules/typescript/bin/tsc') : TSC;
  const args = [tsc, '--noEmit', '-p', path.join(folder, project)];
  return run(process.execPath, args, { cwd: folder, timeout: RUN_TIMEOUT_MS }).then(
    () => '',
    (error: Error & { stdout?: string }) => error.stdout || error.message,
  );
}

/** The code blocks of a Markdown text that are marked as TypeScript. */
function codeBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts[^\S\n]*\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
}

test('the package holds the build, the papers and nothing else', () => {
  const others = packedFiles.filter(
    (file) => !/^(apps\/cli\/)?dist\//.test(file) && !PAPERS.test(file),
  );
  expect(others).toEqual([...SINGLE_FILES, ...COMMAND_FILES, ...PAGE_FILES].sort());
  expect(packedFiles).toContain('dist/index.js');
  expect(packedFiles).toContain('dist/index.d.ts');
  const strays = packedFiles.filter(
    (file) => !PAPERS.test(file) && /\.test\.|\.tsbuildinfo$|(?<!\.d)\.ts$/.test(file),
  );
  expect(strays).toEqual([]);
});

test('the package holds what its README links to, but for the programs of the repository', () => {
  const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const links = [...readme.matchAll(/\]\(([^)#:]+)[^)]*\)/g)].map((match) => match[1]!);
  expect(links).toContain('docs/from-node-redis.md');
  const read = links.filter((link) => !link.endsWith('.png'));
  const missing = read.filter((link) => !packedFiles.some((file) => file.startsWith(link)));
  expect(new Set(missing)).toEqual(new Set(['apps/auth', 'apps/load']));
});

test('the package holds what each of its exports names', () => {
  const { exports, typesVersions } = JSON.parse(
    readFileSync(path.join(ROOT, 'package.json'), 'utf8'),
  );
  const filesOf = (entry: string | object): string[] =>
    typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(filesOf);
  const files = [...filesOf(exports), ...filesOf(typesVersions)];
  expect(files.length).toBeGreaterThan(16);
  expect(files.filter((file) => !packedFiles.includes(file.replace('./', '')))).toEqual([]);
});

describe('the installed package', () => {
  const server = useServer();
  const useIt = `
    const pool = createPool({ url: process.argv[2] });
    pool.client
      .set('greeting', 'ahoy')
      .then(() => pool.client.get('greeting'))
      .then(async (greeting) => {
        await pool.close();
        console.log(greeting, typeof getPool, new PoolError('POOL_CLOSED', 'x').code);
      });
  `;

  test('works from import', async () => {
    const text = `import { createPool, getPool, PoolError } from 'plimsoll';\n${useIt}`;
    expect(await runProgram('use.mjs', text, server().url)).toBe('ahoy function POOL_CLOSED');
  });

  test('works from require()', async () => {
    const text = `const { createPool, getPool, PoolError } = require('plimsoll');\n${useIt}`;
    expect(await runProgram('use.cjs', text, server().url)).toBe('ahoy function POOL_CLOSED');
  });

  test('serves the live page from its own files, from import and from require()', async () => {
    const use = `
      const pool = createPool({ url: process.argv[2] });
      const server = createServer(dashboardHandler(pool)).listen(0, '127.0.0.1', async () => {
        const page = await fetch('http://127.0.0.1:' + server.address().port);
        console.log(page.status, (await page.text()).includes('uPlot'));
        process.exit();
      });`;
    const imported = `import { createServer } from 'node:http'; import { createPool } from 'plimsoll';
      import { dashboardHandler } from 'plimsoll/http';\n${use}`;
    expect(await runProgram('page.mjs', imported, server().url)).toBe('200 true');
    const required = `const { createServer } = require('node:http'); const { createPool } = require('plimsoll');
      const { dashboardHandler } = require('plimsoll/http');\n${use}`;
    expect(await runProgram('page.cjs', required, server().url)).toBe('200 true');
  });

  test('has the command plimsoll', async () => {
    const options = { cwd: folder, env: { ...process.env, REDIS_URL: server().url } };
    const command = path.join(folder, 'node_modules/.bin/plimsoll');
    const { stdout } = await run(command, ['top', '--once', '--interval', '0.1'], options);
    expect(stdout).toContain(`${server().host}:${server().port}  version ${server().version}`);
  });

  test('listens for OpenTelemetry where its API is there, from import and from require()', async () => {
    const api = path.join(ROOT, 'node_modules/@opentelemetry/api');
    mkdirSync(path.join(folder, 'node_modules/@opentelemetry'), { recursive: true });
    symlinkSync(api, path.join(folder, 'node_modules/@opentelemetry/api'));
    const use = 'instrument().stop(); console.log(typeof instrument);';
    const imported = `import { instrument } from 'plimsoll/opentelemetry';\n${use}`;
    expect(await runProgram('listen.mjs', imported)).toBe('function');
    const required = `const { instrument } = require('plimsoll/opentelemetry');\n${use}`;
    expect(await runProgram('listen.cjs', required)).toBe('function');
  });

  test('has types for import and for require(), of what users may call and nothing else', async () => {
    const use = `
      const pool = createPool({ maxConnections: 4 });
      export const greeting: Promise<string | null> = pool.client.get('greeting');
      export const again: typeof pool = getPool();
      export const code: string = new PoolError('POOL_CLOSED', 'closed').code;
      // @ts-expect-error The option is misspelt, and the types have to notice.
      createPool({ maxConnection: 4 });
      createPool({ socket: { host: 'cache', connectTimeout: 5 }, pingInterval: 5_000 });
      export const told: Promise<string> = pool.client
        .withCommandOptions({ retryWrites: 'never' })
        .asap()
        .withCommandOptions({ timeout: 5, retryWrites: 'always' })
        .sendCommand<string>(['PING'], { retryWrites: 'safe' });
      // @ts-expect-error
      pool.client.withCommandOptions({ retryWrite: 'never' });
      export const executed: Promise<number> = pool.execute((client) => client.incr('n'));
      export const theirs: RedisClientType = pool.client;
    `;
    const faces = `
      import type { EventEmitter } from 'node:events';
      import type { AcquireOptions, Lease, Pool } from 'plimsoll';
      type Own<T> = Exclude<keyof T, keyof EventEmitter | typeof Symbol.asyncDispose>;
      export const pool: Record<Own<Pool>, 0> = { options: 0, client: 0, acquire: 0, withLease: 0,
        execute: 0, status: 0, connections: 0, latencyTotals: 0, healthCheck: 0, switchTo: 0, resize: 0, suspend: 0, resume: 0,
        close: 0, keepsAlive: 0, ref: 0, unref: 0 };
      export const lease: Record<Own<Lease>, 0> = { client: 0, isReleased: 0, lostError: 0,
        serverClientId: 0, release: 0, destroy: 0, [Symbol.dispose]: 0 };
      export const asked: Record<keyof AcquireOptions, 0> = { signal: 0, timeoutMs: 0,
        isLongLived: 0, key: 0 };
    `;
    const names = 'createPool, getPool, PoolError';
    const imported = `import { ${names} } from 'plimsoll';`;
    const required = `import plimsoll = require('plimsoll');\nconst { ${names} } = plimsoll;`;
    const errors = await typeErrors('types', {
      'faces.mts': faces,
      'esm.mts': `import type { RedisClientType } from '@redis/client';\n${imported}\n${use}`,
      'cjs.cts': `import type { RedisClientType } from '@redis/client';\n${required}\n${use}`,
    });
    expect(errors).toBe('');
  });

  const ENTRIES = `
    import { createPool, PoolError, type Pool } from 'plimsoll';
    import { healthHandler } from 'plimsoll/http';
    export const pool: Pool = createPool({ maxConnections: 4 });
    export const kinds = [healthHandler, typeof PoolError];
    export const caught = (error: PoolError): string => error.code;
    export const greeting: Promise<string | null> = pool.client.get('greeting');
  `;
  test.each<[string, string, Record<string, unknown>]>([
    ['node16, an ES module', 'mts', { module: 'node16' }],
    ['node16, CommonJS', 'cts', { module: 'node16' }],
    ['a bundler', 'ts', { module: 'esnext', moduleResolution: 'bundler' }],
    ['commonjs', 'cts', { module: 'commonjs', moduleResolution: 'bundler' }],
    ['TypeScript 5, node16, CommonJS', 'cts', { module: 'node16', isOld: true }],
    ['TypeScript 5, commonjs', 'ts', { module: 'commonjs', esModuleInterop: true, isOld: true }],
  ])('has types under %s', async (name, extension, settings) => {
    const project = name.replaceAll(/\W+/g, '-');
    expect(await typeErrors(project, { [`use.${extension}`]: ENTRIES }, settings)).toBe('');
  });

  test("compiles the README's code", async () => {
    const blocks = codeBlocks(readFileSync(path.join(ROOT, 'README.md'), 'utf8'));
    expect(blocks.length).toBeGreaterThan(0);
    // `export {}` makes a module of a block that imports nothing, so that blocks share no names.
    const files = blocks.map((text, index) => [`readme-${index + 1}.mts`, `${text}\nexport {};\n`]);
    expect(await typeErrors('readme', Object.fromEntries(files))).toBe('');
  });
});
