// `npm run simulate -- --seed 7 --steps 1000000`: the library on simulated time, network and servers.
// A run is a sequence of episodes, each of which has a seed of its own and can be run alone with
// `--episode`. The first rule that is broken ends it: the episode is made as short as it can be and
// printed. The same seed gives the same run.

import { parseArgs } from 'node:util';
import { createPool } from 'plimsoll';
import { seedOf } from 'plimsoll-cli/simulated-time/chance.js';
import { type EpisodeResult, runEpisode } from './episode.js';
import { drawPlan, type Plan } from './plan.js';
import { describeFailure, LastLines, Totals } from './report.js';
import { shrink } from './shrink.js';

const USAGE = `Usage: npm run simulate -- [--seed N] [--steps N] [--episode SEED]

--seed N        the run to make (default: one by chance, which is printed)
--steps N       at least so many steps (default 1000000)
--episode SEED  one episode alone, by the seed that was printed`;

const DEFAULT_STEPS = 1_000_000;

interface Arguments {
  readonly seed: number;
  readonly steps: number;
  readonly episode: number | undefined;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      steps: { type: 'string' },
      episode: { type: 'string' },
    },
  });
  const number = (name: 'seed' | 'steps' | 'episode', text: string) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new TypeError(`--${name} must be a whole number`);
  };
  return {
    seed: number('seed', values.seed ?? `${Math.floor(Math.random() * 2 ** 32)}`),
    steps: number('steps', values.steps ?? `${DEFAULT_STEPS}`),
    episode: values.episode === undefined ? undefined : number('episode', values.episode),
  };
}

const run = (plan: Plan): Promise<EpisodeResult> => runEpisode(plan, createPool);

async function explain(plan: Plan, failure: EpisodeResult): Promise<void> {
  console.log(`Broken: ${failure.violation?.rule}: ${failure.violation?.what}`);
  console.log(`Episode ${plan.seed}; looking for a shorter one ...`);
  const shortest = await shrink(plan, failure, run);
  const lines = new LastLines();
  const result = await runEpisode(shortest, createPool, lines.note);
  console.log(describeFailure(shortest, result, lines));
  process.exitCode = 1;
}

async function main({ seed, steps, episode }: Arguments): Promise<void> {
  const totals = new Totals();
  const startedAt = performance.now();
  console.log(episode === undefined ? `Seed ${seed}` : `Episode ${episode}`);
  for (let number = 0; number === 0 || (episode === undefined && totals.steps < steps); number++) {
    const plan = drawPlan(episode ?? seedOf(seed, number));
    const result = await run(plan);
    totals.add(result);
    if (result.violation === undefined) continue;
    await explain(plan, result);
    return;
  }
  console.log(String(totals));
  console.log(`All rules held. ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
}

try {
  await main(readArguments());
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
