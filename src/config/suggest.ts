// "Did you mean ...?": finds the known name that a mistyped one was probably meant to be.

/** A name further away from every candidate than this part of its length was not a slip. */
const CLOSE_PART = 1 / 3;
/** Comparing costs time by the square of the length; no name of ours is nearly so long. */
const LONGEST_NAME = 40;

/** The candidate that is closest to `name`, or `undefined` where none is close. */
export function suggest(name: string, candidates: readonly string[]): string | undefined {
  if (name.length > LONGEST_NAME) return undefined;
  const wanted = name.toLowerCase();
  let closest: string | undefined;
  let closestDistance = Math.max(1, Math.floor(name.length * CLOSE_PART)) + 1;
  for (const candidate of candidates) {
    const known = candidate.toLowerCase();
    // A beginning such as `connectTimeout` or `prod` is meant as the whole, whatever is missing.
    const isBeginning = wanted.length >= 3 && known.startsWith(wanted);
    const distance = isBeginning ? 0 : editDistance(wanted, known);
    if (distance < closestDistance) {
      closest = candidate;
      closestDistance = distance;
    }
  }
  return closest;
}

/** Letters to insert, remove, replace or swap with the next, to make one text of the other. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwapped =
        row > 1 &&
        column > 1 &&
        from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1];
      current.push(
        Math.min(
          last[column]! + 1,
          current[column - 1]! + 1,
          last[column - 1]! + (isSame ? 0 : 1),
          isSwapped ? beforeLast[column - 2]! + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length]!;
}
