// Where shard channels are had in a cluster, and the way of those that have to find their server
// anew: its slot moved, or a replica took over. They are looked for by slot, again and again with a
// pause in between, for as long as somebody wants them.

import { keySlot } from '../../base/key-slot.js';
import type { LeaseSource } from '../kept-lease.js';
import type { Channel } from '../subscriptions.js';

/** Between two looks, ms, at first and at most; the first look after a calm time is at once. */
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 1_000;

export interface ShardHomes {
  /** Whose the channel is, as far as is known. */
  homeOf(channel: string): string | undefined;
  /** Asks whose a slot is, so that what is known is right afterwards; it may reject. */
  find(slot: number, channel: string): Promise<unknown>;
  /** Where connections to that server come from. */
  sourceOf(endpointId: string): LeaseSource;
}

export interface ResettlementOwner {
  isWanted(channel: Channel): boolean;
  onFound(channel: Channel, endpointId: string): void;
}

export class Resettlement {
  readonly #shards: ShardHomes;
  readonly #keeper: Pick<LeaseSource, 'keepsAlive' | 'clock'>;
  readonly #owner: ResettlementOwner;
  readonly #homeless = new Set<Channel>();
  #isLooking = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #pauseMs = FIRST_PAUSE_MS;
  #pause: NodeJS.Timeout | undefined;

  constructor(
    shards: ShardHomes,
    keeper: Pick<LeaseSource, 'keepsAlive' | 'clock'>,
    owner: ResettlementOwner,
  ) {
    this.#shards = shards;
    this.#keeper = keeper;
    this.#owner = owner;
  }

  has(channel: Channel): boolean {
    return this.#homeless.has(channel);
  }

  add(channel: Channel): void {
    this.#homeless.add(channel);
    if (!this.#isLooking && this.#pause === undefined) this.#lookSoon();
  }

  stop(): void {
    this.#homeless.clear();
    clearTimeout(this.#pause);
    this.#pause = undefined;
  }

  /** At once, unless the last look was a moment ago: then servers don't agree yet. */
  #lookSoon(): void {
    if (this.#keeper.clock.now() - this.#lookedAt >= MAX_PAUSE_MS) {
      this.#pauseMs = FIRST_PAUSE_MS;
      void this.#look();
      return;
    }
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      void this.#look();
    }, this.#pauseMs);
    if (!this.#keeper.keepsAlive) this.#pause.unref();
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  }

  /** One look for each slot; what was not found stays for the next one. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    // Later, so that all of a slot's channels are there.
    await Promise.resolve();
    const bySlot = new Map<number, Channel[]>();
    for (const channel of [...this.#homeless]) {
      const slot = keySlot(channel.name);
      if (!this.#owner.isWanted(channel)) this.#homeless.delete(channel);
      else if (bySlot.has(slot)) bySlot.get(slot)?.push(channel);
      else bySlot.set(slot, [channel]);
    }
    await Promise.all(Array.from(bySlot, ([slot, channels]) => this.#lookFor(slot, channels)));
    this.#isLooking = false;
    this.#lookedAt = this.#keeper.clock.now();
    if (this.#homeless.size > 0) this.#lookSoon();
  }

  async #lookFor(slot: number, channels: readonly Channel[]): Promise<void> {
    const [first] = channels as [Channel];
    try {
      await this.#shards.find(slot, first.name);
    } catch {
      // Whoever serves it can't be asked; the next look may find another one.
      return;
    }
    const endpointId = this.#shards.homeOf(first.name);
    if (endpointId === undefined) return;
    for (const channel of channels) {
      const isStillHomeless = this.#homeless.delete(channel);
      if (isStillHomeless && this.#owner.isWanted(channel)) {
        this.#owner.onFound(channel, endpointId);
      }
    }
  }
}
