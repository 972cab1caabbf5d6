// MONITOR over several servers: one at each primary, whichever these are by then. No server knows what
// the others execute.

import type { CallTerms } from '../calls.js';
import type { CommandContext } from '../context.js';
import type { Monitor } from '../monitor.js';
import { nobodyKnown, untilServed } from './parts.js';

export interface MonitorsOwner {
  /** Of the servers that are to be watched, as far as is known. */
  primaryIds(): readonly string[];
  monitorAt(endpointId: string): Monitor;
  /** @param follow To be called when servers came, went or changed roles. @returns What ends that. */
  onServers(follow: () => void): () => void;
  onStop(monitors: Monitors): void;
}

export class Monitors {
  readonly #owner: MonitorsOwner;
  readonly #byServer = new Map<string, Monitor>();
  #unfollow: (() => void) | undefined;
  #isStopped = false;

  constructor(owner: MonitorsOwner) {
    this.#owner = owner;
  }

  /** Resolves when all that are primaries have begun. Rejects with the refusal of one, or a PoolError. */
  async start(context: CommandContext, terms: CallTerms): Promise<void> {
    const { primaryIds, onServers } = this.#owner;
    try {
      if (primaryIds().length === 0) await untilServed(context, undefined);
      if (primaryIds().length === 0) throw nobodyKnown('MONITOR');
      if (!this.#isStopped) this.#unfollow = onServers(() => this.#follow());
      await Promise.all(primaryIds().map((id) => this.#begin(id, terms)));
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  stop(error?: Error): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#unfollow?.();
    const monitors = [...this.#byServer.values()];
    for (const monitor of monitors) monitor.stop(error);
    this.#owner.onStop(this);
  }

  /** Other servers are primaries by now: they are asked for as long as it takes. */
  #follow(): void {
    const ids = new Set(this.#owner.primaryIds());
    for (const [id, monitor] of this.#byServer) {
      if (ids.has(id)) continue;
      this.#byServer.delete(id);
      monitor.stop();
    }
    for (const id of ids) {
      if (this.#byServer.has(id)) continue;
      this.#begin(id, { timeoutMs: 0 }).catch(() => {
        // What is wrong was told as trouble; without a deadline it fails only where it is refused.
      });
    }
  }

  async #begin(id: string, terms: CallTerms): Promise<void> {
    const monitor = this.#owner.monitorAt(id);
    this.#byServer.set(id, monitor);
    try {
      await monitor.start(terms);
    } catch (error) {
      // Where another one has taken its place, it is no failure.
      if (this.#byServer.get(id) === monitor) throw error;
    }
  }
}
