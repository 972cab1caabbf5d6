// locust's four CSV files, with exactly its columns, so that whatever reads those reads these.

import type { ExceptionSummary, FailureSummary, Figures, HistoryRow } from '../stats/ledger.js';
import { PERCENTILES, type RowSummary } from '../stats/summary.js';

const HEADINGS = PERCENTILES.map(([, , heading]) => heading);

const STATS_COLUMNS = [
  'Type',
  'Name',
  'Request Count',
  'Failure Count',
  'Median Response Time',
  'Average Response Time',
  'Min Response Time',
  'Max Response Time',
  'Average Content Size',
  'Requests/s',
  'Failures/s',
  ...HEADINGS,
];

const HISTORY_COLUMNS = [
  'Timestamp',
  'User Count',
  'Type',
  'Name',
  'Requests/s',
  'Failures/s',
  ...HEADINGS,
  'Total Request Count',
  'Total Failure Count',
  'Total Median Response Time',
  'Total Average Response Time',
  'Total Min Response Time',
  'Total Max Response Time',
  'Total Average Content Size',
];

export function statsCsv({ rows, aggregated }: Figures): string {
  return csv([
    STATS_COLUMNS,
    ...[...rows, aggregated].map((row) => [
      row.method,
      row.name,
      row.count,
      row.failures,
      ...totalsOf(row),
      row.rps,
      row.failuresPerS,
      ...percentilesOf(row),
    ]),
  ]);
}

export function historyHeading(): string {
  return csv([HISTORY_COLUMNS]);
}

/** Rows to append below the heading. */
export function historyCsv(rows: readonly HistoryRow[]): string {
  return csv(
    rows.map(({ timeMs, users, sliding, total }) => [
      Math.floor(timeMs / 1000),
      users,
      total.method,
      total.name,
      sliding.rps.toFixed(6),
      sliding.failuresPerS.toFixed(6),
      ...percentilesOf(sliding),
      total.count,
      total.failures,
      ...totalsOf(total),
    ]),
  );
}

export function failuresCsv(failures: readonly FailureSummary[]): string {
  return csv([
    ['Method', 'Name', 'Error', 'Occurrences'],
    ...failures.map(({ method, name, error, occurrences }) => [method, name, error, occurrences]),
  ]);
}

export function exceptionsCsv(exceptions: readonly ExceptionSummary[]): string {
  return csv([
    ['Count', 'Message', 'Traceback', 'Nodes'],
    ...exceptions.map(({ count, message, traceback, processes }) => [
      count,
      message,
      traceback,
      processes.map((index) => `generator ${index + 1}`).join(', '),
    ]),
  ]);
}

function totalsOf(row: RowSummary): number[] {
  return [Math.round(row.p50), row.mean, row.min, row.max, row.meanBytes];
}

function percentilesOf(row: RowSummary): (number | string)[] {
  return PERCENTILES.map(([key]) => (row.count === 0 ? 'N/A' : Math.round(row[key])));
}

function csv(lines: readonly (readonly (string | number)[])[]): string {
  return `${lines.map((cells) => cells.map(cell).join(',')).join('\r\n')}\r\n`;
}

/** Quoted where RFC 4180 asks for it. */
function cell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
