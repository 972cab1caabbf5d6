// Which class each user of a run has: fixed counts first, then in turns by weight, spread evenly, so
// that any first so many users have nearly the mix of all. All processes work it out alike.

import type { UserClass } from '../user-class.js';

/** The class of each user, by the user's number. Smooth weighted round robin. */
export function allotClasses(classes: readonly UserClass[], users: number): UserClass[] {
  const fixed = classes.flatMap((userClass) =>
    new Array<UserClass>(Math.min(users, userClass.fixedCount ?? 0)).fill(userClass),
  );
  const allotted = fixed.slice(0, users);
  const weighted = classes.filter((userClass) => userClass.fixedCount === undefined);
  // With fixed counts alone, what is left over goes round among them.
  const turns = (weighted.length > 0 ? weighted : classes).map((userClass) => ({
    userClass,
    weight: userClass.weight ?? 1,
    credit: 0,
  }));
  const total = turns.reduce((sum, { weight }) => sum + weight, 0);
  while (allotted.length < users) {
    for (const turn of turns) turn.credit += turn.weight;
    const next = turns.reduce((best, turn) => (turn.credit > best.credit ? turn : best));
    next.credit -= total;
    allotted.push(next.userClass);
  }
  return allotted;
}
