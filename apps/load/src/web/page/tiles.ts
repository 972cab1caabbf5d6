// The figures that are looked at first.

import type { Figures } from '../messages.js';
import { byId, element, fillList, setClass, setText } from './dom.js';
import { measure, percent, whole } from './format.js';

/** From here on the tester itself may be what is slow. */
const BUSY_PERCENT = 85;

interface Tile {
  readonly name: string;
  readonly value: string;
  readonly unit: string;
  readonly more: string;
  readonly style: '' | 'bad' | 'warn';
}

export function showTiles(figures: Figures): void {
  fillList(byId('tiles'), tilesOf(figures), createTile, fillTile);
}

function tilesOf(figures: Figures): Tile[] {
  const { users, targetUsers, requests, failures, failuresPerS } = figures;
  const cpu = figures.generatorCpuPercent;
  const isBusy = cpu > BUSY_PERCENT;
  const time = (name: string, value: number): Tile => ({
    name,
    value: measure(value),
    unit: 'ms',
    more: 'response time',
    style: '',
  });
  return [
    { name: 'Users', value: whole(users), unit: '', more: `of ${whole(targetUsers)}`, style: '' },
    {
      name: 'Requests',
      value: measure(figures.rps),
      unit: '/s',
      more: `${whole(requests)} in all`,
      style: '',
    },
    {
      name: 'Failures',
      value: measure(failuresPerS),
      unit: '/s',
      more: `${whole(failures)} in all, ${percent(failures, requests)}`,
      style: failuresPerS > 0 || failures > 0 ? 'bad' : '',
    },
    time('Median', figures.p50),
    time('95 %', figures.p95),
    time('99 %', figures.p99),
    {
      name: "Load tester's CPU",
      value: whole(cpu),
      unit: '%',
      more: isBusy ? 'it may be the limit' : 'of a core',
      style: isBusy ? 'warn' : '',
    },
  ];
}

function createTile(): HTMLDivElement {
  const value = element('dd', 'value', element('span'), element('small'));
  return element('div', '', element('dt'), value, element('dd', 'more'));
}

function fillTile(tile: HTMLDivElement, { name, value, unit, more, style }: Tile): void {
  const [term, figure, rest] = tile.children as unknown as HTMLElement[];
  setClass(tile, style);
  setText(term!, name);
  setText(figure!.children[0] as HTMLElement, value);
  setText(figure!.children[1] as HTMLElement, unit);
  setText(rest!, more);
}
