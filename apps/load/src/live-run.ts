// A run while it lasts, as one sees and steers it who stands beside it: the web page.

import type { LoadStage } from './load-shape.js';
import type { CheckedOptions, LoadProgress } from './options.js';
import type { HistoryRow, Ledger } from './stats/ledger.js';

export interface LiveRun {
  readonly checked: CheckedOptions;
  /** Unix ms. */
  readonly startMs: number;
  readonly ledger: Ledger;
  /**
   * From now on so many users, which come or go at this rate; none is allowed too.
   * @throws LoadError where the run has a shape, is of the open model, or is over.
   */
  change(stage: LoadStage): void;
}

export interface RunWatcher {
  /** The first users start. Not called for a run that can't begin. */
  onStart(run: LiveRun): void;
  /** Each second, with the row of all requests. */
  onSecond(progress: LoadProgress, history: HistoryRow): void;
}
