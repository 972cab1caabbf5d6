// The package as tools load it that make something else of its modules: they transform it to CommonJS, or
// put it into one file together with @redis/client. Each gives a program that is run on a real server.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useServer } from './support/servers.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SET_UP_TIMEOUT_MS = 120_000;
/** Beside Vite, which is here already. Their install scripts are not needed. */
const TOOLS = [
  ...['tsx@4.23.15', 'esbuild@0.28.2', 'rollup@4.68.8'],
  ...['@rollup/plugin-commonjs@29.0.3', '@rollup/plugin-node-resolve@16.0.3'],
];
const BODY = `
  const run = async (): Promise<void> => {
    const pool = createPool({ url: process.env.REDIS_URL });
    const { client } = pool;
    const made = [typeof client.ping, typeof client.hGetAll, typeof client.HGETALL];
    await client.hSet('h', { f: 'v' });
    const [hash] = await client.multi().hGetAll('h').exec();
    const refused = await client.incr('h').catch((error: Error) => error);
    await pool.close();
    console.log(...made, JSON.stringify(hash), refused instanceof ErrorReply);
  };
  void run();
`;
/** The same without types. */
const PLAIN = BODY.replaceAll(/: (Promise<void>|Error)(?=[ )])/g, '');
const IMPORT = "import { createPool, ErrorReply } from 'plimsoll';";
const SAID = 'function function function {"f":"v"} true';

/** What makes a program of `use.ts`, and its file; each is run in a folder with the package. */
const BUNDLERS: Readonly<Record<string, readonly [script: string, output: string]>> = {
  'esbuild, to CommonJS': [
    `await (await import('esbuild')).build({ entryPoints: ['use.ts'], bundle: true,
      platform: 'node', format: 'cjs', outfile: 'esbuild.cjs', logLevel: 'error' });`,
    'esbuild.cjs',
  ],
  'esbuild, to an ES module': [
    `await (await import('esbuild')).build({ entryPoints: ['use.ts'], bundle: true,
      platform: 'node', format: 'esm', outfile: 'esbuild.mjs', logLevel: 'error',
      banner: { js: "import { createRequire } from 'node:module';" +
        'const require = createRequire(import.meta.url);' } });`,
    'esbuild.mjs',
  ],
  Rollup: [
    `const { rollup } = await import('rollup');
    const { default: commonjs } = await import('@rollup/plugin-commonjs');
    const { default: resolve } = await import('@rollup/plugin-node-resolve');
    const bundle = await rollup({ input: 'use.js', onwarn() {}, external: [/^node:/, /^@(opent|node-rs)/],
      plugins: [resolve({ preferBuiltins: true }), commonjs()] });
    await bundle.write({ file: 'rollup.mjs', format: 'es' });`,
    'rollup.mjs',
  ],
  'Vite, ssr.noExternal': [
    `const { build } = await import(process.env.VITE);
    await build({ logLevel: 'error', configFile: false, ssr: { noExternal: true },
      build: { ssr: 'use.ts', outDir: 'vite', emptyOutDir: true,
        rollupOptions: { output: { entryFileNames: 'vite.mjs' } } } });`,
    'vite/vite.mjs',
  ],
};

describe('the package, loaded by tools', () => {
  const server = useServer();
  let folder: string;

  const execute = async (...args: string[]): Promise<string> => {
    const vite = new URL('../node_modules/vite/dist/node/index.js', import.meta.url).href;
    const env = { PATH: process.env.PATH, REDIS_URL: server().url, VITE: vite };
    const { stdout } = await run(process.execPath, args, { cwd: folder, env, timeout: 60_000 });
    return stdout.trim();
  };

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-loaders-'));
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['pack', ...quiet, '--pack-destination', folder], { cwd: ROOT });
    // No "type": what the tools find is a CommonJS package.
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
    writeFileSync(path.join(folder, 'use.ts'), `${IMPORT}\n${BODY}`);
    writeFileSync(path.join(folder, 'use.js'), `${IMPORT}\n${PLAIN}`);
    const tarball = './plimsoll-0.1.0.tgz';
    await run('npm', ['install', '--prefer-offline', ...quiet, tarball, ...TOOLS], { cwd: folder });
  }, SET_UP_TIMEOUT_MS);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('tsx in a CommonJS package', async () => {
    expect(await execute('node_modules/tsx/dist/cli.mjs', 'use.ts')).toBe(SAID);
  });

  test.each(Object.entries(BUNDLERS))('%s', async (_, [script, output]) => {
    expect(await execute('--input-type=module', '-e', script)).toBe('');
    expect(await execute(output)).toBe(SAID);
  });

  test('transformed file by file to CommonJS, as Jest does', async () => {
    const script = `
      const { transformSync } = require('esbuild');
      const { Module } = require('node:module');
      const compile = Module.prototype._compile;
      const { readFileSync } = require('node:fs');
      require.extensions['.js'] = (module, file) => {
        const code = transformSync(readFileSync(file, 'utf8'), { format: 'cjs', loader: 'js' }).code;
        compile.call(module, code, file);
      };
      const { createPool, ErrorReply } = require('plimsoll');
      ${PLAIN}`;
    expect(await execute('-e', script)).toBe(SAID);
  });
});
