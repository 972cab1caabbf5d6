// Who waits for a connection: ordinary commands, which any lane with room can take, and requests
// for a lease, which want a connection alone. Both queues are first come, first served; together
// they are bounded. Those who were answered otherwise (cancelled, timed out) are skipped on the way.

import type { Command } from '../base/command.js';
import { payloadBytes } from '../base/payload.js';
import { RingQueue } from '../base/ring-queue.js';
import type { CommandRoute } from '../base/route.js';
import type { LeaseRequest } from './lease-request.js';

/** Who waits for a server that does not serve them any more. */
export interface Strays {
  readonly commands: readonly Command[];
  readonly leases: readonly LeaseRequest[];
}

export class Waiters {
  readonly #commands = new RingQueue<Command>();
  readonly #leases = new RingQueue<LeaseRequest>();
  #earliestDeadlineAt = Number.POSITIVE_INFINITY;
  #queuedBytes = 0;

  get length(): number {
    return this.#commands.length + this.#leases.length;
  }

  get commandCount(): number {
    return this.#commands.length;
  }

  /** What the commands that wait take in memory, bytes. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get leaseCount(): number {
    return this.#leases.length;
  }

  /** Since when whoever waits longest does; `undefined`: nobody waits. */
  get oldestSince(): number | undefined {
    const [command, lease] = [this.peekCommand(), this.peekLease()];
    if (command === undefined || lease === undefined) return (command ?? lease)?.queuedAt;
    return Math.min(command.queuedAt, lease.queuedAt);
  }

  addCommand(command: Command, now: number): void {
    command.queuedAt = now;
    this.#noteDeadline(command.deadlineAt);
    this.#commands.push(command);
    this.#queuedBytes += bytesOf(command);
  }

  addLease(request: LeaseRequest): void {
    this.#noteDeadline(request.deadlineAt);
    this.#leases.push(request);
  }

  /** The command that waits longest, left in its place. */
  peekCommand(): Command | undefined {
    return peekLive(this.#commands, this.#onCommandGone);
  }

  peekLease(): LeaseRequest | undefined {
    return peekLive(this.#leases);
  }

  takeCommand(): Command | undefined {
    if (this.peekCommand() === undefined) return undefined;
    const command = this.#commands.shift() as Command;
    this.#onCommandGone(command);
    return command;
  }

  takeLease(): LeaseRequest | undefined {
    peekLive(this.#leases);
    return this.#leases.shift();
  }

  /** Fails whoever's deadline passed, with the error that `errorFor` makes; returns how many. */
  expire(now: number, errorFor: (what: string, waitedMs: number) => Error): number {
    if (now < this.#earliestDeadlineAt) return 0;
    let expired = 0;
    this.#earliestDeadlineAt = Number.POSITIVE_INFINITY;
    const isGone = (waiter: Command | LeaseRequest, deadlineAt: number, what: string) => {
      if (waiter.settled) return true;
      if (deadlineAt > now) {
        this.#noteDeadline(deadlineAt);
        return false;
      }
      waiter.fail(errorFor(what, now - waiter.queuedAt));
      expired++;
      return true;
    };
    this.#removeCommands((command) => isGone(command, command.deadlineAt, command.name));
    this.#leases.removeWhere((request) => isGone(request, request.deadlineAt, 'acquire()'));
    return expired;
  }

  /** Forgets those who were cancelled; called when the queue seems full. */
  compact(): void {
    this.#removeCommands((command) => command.settled);
    this.#leases.removeWhere((request) => request.settled);
  }

  forEachCommand(visit: (command: Command) => void): void {
    this.#commands.forEach(visit);
  }

  /** Those who still wait for a lease, oldest first. */
  leaseRequests(): LeaseRequest[] {
    const requests: LeaseRequest[] = [];
    this.#leases.forEach((request) => {
      if (!request.settled) requests.push(request);
    });
    return requests;
  }

  takeStrays(isStray: (route: CommandRoute | undefined) => boolean): Strays {
    const commands: Command[] = [];
    const leases: LeaseRequest[] = [];
    this.#removeCommands((command) => {
      if (!command.settled && !isStray(command.route)) return false;
      if (!command.settled) commands.push(command);
      return true;
    });
    this.#leases.removeWhere((request) => {
      if (!request.settled && !isStray(request.route)) return false;
      if (!request.settled) leases.push(request);
      return true;
    });
    return { commands, leases };
  }

  /** Empties both queues. */
  drain(): { commands: Command[]; leases: LeaseRequest[] } {
    this.#earliestDeadlineAt = Number.POSITIVE_INFINITY;
    this.#queuedBytes = 0;
    return { commands: this.#commands.drain(), leases: this.#leases.drain() };
  }

  #removeCommands(isGone: (command: Command) => boolean): void {
    this.#commands.removeWhere((command) => {
      if (!isGone(command)) return false;
      this.#onCommandGone(command);
      return true;
    });
  }

  readonly #onCommandGone = (command: Command): void => {
    this.#queuedBytes -= bytesOf(command);
  };

  #noteDeadline(deadlineAt: number): void {
    if (deadlineAt < this.#earliestDeadlineAt) this.#earliestDeadlineAt = deadlineAt;
  }
}

/** What a command takes in memory while it waits. */
export function bytesOf({ payload, ascii }: Command): number {
  return payloadBytes(payload, ascii);
}

/** Drops settled waiters at the head; returns the first that still waits. */
function peekLive<T extends { readonly settled: boolean }>(
  queue: RingQueue<T>,
  onGone?: (waiter: T) => void,
): T | undefined {
  let head = queue.peek();
  while (head?.settled) {
    queue.shift();
    onGone?.(head);
    head = queue.peek();
  }
  return head;
}
