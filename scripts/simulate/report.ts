// What is printed: a line now and then, a summary, and of a failure the shortest episode that shows
// it, with its last steps.

import type { EpisodeResult } from './episode.js';
import type { Plan } from './plan.js';

/** Of what happened before the failure, so many lines are printed. */
const LAST_LINES = 60;

export class Totals {
  episodes = 0;
  steps = 0;
  simulatedMs = 0;
  readonly outcomes = new Map<string, number>();
  readonly events = new Map<string, number>();

  add(result: EpisodeResult): void {
    this.episodes++;
    this.steps += result.steps;
    this.simulatedMs += result.simulatedMs;
    addAll(this.outcomes, result.outcomes);
    addAll(this.events, result.events);
  }

  toString(): string {
    return [
      `${count(this.episodes)} episodes, ${count(this.steps)} steps, ` +
        `${count(this.simulatedMs / 1_000)} s of simulated time`,
      `calls: ${list(this.outcomes)}`,
      `events: ${list(this.events)}`,
    ].join('\n');
  }
}

/** The last of what happened in an episode. */
export class LastLines {
  readonly #lines: string[] = [];

  readonly note = (atMs: number, text: string): void => {
    this.#lines.push(`${atMs.toFixed(2).padStart(10)} ms  ${text}`);
    if (this.#lines.length > LAST_LINES) this.#lines.shift();
  };

  toString(): string {
    return this.#lines.join('\n');
  }
}

export function describeFailure(plan: Plan, result: EpisodeResult, lines: LastLines): string {
  const { violation } = result;
  const { acts, seed, ...rest } = plan;
  return [
    `BROKEN: ${violation?.rule}: ${violation?.what}`,
    `at step ${violation?.step}, ${violation?.at.toFixed(2)} ms, of the episode with seed ${seed}`,
    `plan: ${JSON.stringify(rest)}`,
    `to repeat it: ${JSON.stringify(plan)}`,
    `acts, ${acts.length}:`,
    ...acts.map((act) => `${act.atMs.toFixed(2).padStart(10)} ms  ${act.kind} (${act.seed})`),
    `pool: ${JSON.stringify(result.status)}`,
    'last steps:',
    String(lines),
  ].join('\n');
}

function addAll(sum: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [name, value] of more) sum.set(name, (sum.get(name) ?? 0) + value);
}

function list(counts: ReadonlyMap<string, number>): string {
  const names = [...counts.keys()].sort();
  return names.map((name) => `${name} ${count(counts.get(name) as number)}`).join(', ');
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
