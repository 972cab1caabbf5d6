// What a check of the configuration finds wrong.

import { InvalidOptionsError } from '../../src/errors.js';

/** The problems of the InvalidOptionsError that `check` throws; empty where it throws none. */
export function problemsIn(check: () => void): readonly string[] {
  try {
    check();
  } catch (error) {
    if (error instanceof InvalidOptionsError) return error.problems;
    throw error;
  }
  return [];
}
