// How a promise ended and when: fault tests look at thousands of them, rejections included, and
// none of them may be left without a handler.

export interface Outcome<T = unknown> {
  readonly value: T | undefined;
  readonly error: (Error & { readonly code?: string; readonly sent?: boolean }) | undefined;
  /** `ok`, else the error's `code`, else the first word of its message (`WRONGTYPE`). */
  readonly code: string;
  /** From the call of `outcomeOf` to the end, ms. */
  readonly tookMs: number;
}

/** Settles, never rejects, when `promise` has settled. */
export async function outcomeOf<T>(promise: Promise<T> | (() => Promise<T>)): Promise<Outcome<T>> {
  const startedAt = performance.now();
  try {
    const value = await (typeof promise === 'function' ? promise() : promise);
    return { value, error: undefined, code: 'ok', tookMs: performance.now() - startedAt };
  } catch (thrown) {
    const error = thrown as Error & { code?: string };
    const code = error.code ?? error.message.split(' ', 1)[0] ?? error.name;
    return { value: undefined, error, code, tookMs: performance.now() - startedAt };
  }
}

export function outcomesOf<T>(promises: readonly Promise<T>[]): Promise<Outcome<T>[]> {
  return Promise.all(promises.map((promise) => outcomeOf(promise)));
}

/** How many ended in which way, e.g. `{ ok: 990, OUTCOME_UNKNOWN: 10 }`. */
export function countCodes(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of outcomes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

export function slowest(outcomes: readonly Outcome[]): number {
  return outcomes.reduce((most, { tookMs }) => Math.max(most, tookMs), 0);
}
