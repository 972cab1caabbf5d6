// What a fault is: a short description of what goes wrong, how it is made, and by when callers must be
// served again. Everything that is checked is the same for all faults and lies in `rounds.ts`.

import type { FoundServer } from '../../scripts/redis-server.js';
import type { PlimsollOptions, Pool } from '../../src/index.js';
import type { SeededRandom } from '../support/seeded-random.js';
import type { Load } from './load.js';

export type Topology = 'one server' | 'Sentinel' | 'Cluster';

/**
 * By when it must be over for callers: `unnoticed`, no call fails at all; `return`, from the given
 * moment on it takes so long at most until reads and writes are served and none fails any more.
 */
export type Bound =
  | { readonly kind: 'unnoticed' }
  | { readonly kind: 'return'; readonly withinMs: number; readonly from: string };

export const UNNOTICED: Bound = { kind: 'unnoticed' };

export function returnWithin(withinMs: number, from: string): Bound {
  return { kind: 'return', withinMs, from };
}

/** What a caller is told whose connection was lost: a write that was sent, and what never is again. */
export const LOST: readonly string[] = ['OUTCOME_UNKNOWN', 'CONNECTION_LOST'];
/** And when it takes longer than his deadline until there is another. */
export const LATE: readonly string[] = [...LOST, 'COMMAND_TIMEOUT', 'ACQUIRE_TIMEOUT'];

export interface Fault<W extends World = World> {
  /** What it is called in the report; `--only` looks for parts of it. */
  readonly name: string;
  readonly topology: Topology;
  /** What is done, for the report. */
  readonly does: string;
  /** In the long form. */
  readonly rounds: number;
  /** `npm test` runs it too, for two rounds. */
  readonly isQuick?: boolean;
  readonly bound: Bound;
  /** Error codes that callers may be told, beside none. */
  readonly mayMeet: readonly string[];
  /** Which kinds of calls must not notice it all the same. */
  readonly unnoticedBy?: readonly CallKind[];
  build(context: WorldContext): Promise<W>;
  /** Makes it happen, once. */
  strike(stage: Stage<W>): Promise<void>;
  /** Brings the world back to where it began, once the round was judged. */
  mend?(stage: Stage<W>): Promise<void>;
}

export type CallKind = 'read' | 'write' | 'lease' | 'block';

export interface WorldContext {
  readonly found: FoundServer;
  readonly random: SeededRandom;
}

/** The servers of a fault, and how a pool gets to them. */
export interface World {
  /** Of the pool that is tested. */
  readonly options: PlimsollOptions;
  /** Replication is asynchronous: only what a replica has acknowledged must outlive a failover. */
  readonly isLossy: boolean;
  /** How many connections the pool holds open, seen from the other end; undefined: nobody knows. */
  openConnections(): Promise<number | undefined>;
  /** Ends what a fault still holds of connections that the pool has closed. */
  letGo?(): void;
  /** Talks to the servers by ways that the fault does not touch. */
  readonly auditor: Pool;
  /** Lends a connection that may work on `key`. */
  lend<T>(pool: Pool, key: string, use: (client: Pool['client']) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

/** What a fault finds when it strikes: a pool under load. */
export interface Stage<W extends World = World> {
  readonly world: W;
  readonly pool: Pool;
  readonly load: Load;
  readonly random: SeededRandom;
  /** From 1. */
  readonly round: number;
  /**
   * The fault is over since `at` (default: now). Settles when callers are served again. May be said
   * more than once, where it happens more than once.
   */
  healed(at?: number): Promise<void>;
  /** Another pool, or the same, under a load of its own that is judged with the first. */
  addLoad(pool: Pool, mayMeet: readonly string[]): Load;
  /** A check of the fault's own; `what` is the sentence that is reported where it does not hold. */
  check(holds: boolean, what: string): void;
}
