// The connection of a duplicate's own, as every client of node-redis has one. Here it is leased when
// a duplicate is used as only a connection can be: for a name, SELECT, WATCH, MULTI by hand, a
// blocking call. Then it is kept until the duplicate is closed; a lost one is replaced by itself,
// with name and database as they were, and one that is too old between two commands.
//
//   none --first such command--> asking --lease, name, database--> held --end()--> none
//     ^                          ^    |                             |
//     +-------- (refused) -------|----+                             |
//                                +---- pause <------(lost)----------+
//
// What follows a SELECT or a WATCH means that connection too, and goes there; all else stays on the
// lanes, which answer while it blocks. What waits for the connection is told why none can be had.

import { onceAborted } from '../base/abort-signal.js';
import type { Command } from '../base/command.js';
import { readPayload } from '../base/payload.js';
import { PoolError } from '../errors.js';
import { abortedError, disconnectedError } from '../node/caller-errors.js';
import type { ConnectionLease } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';
import { ownCommand } from '../node/own-command.js';
import { reconnectWaitMs } from '../policy/retry.js';
import { isAboutConnection, isBeyondRestoring, type Session } from '../policy/session.js';

/** What follows them without waiting for their answers means the same connection. */
const BINDING = new Set(['MULTI', 'SELECT', 'WATCH']);

export interface SessionOwner {
  readonly keepsAlive: boolean;
  /** The database that the pool was opened with. */
  readonly database: number;
  /** How long the server may take to restore the session, ms. */
  readonly restoreTimeoutMs: number;
  acquireLease(terms: LeaseTerms): Promise<ConnectionLease>;
  /** Fails a command that must not be sent. */
  refuse(command: Command, error: Error): void;
  /** The connection was lost, or could not be replaced; another attempt follows. */
  onTrouble(error: Error): void;
  /** Another connection has taken the place of a lost one. */
  onRestored(): void;
}

interface Waiting {
  readonly command: Command;
  readonly signal: AbortSignal | undefined;
}

/** A leased connection with what is under way on it. */
interface Held {
  readonly lease: ConnectionLease;
  pending: number;
  blocked: Waiting | undefined;
  isStale: boolean;
}

export class ClientSession {
  /** Set on each connection of it. */
  name: string | undefined;
  readonly #owner: SessionOwner;
  #database: number;
  #held: Held | undefined;
  #asking: AbortController | undefined;
  #pause: NodeJS.Timeout | undefined;
  #failures = 0;
  #isLost = false;
  /** WATCH and SELECT that have no answer yet: what follows them means the same connection. */
  #binding = 0;
  /** Something was changed that is known to the connection alone, as by CLIENT TRACKING. */
  #isChanged = false;
  /** A connection was lost on which keys were watched: no transaction may rely on that. */
  #isWatchVoid = false;
  #waiting: Waiting[] = [];

  constructor(owner: SessionOwner, name: string | undefined) {
    this.#owner = owner;
    this.#database = owner.database;
    this.name = name;
  }

  /** What was changed on the connection; `undefined`: nothing, or there is none. */
  get state(): Session | undefined {
    return this.#held?.lease.session;
  }

  get isWatching(): boolean {
    return this.state?.watching === true;
  }

  /** The keys that were watched may have changed unseen, as the connection was another one. */
  get isWatchVoid(): boolean {
    return this.#isWatchVoid;
  }

  forgetWatch(): void {
    this.#isWatchVoid = false;
  }

  /** The connection was lost, and another one has not taken its place yet. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** There is a connection, or shall be one. */
  get isInUse(): boolean {
    return this.#held !== undefined || this.#asking !== undefined || this.#isLost;
  }

  /** Whatever is sent now means this connection. */
  get isBinding(): boolean {
    if (this.#binding > 0 || this.#isChanged || this.#database !== this.#owner.database)
      return true;
    const { state } = this;
    return state?.watching === true || state?.inTransaction === true;
  }

  /** Whether an ordinary command has its place here. */
  claims(command: Command): boolean {
    return this.isBinding || (this.isInUse && isAboutConnection(command.name));
  }

  /** Whether the next blocking call has its place here; beside another one it has not. */
  get mayBlock(): boolean {
    return this.isBinding || this.isIdle;
  }

  /** Nothing is under way on it, nor waits for it. */
  get isIdle(): boolean {
    return (this.#held?.pending ?? 0) === 0 && this.#waiting.length === 0;
  }

  /** Leases the connection, where there is none. Its refusal reaches who waits for it. */
  open(): void {
    this.#endPause();
    if (this.#held === undefined && this.#asking === undefined) this.#ask();
  }

  /** What has a name is to be seen under it, and what has selected a database goes on there. */
  async openIfKnown(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.name === undefined && this.#database === this.#owner.database) return;
    await this.execute(ownCommand(['PING'], timeoutMs), signal).catch(onlyLosses);
  }

  execute(command: Command, signal: AbortSignal | undefined): Promise<unknown> {
    this.#note(command);
    if (this.#held !== undefined) {
      this.#send(this.#held, { command, signal });
      return command.promise;
    }
    if (signal?.aborted) {
      this.#owner.refuse(command, abortedError(command.name, signal, false));
      return command.promise;
    }
    this.#waiting.push({ command, signal });
    if (signal !== undefined) {
      command.unlisten = onceAborted(signal, () =>
        command.fail(abortedError(command.name, signal, false)),
      );
    }
    if (this.#pause === undefined) this.open();
    return command.promise;
  }

  /** What waits is told so; what is under way is the pool's to end. Name and database are kept. */
  end(): void {
    this.#endPause();
    this.#asking?.abort();
    this.#asking = undefined;
    this.#isLost = false;
    this.#isWatchVoid = false;
    this.#isChanged = false;
    this.#failures = 0;
    this.#refuseWaiting(disconnectedError());
    this.#letGo();
  }

  /** Undoes what was done on it. */
  reset(name: string | undefined): void {
    this.name = name;
    this.#database = this.#owner.database;
    this.end();
  }

  /** What it does to the session counts from now on, as others may follow without waiting. */
  #note(command: Command): void {
    const { name } = command;
    if (name === 'WATCH' || name === 'UNWATCH') this.#isWatchVoid = false;
    if (isBeyondRestoring(name)) this.#isChanged = true;
    const isNaming = name === 'CLIENT SETNAME';
    if (isNaming || name === 'SELECT') {
      const value = String(readPayload(command.payload).at(-1));
      command.promise.then(
        () => {
          if (isNaming) this.name = value;
          else this.#database = Number(value);
        },
        () => undefined,
      );
    }
    if (!BINDING.has(name)) return;
    this.#binding++;
    const settle = () => {
      this.#binding--;
    };
    command.promise.then(settle, settle);
  }

  #send(held: Held, waiting: Waiting): void {
    const { command, signal } = waiting;
    held.pending++;
    if (command.isBlocking) held.blocked = waiting;
    const settle = () => {
      held.pending--;
      if (held.blocked === waiting) held.blocked = undefined;
      this.#onSettled(held);
    };
    held.lease.execute(command, signal).then(settle, settle);
  }

  #onSettled(held: Held): void {
    const { lease } = held;
    if (held.pending > 0 || lease.isReleased || lease.lostError !== undefined) return;
    if (held !== this.#held) lease.release();
    // Our word to end what blocked may still be on its way, and would hit what blocks next.
    else if (held.isStale || lease.blockEnd !== undefined) this.#replace();
  }

  #replace(): void {
    const { state } = this;
    const isDirty = this.isWatching || state?.inTransaction || this.#isChanged;
    if (isDirty && this.#held?.lease.blockEnd === undefined) return;
    if (this.isWatching) this.#isWatchVoid = true;
    this.#letGo();
    this.#ask();
  }

  /** The lease is given back when what is under way on it has ended. */
  #letGo(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    held.lease.onLost = undefined;
    held.lease.onStale = undefined;
    held.lease.onDisplaced = undefined;
    this.#onSettled(held);
  }

  #ask(): void {
    const asking = new AbortController();
    this.#asking = asking;
    this.#owner
      .acquireLease({ isLongLived: true, signal: asking.signal })
      .then((lease) => this.#restore(lease))
      .then(
        (lease) => {
          if (this.#asking === asking) this.#onLease(lease);
          else if (!lease.isReleased) lease.release();
        },
        (error: Error) => {
          if (this.#asking === asking) this.#onRefused(error);
        },
      );
  }

  /** What follows a refused SELECT would be done in another database, so its answer is awaited. */
  async #restore(lease: ConnectionLease): Promise<ConnectionLease> {
    const timeoutMs = this.#owner.restoreTimeoutMs;
    const isElsewhere = this.#database !== this.#owner.database;
    const select = isElsewhere
      ? lease.execute(ownCommand(['SELECT', String(this.#database)], timeoutMs))
      : undefined;
    const named = this.name === undefined ? undefined : lease.execute(naming(this.name, timeoutMs));
    try {
      await Promise.all([select, named?.catch(onlyLosses)]);
    } catch (error) {
      lease.destroy(error as Error);
      throw error;
    }
    return lease;
  }

  #onLease(lease: ConnectionLease): void {
    this.#asking = undefined;
    if (lease.lostError !== undefined) {
      this.#onRefused(lease.lostError);
      return;
    }
    const held: Held = { lease, pending: 0, blocked: undefined, isStale: false };
    this.#held = held;
    this.#failures = 0;
    lease.onLost = (error) => this.#onLost(held, error);
    lease.onStale = () => this.#onStale(held);
    lease.onDisplaced = () => this.#onDisplaced(held);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      one.command.unlisten?.();
      if (!one.command.settled) this.#send(held, one);
    }
    if (!this.#isLost) return;
    this.#isLost = false;
    this.#owner.onRestored();
  }

  #onRefused(error: Error): void {
    this.#asking = undefined;
    this.#refuseWaiting(error);
    if (this.#isLost) this.#askLater(error);
  }

  #refuseWaiting(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { command } of waiting) command.fail(error);
  }

  #onLost(held: Held, error: Error): void {
    if (held !== this.#held) return;
    if (this.isWatching) this.#isWatchVoid = true;
    this.#held = undefined;
    this.#isLost = true;
    this.#isChanged = false;
    this.#askLater(error);
  }

  #askLater(error: Error): void {
    this.#failures++;
    const waitMs = reconnectWaitMs(this.#failures);
    this.#endPause();
    this.#pause = setTimeout(() => this.open(), waitMs);
    if (!this.#owner.keepsAlive) this.#pause.unref();
    this.#owner.onTrouble(error);
  }

  #endPause(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
  }

  /** It has to go: at once where it leads to the wrong server, else between two commands. */
  #onStale(held: Held): void {
    held.isStale = true;
    const isMisled = held.lease.entry.staleReason === 'failover';
    if (held.pending === 0) this.#replace();
    else if (isMisled) {
      held.lease.destroy(new PoolError('CONNECTION_LOST', 'Another server is the primary by now'));
    }
  }

  /** What blocks has taken nothing, and goes on at the server that is used by now. */
  #onDisplaced(held: Held): void {
    const { blocked } = held;
    if (held !== this.#held || blocked === undefined) return;
    blocked.command.unlisten?.();
    this.#letGo();
    held.lease.release();
    this.#waiting.unshift(blocked);
    this.#ask();
  }
}

function naming(name: string, timeoutMs: number): Command {
  return ownCommand(['CLIENT', 'SETNAME', name], timeoutMs);
}

/** A server that knows no names serves all the same. */
function onlyLosses(error: unknown): void {
  if (error instanceof PoolError) throw error;
}
