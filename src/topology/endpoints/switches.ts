// How often another endpoint was taken, why, and when last.

import type { FailoverStatus, SwitchReason } from '../failover.js';

export class Switches {
  readonly #counts = { 'health-check': 0, breaker: 0, failback: 0, manual: 0 };
  #last: { from: string; to: string; reason: SwitchReason; at: number } | undefined;

  /** @param now On the pool's clock. */
  note(from: string, to: string, reason: SwitchReason, now: number): void {
    this.#counts[reason]++;
    this.#last = { from, to, reason, at: now };
  }

  status(now: number): Pick<FailoverStatus, 'switches' | 'lastSwitch'> {
    const switches = Object.freeze({ ...this.#counts });
    if (this.#last === undefined) return { switches, lastSwitch: undefined };
    const { at, ...last } = this.#last;
    return { switches, lastSwitch: Object.freeze({ ...last, agoMs: now - at }) };
  }
}
