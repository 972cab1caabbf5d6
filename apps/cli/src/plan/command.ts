// `plimsoll plan`: flags in, a report or JSON out.

import { readFileSync } from 'node:fs';
import { EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK } from '../command.js';
import { COST_NAMES, type Costs, DEFAULT_COSTS } from './costs.js';
import { PlanInputError, type PlanOptions, readFlags, usage } from './flags.js';
import { measureCosts } from './measure.js';
import { makePlan } from './plan.js';
import { reportText } from './report.js';

/** The surroundings of the command. */
export interface PlanContext {
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Ends a measurement between two of its parts. */
  readonly signal: AbortSignal;
}

export const planCommand = {
  summary: 'how many connections, workers, shards and hosts so many users need',
  help: usage(),

  /** @param args What stands behind `plimsoll plan`. @returns The exit code. */
  async run(args: readonly string[], context: PlanContext): Promise<number> {
    const { stdout, stderr } = context;
    try {
      const options = readFlags(args);
      stdout.write(options.isHelp ? usage() : `${await answer(options, context)}\n`);
      return EXIT_OK;
    } catch (error) {
      const { message } = error as Error;
      if (!(error instanceof PlanInputError)) {
        stderr.write(`plimsoll plan: ${message}\n`);
        return EXIT_FAILED;
      }
      stderr.write(`plimsoll plan: ${error.code}: ${message}\nSee plimsoll plan --help.\n`);
      return EXIT_BAD_INPUT;
    }
  },
};

async function answer(options: PlanOptions, context: PlanContext): Promise<string> {
  const costs = { ...(await basicCosts(options, context)), ...options.givenCosts };
  const plan = await makePlan(options, costs);
  if (options.isJson) return JSON.stringify(plan, undefined, 2);
  return reportText(plan, options.hardware);
}

async function basicCosts(
  { isMeasured, costsFile }: PlanOptions,
  { env, stderr, signal }: PlanContext,
): Promise<Costs> {
  if (costsFile !== undefined) return costsOf(costsFile);
  if (!isMeasured) return DEFAULT_COSTS;
  const tell = (text: string) => stderr.write(`plimsoll plan: ${text}\n`);
  tell('measuring; that takes 15 seconds, and nothing else should run meanwhile');
  const measured = await measureCosts(env, tell, { signal });
  return { ...DEFAULT_COSTS, ...measured };
}

/** @throws PlanInputError where the file can't be read or isn't what `--json` prints. */
function costsOf(file: string): Costs {
  let read: { costs?: Partial<Record<keyof Costs, unknown>> } | null;
  try {
    read = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new PlanInputError(`--costs ${file}: ${(cause as Error).message}`, { cause });
  }
  const found = read?.costs;
  const isCost = (value: unknown) => typeof value === 'number' && value >= 0 && value < Infinity;
  const wrong = COST_NAMES.filter((name) => !isCost(found?.[name]));
  if (wrong.length === 0 && typeof found?.source === 'string') return found as unknown as Costs;
  const what = wrong.length === 0 ? 'source' : wrong.map((name) => `costs.${name}`).join(', ');
  throw new PlanInputError(`--costs ${file}: not what --measure --json prints (${what}).`);
}
