// Chance from a seed: the same seed and the same user number give the same choices and waits, so
// that two runs differ by the service under test and not by the dice.

export type Random = () => number;

/** Mulberry32: 32 bits of state, good enough to choose tasks and waits. Values in [0, 1). */
export function seededRandom(seed: number, stream = 0): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Returns a function that draws an item with a chance in proportion to its weight. */
export function weightedChoice<T extends { readonly weight?: number }>(
  items: readonly T[],
): (random: Random) => T {
  let total = 0;
  const bounds = items.map((item) => (total += item.weight ?? 1));
  return (random) => {
    const drawn = random() * total;
    const index = bounds.findIndex((bound) => drawn < bound);
    return items[index === -1 ? items.length - 1 : index]!;
  };
}
