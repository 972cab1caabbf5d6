// What a client stands on: the pool, for `pool.client` and its duplicates, or one lease. The client
// forwards to it whatever is no command.

import type { CommandContext } from './context.js';
import type { MonitorListener } from './monitor.js';
import type { ClientSetup } from './setup.js';
import type { Subscriber } from './subscriber.js';

/** The part of a client that its host needs. */
export interface HostedClient {
  emit(event: string, ...args: unknown[]): boolean;
  listenerCount(event: string): number;
}

export interface ClientHost {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly isPubSubActive: boolean;
  readonly isWatching: boolean;
  /** The connection on which keys were watched was lost. */
  readonly isDirtyWatch: boolean;
  readonly setup: ClientSetup;
  /** Name, address and protocol, for `options`; no secret. */
  readonly description: Readonly<Record<string, unknown>>;
  /** @throws PoolError INVALID_ARGUMENT on a lease. */
  subscriber(): Subscriber;
  /** Returns what ends it. */
  monitor(context: CommandContext, listener: MonitorListener): Promise<() => void>;
  connect(context: CommandContext): Promise<void>;
  /** A client of the same pool, with subscriptions, events and an end of its own. */
  duplicate(context: CommandContext, setup: ClientSetup): HostedClient;
  /** Undoes what the client did to its session. */
  reset(): Promise<void>;
  close(): Promise<void>;
  destroy(): void;
  ref(): void;
  unref(): void;
}
