// Who waits for a connection: ordinary commands, which any lane with room can take, and requests
// for a lease, which want a connection alone. Both queues are first come, first served; together
// they are bounded. Those who were answered otherwise (cancelled, timed out) are skipped on the way.

import type { Command } from '../base/command.js';
import { RingQueue } from '../base/ring-queue.js';
import type { ConnectionLease } from './lease.js';

export class LeaseRequest {
  readonly queuedAt: number;
  readonly deadlineAt: number;
  readonly isLongLived: boolean;
  /** Captured where the lease was asked for, as the stack is gone when it is granted. */
  readonly origin: Error | undefined;
  readonly holder: object | undefined;
  settled = false;
  /** Told why it was refused, for counting. */
  onError: ((error: unknown) => void) | undefined = undefined;
  unlisten: (() => void) | undefined = undefined;
  readonly promise: Promise<ConnectionLease>;
  #resolve!: (lease: ConnectionLease) => void;
  #reject!: (error: unknown) => void;

  constructor(
    queuedAt: number,
    timeoutMs: number,
    isLongLived: boolean,
    origin: Error | undefined,
    holder: object | undefined = undefined,
  ) {
    this.queuedAt = queuedAt;
    this.deadlineAt = timeoutMs === 0 ? Number.POSITIVE_INFINITY : queuedAt + timeoutMs;
    this.isLongLived = isLongLived;
    this.origin = origin;
    this.holder = holder;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  grant(lease: ConnectionLease): void {
    this.#settle();
    this.#resolve(lease);
  }

  fail(error: unknown): void {
    if (this.settled) return;
    this.#settle();
    this.onError?.(error);
    this.#reject(error);
  }

  #settle(): void {
    this.settled = true;
    this.unlisten?.();
  }
}

export class Waiters {
  readonly #commands = new RingQueue<Command>();
  readonly #leases = new RingQueue<LeaseRequest>();
  readonly #acquireTimeoutMs: number;
  #earliestDeadlineAt = Number.POSITIVE_INFINITY;

  constructor(acquireTimeoutMs: number) {
    this.#acquireTimeoutMs = acquireTimeoutMs;
  }

  get length(): number {
    return this.#commands.length + this.#leases.length;
  }

  get commandCount(): number {
    return this.#commands.length;
  }

  get leaseCount(): number {
    return this.#leases.length;
  }

  addCommand(command: Command, now: number): void {
    command.queuedAt = now;
    this.#noteDeadline(this.#deadlineOf(command));
    this.#commands.push(command);
  }

  addLease(request: LeaseRequest): void {
    this.#noteDeadline(request.deadlineAt);
    this.#leases.push(request);
  }

  /** The command that waits longest, left in its place. */
  peekCommand(): Command | undefined {
    return peekLive(this.#commands);
  }

  peekLease(): LeaseRequest | undefined {
    return peekLive(this.#leases);
  }

  takeCommand(): Command | undefined {
    peekLive(this.#commands);
    return this.#commands.shift();
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
    this.#commands.removeWhere((command) =>
      isGone(command, this.#deadlineOf(command), command.name),
    );
    this.#leases.removeWhere((request) => isGone(request, request.deadlineAt, 'acquire()'));
    return expired;
  }

  /** Forgets those who were cancelled; called when the queue seems full. */
  compact(): void {
    this.#commands.removeWhere((command) => command.settled);
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

  /** Empties both queues. */
  drain(): { commands: Command[]; leases: LeaseRequest[] } {
    this.#earliestDeadlineAt = Number.POSITIVE_INFINITY;
    return { commands: this.#commands.drain(), leases: this.#leases.drain() };
  }

  #deadlineOf(command: Command): number {
    const acquireDeadlineAt =
      this.#acquireTimeoutMs === 0
        ? Number.POSITIVE_INFINITY
        : command.queuedAt + this.#acquireTimeoutMs;
    return Math.min(command.deadlineAt, acquireDeadlineAt);
  }

  #noteDeadline(deadlineAt: number): void {
    if (deadlineAt < this.#earliestDeadlineAt) this.#earliestDeadlineAt = deadlineAt;
  }
}

/** Drops settled waiters at the head; returns the first that still waits. */
function peekLive<T extends { readonly settled: boolean }>(queue: RingQueue<T>): T | undefined {
  let head = queue.peek();
  while (head?.settled) {
    queue.shift();
    head = queue.peek();
  }
  return head;
}
