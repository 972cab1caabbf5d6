// From a long episode that fails to a short one that fails in the same way: what comes after the
// failure goes, then acts are left out in ever smaller pieces for as long as it still fails.

import type { EpisodeResult } from './episode.js';
import type { Act, Plan } from './plan.js';

/** So many shorter episodes are tried at most. */
const MOST_RUNS = 300;

export async function shrink(
  plan: Plan,
  failure: EpisodeResult,
  run: (plan: Plan) => Promise<EpisodeResult>,
  mostRuns = MOST_RUNS,
): Promise<Plan> {
  const rule = failure.violation?.rule;
  let runs = 0;
  let shortest = plan;
  const fails = async (acts: readonly Act[]): Promise<boolean> => {
    runs++;
    const candidate = { ...shortest, acts };
    const { violation } = await run(candidate);
    if (violation?.rule !== rule) return false;
    shortest = candidate;
    return true;
  };
  const failedAt = failure.violation?.at ?? Number.POSITIVE_INFINITY;
  await fails(plan.acts.filter(({ atMs }) => atMs <= failedAt));
  for (let size = Math.ceil(shortest.acts.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let start = shortest.acts.length - size; start > -size && runs < mostRuns; start -= size) {
      const from = Math.max(0, start);
      const { acts } = shortest;
      await fails([...acts.slice(0, from), ...acts.slice(from + size)]);
    }
  }
  return shortest;
}
