// Real time for calls that come and go. Node's timers count whole milliseconds, and always too many;
// so what is due within half a tick happens now, which is early as often as it is late.

import type { Stage } from 'plimsoll-cli/plan/checkout-run.js';
import { EventHeap, type Planned } from 'plimsoll-cli/simulated-time/event-heap.js';

const TICK_MS = 1;

interface Act extends Planned {
  readonly act: () => void;
}

export class RealStage implements Stage {
  readonly #acts = new EventHeap<Act>();
  readonly #timer = setInterval(() => this.#tick(), TICK_MS);
  #order = 0;

  now(): number {
    return performance.now();
  }

  at(time: number, act: () => void): void {
    this.#acts.push({ at: time, order: this.#order++, act });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const until = performance.now() + TICK_MS / 2;
    while ((this.#acts.peek()?.at ?? Infinity) <= until) this.#acts.shift()!.act();
  }
}
