// Rows by method and name, with one row for all of them together.

import type { WindowRow } from '../generator/protocol.js';
import { RowStats, type RowSummary } from './summary.js';

export const AGGREGATED = 'Aggregated';

export class RowTable {
  readonly aggregated = new RowStats('', AGGREGATED);
  readonly #rows = new Map<string, RowStats>();

  /** See `RowStats.add`. */
  add(windowRows: readonly WindowRow[], outside = false): void {
    for (const windowRow of windowRows) {
      const row = this.row(windowRow.method, windowRow.name);
      row.add(windowRow, outside);
      this.aggregated.add(windowRow, outside);
    }
  }

  /** The row of a name; an empty one where there is none yet. */
  row(method: string, name: string): RowStats {
    const key = `${method} ${name}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = new RowStats(method, name);
      this.#rows.set(key, row);
    }
    return row;
  }

  summarize(durationMs: number): { rows: RowSummary[]; aggregated: RowSummary } {
    const rows = [...this.#rows.values()].map((row) => row.summarize(durationMs));
    rows.sort((left, right) => (left.name < right.name ? -1 : 1));
    return { rows, aggregated: this.aggregated.summarize(durationMs) };
  }
}
