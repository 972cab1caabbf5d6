// How work ends before its time: that of a pool which closes, and that of one holder, a duplicate,
// which ends before the pool does. What was accepted is finished or told that it is not. A pool of
// which no client is open any more rests: it keeps no connection, and makes one for whoever asks.

import type { Command } from '../base/command.js';
import { closedError, disconnectedError, lossOf } from '../node/caller-errors.js';
import type { NodePool } from '../node/node-pool.js';
import type { Orders } from './orders.js';
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
  readonly #orders: Orders;
  #isPoolOver = () => false;
  #hasBegun = false;
  #endedHolder: object | undefined;
  #isResting = false;
  /** Somebody's commands are refused. A plain field, as each command looks at it. */
  isRefusing = false;

  constructor(router: Router, recovery: Recovery, orders: Orders) {
    this.#router = router;
    this.#recovery = recovery;
    this.#orders = orders;
  }

  get #nodes(): readonly NodePool[] {
    return this.#router.nodes;
  }

  /** Whether commands of this holder are refused. */
  refuses(holder: object | undefined): boolean {
    return this.#hasBegun || (holder !== undefined && holder === this.#endedHolder);
  }

  /** Refuses the commands of the one holder that has no gate of its own; `undefined`: nobody's. */
  refuseFrom(holder: object | undefined): void {
    this.#endedHolder = holder;
    this.isRefusing = this.#hasBegun || holder !== undefined;
  }

  /** Closes what is open once it has nothing in flight. */
  rest(): void {
    if (this.#hasBegun) return;
    this.#isResting = true;
    for (const { membership } of this.#nodes) membership.rest();
  }

  /** Keeps connections ready again. */
  wake(): void {
    if (!this.#isResting) return;
    this.#isResting = false;
    for (const { membership } of this.#nodes) membership.wake();
  }

  /** What was opened for somebody meanwhile is closed too. */
  inspect(): void {
    if (this.#isResting) this.rest();
  }

  /** Begins to close the pool. @returns What waits for the rest: commands, and leases of others. */
  begin(timeoutMs: number, isDone: () => boolean): Drain {
    this.#hasBegun = true;
    this.isRefusing = true;
    for (const { membership, waitingRoom } of this.#nodes) {
      for (const { lease, connection } of [...membership.fleet.entries]) {
        // What blocks is ended without loss, if the server helps; what is in flight is answered.
        const isBusy = lease?.hasRunBlocking || connection.inFlight > 0;
        if (lease?.isLongLived && !isBusy) lease.destroy(disconnectedError());
      }
      waitingRoom.refuseLeases(undefined, closedError());
      waitingRoom.resume();
    }
    const drain = new Drain(timeoutMs, isDone);
    this.#isPoolOver = () => drain.isOver;
    void this.#endBlocking(undefined);
    return drain;
  }

  /** Ends all that a holder has under way, at once. */
  abandon(holder: object): void {
    for (const { membership, waitingRoom } of this.#nodes) {
      waitingRoom.refuseLeases(holder, disconnectedError());
      for (const { lease } of [...membership.fleet.entries]) {
        if (lease?.holder !== holder) continue;
        lease.blockEnd = disconnectedError();
        lease.destroy(lease.blockEnd);
      }
    }
    for (const command of this.#unsent(holder)) command.fail(disconnectedError());
    for (const command of this.#inFlight(holder)) {
      command.fail(lossOf(command, disconnectedError(), 'unknown'));
    }
  }

  /**
   * Lets a holder finish what it has under way; what blocks, or waits to, is ended. Resolves when
   * all of it is answered; never rejects.
   */
  async finish(holder: object): Promise<void> {
    for (const { waitingRoom } of this.#nodes) {
      waitingRoom.refuseLeases(holder, disconnectedError());
    }
    const commands = [...this.#unsent(holder), ...this.#inFlight(holder)];
    const answered = Promise.allSettled(commands.map(({ promise }) => promise));
    await Promise.all([this.#endBlocking(holder), answered]);
  }

  async #endBlocking(holder: object | undefined): Promise<void> {
    const isOver = () => this.#isPoolOver();
    await Promise.all(
      this.#nodes.map(({ blocking }) => blocking.end(holder, disconnectedError, isOver)),
    );
  }

  #unsent(holder: object): Command[] {
    const found: Command[] = [];
    const visit = (command: Command) => {
      if (isOf(command, holder)) found.push(command);
    };
    for (const { waitingRoom } of this.#nodes) waitingRoom.forEachCommand(visit);
    this.#recovery.forEachCommand(visit);
    this.#orders.forEachCommand(visit);
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
