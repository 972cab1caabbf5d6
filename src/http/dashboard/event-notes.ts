// What a pool's events say in words, for the page's log. What repeats between two reports is one line
// with its count, so that a storm of them costs no more than a few.

import type { PoolEvents } from '../../pool/events.js';
import type { LoggedEvent, Severity } from './messages.js';
import type { WatchedPool } from './reporter.js';

/** Different lines of one report; more are counted in the last one. */
const MAX_LINES = 40;

type Words<Name extends keyof PoolEvents> = (
  ...facts: PoolEvents[Name]
) => readonly [Severity, string];

const WORDS: { readonly [Name in keyof PoolEvents]: Words<Name> } = {
  open: ({ address }) => ['info', `Connection to ${address} opened`],
  evict: ({ address, reason, error }) => [
    error === undefined ? 'info' : 'warning',
    `Connection to ${address} left: ${reason}`,
  ],
  exhausted: ({ maxConnections }) => [
    'critical',
    `Exhausted: a caller waits, all ${maxConnections} connections are open`,
  ],
  leak: ({ heldMs }) => [
    'warning',
    `A lease is held for more than ${Math.floor(heldMs / 1000)} s: a leak?`,
  ],
  connectError: ({ code, message }) => ['warning', `Connect failed: ${code}, ${message}`],
  breakerOpen: ({ code }) => ['critical', `Breaker open (${code}): callers are refused at once`],
  breakerClose: () => ['good', 'Breaker closed: the server answers again'],
  alert: ({ utilizationPercent: percent }) => [
    'critical',
    `Alert: utilisation ${Math.round(percent)} %`,
  ],
  alertCleared: ({ utilizationPercent: percent }) => [
    'good',
    `Alert cleared: utilisation ${Math.round(percent)} %`,
  ],
  autoscale: ({ action, from, to, reason }) => [
    action === 'hold' ? 'warning' : 'info',
    action === 'hold'
      ? `The maximum should grow beyond ${from} and can't: ${reason}`
      : `The maximum is now ${to} connections, not ${from}: ${reason}`,
  ],
  warning: ({ code, message }) => ['warning', `${code}: ${message}`],
  topologyChange: ({ endpoints }) => {
    const primaries = endpoints.filter(({ role }) => role === 'primary');
    const named = primaries.map(({ address }) => address).join(', ');
    return ['warning', `Topology: primaries are now ${named || 'unknown'}`];
  },
  topologyError: ({ message }) => ['warning', `Looking at the servers failed: ${message}`],
  failover: ({ from, to, reason }) => ['critical', `Failover from ${from} to ${to}: ${reason}`],
  endpointsDown: ({ endpoints }) => [
    'critical',
    `None of ${endpoints.join(', ')} answers; they are asked until one does`,
  ],
  close: () => ['info', 'The pool has closed'],
};

export class EventNotes {
  readonly #pool: WatchedPool;
  readonly #listeners = new Map<keyof PoolEvents, (...facts: never[]) => void>();
  #lines = new Map<string, LoggedEvent>();

  constructor(pool: WatchedPool) {
    this.#pool = pool;
    for (const name of Object.keys(WORDS) as (keyof PoolEvents)[]) this.#listen(name);
  }

  /** What was noted since the last call, oldest first. */
  take(): LoggedEvent[] {
    const taken = [...this.#lines.values()];
    this.#lines = new Map();
    return taken;
  }

  stop(): void {
    for (const [name, listener] of this.#listeners) this.#pool.off(name, listener as never);
  }

  #listen(name: keyof PoolEvents): void {
    const words = WORDS[name] as (...facts: never[]) => readonly [Severity, string];
    const listener = (...facts: never[]) => this.#note(name, ...words(...facts));
    this.#listeners.set(name, listener);
    this.#pool.on(name, listener as never);
  }

  #note(name: string, severity: Severity, text: string): void {
    const known = this.#lines.get(text);
    if (known !== undefined) this.#lines.set(text, { ...known, count: known.count + 1 });
    else if (this.#lines.size < MAX_LINES) {
      this.#lines.set(text, { atMs: Date.now(), name, severity, text, count: 1 });
    } else this.#note('more', 'warning', [...this.#lines.keys()].at(-1)!);
  }
}
