// `plimsoll doctor`: gathers facts, judges them, prints findings; the exit code is their severity.

import { InvalidOptionsError } from 'plimsoll';
import { type Command, type Context, numberFlag, parseFlags } from '../command.js';
import { exitCodeOf } from './finding.js';
import { gather } from './gather.js';
import { judge, judgeProblems } from './judge/judge.js';
import { jsonReport, type Report, textReport } from './report.js';

const DEFAULT_PINGS = 100;
const MAX_PINGS = 100_000;

const FLAGS = {
  json: { type: 'boolean', default: false },
  pings: { type: 'string', default: String(DEFAULT_PINGS) },
} as const;

export const doctorCommand: Command = {
  summary: 'looks at the servers and at this host, and says what to change',
  help: `Usage: plimsoll doctor [--json] [--pings COUNT]

Connects as the environment says (REDIS_URL, REDIS_HOST, REDIS_PASSWORD_FILE, ...), asks each server
for its state and settings, changes nothing, and says what to do about what it found.

  --json          the report for programs
  --pings COUNT   round trips to measure at each server (default: ${DEFAULT_PINGS})

Exit code: 0 nothing worse than a notice, 1 warnings, 2 critical findings, 64 wrong flags, 70 failed.
docs/doctor.md has each finding.
`,
  async run(args, { env, stdout, signal }) {
    const flags = parseFlags(args, FLAGS);
    const pings = Math.floor(numberFlag('pings', flags.pings, 1, MAX_PINGS));
    const report = await untilAborted(examine(env, pings), signal);
    if (report === undefined) return 0;
    const isColored = stdout.isTTY === true && !env.NO_COLOR;
    stdout.write(flags.json ? jsonReport(report) : textReport(report, isColored));
    return exitCodeOf(report.findings);
  },
};

async function examine(env: NodeJS.ProcessEnv, pings: number): Promise<Report> {
  try {
    const facts = await gather(env, pings);
    return { findings: judge(facts), facts };
  } catch (error) {
    if (!(error instanceof InvalidOptionsError)) throw error;
    return { findings: judgeProblems(error.problems), facts: undefined };
  }
}

/** `undefined`: the caller wants no report any more. */
function untilAborted<T>(work: Promise<T>, signal: Context['signal']): Promise<T | undefined> {
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  return Promise.race([work, aborted]);
}
