// From the rounds' figures to bench/RESULTS.md: what was compared, a table for each workload, and
// the ratios that the project promises, each judged. Medians over the rounds.

import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { MAX_ATTEMPTS, MAX_STOLEN_PERCENT } from '../build/scripts/machine-load.js';
import { CLIENTS } from './clients.mjs';
import { WORKLOADS } from './workloads.mjs';

export function report({ results, ...setup }) {
  const medians = mapValues(results, (clients) => mapValues(clients, summarize));
  return [
    '# Bench results',
    '',
    'Written by `npm run bench`; how it measures stands in [README.md](README.md).',
    '',
    ...setting(setup),
    ...hostSection(Object.values(results).flatMap((clients) => Object.values(clients))),
    ...ratioSection(medians),
    ...Object.entries(medians).flatMap(([name, clients]) => workloadSection(name, clients)),
    'Spread is the distance from the slowest to the fastest round, as a part of the median ops/s.',
    '',
    '## Settings',
    '',
    ...Object.values(CLIENTS).map(({ title, note }) => `- **${title}**: \`${note}\``),
    '',
  ].join('\n');
}

/** What the host of a virtual machine took away, which lengthens whatever was measured meanwhile. */
function hostSection(contestants) {
  const windows = contestants.flatMap(({ rounds }) => rounds);
  const mean = windows.reduce((sum, window) => sum + window.stolenPercent, 0) / windows.length;
  const repeated = windows.filter(({ attempts }) => attempts > 1);
  const disturbed = windows.filter(({ stolenPercent }) => stolenPercent > MAX_STOLEN_PERCENT);
  return [
    `Of the CPUs' time the host gave ${mean.toFixed(1)} % to others in the windows that count. Of ` +
      `${windows.length} windows ${repeated.length} were measured again, because it took more than ` +
      `${MAX_STOLEN_PERCENT} %; ${disturbed.length} lost as much in each of ${MAX_ATTEMPTS} attempts.`,
    '',
  ];
}

function setting({ rounds, warmUpMs, measureMs, server, pinnedTo }) {
  const { model } = os.cpus()[0];
  const memoryGiB = Math.round(os.totalmem() / 2 ** 30);
  const packages = ['redis', 'ioredis', '@valkey/valkey-glide', 'generic-pool', 'tarn', 'bun'];
  return [
    `- ${new Date().toISOString().slice(0, 10)}, ${rounds === 1 ? '1 round' : `${rounds} rounds`}; ` +
      `each client ${measureMs} ms a round, ${warmUpMs} ms of warm-up before`,
    `- Node ${process.versions.node}; ${server.kind} ${server.version} on the same machine, ` +
      (pinnedTo === undefined ? 'not pinned to a core' : `pinned to core ${pinnedTo}`),
    `- ${os.cpus().length} cores (${model.trim()}), ${memoryGiB} GiB, ${os.platform()} ${os.arch()}`,
    `- plimsoll ${versionOf('..')}, ${packages.map((name) => `${name} ${versionOf(`node_modules/${name}`)}`).join(', ')}`,
    '',
  ];
}

function versionOf(folder) {
  const file = path.join(import.meta.dirname, folder, 'package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

function workloadSection(name, clients) {
  const isCycle = WORKLOADS[name].needs === 'cycles';
  const rows = Object.entries(clients).sort(([, a], [, b]) => b.opsPerSecond - a.opsPerSecond);
  const head = isCycle
    ? ['client', 'ns a cycle', 'spread', 'client CPU ns a cycle', 'memory MiB', 'errors']
    : ['client', 'ops/s', 'spread', 'client CPU µs/op', 'p50 ms', 'p99 ms', 'memory MiB', 'errors'];
  const cells = rows.map(([client, figures]) => [
    client === 'plimsoll' ? `**${CLIENTS[client].title}**` : CLIENTS[client].title,
    ...(isCycle
      ? [
          (1e9 / figures.opsPerSecond).toFixed(0),
          percent(figures.spread),
          (figures.cpuMicroseconds * 1000).toFixed(0),
        ]
      : [
          thousands(figures.opsPerSecond),
          percent(figures.spread),
          figures.cpuMicroseconds.toFixed(2),
          milliseconds(figures.p50),
          milliseconds(figures.p99),
        ]),
    (figures.memoryBytes / 2 ** 20).toFixed(0),
    thousands(figures.errors),
  ]);
  return [`## ${WORKLOADS[name].title}`, '', ...table(head, cells), ''];
}

/** The promises, each with the two figures that it compares. */
function ratioSection(medians) {
  const rows = [
    ...throughputRatios(medians['get-1000']),
    ...latencyRatios(medians['get-1']),
    ...manyCallers(medians['get-1000'], medians['get-10000']),
    ...cycleRatios(medians['cycle-1']),
    ...checkoutRatios(medians['get-1000']),
    ...clusterRatios(medians['cluster-get-1000']),
  ];
  if (rows.length === 0) return [];
  const head = ['what', 'measured', 'target', 'result', 'figures'];
  return ['## Ratios', '', ...table(head, rows), ''];
}

function throughputRatios(get) {
  if (get?.plimsoll === undefined) return [];
  const mine = get.plimsoll;
  const throughput = 'GET, 1,000 callers: throughput against';
  const cpu = 'GET, 1,000 callers: CPU an op against';
  const best = bestPeer(get, (figures) => figures.opsPerSecond, Math.max);
  return [
    best && atLeast(`${throughput} the best peer,`, best, 1.8, mine, get, 'ops'),
    best && atMost(`${cpu} the best peer,`, best, 0.5, mine, get, 'cpu'),
    atLeast(throughput, 'ioredis-auto', 5, mine, get, 'ops'),
    atLeast(throughput, 'node-redis-pool', 20, mine, get, 'ops'),
    atLeast(throughput, 'node-redis-pool-untimed', 20, mine, get, 'ops'),
    atMost(cpu, 'floor', 1.4, mine, get, 'cpu'),
  ].filter(Boolean);
}

function latencyRatios(get) {
  const best = get?.plimsoll && bestPeer(get, (figures) => figures.p50, Math.min);
  if (!best) return [];
  const what = 'GET, 1 caller: p50 against the best peer,';
  return [atMost(what, best, 1, get.plimsoll, get, 'p50')];
}

function manyCallers(thousand, tenThousand) {
  if (!thousand?.plimsoll || !tenThousand?.plimsoll) return [];
  const { plimsoll } = tenThousand;
  const what = 'GET, 10,000 callers: throughput against 1,000 callers of';
  const isFlawless = plimsoll.errors === 0;
  return [
    atLeast(what, 'plimsoll', 0.8, plimsoll, thousand, 'ops'),
    ['GET, 10,000 callers: errors', thousands(plimsoll.errors), '0', verdict(isFlawless), ''],
  ];
}

function cycleRatios(cycle) {
  if (!cycle?.plimsoll) return [];
  const what = 'acquire + release: time against execute() of';
  return [atMost(what, 'node-redis-pool', 1, cycle.plimsoll, cycle, 'cycle')].filter(Boolean);
}

function checkoutRatios(get) {
  const mine = get?.['plimsoll-checkout'];
  if (!mine) return [];
  const what = 'GET, 1,000 callers, maxInFlight 1: throughput against';
  return [
    atLeast(what, 'node-redis-pool', 1.5, mine, get, 'ops'),
    atLeast(what, 'node-redis-pool-untimed', 1.5, mine, get, 'ops'),
  ].filter(Boolean);
}

function clusterRatios(get) {
  const best = get?.plimsoll && bestPeer(get, (figures) => figures.opsPerSecond, Math.max);
  if (!best) return [];
  const what = 'GET, cluster of 3, 1,000 callers: throughput against the best peer,';
  return [atLeast(what, best, 3, get.plimsoll, get, 'ops')];
}

const FIGURES = {
  ops: (figures) => figures.opsPerSecond,
  cpu: (figures) => figures.cpuMicroseconds,
  p50: (figures) => figures.p50,
  cycle: (figures) => 1e9 / figures.opsPerSecond,
};
const FORMATS = {
  ops: (value) => `${thousands(value)}/s`,
  cpu: (value) => `${value.toFixed(2)} µs`,
  p50: (value) => `${value.toFixed(4)} ms`,
  cycle: (value) => `${value.toFixed(0)} ns`,
};

function atLeast(what, peer, target, mine, clients, figure) {
  return comparison(what, peer, target, mine, clients, figure, 'at least');
}

function atMost(what, peer, target, mine, clients, figure) {
  return comparison(what, peer, target, mine, clients, figure, 'at most');
}

/** `undefined` where that peer was not measured. */
function comparison(what, peer, target, mine, clients, figure, direction) {
  if (clients[peer] === undefined) return undefined;
  const [a, b] = [FIGURES[figure](mine), FIGURES[figure](clients[peer])];
  const ratio = a / b;
  const isMet = direction === 'at least' ? ratio >= target : ratio <= target;
  return [
    `${what} ${CLIENTS[peer].title}`,
    `${ratio.toFixed(2)}x`,
    `${direction} ${target}x`,
    verdict(isMet),
    `${FORMATS[figure](a)} : ${FORMATS[figure](b)}`,
  ];
}

const verdict = (isMet) => (isMet ? 'PASS' : '**FAIL**');

function bestPeer(clients, figure, choose) {
  const peers = Object.entries(clients).filter(([name]) => CLIENTS[name].isPeer);
  if (peers.length === 0) return undefined;
  const best = choose(...peers.map(([, figures]) => figure(figures)));
  return peers.find(([, figures]) => figure(figures) === best)[0];
}

/** Medians of each figure; errors are summed up, as one is too many. */
function summarize({ rounds, errorsOfWarmUp }) {
  const summary = {};
  for (const figure of Object.keys(rounds[0])) {
    const values = rounds.map((round) => round[figure]).sort((a, b) => a - b);
    summary[figure] = values[Math.floor(values.length / 2)];
  }
  summary.errors = rounds.reduce((sum, round) => sum + round.errors, errorsOfWarmUp);
  const speeds = rounds.map((round) => round.opsPerSecond);
  summary.spread = (Math.max(...speeds) - Math.min(...speeds)) / summary.opsPerSecond;
  return summary;
}

function table(head, rows) {
  const align = head.map((_, index) => (index === 0 ? '---' : '--:'));
  return [head, align, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

function percent(part) {
  return `${(part * 100).toFixed(0)} %`;
}

function milliseconds(value) {
  return value === null ? '-' : value.toFixed(3);
}

function thousands(value) {
  return Math.round(value).toLocaleString('en-US');
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
