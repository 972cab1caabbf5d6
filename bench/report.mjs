// From the rounds' figures to bench/RESULTS.md: what was compared, a table for each workload, and
// the ratios that the project promises, each judged. Medians over the rounds.

import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CLIENTS } from './clients.mjs';
import { WORKLOADS } from './workloads.mjs';

export function report({ results, rounds, measureMs, server }) {
  const medians = mapValues(results, (clients) => mapValues(clients, summarize));
  return [
    '# Bench results',
    '',
    'Written by `npm run bench`; how it measures stands in [README.md](README.md).',
    '',
    ...setting(rounds, measureMs, server),
    ...ratioSection(medians),
    ...Object.entries(medians).flatMap(([name, clients]) => workloadSection(name, clients)),
    '## Settings',
    '',
    ...Object.values(CLIENTS).map(({ title, note }) => `- **${title}**: \`${note}\``),
    '',
  ].join('\n');
}

function setting(rounds, measureMs, server) {
  const { model } = os.cpus()[0];
  const memoryGiB = Math.round(os.totalmem() / 2 ** 30);
  const packages = ['redis', 'ioredis', '@valkey/valkey-glide', 'generic-pool', 'tarn'];
  return [
    `- ${new Date().toISOString().slice(0, 10)}, ${rounds} rounds of ${measureMs} ms for each client`,
    `- Node ${process.versions.node}, ${server.kind} ${server.version} on the same machine`,
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
  const isCycle = name === 'cycle-1';
  const rows = Object.entries(clients).sort(([, a], [, b]) => b.opsPerSecond - a.opsPerSecond);
  const head = isCycle
    ? ['client', 'ns a cycle', 'client CPU ns a cycle', 'memory MiB', 'errors']
    : ['client', 'ops/s', 'client CPU µs/op', 'p50 ms', 'p99 ms', 'memory MiB', 'errors'];
  const cells = rows.map(([client, figures]) => [
    client === 'plimsoll' ? `**${CLIENTS[client].title}**` : CLIENTS[client].title,
    ...(isCycle
      ? [(1e9 / figures.opsPerSecond).toFixed(0), (figures.cpuMicroseconds * 1000).toFixed(0)]
      : [
          thousands(figures.opsPerSecond),
          figures.cpuMicroseconds.toFixed(2),
          figures.p50.toFixed(3),
          figures.p99.toFixed(3),
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
    ...cycles(medians['cycle-1']),
    ...checkout(medians['get-1000']),
  ];
  if (rows.length === 0) return [];
  const head = ['what', 'measured', 'target', 'result', 'figures'];
  return ['## Promised ratios', '', ...table(head, rows), ''];
}

function throughputRatios(get) {
  if (get?.plimsoll === undefined) return [];
  const { plimsoll } = get;
  const rows = [];
  const best = bestPeer(get, (figures) => figures.opsPerSecond, Math.max);
  if (best !== undefined) {
    rows.push(
      atLeast('GET, 1,000 callers: throughput against', best, 1.8, plimsoll, get[best], 'ops'),
      atMost('GET, 1,000 callers: CPU an op against', best, 0.5, plimsoll, get[best], 'cpu'),
    );
  }
  if (get['ioredis-auto']) {
    const peer = get['ioredis-auto'];
    rows.push(
      atLeast('GET, 1,000 callers: throughput against', 'ioredis-auto', 5, plimsoll, peer, 'ops'),
    );
  }
  if (get['node-redis-pool']) {
    const peer = get['node-redis-pool'];
    rows.push(
      atLeast(
        'GET, 1,000 callers: throughput against',
        'node-redis-pool',
        20,
        plimsoll,
        peer,
        'ops',
      ),
    );
  }
  if (get.floor) {
    rows.push(
      atMost('GET, 1,000 callers: CPU an op against', 'floor', 1.4, plimsoll, get.floor, 'cpu'),
    );
  }
  return rows;
}

function latencyRatios(get) {
  const best = get?.plimsoll && bestPeer(get, (figures) => figures.p50, Math.min);
  return best
    ? [atMost('GET, 1 caller: p50 against', best, 1, get.plimsoll, get[best], 'p50')]
    : [];
}

function manyCallers(thousand, tenThousand) {
  if (!thousand?.plimsoll || !tenThousand?.plimsoll) return [];
  const { plimsoll } = tenThousand;
  const what = 'GET, 10,000 callers: throughput against 1,000 callers of';
  const ratio = atLeast(what, 'plimsoll', 0.8, plimsoll, thousand.plimsoll, 'ops');
  const errors = plimsoll.errors;
  return [
    ratio,
    ['GET, 10,000 callers: errors', thousands(errors), '0', verdict(errors === 0), ''],
  ];
}

function cycles(cycle) {
  if (!cycle?.plimsoll || !cycle['node-redis-pool']) return [];
  const peer = cycle['node-redis-pool'];
  return [
    atLeast('acquire + release: cycles against', 'node-redis-pool', 1, cycle.plimsoll, peer, 'ops'),
  ];
}

function checkout(get) {
  if (!get?.['plimsoll-checkout'] || !get['node-redis-pool']) return [];
  const what = 'maxInFlight 1, 40 connections: throughput against';
  const mine = get['plimsoll-checkout'];
  return [atLeast(what, 'node-redis-pool', 1.5, mine, get['node-redis-pool'], 'ops')];
}

const FIGURES = {
  ops: (figures) => figures.opsPerSecond,
  cpu: (figures) => figures.cpuMicroseconds,
  p50: (figures) => figures.p50,
};
const FORMATS = {
  ops: (value) => `${thousands(value)}/s`,
  cpu: (value) => `${value.toFixed(2)} µs`,
  p50: (value) => `${value.toFixed(3)} ms`,
};

function atLeast(what, peer, target, mine, theirs, figure) {
  return comparison(what, peer, target, mine, theirs, figure, 'at least');
}

function atMost(what, peer, target, mine, theirs, figure) {
  return comparison(what, peer, target, mine, theirs, figure, 'at most');
}

function comparison(what, peer, target, mine, theirs, figure, direction) {
  const [a, b] = [FIGURES[figure](mine), FIGURES[figure](theirs)];
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
function summarize(rounds) {
  const summary = {};
  for (const figure of Object.keys(rounds[0])) {
    const values = rounds.map((round) => round[figure]).sort((a, b) => a - b);
    summary[figure] =
      figure === 'errors'
        ? values.reduce((sum, value) => sum + value, 0)
        : values[Math.floor(values.length / 2)];
  }
  return summary;
}

function table(head, rows) {
  const align = head.map((_, index) => (index === 0 ? '---' : '--:'));
  return [head, align, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

function thousands(value) {
  return Math.round(value).toLocaleString('en-US');
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
