// Finds the highest rate that holds: doubled until one breaks, then halved in between until both ends
// are close. Pure but for the trials, which come from outside.
//
//   first --holds--> x 2 --holds--> x 2 --breaks--> between --> between --> knee
//     `--breaks--> / 2 --> ...

/** How close the highest rate that held and the lowest that broke are in the end. */
export const PRECISION = 1.05;
/** Rates beyond are not looked for, requests/s. */
export const LOWEST_RATE = 20;
export const HIGHEST_RATE = 100_000;

export interface Knee {
  /** The highest rate that held; `undefined`: none did. */
  readonly held: number | undefined;
  /** The lowest rate that broke; `undefined`: none did. */
  readonly broke: number | undefined;
  /** Both are as close as asked for; else time or range ended before. */
  readonly isExact: boolean;
}

export interface SearchOptions {
  readonly first: number;
  /** Whether there is time for another trial. */
  readonly mayTry: () => boolean;
  /** Whether the service holds a rate. */
  readonly holds: (rate: number) => Promise<boolean>;
}

export async function findKnee({ first, mayTry, holds }: SearchOptions): Promise<Knee> {
  let [held, broke]: [number | undefined, number | undefined] = [undefined, undefined];
  for (let next: number | undefined = first; next !== undefined && mayTry(); ) {
    const rate = next;
    // What breaks while there is no bound above decides where all the rest is looked for: twice then.
    const isHeld = (await holds(rate)) || (broke === undefined && mayTry() && (await holds(rate)));
    if (isHeld) held = rate;
    else broke = rate;
    next = nextRate(held, broke);
  }
  return { held, broke, isExact: isClose(held, broke) };
}

function nextRate(held: number | undefined, broke: number | undefined): number | undefined {
  if (held === undefined) {
    return broke! <= LOWEST_RATE ? undefined : Math.max(LOWEST_RATE, Math.round(broke! / 2));
  }
  if (broke === undefined) {
    return held >= HIGHEST_RATE ? undefined : Math.min(HIGHEST_RATE, Math.round(held * 2));
  }
  return isClose(held, broke) ? undefined : Math.round(Math.sqrt(held * broke));
}

function isClose(held: number | undefined, broke: number | undefined): boolean {
  return held !== undefined && broke !== undefined && broke / held <= PRECISION;
}
