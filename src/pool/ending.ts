// How work ends before its time: that of a pool which closes, and that of one holder, a duplicate,
// which ends before the pool does. What was accepted is finished or told that it is not.

import type { Command } from '../base/command.js';
import { closedError, lossOf } from '../node/caller-errors.js';
import type { NodePool } from '../node/node-pool.js';
import type { Recovery } from './recovery.js';
import type { Router } from './router.js';

/** Node's longest timer, ms. */
const MAX_TIMER_MS = 2_147_483_647;

/** Waits until there is nothing left to wait for, or until the time is up. */
export class Drain {
  readonly promise: Promise<void>;
  readonly #isDone: () => boolean;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;
  #resolve!: () => void;

  constructor(timeoutMs: number, isDone: () => boolean) {
    this.#isDone = isDone;
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.limit(timeoutMs);
    this.check();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** To be called whenever there may be nothing left. */
  check(): void {
    if (!this.#isOver && this.#isDone()) this.#end();
  }

  /** From now on it takes no longer than this. */
  limit(timeoutMs: number): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    if (timeoutMs <= 0) this.#end();
    else this.#timer = setTimeout(() => this.#end(), Math.min(timeoutMs, MAX_TIMER_MS));
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#resolve();
  }
}

export class Ending {
  readonly #router: Router;
  readonly #recovery: Recovery;
  #isPoolOver = () => false;

  constructor(router: Router, recovery: Recovery) {
    this.#router = router;
    this.#recovery = recovery;
  }

  get #nodes(): readonly NodePool[] {
    return this.#router.nodes;
  }

  /** Begins to close the pool. @returns What waits for the rest: commands, and leases of others. */
  begin(timeoutMs: number, isDone: () => boolean): Drain {
    for (const { membership, waitingRoom } of this.#nodes) {
      for (const { lease } of [...membership.fleet.entries]) {
        // What blocks is ended without loss, if the server helps.
        if (lease?.isLongLived && !lease.hasRunBlocking) lease.destroy(closedError('The lease'));
      }
      waitingRoom.refuseLeases(undefined, closedError('acquire()'));
      waitingRoom.resume();
    }
    const drain = new Drain(timeoutMs, isDone);
    this.#isPoolOver = () => drain.isOver;
    void this.#endBlocking(undefined, closedError);
    return drain;
  }

  /** Ends all that a holder has under way, at once. */
  abandon(holder: object, errorFor: (what: string) => Error): void {
    for (const { membership, waitingRoom } of this.#nodes) {
      waitingRoom.refuseLeases(holder, errorFor('acquire()'));
      for (const { lease } of [...membership.fleet.entries]) {
        if (lease?.holder !== holder) continue;
        lease.blockEnd = errorFor('The lease');
        lease.destroy(lease.blockEnd);
      }
    }
    for (const command of this.#unsent(holder)) command.fail(errorFor(command.name));
    for (const command of this.#inFlight(holder)) {
      command.fail(lossOf(command, errorFor(command.name), 'unknown'));
    }
  }

  /**
   * Lets a holder finish what it has under way; what blocks, or waits to, is ended. Resolves when
   * all of it is answered; never rejects.
   */
  async finish(holder: object, errorFor: (what: string) => Error): Promise<void> {
    for (const { waitingRoom } of this.#nodes) {
      waitingRoom.refuseLeases(holder, errorFor('acquire()'));
    }
    const commands = [...this.#unsent(holder), ...this.#inFlight(holder)];
    const answered = Promise.allSettled(commands.map(({ promise }) => promise));
    await Promise.all([this.#endBlocking(holder, errorFor), answered]);
  }

  async #endBlocking(holder: object | undefined, errorFor: (what: string) => Error): Promise<void> {
    const isOver = () => this.#isPoolOver();
    await Promise.all(this.#nodes.map(({ blocking }) => blocking.end(holder, errorFor, isOver)));
  }

  #unsent(holder: object): Command[] {
    const found: Command[] = [];
    const visit = (command: Command) => {
      if (isOf(command, holder)) found.push(command);
    };
    for (const { waitingRoom } of this.#nodes) waitingRoom.forEachCommand(visit);
    this.#recovery.forEachCommand(visit);
    return found;
  }

  #inFlight(holder: object): Command[] {
    const found: Command[] = [];
    const visit = (command: Command) => {
      if (isOf(command, holder)) found.push(command);
    };
    for (const { membership } of this.#nodes) {
      for (const { connection } of membership.fleet.entries) connection.forEachInFlight(visit);
    }
    return found;
  }
}

function isOf(command: Command, holder: object): boolean {
  return !command.settled && command.settings.holder === holder;
}
