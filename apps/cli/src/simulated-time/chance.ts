// Chance that can be repeated: mulberry32, 32 bits of state. Each part of a simulation has a stream
// of its own, so that what one of them draws doesn't change what the others get.

const INCREMENT = 0x6d2b79f5;
const RANGE = 2 ** 32;

export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1). */
  readonly next = (): number => {
    this.#state = (this.#state + INCREMENT) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / RANGE;
  };

  /** A whole number from 0 to 2^32 - 1: the seed of another stream. */
  seed(): number {
    return Math.floor(this.next() * RANGE);
  }

  /** A number from `low` up to `high`. */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)] as T;
  }

  /** True in a share of cases, from 0 to 1. */
  happens(share: number): boolean {
    return this.next() < share;
  }

  /** Brings a list into an order by chance, in place. */
  shuffle(list: unknown[]): void {
    for (let index = list.length - 1; index > 0; index--) {
      const other = this.integer(0, index);
      [list[index], list[other]] = [list[other], list[index]];
    }
  }
}

/** The seed that belongs to the number of an episode, whatever the episodes before it drew. */
export function seedOf(seed: number, episode: number): number {
  return new Chance(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(episode + 1, 0x85ebca6b)).seed();
}
