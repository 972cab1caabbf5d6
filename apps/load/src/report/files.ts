// Writes a run's files. locust's CSV files are written each second while the run lasts, so that a
// run that is killed loses a second: the history grows by its rows, the other three are replaced as
// a whole. The page and the document for programs need the end. A disk that is full doesn't end a
// run: what couldn't be written is told in the report.

import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { messageOf } from '../errors.js';
import type { HistoryRow, Ledger } from '../stats/ledger.js';
import { exceptionsCsv, failuresCsv, historyCsv, historyHeading, statsCsv } from './csv.js';
import { reportPage } from './html-page.js';
import type { LoadReport } from './load-report.js';

export interface ReportFiles {
  /** Prefix of the four CSV files. */
  readonly csv?: string;
  readonly html?: string;
  readonly json?: string;
}

export class ResultFiles {
  #problem: string | undefined;

  constructor(private readonly files: ReportFiles) {
    const { csv } = files;
    if (csv === undefined) return;
    this.#attempt(() => writeFileSync(`${csv}_stats_history.csv`, historyHeading()));
  }

  /** The first thing that couldn't be written. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Takes the rows of the second that ended at `nowMs`. */
  addSecond(ledger: Ledger, rows: readonly HistoryRow[], nowMs: number): void {
    const { csv } = this.files;
    if (csv === undefined) return;
    this.#attempt(() => {
      appendFileSync(`${csv}_stats_history.csv`, historyCsv(rows));
      replaceFile(`${csv}_stats.csv`, statsCsv(ledger.totals(nowMs)));
      replaceFile(`${csv}_failures.csv`, failuresCsv(ledger.failures()));
      replaceFile(`${csv}_exceptions.csv`, exceptionsCsv(ledger.exceptions()));
    });
  }

  /** Writes what needs the whole run. */
  finish(report: LoadReport): void {
    const { html, json } = this.files;
    if (html !== undefined) this.#attempt(() => replaceFile(html, reportPage(report)));
    if (json !== undefined) {
      this.#attempt(() => replaceFile(json, `${JSON.stringify(report, null, 2)}\n`));
    }
  }

  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#problem ??= messageOf(error);
    }
  }
}

/** Whoever reads the file finds the old text or the new one, and never a part. */
function replaceFile(file: string, text: string): void {
  const draft = `${file}.tmp`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}
