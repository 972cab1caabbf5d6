// A connection as the pool keeps it: what it is used for just now, and since when.
//
//            +---------> leased ----+      ready: a lane, shared by pipelined commands
//   dialed --> ready <-- restoring -+      leased: one borrower's alone
//                |          |              restoring: still in another database than the pool's
//                +--> draining --> closed  draining: takes no more, closes when empty

import type { Command } from '../base/command.js';
import type { Link } from '../base/link.js';
import { noteServer } from '../base/tracing.js';
import type { ConnectionLease } from './lease.js';
import { ownCommand } from './own-command.js';

export type EntryState = 'ready' | 'leased' | 'restoring' | 'draining' | 'closed';

/** Why a connection left the pool. */
export type EvictionReason =
  | 'idle'
  | 'lifetime'
  | 'unhealthy'
  | 'unclean'
  | 'failover'
  | 'shrink'
  | 'lost'
  | 'destroyed'
  | 'shutdown';

export class Entry {
  readonly id: number;
  readonly connection: Link;
  /** Counts demotions: all connections that were made before one lead to the wrong server. */
  readonly generation: number;
  readonly createdAt: number;
  /** Its own age limit, ms: lifetimes differ, so that not all connections close at once. */
  readonly lifetimeMs: number;
  state: EntryState = 'ready';
  /** Who has it, while it is leased. */
  lease: ConnectionLease | undefined = undefined;
  /** Takes no more commands, so that it empties for a lease that waits. */
  isReserved = false;
  /** Owes replies and is silent: it may be dead, so others are preferred until that is known. */
  isSuspect = false;
  lastUsedAt: number;
  /** PINGs of health checks that are on their way. */
  probes = 0;
  /** Why it must not be used again once its lease ends; `undefined`: it may. */
  staleReason: EvictionReason | undefined = undefined;
  /** Why it is being closed; `undefined` while the pool wants to keep it. */
  evictionReason: EvictionReason | undefined = undefined;

  constructor(id: number, connection: Link, generation: number, now: number, lifetimeMs: number) {
    this.id = id;
    this.connection = connection;
    this.generation = generation;
    this.createdAt = now;
    this.lastUsedAt = now;
    this.lifetimeMs = lifetimeMs;
  }

  /** Carries somebody's work just now. */
  get isInUse(): boolean {
    return this.state === 'leased' || (this.connection.inFlight > 0 && !this.isOnlyProbed);
  }

  /** A health check's PING is no use by a caller. */
  get isOnlyProbed(): boolean {
    return this.probes > 0 && this.connection.inFlight === this.probes;
  }

  /** Could be lent this moment. */
  get isIdle(): boolean {
    return this.state === 'ready' && this.connection.inFlight === 0 && this.connection.writable;
  }
}

/** Sends a command that has a history; behind ASKING where another server has sent it here. */
export function sendOn({ connection }: Entry, command: Command): void {
  const { history } = command;
  if (history?.isAsking) {
    history.isAsking = false;
    // Its refusal needs no ear: the command gets the same.
    const asking = ownCommand(['ASKING'], command.timeoutMs);
    asking.promise.catch(() => undefined);
    connection.send(asking);
  }
  const trace = history?.trace;
  if (trace !== undefined) {
    trace.attempts++;
    trace.redirects = history?.redirects ?? 0;
    noteServer(trace, connection.server);
  }
  history?.onServed?.();
  connection.send(command);
}

export function countInUse(entries: readonly Entry[]): number {
  let inUse = 0;
  for (const entry of entries) if (entry.isInUse) inUse++;
  return inUse;
}
