// The figures that are looked at first.

import type { Figures } from '../messages.js';
import { byId } from './dom.js';
import { measure, percent, whole } from './format.js';
import { fillTiles, type Tile } from './tile.js';

/** From here on the tester itself may be what is slow. */
const BUSY_PERCENT = 85;

export function showTiles(figures: Figures): void {
  fillTiles(byId('tiles'), tilesOf(figures));
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
