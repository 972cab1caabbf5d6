// One server at one address. A restarted or promoted server behind the same name is found again
// because each connect resolves the name anew.

import type { Clock } from '../base/clock.js';
import type { ConnectionSource, Link } from '../base/link.js';
import type { ConnectionTarget } from '../config/options.js';
import { addressOf } from '../wire/connect-error.js';
import { GreetingMemory, openConnection } from '../wire/connector.js';

const READONLY = [{ args: ['READONLY'] }] as const;

export class StandaloneSource implements ConnectionSource {
  readonly address: string;
  /** Never called: a single address has nowhere to move to. */
  onMoved: (() => void) | undefined;
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  readonly #memory = new GreetingMemory();

  constructor(target: ConnectionTarget, clock: Clock) {
    this.address = addressOf(target);
    this.#target = target;
    this.#clock = clock;
  }

  connect(signal: AbortSignal, keepsAlive: boolean): Promise<Link> {
    const prelude = this.#target.readonly ? READONLY : [];
    return openConnection(this.#target, this.#clock, signal, this.#memory, keepsAlive, prelude);
  }

  reportDemotion(): void {
    // The pool closes the connection that said so; the next connect asks the name service again.
  }

  stop(): void {
    // There is nothing beside the connections.
  }
}
