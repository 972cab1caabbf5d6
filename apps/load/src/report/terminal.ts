// What the terminal shows: progress while the run lasts, and locust's tables at its end.

import { formatDuration } from '../duration.js';
import type { Figures } from '../stats/ledger.js';
import type { RowSummary } from '../stats/summary.js';
import type { LoadProgress, LoadReport } from './load-report.js';

const LINE_EVERY_MS = 5000;
const TABLE_EVERY_MS = 10_000;
const DEFAULT_COLUMNS = 80;
const NAME_WIDTH = 42;
const TIMES = ['p50', 'p66', 'p75', 'p80', 'p90', 'p95', 'p98', 'p99', 'p999', 'max'] as const;
const ERASE_BELOW = '\u001b[J';

/** Where text goes: a terminal, or a file or pipe. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** One block that is redrawn on a terminal; elsewhere a line every five seconds. */
export function progressPrinter(output: Output): (progress: LoadProgress) => void {
  let lines = 0;
  let nextMs = 0;
  return (progress) => {
    if (output.isTTY) {
      // A line that wraps would take two rows, and the block would creep down the screen.
      const width = (output.columns ?? DEFAULT_COLUMNS) - 1;
      const block = progressBlock(progress).map((text) => text.slice(0, width));
      const back = lines > 0 ? `\u001b[${lines}A\r${ERASE_BELOW}` : '';
      output.write(`${back}${block.join('\n')}\n`);
      lines = block.length;
      return;
    }
    if (progress.elapsedMs < nextMs) return;
    nextMs = progress.elapsedMs + LINE_EVERY_MS - 500;
    output.write(`${progressLine(progress)}\n`);
  };
}

/** The table of requests every ten seconds, for logs that are read while a run lasts. */
export function tablePrinter(output: Output): (figures: Figures, elapsedMs: number) => void {
  let nextMs = 0;
  return ({ rows, aggregated }, elapsedMs) => {
    if (elapsedMs < nextMs) return;
    nextMs = elapsedMs + TABLE_EVERY_MS - 500;
    output.write(`${requestLines([...rows, aggregated]).join('\n')}\n\n`);
  };
}

function progressBlock(progress: LoadProgress): string[] {
  const { phase, elapsedMs, users, targetUsers, requests, failures } = progress;
  const pool = progress.poolUtilizationPercent;
  return [
    `${phase}  ${formatDuration(elapsedMs)}  users ${users}/${targetUsers}`,
    `requests ${requests}  ${progress.rps.toFixed(1)}/s   ` +
      `failures ${failures}  ${progress.failuresPerS.toFixed(1)}/s`,
    `p50 ${time(progress.p50)}  p95 ${time(progress.p95)}  p99 ${time(progress.p99)} ms` +
      `   generator ${progress.generatorCpuPercent.toFixed(0)} % CPU` +
      (pool === null ? '' : `   pool ${pool.toFixed(0)} %`),
  ];
}

function progressLine(progress: LoadProgress): string {
  return progressBlock(progress).join('  ');
}

/** The end of a run: requests, percentiles, failures, verdicts. */
export function finalTables(report: LoadReport): string {
  const rows = [...report.rows, report.aggregated];
  return [
    ...requestLines(rows),
    '',
    ...percentileLines(rows),
    ...failureLines(report),
    ...verdictLines(report),
    '',
  ].join('\n');
}

function requestLines(rows: readonly RowSummary[]): string[] {
  const heading = line('Type', 'Name', [
    ['# reqs', 9],
    ['# fails', 16],
    ['Avg', 8],
    ['Min', 8],
    ['Max', 8],
    ['Med', 8],
    ['req/s', 9],
    ['failures/s', 11],
  ]);
  const body = rows.map((row) =>
    line(row.method, row.name, [
      [String(row.count), 9],
      [`${row.failures} (${((100 * row.failures) / Math.max(1, row.count)).toFixed(2)} %)`, 16],
      [time(row.mean), 8],
      [time(row.min), 8],
      [time(row.max), 8],
      [time(row.p50), 8],
      [row.rps.toFixed(2), 9],
      [row.failuresPerS.toFixed(2), 11],
    ]),
  );
  return framed(heading, body);
}

function percentileLines(rows: readonly RowSummary[]): string[] {
  const heading = line(
    'Type',
    'Name',
    TIMES.map((key) => [key, 8]),
  );
  const body = rows.map((row) =>
    line(
      row.method,
      row.name,
      TIMES.map((key) => [time(row[key]), 8]),
    ),
  );
  return framed(heading, body);
}

function framed(heading: string, body: string[]): string[] {
  const rule = '-'.repeat(heading.length);
  return [heading, rule, ...body.slice(0, -1), rule, ...body.slice(-1)];
}

function failureLines({ failures, exceptions }: LoadReport): string[] {
  const lines = failures.map(
    (one) => `${String(one.occurrences).padStart(9)}  ${one.method} ${one.name}: ${one.error}`,
  );
  for (const one of exceptions) {
    lines.push(`${String(one.count).padStart(9)}  exception: ${one.message}`);
  }
  return lines.length === 0 ? [] : ['', 'Failures', ...lines];
}

function verdictLines(report: LoadReport): string[] {
  const { generator, thresholds, notes, model, aborted, unjudgedErrors } = report;
  const lines = thresholds.map(
    ({ text, passed, actual, steadyActual }) =>
      `${passed ? 'met   ' : 'MISSED'}  ${text}  ` +
      `(whole run ${measured(actual)}, steady state ${measured(steadyActual)})`,
  );
  if (unjudgedErrors > 0) {
    lines.push(`MISSED  ${unjudgedErrors} failures and exceptions that no threshold judges`);
  }
  lines.push(
    `${model} model; generator ${generator.cpuPercent.toFixed(1)} % CPU, event loop ` +
      `${generator.loopLagP99Ms.toFixed(1)} ms late (p99); ${aborted} requests cut off at the end`,
  );
  for (const reason of generator.reasons) lines.push(`THE LOAD TESTER WAS THE LIMIT: ${reason}`);
  return ['', ...lines, ...notes];
}

/** What a threshold saw. */
export function measured(actual: number | null): string {
  return actual === null ? 'no such requests' : actual.toFixed(2);
}

function line(type: string, name: string, cells: (readonly [string, number])[]): string {
  const shown = name.length > NAME_WIDTH ? `${name.slice(0, NAME_WIDTH - 1)}…` : name;
  const rest = cells.map(([text, width]) => text.padStart(width)).join(' ');
  return `${type.padEnd(8)} ${shown.padEnd(NAME_WIDTH)} ${rest}`;
}

function time(valueMs: number): string {
  return valueMs >= 100 ? valueMs.toFixed(0) : valueMs.toFixed(1);
}
