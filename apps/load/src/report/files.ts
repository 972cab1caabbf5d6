// Writes a report's files: locust's CSV files, the page, and the document for programs.

import { writeFile } from 'node:fs/promises';
import type { HistoryRow } from '../stats/ledger.js';
import { exceptionsCsv, failuresCsv, historyCsv, statsCsv } from './csv.js';
import { reportPage } from './html-page.js';
import type { LoadReport } from './load-report.js';

export interface ReportFiles {
  /** Prefix of the four CSV files. */
  readonly csv?: string;
  readonly html?: string;
  readonly json?: string;
}

export async function writeFiles(
  report: LoadReport,
  history: readonly HistoryRow[],
  { csv, html, json }: ReportFiles,
): Promise<void> {
  const files: [string, string][] = [];
  if (csv !== undefined) {
    files.push(
      [`${csv}_stats.csv`, statsCsv(report)],
      [`${csv}_stats_history.csv`, historyCsv(history)],
      [`${csv}_failures.csv`, failuresCsv(report.failures)],
      [`${csv}_exceptions.csv`, exceptionsCsv(report.exceptions)],
    );
  }
  if (html !== undefined) files.push([html, reportPage(report)]);
  if (json !== undefined) files.push([json, `${JSON.stringify(report, null, 2)}\n`]);
  await Promise.all(files.map(([file, text]) => writeFile(file, text)));
}
