// `npm run test:faults`: every fault that this project knows, on real servers, and the table of what
// it did to callers. Exit code 0 only when all that ran has passed.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { machine } from '../../scripts/machine-load.js';
import { ensureServer, findServers } from '../../scripts/redis-server.js';
import { CATALOGUE } from './catalogue.js';
import type { Fault } from './fault.js';
import { type Report, summary, toMarkdown, toText, verdictOf } from './report.js';
import type { FaultResult } from './result.js';
import { runFault } from './rounds.js';

const HELP = `npm run test:faults -- [options]

  --seed n        repeats a run's chance. Default: a new one, printed
  --only a,b      faults whose name or topology contains one of these
  --rounds n      of each fault, instead of its own number
  --docs          writes docs/reliability.md; whole runs only
  --list          names the faults

Exit codes: 0 passed, 1 a fault failed, 2 bad arguments.
`;
const DOCS_FILE = fileURLToPath(new URL('../../docs/reliability.md', import.meta.url));

interface Settings {
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly rounds: number | undefined;
  readonly docs: boolean;
}

/** @throws Error that names the first wrong argument. */
function readArguments(args: string[]): Settings | string {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      only: { type: 'string' },
      rounds: { type: 'string' },
      docs: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return HELP;
  if (values.list) return CATALOGUE.map(({ name, does }) => `${name}: ${does}`).join('\n');
  const faults = chosen(values.only);
  if (values.docs && (values.only ?? values.rounds) !== undefined) {
    throw new Error('--docs takes whole runs only, without --only and --rounds');
  }
  return {
    seed: whole('--seed', values.seed, 0) ?? Math.floor(Math.random() * 2 ** 32),
    faults,
    rounds: whole('--rounds', values.rounds, 1),
    docs: values.docs,
  };
}

function chosen(only: string | undefined): readonly Fault[] {
  if (only === undefined) return CATALOGUE;
  const parts = only.split(',').map((part) => part.trim().toLowerCase());
  const contains = ({ name, topology }: Fault, part: string) =>
    name.toLowerCase().includes(part) || topology.toLowerCase().includes(part);
  const unknown = parts.find((part) => !CATALOGUE.some((fault) => contains(fault, part)));
  if (unknown !== undefined) throw new Error(`--only: no fault is called '${unknown}'; see --list`);
  return CATALOGUE.filter((fault) => parts.some((part) => contains(fault, part)));
}

function whole(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`${name} must be a whole number of at least ${least}, not '${text}'`);
}

async function main(args: string[]): Promise<number> {
  const settings = readArguments(args);
  if (typeof settings === 'string') {
    console.log(settings);
    return 0;
  }
  await ensureServer();
  const servers = await findServers();
  const { seed, faults, rounds, docs } = settings;
  const startedAt = new Date();
  console.log(`seed ${seed}`);
  const results: FaultResult[] = [];
  for (const found of servers) {
    for (const fault of faults) {
      // Where there are two kinds of servers they share the rounds, as the time is the same.
      const share = Math.ceil(
        (rounds ?? fault.rounds) / (rounds === undefined ? servers.length : 1),
      );
      const result = await runFault(fault, { found, seed, rounds: share });
      results.push(result);
      console.log(toText(result));
    }
  }
  const report: Report = {
    startedAt: startedAt.toISOString(),
    command: ['npm run test:faults', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    machine: machine(),
    versions: `Node ${process.versions.node}`,
    seed,
    tookMs: Date.now() - startedAt.getTime(),
    isComplete: faults.length === CATALOGUE.length && rounds === undefined,
    results,
  };
  console.log(
    `\n${summary(report)}\n\n${verdictOf(report)}, ${Math.round(report.tookMs / 1_000)} s`,
  );
  if (docs) writeFileSync(DOCS_FILE, toMarkdown(report));
  return verdictOf(report) === 'FAIL' ? 1 : 0;
}

try {
  // The first argument of the runner is this file.
  process.exitCode = await main(process.argv.slice(3));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
