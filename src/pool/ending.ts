// How work ends before its time: that of a pool which closes, and that of one holder, a duplicate,
// which ends before the pool does. What was accepted is finished or told that it is not; what
// blocks is ended without loss where the server lets us.

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Command } from '../base/command.js';
import { PoolError } from '../errors.js';
import type { Entry } from './entry.js';
import type { ConnectionLease } from './lease.js';
import type { Membership } from './membership.js';
import { ownCommand } from './own-command.js';
import { lossOf, type Recovery } from './recovery.js';
import type { WaitingRoom } from './waiting-room.js';

/** What blocks may reach the server after our word for it, so that is said again after this, ms. */
const UNBLOCK_PAUSE_MS = 20;
/** Who gives up what blocks waits so long at most for the server to say what became of it, ms. */
const CANCEL_PATIENCE_MS = 1_000;
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
  readonly #membership: Membership;
  readonly #waitingRoom: WaitingRoom;
  readonly #recovery: Recovery;
  readonly #probeTimeoutMs: number;
  #isPoolOver = () => false;

  /** @param probeTimeoutMs How long the server may take to end what blocks, ms. */
  constructor(
    membership: Membership,
    waitingRoom: WaitingRoom,
    recovery: Recovery,
    probeTimeoutMs: number,
  ) {
    this.#membership = membership;
    this.#waitingRoom = waitingRoom;
    this.#recovery = recovery;
    this.#probeTimeoutMs = probeTimeoutMs;
  }

  /** Begins to close the pool. @returns What waits for the rest: commands, and leases of others. */
  begin(timeoutMs: number, isDone: () => boolean): Drain {
    for (const { lease } of [...this.#membership.fleet.entries]) {
      // What blocks is ended without loss, if the server helps.
      if (lease?.isLongLived && !lease.hasRunBlocking) lease.destroy(closedError('The lease'));
    }
    this.#waitingRoom.refuseLeases(undefined, closedError('acquire()'));
    this.#waitingRoom.resume();
    const drain = new Drain(timeoutMs, isDone);
    this.#isPoolOver = () => drain.isOver;
    void this.#endBlocked(undefined, closedError);
    return drain;
  }

  /**
   * Ends what blocks on leases, of one holder or of all, until nothing does or the pool is closed.
   * CLIENT UNBLOCK lets the server say that it has taken nothing; where that can't be had, the
   * connection is closed. Settles, never rejects.
   */
  async #endBlocked(holder: object | undefined, errorFor: (what: string) => Error): Promise<void> {
    // A lease that was granted in this turn has not been used yet.
    await nextTurn();
    while (!this.#isPoolOver()) {
      const blocked = this.#membership.fleet.entries.filter((entry) => isBlocked(entry, holder));
      if (blocked.length === 0) return;
      await Promise.all(
        blocked.map(async (entry) => {
          const error = errorFor('The command');
          if (!(await this.#unblock(entry, error))) entry.lease?.destroy(error);
        }),
      );
      await sleep(UNBLOCK_PAUSE_MS);
    }
  }

  /**
   * Ends what blocks on a lease since its caller gave up. Only the server knows whether it has
   * handed something out: then he gets that, else `error`, and `error` too if the server is silent.
   */
  async cancel(lease: ConnectionLease, command: Command, error: Error): Promise<void> {
    const timer = setTimeout(() => command.fail(error), CANCEL_PATIENCE_MS);
    while (!command.settled && (await this.#unblock(lease.entry, error))) {
      await Promise.race([command.promise.catch(() => undefined), sleep(UNBLOCK_PAUSE_MS)]);
    }
    clearTimeout(timer);
    command.fail(error);
  }

  /**
   * A connection that may block is about to be closed. The server may see what is sent after this
   * before it sees that end, and would hand the next element to nobody; so it is told first, on the
   * lane that is used next. Where it may not be told, the end alone has to do.
   */
  announceEnd({ entry, hasRunBlocking }: ConnectionLease): void {
    const { serverClientId, inFlight } = entry.connection;
    if (!hasRunBlocking || inFlight === 0 || serverClientId === undefined) return;
    const lane = this.#membership.fleet.pickLane();
    if (lane === undefined) return;
    const command = ownCommand(['CLIENT', 'UNBLOCK', `${serverClientId}`], this.#probeTimeoutMs);
    command.promise.catch(() => undefined);
    lane.connection.send(command);
  }

  /** Ends all that a holder has under way, at once. */
  abandon(holder: object, errorFor: (what: string) => Error): void {
    this.#waitingRoom.refuseLeases(holder, errorFor('acquire()'));
    for (const { lease } of [...this.#membership.fleet.entries]) {
      if (lease?.holder !== holder) continue;
      lease.blockEnd = errorFor('The lease');
      lease.destroy(lease.blockEnd);
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
    this.#waitingRoom.refuseLeases(holder, errorFor('acquire()'));
    const commands = [...this.#unsent(holder), ...this.#inFlight(holder)];
    const answered = Promise.allSettled(commands.map(({ promise }) => promise));
    await Promise.all([this.#endBlocked(holder, errorFor), answered]);
  }

  #unsent(holder: object): Command[] {
    const found: Command[] = [];
    const visit = (command: Command) => {
      if (isOf(command, holder)) found.push(command);
    };
    this.#waitingRoom.forEachCommand(visit);
    this.#recovery.forEachCommand(visit);
    return found;
  }

  #inFlight(holder: object): Command[] {
    const found: Command[] = [];
    for (const { connection } of this.#membership.fleet.entries) {
      connection.forEachInFlight((command) => {
        if (isOf(command, holder)) found.push(command);
      });
    }
    return found;
  }

  /** @returns False where the server could not be told. */
  async #unblock(entry: Entry, error: Error): Promise<boolean> {
    const lease = entry.lease;
    if (lease === undefined) return false;
    lease.blockEnd = error;
    const id = entry.connection.serverClientId;
    const { fleet, isFull } = this.#membership;
    if (id === undefined || (isFull && fleet.readyCount === 0)) return false;
    const command = ownCommand(['CLIENT', 'UNBLOCK', `${id}`, 'ERROR'], this.#probeTimeoutMs);
    const lane = fleet.pickLane();
    if (lane !== undefined) lane.connection.send(command);
    else this.#waitingRoom.admitCommand(command);
    return command.promise.then(
      () => true,
      () => false,
    );
  }
}

/** Whether an error reply says that a command was ended by us. */
export function isUnblocked(entry: Entry, command: Command, error: Error): boolean {
  if (entry.lease?.blockEnd === undefined || !command.isBlocking) return false;
  return error.message.startsWith('UNBLOCKED');
}

export function closedError(what: string): PoolError {
  return new PoolError('POOL_CLOSED', `${what}: the pool is closed`, { sent: false });
}

function isBlocked({ lease, connection }: Entry, holder: object | undefined): boolean {
  if (lease === undefined || !lease.hasRunBlocking || connection.inFlight === 0) return false;
  return holder === undefined || lease.holder === holder;
}

function isOf(command: Command, holder: object): boolean {
  return !command.settled && command.settings.holder === holder;
}
