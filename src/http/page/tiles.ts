// The figures that are looked at first.

import type { Frame } from '../dashboard/messages.js';
import { byId } from './dom.js';
import { measure, whole } from './format.js';
import { fillTiles, type Tile } from './tile.js';

export function showTiles(frame: Frame): void {
  fillTiles(byId('tiles'), tilesOf(frame));
}

function tilesOf({ commands, waits, perSecond, waiting, oldestWaitMs, inFlight }: Frame): Tile[] {
  const plain = { unit: '', style: '' } as const;
  const time = (name: string, ms: number): Tile => {
    return { name, value: milliseconds(ms), unit: 'ms', more: 'from call to reply', style: '' };
  };
  return [
    {
      name: 'Commands',
      value: measure(perSecond.commands),
      unit: '/s',
      more: `${measure(perSecond.leases)} loans/s`,
      style: '',
    },
    time('Median', commands.p50),
    time('95 %', commands.p95),
    time('99 %', commands.p99),
    {
      name: 'Waiting',
      ...plain,
      value: whole(waiting),
      more: waiting > 0 ? `the first for ${milliseconds(oldestWaitMs)} ms` : 'for a connection',
      style: waiting > 0 ? 'warn' : '',
    },
    {
      name: 'Waited, 99 %',
      value: milliseconds(waits.p99),
      unit: 'ms',
      more: `${whole(waits.count)} in the last 3 s`,
      style: '',
    },
    { name: 'In flight', ...plain, value: whole(inFlight), more: 'replies due' },
    {
      name: 'Errors',
      value: measure(perSecond.errors),
      unit: '/s',
      more: `${measure(perSecond.retries)} retries/s`,
      style: perSecond.errors > 0 ? 'bad' : '',
    },
  ];
}

function milliseconds(ms: number): string {
  return ms < 10 ? ms.toFixed(2) : measure(ms);
}
