// npm run test:ecosystem: libraries that take a node-redis client do the same on one of node-redis and
// on `pool.client`. Exit codes: 0 all passed, 1 a check failed, 2 bad arguments.
//
//   --docs            writes docs/ecosystem.md; whole runs only
//   --only keyv,...   cases whose name contains one of these
//   --list            names the cases

import { fork } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { machine } from '../../build/scripts/machine-load.js';
import { ensureServer, findServers } from '../../build/scripts/redis-server.js';
import { CLIENTS } from './clients.mjs';
import { toMarkdown, toText } from './report.mjs';

const here = import.meta.dirname;
const DOCS_FILE = path.join(here, '../../docs/ecosystem.md');
/** Of all checks of a case together. */
const CASE_TIMEOUT_MS = 180_000;

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}

async function main() {
  const { values: flags } = parseArgs({
    options: {
      docs: { type: 'boolean', default: false },
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  });
  const names = chosen(flags.only);
  if (flags.list) {
    console.log(names.join('\n'));
    return 0;
  }
  if (flags.docs && flags.only !== undefined) {
    throw new Error('--docs takes whole runs only, without --only');
  }
  await ensureServer();
  const startedAt = new Date();
  const rows = [];
  for (const name of names) {
    const row = await rowOf(name);
    rows.push(row);
    console.log(toText(row));
  }
  const [{ kind, version }] = await findServers();
  const report = {
    startedAt: startedAt.toISOString(),
    machine: machine(),
    versions: `Node ${process.versions.node}; ${kind} ${version}; node-redis ${versionOf('redis')}`,
    rows,
  };
  if (flags.docs) writeFileSync(DOCS_FILE, toMarkdown(report));
  return rows.every(({ hasPassed }) => hasPassed) ? 0 : 1;
}

function chosen(only) {
  const names = readdirSync(path.join(here, 'cases')).map((file) => path.basename(file, '.mjs'));
  if (only === undefined) return names.sort();
  const parts = only.split(',');
  const unknown = parts.find((part) => !names.some((name) => name.includes(part)));
  if (unknown !== undefined) throw new Error(`--only: no case is called '${unknown}'; see --list`);
  return names.filter((name) => parts.some((part) => name.includes(part))).sort();
}

async function rowOf(name) {
  const { default: library } = await import(`./cases/${name}.mjs`);
  const titles = Object.keys(library.checks);
  const results = await Promise.all(
    Object.keys(CLIENTS).map(async (client) => [client, await outcomesOf(name, client, titles)]),
  );
  return {
    ...library,
    titles,
    versions: library.packages.map(versionOf),
    results: Object.fromEntries(results),
    hasPassed: results.every(([, outcomes]) => outcomes.every(({ problem }) => !problem)),
  };
}

/** A check that told nothing has failed with its process. */
async function outcomesOf(name, client, titles) {
  const told = new Map();
  const child = fork(path.join(here, 'case-process.mjs'), [name, client], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.on('message', ({ title, problem }) => told.set(title, problem));
  const timer = setTimeout(() => child.kill('SIGKILL'), CASE_TIMEOUT_MS);
  const [code, signal] = await new Promise((resolve) =>
    child.once('close', (...how) => resolve(how)),
  );
  clearTimeout(timer);
  const gone = `its process ended: ${signal ?? code}`;
  return titles.map((title) => ({
    title,
    problem: told.has(title) ? told.get(title) : gone,
  }));
}

function versionOf(name) {
  const file = path.join(here, 'node_modules', name, 'package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
