// The tables of the page. Times in ms.

import { formatDuration } from '../duration.js';
import type { RowSummary } from '../stats/summary.js';
import { MAX_CPU_PERCENT, MAX_LOOP_LAG_P99_MS } from './compose-report.js';
import { html, raw } from './html-text.js';
import type { LoadReport } from './load-report.js';
import { measured } from './terminal.js';

type Cell = string | number;

const TIMES = ['p50', 'p66', 'p75', 'p80', 'p90', 'p95', 'p98', 'p99', 'p999', 'max'] as const;

export function modelSentence({ model, settings }: LoadReport): string {
  return model === 'open'
    ? `Open model: ${settings.rate} tasks/s whether or not the service keeps up; latencies count ` +
        'from when a request should have been sent.'
    : 'Closed model: a user sends its next request after the last answer and a wait; latencies ' +
        'count from when a request was sent, connecting included.';
}

export function requestsTable(
  title: string,
  source: { rows: RowSummary[]; aggregated: RowSummary } | null,
): string {
  if (source === null) return '';
  const rows = [...source.rows, source.aggregated].map((row) => [
    `${row.method} ${row.name}`.trim(),
    row.count,
    row.failures,
    percent(row.failures, row.count),
    row.rps.toFixed(1),
    time(row.mean),
    ...TIMES.map((key) => time(row[key])),
  ]);
  const headings = ['Request', 'Count', 'Failures', 'Failed', 'per s', 'mean', ...TIMES];
  return table(title, headings, rows, 'last-bold');
}

export function failuresTable({ failures }: LoadReport): string {
  const rows = failures.map((one) => [
    `${one.method} ${one.name}`.trim(),
    one.error,
    one.occurrences,
  ]);
  return rows.length === 0 ? '' : table('Failures', ['Request', 'Error', 'Occurrences'], rows);
}

export function exceptionsTable({ exceptions }: LoadReport): string {
  const rows = exceptions.map((one) => [one.message, one.traceback, one.count]);
  return rows.length === 0 ? '' : table('Exceptions', ['Message', 'Traceback', 'Count'], rows);
}

export function tasksTable({ tasks }: LoadReport): string {
  const rows = tasks.map((task) => [
    task.userClass,
    task.name,
    task.weight,
    `${task.sharePercent.toFixed(1)} %`,
  ]);
  return table('Task mix', ['User class', 'Task', 'Weight', 'Share'], rows);
}

export function thresholdsTable({ thresholds }: LoadReport): string {
  if (thresholds.length === 0) return '';
  const sign = (passed: boolean | null) => (passed === null ? '' : passed ? ' ✓' : ' ✗');
  const rows = thresholds.map((one) => [
    one.text,
    measured(one.actual) + sign(one.wholePassed),
    measured(one.steadyActual) + sign(one.steadyPassed),
    one.passed ? '✓ met' : '✗ missed',
  ]);
  return table('Thresholds', ['Threshold', 'Whole run', 'Steady state', 'Verdict'], rows);
}

export function generatorTable({ generator, settings, aborted, reconnects }: LoadReport): string {
  const rows: Cell[][] = [
    ['Verdict', generator.isLimit ? 'may have been the limit' : 'was not the limit'],
    ['CPU of the busiest process', `${generator.cpuPercent.toFixed(1)} % of a core`],
    ['… bound', `${MAX_CPU_PERCENT} %`],
    ['Event loop lag, p99', `${generator.loopLagP99Ms.toFixed(1)} ms`],
    ['… bound', `${MAX_LOOP_LAG_P99_MS} ms`],
    ['Event loop lag, largest', `${generator.loopLagMaxMs.toFixed(1)} ms`],
    ['CPU per request', `${generator.cpuUsPerRequest.toFixed(0)} µs`],
    ['Memory', `${(generator.memoryBytes / 2 ** 20).toFixed(0)} MiB`],
    ['Processes', settings.processes],
    ['Requests cut off at the end', aborted],
    ['Connections opened again', reconnects],
  ];
  return table('The load tester itself', ['Figure', 'Value'], rows);
}

export function settingsTable({ settings, endReason }: LoadReport): string {
  const rows: Cell[][] = [
    ...Object.entries(settings).map(([name, value]) => [
      name,
      value === null ? '–' : name.endsWith('Ms') ? formatDuration(Number(value)) : value,
    ]),
    ['ended by', endReason],
  ];
  return table('Settings', ['Setting', 'Value'], rows);
}

function table(
  title: string,
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  style = '',
): string {
  const cells = (row: readonly Cell[]) => row.map((cell) => html`<td>${cell}</td>`).join('');
  const head = headings.map((heading) => html`<th>${heading}</th>`).join('');
  const body = rows.map((row) => `<tr>${cells(row)}</tr>`).join('\n');
  return html`<section><h2>${title}</h2><div class="scroll"><table class="${style}">
<thead><tr>${raw(head)}</tr></thead>
<tbody>${raw(body)}</tbody></table></div></section>`;
}

function time(valueMs: number): string {
  return valueMs >= 100 ? valueMs.toFixed(0) : valueMs.toFixed(1);
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(2)} %`;
}
