// Collects what a generator observes until the next window is taken. The number of rows, of
// distinct errors and of latencies is bounded, so that a user class that puts an id into each name
// costs a row '(other names)' and not the memory. What is beyond a bound is counted as "other":
// nothing is left out.

import { messageOf } from '../errors.js';
import { boundedEntry, OTHER_ERRORS, OTHER_NAMES } from '../stats/bounded.js';
import type { ExceptionCount, FailureCount, Observations } from './protocol.js';

export const MAX_ROWS = 500;
export const MAX_ERRORS_A_WINDOW = 200;
/** Latencies of one row between two windows; the recorder asks to be emptied at this number. */
export const MAX_LATENCIES_A_WINDOW = 65_536;
const MAX_LATENCY_US = 0xffff_ffff;
const MAX_ERROR_CHARACTERS = 500;
const MAX_TRACEBACK_CHARACTERS = 4000;

/** How a request ended. */
export interface RequestRecord {
  readonly method: string;
  readonly name: string;
  readonly durationMs: number;
  readonly bytes: number;
  readonly failure: string | undefined;
  /** It began when the run was being stopped already. */
  readonly late: boolean;
}

interface Row {
  readonly method: string;
  readonly name: string;
  readonly late: boolean;
  latenciesUs: number[];
  failures: number;
  bytes: number;
}

type Counted<T> = { -readonly [Key in keyof T]: T[Key] };

export class Recorder {
  readonly #rows: Row[] = [];
  /** Rows by method and then by name: no key has to be put together for a request. */
  readonly #inTime = new Map<string, Map<string, Row>>();
  readonly #late = new Map<string, Map<string, Row>>();
  #failures = new Map<string, Counted<FailureCount>>();
  #exceptions = new Map<string, Counted<ExceptionCount>>();

  /** `onFull` is called when a window should be taken early. */
  constructor(private readonly onFull: () => void = () => {}) {}

  record({ method, name, durationMs, bytes, failure, late }: RequestRecord): void {
    const row = this.#row(method, name, late);
    row.latenciesUs.push(Math.min(MAX_LATENCY_US, Math.max(0, Math.round(durationMs * 1000))));
    row.bytes += bytes;
    if (failure !== undefined) {
      row.failures += 1;
      this.#countFailure(row, failure);
    }
    if (row.latenciesUs.length >= MAX_LATENCIES_A_WINDOW) this.onFull();
  }

  /** A request that was recorded as a success has failed after all. */
  recordLateFailure({ method, name, late }: RequestRecord, failure: string): void {
    const row = this.#row(method, name, late);
    row.failures += 1;
    this.#countFailure(row, failure);
  }

  recordException(error: unknown): void {
    const message = messageOf(error).slice(0, MAX_ERROR_CHARACTERS);
    const traceback = (error instanceof Error && error.stack) || message;
    boundedEntry(this.#exceptions, MAX_ERRORS_A_WINDOW, message, (isOther) =>
      isOther
        ? { message: OTHER_ERRORS, traceback: '', count: 0 }
        : { message, traceback: traceback.slice(0, MAX_TRACEBACK_CHARACTERS), count: 0 },
    ).count += 1;
  }

  /** Hands over everything since the last call. */
  take(): Observations {
    const rows = this.#rows
      .filter((row) => row.latenciesUs.length > 0 || row.failures > 0)
      .map((row) => ({ ...row, latenciesUs: Uint32Array.from(row.latenciesUs) }));
    for (const row of this.#rows) {
      row.latenciesUs = [];
      row.failures = 0;
      row.bytes = 0;
    }
    const failures = [...this.#failures.values()];
    const exceptions = [...this.#exceptions.values()];
    if (failures.length > 0) this.#failures = new Map();
    if (exceptions.length > 0) this.#exceptions = new Map();
    return { rows, failures, exceptions };
  }

  #row(method: string, name: string, late: boolean): Row {
    const table = late ? this.#late : this.#inTime;
    let named = table.get(method);
    if (named === undefined) {
      named = new Map();
      table.set(method, named);
    }
    const known = named.get(name);
    if (known !== undefined) return known;
    if (this.#rows.length >= MAX_ROWS && name !== OTHER_NAMES) {
      return this.#row(method, OTHER_NAMES, late);
    }
    const row = { method, name, late, latenciesUs: [], failures: 0, bytes: 0 };
    named.set(name, row);
    this.#rows.push(row);
    return row;
  }

  #countFailure({ method, name }: Row, failure: string): void {
    const error = failure.slice(0, MAX_ERROR_CHARACTERS);
    boundedEntry(this.#failures, MAX_ERRORS_A_WINDOW, `${method} ${name} ${error}`, (isOther) =>
      isOther
        ? { method: '', name: OTHER_NAMES, error: OTHER_ERRORS, count: 0 }
        : { method, name, error, count: 0 },
    ).count += 1;
  }
}
