// How what blocks on a server is ended before its time. Only the server knows whether it has handed
// something out, so CLIENT UNBLOCK asks it: either the reply is the element, or it says that there
// was none. Where that can't be had, the connection is closed.

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Command } from '../base/command.js';
import type { Entry } from './entry.js';
import type { ConnectionLease } from './lease.js';
import type { Membership } from './membership.js';
import { ownCommand } from './own-command.js';
import type { WaitingRoom } from './waiting-room.js';

/** What blocks may reach the server after our word for it, so that is said again after this, ms. */
const UNBLOCK_PAUSE_MS = 20;
/** Who gives up what blocks waits so long at most for the server to say what became of it, ms. */
const CANCEL_PATIENCE_MS = 1_000;

export class Blocking {
  readonly #membership: Membership;
  readonly #waitingRoom: WaitingRoom;
  readonly #probeTimeoutMs: number;

  /** @param probeTimeoutMs How long the server may take to end what blocks, ms. */
  constructor(membership: Membership, waitingRoom: WaitingRoom, probeTimeoutMs: number) {
    this.#membership = membership;
    this.#waitingRoom = waitingRoom;
    this.#probeTimeoutMs = probeTimeoutMs;
  }

  /**
   * Ends what blocks on leases, of one holder or of all, until nothing does or `isOver` says so.
   * Settles, never rejects.
   */
  async end(
    holder: object | undefined,
    newError: () => Error,
    isOver: () => boolean,
  ): Promise<void> {
    // A lease that was granted in this turn has not been used yet.
    await nextTurn();
    while (!isOver()) {
      const blocked = this.#membership.fleet.entries.filter((entry) => isBlocked(entry, holder));
      if (blocked.length === 0) return;
      await Promise.all(
        blocked.map(async (entry) => {
          const error = newError();
          if (!(await this.#unblock(entry, error))) entry.lease?.destroy(error);
        }),
      );
      await sleep(UNBLOCK_PAUSE_MS);
    }
  }

  /** Whether anything blocks on a lease. */
  get isAny(): boolean {
    return this.#membership.fleet.entries.some((entry) => isBlocked(entry, undefined));
  }

  /**
   * Ends what blocks since another server has taken over: where this one says that it has handed
   * nothing out, the command can go on there. Ends when it has said so of all, or is not there any
   * more; settles, never rejects.
   */
  async displace(error: Error): Promise<void> {
    const { fleet } = this.#membership;
    for (;;) {
      const lane = fleet.pickLane();
      const blocked = fleet.entries.filter((entry) => isBlocked(entry, undefined));
      if (lane === undefined || blocked.length === 0) return;
      const answers = blocked.map((entry) => {
        const { lease, connection } = entry;
        if (lease === undefined || connection.serverClientId === undefined) return undefined;
        entry.staleReason = 'failover';
        lease.blockEnd ??= error;
        lease.isDisplaced = true;
        const args = ['CLIENT', 'UNBLOCK', `${connection.serverClientId}`, 'ERROR'];
        const command = ownCommand(args, this.#probeTimeoutMs);
        lane.connection.send(command);
        return command.promise;
      });
      await Promise.allSettled(answers);
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
    if (!hasRunBlocking) return;
    const { serverClientId, inFlight } = entry.connection;
    if (inFlight === 0 || serverClientId === undefined) return;
    const lane = this.#membership.fleet.pickLane();
    if (lane === undefined) return;
    const command = ownCommand(['CLIENT', 'UNBLOCK', `${serverClientId}`], this.#probeTimeoutMs);
    command.promise.catch(() => undefined);
    lane.connection.send(command);
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

function isBlocked({ lease, connection }: Entry, holder: object | undefined): boolean {
  if (lease === undefined || !lease.hasRunBlocking || connection.inFlight === 0) return false;
  return holder === undefined || lease.holder === holder;
}
