// npm run bench: every client on every workload, each in a process of its own that works only when
// it is its turn, in rounds whose order rotates, so that a noisy moment of the machine hits all of
// them. The medians go to bench/RESULTS.md, with the ratios that the project promises.
//
//   --quick               one short round, nothing written
//   --rounds 7            instead of 5
//   --only get-1000,...   these workloads         --clients plimsoll,floor   these clients
//   --profile plimsoll    one round with --cpu-prof; the profiles land in bench/profiles/
//
// Only a whole run writes bench/RESULTS.md.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import {
  MAX_ATTEMPTS,
  machineLoad,
  measureUndisturbed,
  readMachineTimes,
} from '../build/scripts/machine-load.js';
import { startPrivateServer } from '../build/scripts/redis-server.js';
import { CLIENTS } from './clients.mjs';
import { startCluster } from './cluster.mjs';
import { enter } from './contestant.mjs';
import { openFloor } from './floor.mjs';
import { report } from './report.mjs';
import { BIG_KEYS, BIG_VALUE, HASH_KEYS, KEYS, VALUE, WORKLOADS } from './workloads.mjs';

const here = import.meta.dirname;
const run = promisify(execFile);
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    clients: { type: 'string' },
    profile: { type: 'string' },
  },
});

const isShort = flags.quick || flags.profile !== undefined;
const isWhole = !isShort && !flags.only && !flags.clients;
const rounds = Number(flags.rounds ?? (isShort ? 1 : 5));
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number.');
// Long enough for the slowest peer's code to be compiled: a short one favours the fast clients.
const warmUpMs = flags.quick ? 400 : 1_200;
/** At the start of each round, so that caches are warm and connections busy again. */
const settleMs = 100;
const measureMs = flags.quick ? 300 : 600;
const execArgv = flags.profile
  ? ['--cpu-prof', `--cpu-prof-dir=${path.join(here, 'profiles')}`]
  : [];
/** What one ratio compares meets the same machine only in turns. */
const MEASURED_IN_TURNS = ['get-1000', 'get-10000'];
const workloadNames = chosen(flags.only, WORKLOADS);
const clientNames = chosen(flags.profile ?? flags.clients, CLIENTS);

const server = await startPrivateServer();
const cluster = workloadNames.some((name) => WORKLOADS[name].isOfCluster)
  ? await startCluster()
  : undefined;
try {
  const pinnedTo = await pinServer(server.pid);
  for (const { pid } of cluster?.servers ?? []) await pinServer(pid);
  await prepare(server.port);
  const results = await measureAll();
  const text = report({ results, rounds, warmUpMs, measureMs, server, pinnedTo });
  console.log(text);
  if (isWhole) writeFileSync(path.join(here, 'RESULTS.md'), text);
} finally {
  await server.stop();
  await cluster?.stop();
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

/** Keeps the server on the last core where the system can; the report says whether it could. */
async function pinServer(pid) {
  const last = os.cpus().length - 1;
  if (last === 0) return undefined;
  try {
    await run('taskset', ['--all-tasks', '--cpu-list', '--pid', String(last), String(pid)]);
    return last;
  } catch {
    return undefined;
  }
}

async function prepare(port) {
  const floor = openFloor(port);
  const sets = Array.from({ length: KEYS }, (_, key) => floor.send(['SET', `key:${key}`, VALUE]));
  for (let key = 0; key < BIG_KEYS; key++) sets.push(floor.send(['SET', `big:${key}`, BIG_VALUE]));
  for (let key = 0; key < HASH_KEYS; key++) {
    const fields = Array.from({ length: 10 }, (_, field) => [`field:${field}`, `value:${field}`]);
    sets.push(floor.send(['HSET', `hash:${key}`, ...fields.flat()]));
  }
  await Promise.all(sets);
  floor.close();
}

async function measureAll() {
  const results = Object.fromEntries(workloadNames.map((workload) => [workload, {}]));
  for (const group of groupsOf(workloadNames)) {
    const contestants = [];
    try {
      for (const client of clientNames) {
        for (const workload of group) {
          const { port } = WORKLOADS[workload].isOfCluster ? cluster : server;
          const contestant = await enter(client, workload, port, execArgv);
          if (contestant !== undefined) contestants.push(contestant);
        }
      }
      await compare(contestants, results);
      for (const contestant of contestants) await contestant.leave();
    } catch (error) {
      for (const contestant of contestants) contestant.kill();
      throw error;
    }
    const titles = group.map((workload) => WORKLOADS[workload].title);
    process.stderr.write(`${titles.join(' and ')}: measured\n`);
  }
  return results;
}

function groupsOf(workloads) {
  const inTurns = workloads.filter((workload) => MEASURED_IN_TURNS.includes(workload));
  const others = workloads.filter((workload) => !inTurns.includes(workload));
  return [inTurns, ...others.map((workload) => [workload])].filter((group) => group.length > 0);
}

/** Adds by workload and client the figures of each round. */
async function compare(contestants, results) {
  for (const contestant of contestants) {
    const { errors } = await contestant.measure(0, warmUpMs);
    const { workload, client } = contestant;
    results[workload][client] = { errorsOfWarmUp: errors, rounds: [] };
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(turn + round) % contestants.length];
      const { workload, client } = contestant;
      results[workload][client].rounds.push(await measureWindow(contestant));
    }
  }
}

/** Where the host took too much of the CPUs away the last attempt counts, and the errors of all. */
async function measureWindow(contestant) {
  const { windowFactor = 1 } = WORKLOADS[contestant.workload];
  const attempts = await measureUndisturbed(async () => {
    const before = readMachineTimes();
    const figures = await contestant.measure(settleMs * windowFactor, measureMs * windowFactor);
    return { figures, machineLoad: machineLoad(before, readMachineTimes()) };
  }, MAX_ATTEMPTS);
  const { figures, machineLoad: load } = attempts.at(-1);
  const errors = attempts.reduce((sum, attempt) => sum + attempt.figures.errors, 0);
  return { ...figures, errors, stolenPercent: load?.stolenPercent ?? 0, attempts: attempts.length };
}
