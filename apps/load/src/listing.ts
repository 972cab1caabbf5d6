// What --list and --show-task-ratio print instead of a run.

import type { Listing } from './command-line.js';
import { allotClasses } from './generator/allotment.js';
import { loadUserClasses } from './load-user-class.js';
import { type LoadOptions, locateChoice } from './options.js';
import { taskShares } from './report/compose-report.js';
import type { UserClass } from './user-class.js';

/** Throws as `runLoad` does for classes that aren't there. */
export async function listingText(options: LoadOptions, listing: Listing): Promise<string> {
  const classes = await loadUserClasses(locateChoice(options));
  if (listing === 'classes') return `${classes.map(({ name }) => name).join('\n')}\n`;
  const shares = sharesOf(classes, options.users ?? 1);
  if (listing === 'task-ratio-json') return `${JSON.stringify(shares, null, 2)}\n`;
  const lines = shares.flatMap(({ userClass, users, tasks }) => [
    `${userClass}: ${users} users`,
    ...tasks.map(({ name, sharePercent }) => `${sharePercent.toFixed(1).padStart(7)} %  ${name}`),
  ]);
  return `${lines.join('\n')}\n`;
}

function sharesOf(classes: readonly UserClass[], users: number) {
  const allotted = allotClasses(classes, users);
  return classes.map((userClass) => ({
    userClass: userClass.name,
    users: allotted.filter((one) => one === userClass).length,
    tasks: taskShares(userClass).map(({ name, sharePercent }) => ({ name, sharePercent })),
  }));
}
