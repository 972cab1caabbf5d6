// The picture of the connections: a row for each worker, in it a berth for each connection that there is
// or may be. How full a lane is grows with the logarithm of what it carries. A row says in text what it
// shows.

import type { PicturedConnection, WorkerView } from '../dashboard/messages.js';
import { byId, element, fillList, setClass, setText } from './dom.js';
import { measure, whole } from './format.js';

/** Replies due from which on a lane is drawn full. */
const FULL_LANE = 256;
const MAX_FREE_SHOWN = 200;

const KINDS: Readonly<Record<PicturedConnection['kind'], string>> = {
  lane: 'lane',
  leased: 'lent',
  draining: 'draining',
  dialing: 'dialing',
  evicted: 'evicted',
};

const shownIn = new WeakMap<HTMLElement, PicturedConnection>();

export function showFleet(workers: readonly WorkerView[]): void {
  fillList(byId('workers'), workers, createWorker, fillWorker);
}

function createWorker(): HTMLLIElement {
  const head = element('p', 'worker-name', element('b'), element('span', 'faint'));
  const berths = element('div', 'berths');
  berths.setAttribute('role', 'img');
  // Only of the one under the pointer: to write them all with each frame would be most of its work.
  berths.addEventListener('pointerover', ({ target }) => {
    const connection = shownIn.get(target as HTMLElement);
    (target as HTMLElement).title = connection === undefined ? '' : titleOf(connection);
  });
  return element('li', '', head, berths, element('p', 'worker-figures faint'));
}

function fillWorker(row: HTMLLIElement, worker: WorkerView): void {
  const [head, berths, figures] = row.children as unknown as HTMLElement[];
  setClass(row, worker.isSilent ? 'silent' : '');
  setText(head!.children[0] as HTMLElement, `Worker ${worker.worker}`);
  const busy = `event loop ${whole(worker.loopPercent)} %`;
  setText(head!.children[1] as HTMLElement, worker.isSilent ? 'silent' : busy);
  setText(
    figures!,
    `${whole(worker.utilizationPercent)} % · ${measure(worker.commandsPerS)}/s${
      worker.waiting > 0 ? ` · ${whole(worker.waiting)} waiting` : ''
    }`,
  );
  const free = Math.min(MAX_FREE_SHOWN, Math.max(0, worker.max - worker.open));
  const shown = [...worker.pictured, ...Array.from({ length: free }, () => undefined)];
  fillList(berths!, shown, () => element('i'), fillBerth);
  const label = summaryOf(worker, free);
  if (berths!.getAttribute('aria-label') !== label) berths!.setAttribute('aria-label', label);
}

function fillBerth(berth: HTMLElement, connection: PicturedConnection | undefined): void {
  if (connection === undefined) {
    shownIn.delete(berth);
    setClass(berth, 'berth free');
    return;
  }
  shownIn.set(berth, connection);
  const { kind, inFlight, isSuspect } = connection;
  setClass(berth, `berth ${kind}${isSuspect ? ' suspect' : ''}`);
  const fill = kind === 'lane' ? `${fillOf(inFlight)}%` : '';
  if (berth.dataset.fill !== fill) {
    berth.dataset.fill = fill;
    berth.style.setProperty('--fill', fill);
  }
}

/** Per cent, in steps that can be seen. */
function fillOf(inFlight: number): number {
  if (inFlight === 0) return 0;
  const share = Math.log2(1 + inFlight) / Math.log2(1 + FULL_LANE);
  return Math.min(100, Math.max(12, Math.round(share * 20) * 5));
}

function titleOf({ kind, address, reason, isSuspect }: PicturedConnection): string {
  const why = reason === undefined ? '' : `: ${reason}`;
  return `${KINDS[kind]}${why}, ${address}${isSuspect ? ', silent' : ''}`;
}

function summaryOf({ worker, pictured, unpictured }: WorkerView, free: number): string {
  const counts = Object.entries(KINDS).flatMap(([kind, name]) => {
    const count = pictured.filter((one) => one.kind === kind).length;
    return count === 0 ? [] : [`${count} ${name}`];
  });
  const rest = unpictured > 0 ? [`${unpictured} more`] : [];
  return `Connections of worker ${worker}: ${[...counts, ...rest, `${free} free`].join(', ')}`;
}
