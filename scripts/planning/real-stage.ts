// Real time for calls that come and go to the fraction of a millisecond: Node's timers count whole
// ones, so the event loop goes round without a rest. It takes a core while it lasts.

import type { Stage } from 'plimsoll-cli/plan/checkout-run.js';
import { EventHeap, type Planned } from 'plimsoll-cli/simulated-time/event-heap.js';

interface Act extends Planned {
  readonly act: () => void;
}

export class RealStage implements Stage {
  readonly #acts = new EventHeap<Act>();
  #order = 0;
  #isOpen = true;

  constructor() {
    this.#turn();
  }

  now(): number {
    return performance.now();
  }

  at(time: number, act: () => void): void {
    this.#acts.push({ at: time, order: this.#order++, act });
  }

  close(): void {
    this.#isOpen = false;
  }

  readonly #turn = (): void => {
    const now = performance.now();
    while ((this.#acts.peek()?.at ?? Infinity) <= now) this.#acts.shift()!.act();
    if (this.#isOpen) setImmediate(this.#turn);
  };
}
