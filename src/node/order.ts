// The order in which one client sends: what it issues without waiting arrives so, as on a connection
// of its own. All that has no answer yet is on one lane; another one is chosen when nothing is.
//
//   issued --> the lane of those before it
//          |
//          +-> held, while that lane is gone or full, or one of them is tried again or waits for a
//              lane --(all answered)--> whichever lane is best then, all of them
//
// A command that was told its time is over counts as answered, as nobody can say what became of it.

import { type Command, isSendable } from '../base/command.js';
import { RingQueue } from '../base/ring-queue.js';
import type { CommandRoute } from '../base/route.js';
import { PoolError } from '../errors.js';
import { closedError, notSendable } from './caller-errors.js';
import type { Entry } from './entry.js';
import { cancelOnAbort } from './lease.js';
import type { NodePool } from './node-pool.js';

export interface OrderOwner {
  /** Commands that may be held back; more are turned away. */
  readonly maxHeld: number;
  nodeFor(route: CommandRoute | undefined): NodePool;
  /** Whether commands of this holder are refused, as it has ended. */
  refuses(holder: object | undefined): boolean;
  refuse(command: Command, error: Error): void;
  refusal(error: Error): Promise<never>;
  now(): number;
  /** Commands are held back from now on. */
  onHolding(order: Order): unknown;
  onFree(order: Order): unknown;
}

export class Order {
  readonly #owner: OrderOwner;
  readonly #held = new RingQueue<Command>();
  #unanswered = 0;
  #node: NodePool | undefined;
  #lane: Entry | undefined;
  // One function for all commands, as each of them keeps it.
  readonly #onSettled = () => {
    this.#unanswered--;
    if (this.#unanswered === 0 && this.#held.length > 0) queueMicrotask(() => this.#sendHeld());
  };

  constructor(owner: OrderOwner) {
    this.#owner = owner;
  }

  /** The promise rejects; nothing is thrown. */
  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    if (!isSendable(command)) return this.#owner.refusal(notSendable());
    const refusal = this.#refusalOf(command) ?? cancelOnAbort(command, signal);
    if (refusal !== undefined) this.#owner.refuse(command, refusal);
    else if (this.#held.length === 0 && this.#mayFollow(command)) this.#send(command);
    else this.#hold(command);
    return command.promise;
  }

  /** One of those before is tried again: what comes later must not overtake it. */
  noteRetry(): void {
    this.#lane = undefined;
  }

  /** Calls back with each command that is held back. */
  forEachHeld(visit: (command: Command) => void): void {
    this.#held.forEach(visit);
  }

  /** Ends those held back whose deadline has passed; returns how many. */
  expire(now: number): number {
    let expired = 0;
    this.#held.forEach((command) => {
      if (command.settled || command.deadlineAt > now) return;
      expired++;
      command.fail(lateError(command));
    });
    return expired;
  }

  /** Ends all that are held back. */
  fail(error: Error): void {
    for (const command of this.#held.drain()) command.fail(error);
    this.#owner.onFree(this);
  }

  #refusalOf({ settings, name }: Command): PoolError | undefined {
    if (this.#owner.refuses(settings.holder)) return closedError();
    if (this.#held.length < this.#owner.maxHeld) return undefined;
    const text = `${name}: ${this.#held.length} commands wait for those before them`;
    return new PoolError('QUEUE_FULL', text, { sent: false });
  }

  /** Nothing before it can be overtaken. */
  #mayFollow({ route }: Command): boolean {
    if (this.#unanswered === 0) return true;
    const node = this.#owner.nodeFor(route);
    // There they are refused, all alike.
    if (node.membership.isDown) return true;
    if (this.#lane === undefined || node !== this.#node) return false;
    return node.membership.fleet.hasRoom(this.#lane);
  }

  #send(command: Command): void {
    const node = this.#owner.nodeFor(command.route);
    const { unlisten } = command;
    command.unlisten =
      unlisten === undefined
        ? this.#onSettled
        : () => {
            unlisten();
            this.#onSettled();
          };
    const lane = this.#unanswered === 0 ? undefined : this.#lane;
    this.#unanswered++;
    if (lane !== undefined && node.membership.fleet.hasRoom(lane)) {
      node.sendOnLane(lane, command);
      return;
    }
    this.#node = node;
    this.#lane = node.send(command);
  }

  /** Its deadline counts from here. */
  #hold(command: Command): void {
    if (command.startedAt === 0) command.startedAt = this.#owner.now();
    this.#held.push(command);
    if (this.#held.length === 1) this.#owner.onHolding(this);
  }

  #sendHeld(): void {
    for (let next = this.#held.peek(); next !== undefined; next = this.#held.peek()) {
      if (!next.settled && !this.#mayFollow(next)) return;
      this.#held.shift();
      if (!next.settled) this.#send(next);
    }
    this.#owner.onFree(this);
  }
}

function lateError({ name, timeoutMs }: Command): PoolError {
  const text = `${name} waited ${timeoutMs} ms for those before it, and was not sent`;
  return new PoolError('COMMAND_TIMEOUT', text, { sent: false });
}
