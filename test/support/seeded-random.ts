// Chance that can be repeated: mulberry32, 32 bits of state, good enough for sizes and choices in
// tests. A test prints its seed, and TEST_SEED repeats a run.

export interface SeededRandom {
  readonly seed: number;
  /** A number in [0, 1). */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number;
  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T;
}

/** The seed that TEST_SEED names, else a new one. */
export function testSeed(): number {
  const given = Number(process.env.TEST_SEED);
  return Number.isInteger(given) && process.env.TEST_SEED !== undefined && given >= 0
    ? given
    : Math.floor(Math.random() * 2 ** 32);
}

export function seededRandom(seed: number = testSeed()): SeededRandom {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return {
    seed,
    next,
    integer,
    pick: (choices) => {
      if (choices.length === 0) throw new Error('Nothing to pick from.');
      return choices[integer(0, choices.length - 1)]!;
    },
  };
}
