// Puts the page together: what comes over the line goes to the gauge, the figures, the picture of the
// connections, the charts, the servers and the log.

import type { Frame, FrameMessage, StateMessage, WorkerEvent } from '../dashboard/messages.js';
import { showAdvice } from './advice.js';
import { byId, setText } from './dom.js';
import { showFleet } from './fleet.js';
import { clock, whole } from './format.js';
import { drawLines, showGauge } from './gauge.js';
import { History } from './history.js';
import { Log } from './log.js';
import { showServers } from './servers.js';
import { Stream } from './stream.js';
import { showTiles } from './tiles.js';

/** The server is never silent for longer than a second. */
const SILENCE_MS = 3000;

const STATES: Readonly<Record<Frame['state'], string>> = {
  ready: 'Ready',
  degraded: 'Degraded',
  down: 'Down',
  suspended: 'Suspended',
  closing: 'Closing',
  closed: 'Closed',
};

const log = new Log();
const here = location.pathname.replace(/\/$/, '');
let history: History | undefined;
let latest: Frame | undefined;
/** What the reader was last told aloud. */
let announced = '';

document.addEventListener('visibilitychange', () => {
  if (latest !== undefined) showFrame(latest);
});

new Stream({
  url: `${here}/events`,
  pageUrl: location.pathname,
  silenceMs: SILENCE_MS,
  listeners: { state: onState, frame: onFrame },
  onStale,
}).start();

function onState({ frame, lines, samples, events }: StateMessage): void {
  freshen();
  drawLines(lines);
  history ??= new History(lines);
  history.show(samples);
  log.replace(events);
  showFrame(frame);
}

function onFrame({ frame, sample, events }: FrameMessage): void {
  freshen();
  if (sample !== undefined) history?.add(sample);
  log.add(events);
  announceWorst(events);
  showFrame(frame);
}

/** Nobody looks at a page that is hidden, so it is drawn when it is seen again. */
function showFrame(frame: Frame): void {
  latest = frame;
  if (document.hidden) return;
  const { pool, address, state, atMs, utilizationPercent, workers } = frame;
  document.body.dataset.state = state;
  setText(byId('pool'), pool);
  const count = workers.length === 1 ? '1 worker' : `${workers.length} workers`;
  setText(byId('address'), `${address} · ${count}`);
  setText(byId('state'), STATES[state]);
  setText(byId('clock'), clock(atMs));
  document.title = `${whole(utilizationPercent)} % · ${pool} · ${STATES[state]}`;
  showGauge(frame);
  showTiles(frame);
  showAdvice(frame.advice);
  showFleet(workers);
  showServers(frame);
}

/** Only what is pressing, or good news after that, is said aloud; the rest can be read. */
function announceWorst(events: readonly WorkerEvent[]): void {
  const loud = events.filter(({ severity }) => severity === 'critical' || severity === 'good');
  const text = loud.at(-1)?.text ?? announced;
  announced = text;
  setText(byId('announcement'), text);
}

function onStale(heardMs: number | undefined, hasEnded: boolean): void {
  document.body.dataset.stale = '';
  setText(byId('state'), 'No connection');
  const what = hasEnded ? 'The service has ended or starts again.' : 'The service does not answer.';
  const since = heardMs === undefined ? '' : ` What is shown is as of ${clock(heardMs)}.`;
  const banner = byId('stale');
  banner.hidden = false;
  setText(banner, `${what}${since} Trying again.`);
  document.title = `No connection · ${byId('pool').textContent}`;
}

function freshen(): void {
  if (!('stale' in document.body.dataset)) return;
  delete document.body.dataset.stale;
  byId('stale').hidden = true;
}
