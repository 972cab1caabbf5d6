// Collects what a generator observes until the next window is taken. The number of rows, of
// distinct errors and of latencies is bounded, so that a user class that puts an id into each name
// costs a row '(other names)' and not the memory.

import { messageOf } from '../errors.js';
import type { ExceptionCount, FailureCount, Observations } from './protocol.js';

export const MAX_ROWS = 500;
const MAX_ERRORS_A_WINDOW = 200;
/** Latencies of one row between two windows; the recorder asks to be emptied at this number. */
export const MAX_LATENCIES_A_WINDOW = 65_536;
const MAX_LATENCY_US = 0xffff_ffff;
const OTHER_NAMES = '(other names)';
const OTHER_ERRORS = '(other errors)';
const MAX_ERROR_CHARACTERS = 500;
const MAX_TRACEBACK_CHARACTERS = 4000;

interface Row {
  readonly method: string;
  readonly name: string;
  latenciesUs: number[];
  failures: number;
  bytes: number;
}

type Counted<T> = { -readonly [Key in keyof T]: T[Key] };

export class Recorder {
  readonly #rows = new Map<string, Row>();
  #failures = new Map<string, Counted<FailureCount>>();
  #exceptions = new Map<string, Counted<ExceptionCount>>();

  /** `onFull` is called when a window should be taken early. */
  constructor(private readonly onFull: () => void = () => {}) {}

  record(
    method: string,
    name: string,
    durationMs: number,
    bytes: number,
    failure: string | undefined,
  ): void {
    const row = this.#row(method, name);
    row.latenciesUs.push(Math.min(MAX_LATENCY_US, Math.max(0, Math.round(durationMs * 1000))));
    row.bytes += bytes;
    if (failure !== undefined) {
      row.failures += 1;
      this.#countFailure(row, failure);
    }
    if (row.latenciesUs.length >= MAX_LATENCIES_A_WINDOW) this.onFull();
  }

  recordException(error: unknown): void {
    const message = messageOf(error).slice(0, MAX_ERROR_CHARACTERS);
    const traceback = (error instanceof Error && error.stack) || message;
    const known = this.#exceptions.get(message);
    if (known !== undefined) known.count += 1;
    else if (this.#exceptions.size < MAX_ERRORS_A_WINDOW) {
      const shortened = traceback.slice(0, MAX_TRACEBACK_CHARACTERS);
      this.#exceptions.set(message, { message, traceback: shortened, count: 1 });
    }
  }

  /** Hands over everything since the last call. */
  take(): Observations {
    const rows = [...this.#rows.values()]
      .filter((row) => row.latenciesUs.length > 0)
      .map((row) => ({ ...row, latenciesUs: Uint32Array.from(row.latenciesUs) }));
    for (const row of this.#rows.values()) {
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

  #row(method: string, name: string): Row {
    const key = `${method} ${name}`;
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    if (this.#rows.size >= MAX_ROWS && name !== OTHER_NAMES) return this.#row(method, OTHER_NAMES);
    const row = { method, name, latenciesUs: [], failures: 0, bytes: 0 };
    this.#rows.set(key, row);
    return row;
  }

  #countFailure({ method, name }: Row, failure: string): void {
    const error = failure.slice(0, MAX_ERROR_CHARACTERS);
    const key = `${method} ${name} ${error}`;
    const full = this.#failures.size >= MAX_ERRORS_A_WINDOW && !this.#failures.has(key);
    const known = this.#failures.get(full ? OTHER_ERRORS : key);
    if (known !== undefined) known.count += 1;
    else if (!full) this.#failures.set(key, { method, name, error, count: 1 });
    else {
      const other = { method: '', name: OTHER_NAMES, error: OTHER_ERRORS, count: 1 };
      this.#failures.set(OTHER_ERRORS, other);
    }
  }
}
