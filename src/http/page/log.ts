// What has happened, the newest first.

import type { WorkerEvent } from '../dashboard/messages.js';
import { byId, element } from './dom.js';
import { clock, whole } from './format.js';

const MAX_LINES = 300;
/** What comes and goes all the time. */
const QUIET = ['open', 'evict'];
const SIGNS = { info: '·', good: '✓', warning: '!', critical: '‼' } as const;

export class Log {
  readonly #list = byId('log');
  readonly #nothing = byId('nothing');

  constructor() {
    // It is scrolled with the keyboard too.
    byId('log-scroll').tabIndex = 0;
    const quiet = byId<HTMLInputElement>('quiet');
    const choose = () => this.#list.classList.toggle('quiet', quiet.checked);
    quiet.addEventListener('change', choose);
    choose();
  }

  replace(events: readonly WorkerEvent[]): void {
    this.#list.replaceChildren();
    this.#nothing.hidden = false;
    this.add(events);
  }

  add(events: readonly WorkerEvent[]): void {
    if (events.length === 0) return;
    this.#nothing.hidden = true;
    this.#list.prepend(...events.map(lineOf).reverse());
    while (this.#list.children.length > MAX_LINES) this.#list.lastElementChild!.remove();
  }
}

function lineOf({ atMs, name, severity, text, worker, count }: WorkerEvent): HTMLElement {
  const isQuiet = QUIET.includes(name) && severity === 'info';
  const time = element('time', 'faint', clock(atMs));
  time.dateTime = new Date(atMs).toISOString();
  const sign = element('span', 'sign', SIGNS[severity]);
  sign.setAttribute('aria-hidden', 'true');
  const said = element('span', '', text, count > 1 ? ` (${whole(count)} times)` : '');
  const who = element('span', 'faint who', `worker ${worker}`);
  return element('li', `${severity}${isQuiet ? ' usual' : ''}`, time, sign, said, who);
}
