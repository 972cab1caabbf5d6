// Commands that wait for their next attempt. Those that are due within the same few milliseconds
// share a timer: thousands can fail at once when a connection is lost.

import type { Command } from '../base/command.js';

const GRAIN_MS = 4;

export class RetrySchedule {
  readonly #resend: (command: Command) => void;
  readonly #batches = new Map<number, { timer: NodeJS.Timeout; commands: Command[] }>();

  #keepsAlive = true;

  constructor(resend: (command: Command) => void) {
    this.#resend = resend;
  }

  /** Whether the wait for an attempt keeps the process alive. */
  keepAlive(isWanted: boolean): void {
    this.#keepsAlive = isWanted;
    for (const { timer } of this.#batches.values()) isWanted ? timer.ref() : timer.unref();
  }

  get isEmpty(): boolean {
    return this.#batches.size === 0;
  }

  /** @param now The pool's clock. @param waitMs From now until the next attempt. */
  add(command: Command, now: number, waitMs: number): void {
    const grain = Math.ceil((now + waitMs) / GRAIN_MS);
    const batch = this.#batches.get(grain);
    if (batch !== undefined) {
      batch.commands.push(command);
      return;
    }
    const timer = setTimeout(() => this.#run(grain), grain * GRAIN_MS - now);
    if (!this.#keepsAlive) timer.unref();
    this.#batches.set(grain, { timer, commands: [command] });
  }

  forEach(visit: (command: Command) => void): void {
    for (const { commands } of this.#batches.values())
      for (const command of commands) visit(command);
  }

  /** Cancels all attempts to come and returns their commands. */
  drain(): Command[] {
    const commands: Command[] = [];
    for (const batch of this.#batches.values()) {
      clearTimeout(batch.timer);
      for (const command of batch.commands) commands.push(command);
    }
    this.#batches.clear();
    return commands;
  }

  #run(grain: number): void {
    const commands = this.#batches.get(grain)?.commands ?? [];
    this.#batches.delete(grain);
    for (const command of commands) if (!command.settled) this.#resend(command);
  }
}
