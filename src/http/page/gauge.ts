// The load mark: a disc that fills like a hull that sinks in, and the two lines it should stay below.

import type { Frame, LoadLines } from '../dashboard/messages.js';
import { byId, element, fillList, setText } from './dom.js';
import { whole } from './format.js';

/** Of the disc, in the drawing's units. */
const BOTTOM = 194;
const HEIGHT = 176;
const RADIUS = HEIGHT / 2;
const CENTRE_X = 112;
const MARKS_END = 256;

export function showGauge({ utilizationPercent, level, connections }: Frame): void {
  const { inUse, max, open, leased, lanes, connecting } = connections;
  const gauge = byId('gauge');
  const shown = Math.min(100, utilizationPercent);
  byId('water').style.transform = `translateY(${heightOf(shown)}px)`;
  if (gauge.dataset.level !== level) gauge.dataset.level = level;
  setText(byId('percent'), `${whole(utilizationPercent)} %`);
  setText(byId('of'), `${whole(inUse)} of ${whole(max)}`);
  const label = `Utilisation ${whole(utilizationPercent)} %: ${inUse} of ${max} connections in use`;
  if (gauge.getAttribute('aria-label') !== label) gauge.setAttribute('aria-label', label);
  const pairs = [
    ['Open', open],
    ['Lanes', lanes],
    ['Lent', leased],
    ['Dialing', connecting],
    ['Free to use', Math.max(0, max - inUse)],
  ] as const;
  fillList(
    byId('connections'),
    pairs,
    () => element('div', '', element('dt'), element('dd')),
    (pair, [name, count]) => {
      setText(pair.children[0] as HTMLElement, name);
      setText(pair.children[1] as HTMLElement, whole(count));
    },
  );
}

/** Where the lines are; to be called once. */
export function drawLines({ warningPercent, alertPercent }: LoadLines): void {
  for (const [name, percent] of [
    ['warning', warningPercent],
    ['critical', alertPercent],
  ] as const) {
    const y = heightOf(percent);
    const halfChord = Math.sqrt(RADIUS ** 2 - (y - (BOTTOM - RADIUS)) ** 2);
    byId(`line-${name}`).setAttribute('d', `M${CENTRE_X - halfChord} ${y}H${MARKS_END}`);
    const text = byId(`text-${name}`);
    text.setAttribute('y', String(y + 5));
    text.textContent = whole(percent);
  }
}

function heightOf(percent: number): number {
  return BOTTOM - (percent / 100) * HEIGHT;
}
