// `npm run validate`: the service under 1,000, 5,000 and 10,000 users, a Redis that dies on the
// way, and the table of what was expected and measured. Exit code 0 only when every row passed and
// everything ran; reports/ has the same for reading later.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MAX_ATTEMPTS, machine } from '../machine-load.js';
import { writeFigures } from '../readme-figures.js';
import { BEFORE_TITLE, compareBefore } from './before.js';
import { CAPACITY_TITLE, capacitySection } from './capacity.js';
import { COMPARE_TITLE, compareDrivers } from './compare.js';
import { CROSS_CHECK_TITLE, crossCheck } from './cross-check.js';
import { failoverSection, failoverTitle } from './failover.js';
import { PHASES, type Phase, scaled, soak } from './phases.js';
import {
  notRun,
  type Section,
  toHtml,
  toMarkdown,
  toText,
  type Validation,
  type Verdict,
  verdictOf,
} from './report.js';
import { RESTART_TITLE, restartSection } from './restart.js';
import { runPhase } from './run-phase.js';
import { DRIVERS, type Driver } from './service.js';
import { openStage, openTopologyStage, type Stage } from './stage.js';
import { TOPOLOGIES, type Topology, type TopologyName } from './topology.js';
import { warmUp } from './warm-up.js';

const HELP = `npm run validate -- [options]

  --full              the real durations (3, 5 and 5 minutes) instead of shortened ones
  --phases a,b        only these of: baseline, stress, ultimate, restart, cross-check

In place of the phases:
  --soak [minutes]    5,000 users, 30 minutes unless said otherwise
  --capacity          10,000 users and more and more requests/s until the service breaks, on each
                      store driver in turn; about 15 minutes
  --drivers a,b       of --capacity, only these: plimsoll, redis-pool, redis, ioredis
  --compare           the stress phase on each store driver, interleaved
  --before            the stress phase on what the product replaces, and on the product
  --topology name     cluster or sentinel: the stress phase, with a primary killed in its middle

  --scale 0.1         fewer users and less time: to try the program, not to judge the product
  --processes n       load generator processes of the phases. Default: 1
  --reports folder    where to write. Default: reports
  --docs              writes the report to docs/ too

Exit codes: 0 passed (or compared, where nothing is judged), 1 a row failed, 2 bad arguments or no
stage to run on, 3 incomplete: no row failed, but something that was asked for could not run.
`;
const EXIT_CODES: Readonly<Record<Verdict, number>> = {
  PASS: 0,
  COMPARED: 0,
  FAIL: 1,
  INCOMPLETE: 3,
};

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ALL = [...PHASES.map(({ name }) => name), 'restart', 'cross-check'];
const DEFAULT_SOAK_MINUTES = 30;

interface Settings {
  readonly full: boolean;
  readonly soakMinutes: number | undefined;
  readonly phases: readonly string[];
  readonly capacity: boolean;
  readonly drivers: readonly Driver[];
  readonly compare: boolean;
  readonly before: boolean;
  readonly topology: TopologyName | undefined;
  readonly scale: number;
  readonly reports: string;
  readonly processes: number;
  /** File of docs/ that the report is written to. */
  readonly docsFile: string | undefined;
}

/** @throws Error that names the first wrong argument. */
function readArguments(args: readonly string[]): Settings | undefined {
  // Node's parser knows no option with an optional value.
  const spelled = args.flatMap((arg, index) =>
    arg === '--soak' && !/^\d/.test(args[index + 1] ?? '')
      ? [arg, String(DEFAULT_SOAK_MINUTES)]
      : [arg],
  );
  const { values } = parseArgs({
    args: spelled,
    options: {
      full: { type: 'boolean', default: false },
      soak: { type: 'string' },
      phases: { type: 'string' },
      capacity: { type: 'boolean', default: false },
      drivers: { type: 'string' },
      compare: { type: 'boolean', default: false },
      before: { type: 'boolean', default: false },
      topology: { type: 'string' },
      scale: { type: 'string', default: '1' },
      reports: { type: 'string', default: 'reports' },
      processes: { type: 'string', default: '1' },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { full, capacity, compare, before } = values;
  const topology = someOf('--topology', values.topology, TOPOLOGIES)?.[0];
  const isOther =
    values.soak !== undefined || capacity || compare || before || topology !== undefined;
  const settings = {
    full,
    soakMinutes: values.soak === undefined ? undefined : positive('--soak', values.soak),
    phases: someOf('--phases', values.phases, ALL) ?? (isOther ? [] : ALL),
    capacity,
    drivers: someOf('--drivers', values.drivers, DRIVERS) ?? DRIVERS,
    compare,
    before,
    topology,
    scale: positive('--scale', values.scale),
    reports: path.resolve(values.reports),
    processes: positive('--processes', values.processes),
  };
  const isMixed = values.phases !== undefined || values.soak !== undefined || capacity;
  if (topology !== undefined && (isMixed || compare || before)) {
    throw new Error('--topology stands alone: it has servers of its own');
  }
  const isPart = values.phases !== undefined || values.drivers !== undefined;
  if (values.docs && (isPart || settings.scale !== 1)) {
    throw new Error('--docs takes whole runs only, without --phases, --drivers and --scale');
  }
  return { ...settings, docsFile: values.docs ? docsFileOf(settings) : undefined };
}

function someOf<Name extends string>(
  option: string,
  text: string | undefined,
  all: readonly Name[],
): readonly Name[] | undefined {
  const names = text?.split(',');
  const unknown = names?.filter((name) => !(all as readonly string[]).includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`${option}: unknown ${unknown.join(', ')}; there are ${all.join(', ')}`);
  }
  return names as readonly Name[] | undefined;
}

/** One report a kind of run. */
function docsFileOf({
  full,
  soakMinutes,
  capacity,
  compare,
  before,
  topology,
}: Omit<Settings, 'docsFile'>): string {
  const kinds = [
    ...(soakMinutes === undefined ? [] : ['-soak']),
    ...(capacity ? ['-capacity'] : []),
    ...(compare || before ? ['-compare'] : []),
    ...(topology === undefined ? [] : [`-${topology}`]),
  ];
  if (kinds.length > 1) throw new Error('--docs takes one kind of run at a time');
  return path.join(ROOT, 'docs', `validation${kinds[0] ?? (full ? '-full' : '')}.md`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name} must be a number above 0, not '${text}'`);
  return value;
}

async function validate(settings: Settings): Promise<number> {
  mkdirSync(settings.reports, { recursive: true });
  const args = process.argv.slice(2);
  const { stage, topology } = await openAny(settings.topology);
  // Not where nothing is judged on latency: a soak's first two minutes are its own warm-up.
  const isWarmedUp = judgedPhases(settings).length > 0 || topology !== undefined;
  const sections: Section[] = [];
  const planned = plannedSections(settings, stage, topology);
  const validation: Validation = {
    startedAt: new Date().toISOString(),
    command: ['npm run validate', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    machine: machine(),
    versions: `Node ${process.versions.node}, ${stage.serverVersion}`,
    isReplicated: topology !== undefined,
    isWarmedUp,
    scale: settings.scale,
    planned: planned.map(({ title }) => title),
    sections,
  };
  try {
    if (isWarmedUp) {
      console.log('Warming up ...');
      await warmUp(stage.service, settings.scale);
    }
    for (const { title, run } of planned) {
      // One that breaks doesn't take the others with it; the verdict can't be PASS then.
      const done = await run().catch((error: Error) => notRun(title, error.message));
      sections.push(done);
      console.log(toText(done));
      // Each time: what was measured outlives what fails later.
      write(settings.reports, validation);
    }
    if (settings.docsFile !== undefined) {
      writeFileSync(settings.docsFile, toMarkdown(validation));
      writeFigures(ROOT);
    }
  } finally {
    await stage.close();
  }
  const verdict = verdictOf(validation);
  console.log(`${verdict}: ${path.join(settings.reports, 'validation.md')}`);
  return EXIT_CODES[verdict];
}

async function openAny(
  topology: TopologyName | undefined,
): Promise<{ readonly stage: Stage; readonly topology?: Topology }> {
  return topology === undefined ? { stage: await openStage() } : openTopologyStage(topology);
}

interface PlannedSection {
  readonly title: string;
  run(): Promise<Section>;
}

/** In the order of the requirements; each is started when the one before has ended. */
function plannedSections(
  settings: Settings,
  stage: Stage,
  topology: Topology | undefined,
): PlannedSection[] {
  const { phases, full, scale, reports, processes, soakMinutes, drivers } = settings;
  const isTrial = scale !== 1;
  const section = (title: string, run: () => Promise<Section>) => ({ title, run });
  const driven = (phase: Phase, attempts: number) => {
    const chosen = scaled(phase, scale);
    const seconds = full ? chosen.seconds.full : chosen.seconds.short;
    const options = { seconds, reports, processes, attempts };
    return section(phase.name, () => runPhase(stage, chosen, options));
  };
  return [
    ...judgedPhases(settings).map((phase) => driven(phase, isTrial ? 1 : MAX_ATTEMPTS)),
    ...(phases.includes('restart')
      ? [section(RESTART_TITLE, () => restartSection(stage, scale))]
      : []),
    ...(phases.includes('cross-check')
      ? [section(CROSS_CHECK_TITLE, () => crossCheck(stage, scale))]
      : []),
    ...(soakMinutes === undefined ? [] : [driven(soak(soakMinutes * 60), 1)]),
    ...(settings.capacity
      ? [section(CAPACITY_TITLE, () => capacitySection(stage, { drivers, scale }))]
      : []),
    ...(topology === undefined
      ? []
      : [section(failoverTitle(topology), () => failoverSection(stage, topology, scale))]),
    ...(settings.before ? [section(BEFORE_TITLE, () => compareBefore(stage, scale))] : []),
    ...(settings.compare ? [section(COMPARE_TITLE, () => compareDrivers(stage, scale))] : []),
  ];
}

function judgedPhases({ phases }: Settings): readonly Phase[] {
  return PHASES.filter(({ name }) => phases.includes(name));
}

function write(folder: string, validation: Validation): void {
  writeFileSync(path.join(folder, 'validation.md'), toMarkdown(validation));
  writeFileSync(path.join(folder, 'validation.html'), toHtml(validation));
  writeFileSync(path.join(folder, 'validation.json'), `${JSON.stringify(validation, null, 2)}\n`);
}

try {
  const settings = readArguments(process.argv.slice(2));
  if (settings === undefined) console.log(HELP);
  else process.exitCode = await validate(settings);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
