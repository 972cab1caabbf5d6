// Writes down what the faults did: a table for the terminal and docs/reliability.md.

import { textTable } from '../../scripts/text-table.js';
import type { Bound, Topology } from './fault.js';
import { type FaultResult, hasPassed } from './result.js';

export interface Report {
  readonly startedAt: string;
  readonly command: string;
  readonly machine: string;
  readonly versions: string;
  readonly seed: number;
  readonly tookMs: number;
  /** False where `--only` or `--rounds` left something out. */
  readonly isComplete: boolean;
  readonly results: readonly FaultResult[];
}

const TOPOLOGIES: readonly Topology[] = ['one server', 'Sentinel', 'Cluster'];

const RULES = [
  'For every fault, whatever its bound, 32 callers and two consumers go on all the time: reads whose replies are',
  'known, writes and transactions of unique tokens, counters, leases with WATCH, blocking moves, a subscription.',
  'In each round it is checked that',
  '',
  '- no acknowledged write is lost; where a primary is replaced, none that a replica had acknowledged by `WAIT`, and',
  '  none at all that began after the bound;',
  '- no write ran twice, none ran that was refused, no transaction ran by half;',
  '- no reply is wrong, and no caller met an error that does not belong to the fault;',
  '- every promise settled within its deadline, 120 ms and the longest pause of the event loop being allowed;',
  '- afterwards nobody waits, pool and server count the same connections, the subscription hears;',
  '- memory is not 1 MiB higher after the last round than after the second, and the closed pool leaves no connection,',
  '  no timer and no listener.',
].join('\n');

const COLUMNS = [
  ...['fault', 'rounds', 'calls', 'writes acknowledged', 'lost', 'twice', 'wrong replies', 'late'],
  ...['memory', 'bound', 'measured, worst', ''],
];

export function verdictOf({ results, isComplete }: Report): 'PASS' | 'FAIL' | 'PARTIAL' {
  if (!results.every(hasPassed)) return 'FAIL';
  return isComplete ? 'PASS' : 'PARTIAL';
}

function boundText(bound: Bound): string {
  return bound.kind === 'unnoticed' ? '0 errors' : `${count(bound.withinMs)} ms`;
}

function measuredText({ fault, sums, returnMs, slowestMs }: FaultResult): string {
  if (fault.bound.kind === 'return') return `${count(returnMs)} ms`;
  return `${count(sums.failed)} errors, slowest call ${count(slowestMs)} ms`;
}

function cells(result: FaultResult): string[] {
  const { fault, rounds, sums, lateMs, growthBytes } = result;
  const { acknowledged, unreplicated } = sums;
  return [
    fault.name,
    String(rounds),
    count(sums.calls),
    count(acknowledged),
    unreplicated > 0 ? `${sums.lost} (${unreplicated} not replicated)` : String(sums.lost),
    String(sums.twice + sums.halved),
    String(sums.wrongReplies),
    `${count(lateMs)} ms`,
    `+${count(growthBytes / 1024)} KiB`,
    boundText(fault.bound),
    measuredText(result),
    hasPassed(result) ? 'PASS' : 'FAIL',
  ];
}

export function toText(result: FaultResult): string {
  const { fault, sums, violations } = result;
  const [, rounds, calls, acknowledged] = cells(result);
  const line = [
    hasPassed(result) ? 'PASS' : 'FAIL',
    fault.name.padEnd(40),
    `${rounds} rounds, ${calls} calls, ${acknowledged} writes, ${sums.unknown} unknown;`,
    `${measuredText(result)} (bound: ${boundText(fault.bound)})`,
  ].join(' ');
  return [line, ...violations.map((text) => `     ${text}`)].join('\n');
}

export function summary(report: Report): string {
  const columns = COLUMNS.map((title, index) => ({
    title,
    align: index === 0 ? ('left' as const) : ('right' as const),
  }));
  return textTable(columns, report.results.map(cells));
}

export function toMarkdown(report: Report): string {
  const { startedAt, command, machine, versions, seed, tookMs, results } = report;
  const failed = results.filter((result) => !hasPassed(result));
  const parts = [
    '# What faults do to callers',
    `**${verdictOf(report)}** · \`${command}\` · ${startedAt}`,
    `${machine}; ${versions}. Seed ${seed}; ${Math.round(tookMs / 1_000)} s. Servers, proxy and callers share the ` +
      'machine. Written by `npm run test:faults -- --docs`.',
    ...(failed.length === 0 ? [] : [failures(failed)]),
    RULES,
    ...TOPOLOGIES.flatMap((topology) => section(topology, results)),
  ];
  return `${parts.join('\n\n')}\n`;
}

function failures(failed: readonly FaultResult[]): string {
  const lines = failed.map(
    ({ fault, violations }) => `- ${fault.name}: ${violations.slice(0, 5).join('; ')}`,
  );
  return ['Failed:', '', ...lines].join('\n');
}

function section(topology: Topology, all: readonly FaultResult[]): string[] {
  const results = all.filter(({ fault }) => fault.topology === topology);
  if (results.length === 0) return [];
  const servers = [...new Set(results.map(({ server }) => server))];
  return servers.flatMap((server) => {
    const own = results.filter((result) => result.server === server);
    return [
      `## ${topology[0]?.toUpperCase()}${topology.slice(1)} (${server})`,
      markdownTable(COLUMNS, own.map(cells)),
      own
        .map(({ fault }) => `- **${fault.name}**: ${fault.does}. ${described(fault.bound)}`)
        .join('\n'),
    ];
  });
}

function described(bound: Bound): string {
  if (bound.kind === 'unnoticed') return 'No caller may notice.';
  return `Reads and writes are served again within ${count(bound.withinMs)} ms of ${bound.from}.`;
}

function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]) =>
    `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = columns.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(columns), line(rule), ...rows.map(line)].join('\n');
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
