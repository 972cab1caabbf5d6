// npm run bench: every client on every workload, each time in a process of its own, in rounds whose
// order rotates, so that a noisy minute of the machine hits all of them. The medians go to
// bench/RESULTS.md, with the ratios that the project promises.
//
//   --quick               one short round, nothing written
//   --only get-1000,...   these workloads         --clients plimsoll,floor   these clients
//   --profile plimsoll    with --cpu-prof; the profile lands in bench/profiles/

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startPrivateServer } from '../build/scripts/redis-server.js';
import { CLIENTS } from './clients.mjs';
import { openFloor } from './floor.mjs';
import { report } from './report.mjs';
import { BIG_KEYS, BIG_VALUE, KEYS, VALUE, WORKLOADS } from './workloads.mjs';

const here = import.meta.dirname;
const run = promisify(execFile);
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    clients: { type: 'string' },
    profile: { type: 'string' },
    rounds: { type: 'string' },
  },
});

const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5));
const warmUpMs = flags.quick ? 400 : 500;
const measureMs = flags.quick ? 700 : 1_000;
const workloadNames = chosen(flags.only, WORKLOADS);
const clientNames = chosen(flags.profile ?? flags.clients, CLIENTS);
const isWhole = !flags.quick && !flags.only && !flags.clients && !flags.profile;

const server = await startPrivateServer();
try {
  await prepare(server.port);
  const results = await measureAll();
  const text = report({ results, rounds, measureMs, server });
  console.log(text);
  if (isWhole) writeFileSync(path.join(here, 'RESULTS.md'), text);
} finally {
  await server.stop();
}

function chosen(list, all) {
  if (list === undefined) return Object.keys(all);
  const names = list.split(',');
  const unknown = names.filter((name) => !(name in all));
  if (unknown.length > 0) {
    throw new Error(`Unknown: ${unknown.join(', ')}. There are ${Object.keys(all).join(', ')}.`);
  }
  return names;
}

async function prepare(port) {
  const floor = openFloor(port);
  const sets = Array.from({ length: KEYS }, (_, key) => floor.send(['SET', `key:${key}`, VALUE]));
  for (let key = 0; key < BIG_KEYS; key++) sets.push(floor.send(['SET', `big:${key}`, BIG_VALUE]));
  for (let key = 0; key < 100; key++) {
    const fields = Array.from({ length: 10 }, (_, field) => [`field:${field}`, `value:${field}`]);
    sets.push(floor.send(['HSET', `hash:${key}`, ...fields.flat()]));
  }
  await Promise.all(sets);
  floor.close();
}

async function measureAll() {
  const results = {};
  for (const workload of workloadNames) {
    results[workload] = {};
    const capable = await clientsFor(workload);
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < capable.length; turn++) {
        const client = capable[(turn + round) % capable.length];
        results[workload][client] ??= [];
        results[workload][client].push(await measure(client, workload));
      }
    }
    process.stderr.write(`${WORKLOADS[workload].title}: measured\n`);
  }
  return results;
}

/** The clients that have the method which the workload needs. */
async function clientsFor(workload) {
  const capable = [];
  for (const name of clientNames) {
    const client = await CLIENTS[name].open(server.port);
    if (client[WORKLOADS[workload].needs] !== undefined) capable.push(name);
    await client.close();
  }
  return capable;
}

async function measure(client, workload) {
  const args = [path.join(here, 'child.mjs'), client, workload, String(server.port)];
  const profile = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${here}/profiles`] : [];
  const times = [String(warmUpMs), String(measureMs)];
  const { stdout } = await run(process.execPath, [...profile, ...args, ...times]);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}
