// Puts the page together: what comes over the line goes to the form, the figures, the charts and the
// tables.

import type { Figures, Phase, SecondMessage, StateMessage } from '../messages.js';
import { Charts } from './charts.js';
import { Controls } from './controls.js';
import { byId, setText } from './dom.js';
import { clock, duration } from './format.js';
import { showResult } from './result.js';
import { Stream } from './stream.js';
import { TablesView } from './tables.js';
import { showTiles } from './tiles.js';

/** Beyond so many seconds everything is asked for anew, and comes with fewer points. */
const MAX_POINTS = 7200;
const SILENCE_MS = 5000;

const PHASES: Readonly<Record<Phase, string>> = {
  ready: 'Ready',
  starting: 'Starting',
  spawning: 'Starting users',
  running: 'Running',
  stopping: 'Stopping',
  ended: 'Ended',
};
const NO_FIGURES: Figures = {
  elapsedMs: 0,
  users: 0,
  targetUsers: 0,
  requests: 0,
  failures: 0,
  rps: 0,
  failuresPerS: 0,
  p50: 0,
  p95: 0,
  p99: 0,
  generatorCpuPercent: 0,
};

const controls = new Controls();
const tables = new TablesView();
/** Made when there is something to show: a chart needs its width. */
let charts: Charts | undefined;

const stream = new Stream({
  url: '/api/events',
  pageUrl: '/',
  silenceMs: SILENCE_MS,
  listeners: { state: onState, second: onSecond },
  onStale,
});

function onState(state: StateMessage): void {
  freshen();
  const { run } = state;
  setText(byId('classes'), state.userClasses);
  setText(byId('host'), state.host);
  byId('shown').hidden = run === null;
  byId('empty').hidden = run !== null;
  const figures = run?.figures ?? { ...NO_FIGURES, targetUsers: state.form.users };
  showPhase(state.phase, run?.figures ?? undefined);
  controls.show(state);
  document.title = `${PHASES[state.phase]}: ${state.userClasses}`;
  if (run === null) return;
  showResult(run.result);
  showFigures(figures);
  charts ??= new Charts();
  charts.show(run.samples);
  tables.show(run.tables);
}

function onSecond(second: SecondMessage): void {
  freshen();
  showPhase(second.phase, second.figures);
  showFigures(second.figures);
  tables.show(second.tables);
  if (second.sample === null) return;
  charts?.add(second.sample);
  if ((charts?.length ?? 0) > MAX_POINTS) stream.reconnect();
}

function onStale(heardMs: number | undefined, hasEnded: boolean): void {
  document.body.dataset.stale = '';
  controls.enable(false);
  setText(byId('phase'), hasEnded ? 'Tester ended' : 'No connection');
  const what = hasEnded ? 'The load tester has ended.' : 'The load tester does not answer.';
  const since = heardMs === undefined ? '' : ` What is shown is as of ${clock(heardMs)}.`;
  const banner = byId('stale');
  banner.hidden = false;
  setText(banner, `${what}${since} Trying again.`);
}

function freshen(): void {
  if (!('stale' in document.body.dataset)) return;
  delete document.body.dataset.stale;
  byId('stale').hidden = true;
}

function showPhase(phase: Phase, figures: Figures | undefined): void {
  document.body.dataset.phase = phase;
  const isReducing = figures !== undefined && figures.users > figures.targetUsers;
  setText(byId('phase'), phase === 'spawning' && isReducing ? 'Stopping users' : PHASES[phase]);
}

function showFigures(figures: Figures): void {
  showTiles(figures);
  setText(byId('elapsed'), duration(figures.elapsedMs));
}

stream.start();
