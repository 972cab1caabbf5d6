// The files of the latest run, as the command line would have written them by now.

import { exceptionsCsv, failuresCsv, historyHeading, statsCsv } from '../report/csv.js';
import { reportPage } from '../report/html-page.js';
import type { RunRecord } from './run-session.js';

const CSV = 'text/csv; charset=utf-8';

export interface Download {
  readonly name: string;
  readonly type: string;
  readonly content: string;
}

/** Undefined for what isn't there, or isn't yet: a report needs the end of the run. */
export function downloadOf(name: string, record: RunRecord): Download | undefined {
  const file = contentOf(name, record);
  if (file === undefined) return undefined;
  const start = new Date(record.live.startMs).toISOString();
  const stamp = start.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  return { name: `load-${stamp}_${name}`, ...file };
}

function contentOf(name: string, { live, history, report }: RunRecord) {
  const { ledger } = live;
  switch (name) {
    case 'stats.csv':
      return { type: CSV, content: statsCsv(ledger.totals(ledger.closedMs)) };
    case 'stats_history.csv':
      return { type: CSV, content: historyHeading() + history.join('') };
    case 'failures.csv':
      return { type: CSV, content: failuresCsv(ledger.failures()) };
    case 'exceptions.csv':
      return { type: CSV, content: exceptionsCsv(ledger.exceptions()) };
    case 'report.html':
      return report && { type: 'text/html; charset=utf-8', content: reportPage(report) };
    case 'report.json':
      return (
        report && { type: 'application/json', content: `${JSON.stringify(report, null, 2)}\n` }
      );
    default:
      return undefined;
  }
}
