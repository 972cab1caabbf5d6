// Holds the load tester against another one with the same GET requests on the same number of
// connections, in turns. Two programs that share no code and agree are a better witness than one.
// autocannon is a development dependency of the repository, loaded when asked for.
//
//   node apps/load/dist/cross-check.js --host http://127.0.0.1:3000 --path / [--header 'a: b']
//     [--connections 50] [--duration 5s] [--rounds 3] [--rate 1000] [--witness wrk]

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { parseDuration } from './duration.js';
import { LoadError, messageOf } from './errors.js';
import { runLoad } from './run-load.js';
import { measureWitness, START_MS, WITNESSES, type Witness } from './witnesses.js';

const MAX_ROUNDS = 25;

export interface CrossCheckOptions {
  readonly host: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 50. */
  readonly connections?: number;
  /** Of each tool in each round. Default 5,000. */
  readonly durationMs?: number;
  /** Default 3. */
  readonly rounds?: number;
  /** Requests per second in all; default: as fast as the connections allow. */
  readonly rate?: number;
  /** Default autocannon. */
  readonly witness?: Witness;
}

export interface ToolFigures {
  rps: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  failures: number;
}

/**
 * Medians over the rounds. Differences, of plimsoll against the witness, are taken within each round
 * before the median: what slows the machine down for a minute slows both.
 */
export interface CrossCheckResult {
  plimsoll: ToolFigures;
  witness: ToolFigures;
  rpsDifferencePercent: number;
  p50DifferencePercent: number;
  rounds: { plimsoll: ToolFigures; witness: ToolFigures }[];
}

/** Runs both tools in turns against a service that is up already. */
export async function crossCheck(options: CrossCheckOptions): Promise<CrossCheckResult> {
  const count = Math.min(MAX_ROUNDS, options.rounds ?? 3);
  const measureOther = () => measureWitness(options.witness ?? 'autocannon', options);
  const rounds: CrossCheckResult['rounds'] = [];
  for (let round = 0; round < count; round += 1) {
    // Each goes first in turn, so that neither has the warmer server.
    const isWitnessFirst = round % 2 === 0;
    const before = isWitnessFirst ? await measureOther() : undefined;
    const plimsoll = await measurePlimsoll(options);
    rounds.push({ plimsoll, witness: before ?? (await measureOther()) });
  }
  const plimsoll = medians(rounds.map((round) => round.plimsoll));
  const witness = medians(rounds.map((round) => round.witness));
  const differencePercent = (key: 'rps' | 'p50') =>
    100 * (medianOf(rounds.map((round) => round.plimsoll[key] / round.witness[key])) - 1);
  return {
    plimsoll,
    witness,
    rpsDifferencePercent: differencePercent('rps'),
    p50DifferencePercent: differencePercent('p50'),
    rounds,
  };
}

async function measurePlimsoll(options: CrossCheckOptions): Promise<ToolFigures> {
  const { host, connections = 50, durationMs = 5000, rate } = options;
  const folder = await mkdtemp(path.join(os.tmpdir(), 'plimsoll-cross-check-'));
  try {
    const userClass = path.join(folder, 'get.mjs');
    await writeFile(userClass, userClassText(options));
    const report = await runLoad({
      host,
      userClass,
      users: connections,
      spawnRate: connections * 100,
      runTimeMs: durationMs + START_MS,
      ...(rate === undefined ? {} : { rate }),
    });
    const { rps, p50, p99, failures } = report.steady?.aggregated ?? report.aggregated;
    return { rps, p50, p99, failures };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function userClassText({ path: requestPath, headers = {} }: CrossCheckOptions): string {
  const request = `${JSON.stringify(requestPath)}, { headers: ${JSON.stringify(headers)} }`;
  return `export default {
  name: 'CrossCheck', waitMs: () => 0,
  tasks: [{ name: 'get', weight: 1, run: (user) => user.get(${request}) }],
};\n`;
}

function medians(figures: readonly ToolFigures[]): ToolFigures {
  const median = (key: keyof ToolFigures) => medianOf(figures.map((one) => one[key]));
  return {
    rps: median('rps'),
    p50: median('p50'),
    p99: median('p99'),
    failures: median('failures'),
  };
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)]!;
}

/** Both tools side by side, a line each. */
export function crossCheckTable(result: CrossCheckResult): string {
  const line = (name: string, { rps, p50, p99, failures }: ToolFigures) =>
    name.padEnd(12) +
    [rps.toFixed(1), p50.toFixed(3), p99.toFixed(3), failures]
      .map((text) => String(text).padStart(12))
      .join('');
  return [
    `${''.padEnd(12)}${['req/s', 'p50 ms', 'p99 ms', 'failures'].map((text) => text.padStart(12)).join('')}`,
    line('plimsoll', result.plimsoll),
    line('witness', result.witness),
    `difference: throughput ${result.rpsDifferencePercent.toFixed(1)} %, ` +
      `p50 ${result.p50DifferencePercent.toFixed(1)} %`,
    '',
  ].join('\n');
}

function parseOptions(args: string[]): CrossCheckOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      host: text,
      path: { ...text, default: '/' },
      header: { ...text, multiple: true, default: [] },
      connections: { ...text, default: '50' },
      duration: { ...text, default: '5s' },
      rounds: { ...text, default: '3' },
      rate: text,
      witness: { ...text, default: 'autocannon' },
    },
  });
  if (values.host === undefined) throw new LoadError('INVALID_OPTION', '--host is missing.');
  const witness = WITNESSES.find((name) => name === values.witness);
  if (witness === undefined) {
    throw new LoadError('INVALID_OPTION', `--witness must be one of ${WITNESSES.join(', ')}.`);
  }
  const headers = values.header.map((header): [string, string] => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()];
  });
  return {
    host: values.host,
    path: values.path,
    headers: Object.fromEntries(headers),
    connections: Number(values.connections),
    durationMs: parseDuration(values.duration, 'duration'),
    rounds: Number(values.rounds),
    witness,
    ...(values.rate === undefined ? {} : { rate: Number(values.rate) }),
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.stdout.write(crossCheckTable(await crossCheck(parseOptions(process.argv.slice(2)))));
  } catch (error) {
    process.stderr.write(`cross-check: ${messageOf(error)}\n`);
    process.exitCode = 2;
  }
}
