// `npm run validate`: the service under 1,000, 5,000 and 10,000 users, a Redis that dies on the
// way, and the table of what was expected and measured. Exit code 0 only when every row passed and
// everything ran; reports/ has the same for reading later.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { MAX_ATTEMPTS } from '../machine-load.js';
import { COMPARE_TITLE, compareDrivers } from './compare.js';
import { CROSS_CHECK_TITLE, crossCheck } from './cross-check.js';
import { PHASES, type Phase, scaled, soak } from './phases.js';
import {
  machine,
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
import { openStage, type Stage } from './stage.js';
import { warmUp } from './warm-up.js';

const HELP = `npm run validate -- [options]

  --full              the real durations (3, 5 and 5 minutes) instead of shortened ones
  --soak [minutes]    the soak alone: 5,000 users, 30 minutes unless said otherwise
  --phases a,b        only these of: baseline, stress, ultimate, restart, cross-check
  --compare           repeats the stress phase on each store driver, interleaved
  --scale 0.1         fewer users and less time: to try the program, not to judge the product
  --reports folder    where to write. Default: reports
  --processes n       load generator processes. Default: 1

Exit codes: 0 passed (or compared, where nothing is judged), 1 a row failed, 2 bad arguments or no
stage to run on, 3 incomplete: no row failed, but something that was asked for could not run.
`;
const EXIT_CODES: Readonly<Record<Verdict, number>> = {
  PASS: 0,
  COMPARED: 0,
  FAIL: 1,
  INCOMPLETE: 3,
};

const ALL = [...PHASES.map(({ name }) => name), 'restart', 'cross-check'];
const DEFAULT_SOAK_MINUTES = 30;

interface Settings {
  readonly full: boolean;
  readonly soakMinutes: number | undefined;
  readonly phases: readonly string[];
  readonly compare: boolean;
  readonly scale: number;
  readonly reports: string;
  readonly processes: number;
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
      compare: { type: 'boolean', default: false },
      scale: { type: 'string', default: '1' },
      reports: { type: 'string', default: 'reports' },
      processes: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const phases = values.phases?.split(',') ?? (values.soak === undefined ? ALL : []);
  const unknown = phases.filter((name) => !ALL.includes(name));
  if (unknown.length > 0)
    throw new Error(`--phases: unknown ${unknown.join(', ')}; there are ${ALL.join(', ')}`);
  return {
    full: values.full,
    soakMinutes: values.soak === undefined ? undefined : positive('--soak', values.soak),
    phases,
    compare: values.compare,
    scale: positive('--scale', values.scale),
    reports: path.resolve(values.reports),
    processes: positive('--processes', values.processes),
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name} must be a number above 0, not '${text}'`);
  return value;
}

async function validate(settings: Settings): Promise<number> {
  mkdirSync(settings.reports, { recursive: true });
  const args = process.argv.slice(2);
  const stage = await openStage();
  // Not where nothing is judged on latency: a soak's first two minutes are its own warm-up.
  const isWarmedUp = judgedPhases(settings).length > 0;
  const sections: Section[] = [];
  const planned = plannedSections(settings, stage);
  const validation: Validation = {
    startedAt: new Date().toISOString(),
    command: ['npm run validate', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    machine: machine(),
    versions: `Node ${process.versions.node}, ${stage.serverVersion}`,
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
  } finally {
    await stage.close();
  }
  const verdict = verdictOf(validation);
  console.log(`${verdict}: ${path.join(settings.reports, 'validation.md')}`);
  return EXIT_CODES[verdict];
}

interface PlannedSection {
  readonly title: string;
  run(): Promise<Section>;
}

/** In the order of the brief; each is started when the one before has ended. */
function plannedSections(settings: Settings, stage: Stage): PlannedSection[] {
  const { phases, full, scale, reports, processes, soakMinutes, compare } = settings;
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
    ...(compare ? [section(COMPARE_TITLE, () => compareDrivers(stage, scale))] : []),
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
