// A client's subscriptions: what is wanted, who waits for it, and at which server it is had. There
// is one connection for all of them (`subscriber-link.ts`), which is taken with the first, given
// back with the last, and replaced when it is lost or too old. In a cluster a shard channel is had
// from the server of its slot alone, so that there is a connection to each such server besides, and
// channels change over when their slot does (`ShardHomes`).
//
// A call that fails is taken back.

import { PoolError } from '../errors.js';
import { abortedError } from '../node/caller-errors.js';
import type { PubSubListener, PubSubType } from '../wire/protocol.js';
import { type Call, Calls, type CallTerms } from './calls.js';
import { Resettlement, type ShardHomes } from './cluster/shard-homes.js';
import type { LeaseSource } from './kept-lease.js';
import { SubscriberLink, type SubscriberLinkOwner, VERBS } from './subscriber-link.js';
import { type Channel, Subscriptions, settleAwaiting } from './subscriptions.js';

type AnyListener = PubSubListener<boolean>;

export interface SubscriberOwner {
  /** Where shard channels are had; `undefined`: where all others are. */
  readonly shards: ShardHomes | undefined;
  /** How long the server may take to confirm, unless the caller says otherwise, ms; 0: for ever. */
  readonly timeoutMs: number;
  /** The connection was lost or could not be replaced; another attempt follows. */
  onTrouble(error: Error): void;
  /** All that was asked for is confirmed. */
  onRestored(): void;
  /** A channel that was subscribed before is refused now; it is asked for again, ever more rarely. */
  onRefused(error: Error): void;
  /** A server gave a shard channel up; it is asked for elsewhere, and messages may have been missed. */
  onMoved(channel: string): void;
}

export class Subscriber implements SubscriberLinkOwner {
  readonly subscriptions = new Subscriptions();
  readonly #owner: SubscriberOwner;
  readonly #calls: Calls;
  readonly #common: SubscriberLink;
  /** By the id of the server. */
  readonly #ofShards = new Map<string, SubscriberLink>();
  readonly #resettlement: Resettlement | undefined;

  /** @param source Where the connection for all but shard channels comes from. */
  constructor(source: LeaseSource, owner: SubscriberOwner) {
    this.#owner = owner;
    this.#calls = new Calls(source.clock);
    this.#common = new SubscriberLink(source, undefined, this);
    if (owner.shards === undefined) return;
    this.#resettlement = new Resettlement(owner.shards, source, {
      isWanted: (channel) => this.isWanted(channel),
      onFound: (channel, endpointId) => this.#settle(channel, endpointId, undefined),
    });
  }

  /**
   * Resolves when the server confirmed all channels, at once or when it is there again. Rejects
   * with its refusal, or a PoolError; then nothing of this call is left.
   */
  async subscribe(
    type: PubSubType,
    names: string | readonly string[],
    listener: AnyListener,
    wantsBuffers = false,
    terms: CallTerms = {},
  ): Promise<void> {
    const wanted = checkedNames(names);
    refuseAborted(VERBS[type].on, terms);
    if (typeof listener !== 'function') throw invalid('the listener must be a function');
    const channels = wanted.map((name) =>
      this.subscriptions.add(type, name, listener, wantsBuffers),
    );
    const missing = channels.filter(({ state }) => state !== 'confirmed');
    if (missing.length === 0) return;
    const call = this.#calls.open(VERBS[type].on, missing.length, terms, () => {
      this.#takeBack(type, channels, listener, wantsBuffers);
    });
    for (const channel of missing) channel.awaitedBy.push(call);
    if (type === 'SHARDED' && this.#resettlement !== undefined) {
      for (const channel of missing) this.#askShard(this.#resettlement, channel, call);
    } else {
      for (const channel of missing) join(this.#common, channel);
      this.#common.ask(type, missing, call);
    }
    await call.promise;
  }

  /** Resolves when the server confirmed, or the connection is gone and the channels with it. */
  async unsubscribe(
    type: PubSubType,
    names: string | readonly string[] = this.subscriptions.names(type),
    listener?: AnyListener,
    wantsBuffers = false,
    terms: CallTerms = {},
  ): Promise<void> {
    refuseAborted(VERBS[type].off, terms);
    const gone = (names.length === 0 ? [] : checkedNames(names))
      .map((name) => this.subscriptions.remove(type, name, listener, wantsBuffers))
      .filter((channel) => channel !== undefined);
    const links = gone.map((channel) => leave(channel));
    for (const channel of gone) settleAwaiting(channel);
    const asked = gone.filter((_, index) => links[index]?.isConnected);
    if (asked.length === 0) {
      this.#restIfUnused();
      return;
    }
    const call = this.#calls.open(VERBS[type].off, asked.length, terms);
    this.#calls.startClock(call, this.#owner.timeoutMs);
    for (const channel of asked) channel.leftBy = call;
    for (const [index, channel] of gone.entries()) {
      const link = links[index];
      if (link?.isConnected) link.request(type, false, [channel]);
    }
    await call.promise;
  }

  /** Gives up all subscriptions and the connections. */
  close(error: Error): void {
    this.subscriptions.clear();
    this.#resettlement?.stop();
    for (const link of [this.#common, ...this.#ofShards.values()]) {
      link.channels.clear();
      link.close();
    }
    this.#ofShards.clear();
    this.#calls.rejectAll(error);
  }

  isWanted(channel: Channel): boolean {
    return this.subscriptions.isWanted(channel);
  }

  deliver(reply: readonly unknown[]): boolean {
    return this.subscriptions.deliver(reply);
  }

  startClock(call: Call): void {
    this.#calls.startClock(call, this.#owner.timeoutMs);
  }

  stopClock(call: Call): void {
    this.#calls.stopClock(call);
  }

  onSentAway(_link: SubscriberLink, channel: Channel): void {
    this.#moveOut(channel);
    this.#restIfUnused();
  }

  onTakenBack(link: SubscriberLink, name: string): boolean {
    const channel = this.subscriptions.find('SHARDED', name);
    // What is not confirmed was not taken back: its server answers to what was asked before.
    if (channel?.state !== 'confirmed' || channel.link !== link) return false;
    this.#moveOut(channel);
    this.#owner.onMoved(name);
    this.#restIfUnused();
    return true;
  }

  onAway(link: SubscriberLink): void {
    const { shards } = this.#owner;
    if (link.endpointId === undefined || shards === undefined) return;
    for (const channel of [...link.channels]) {
      if (shards.homeOf(channel.name) === link.endpointId) continue;
      this.#moveOut(channel);
      this.#owner.onMoved(channel.name);
    }
    this.#restIfUnused();
  }

  onClosed(error: Error): void {
    this.close(error);
  }

  onTrouble(error: Error): void {
    this.#owner.onTrouble(error);
  }

  onRestored(): void {
    this.#owner.onRestored();
  }

  onRefused(error: Error): void {
    this.#owner.onRefused(error);
  }

  #askShard(resettlement: Resettlement, channel: Channel, call: Call): void {
    if (resettlement.has(channel)) return;
    const endpointId = channel.link?.endpointId ?? this.#owner.shards?.homeOf(channel.name);
    if (endpointId === undefined) resettlement.add(channel);
    else this.#settle(channel, endpointId, call);
  }

  /** The channel is had at that server from now on. */
  #settle(channel: Channel, endpointId: string, call: Call | undefined): void {
    let link = this.#ofShards.get(endpointId);
    if (link === undefined) {
      const source = (this.#owner.shards as ShardHomes).sourceOf(endpointId);
      link = new SubscriberLink(source, endpointId, this);
      this.#ofShards.set(endpointId, link);
    }
    join(link, channel);
    link.ask('SHARDED', [channel], call);
    if (call === undefined && link.isConnected) {
      for (const waiting of channel.awaitedBy) this.startClock(waiting);
    }
  }

  /** The channel is no more had where it was, and its new server has to be found. */
  #moveOut(channel: Channel): void {
    leave(channel);
    channel.state = 'unknown';
    for (const call of channel.awaitedBy) this.stopClock(call);
    if (this.isWanted(channel)) this.#resettlement?.add(channel);
  }

  /** Undoes a call that failed, where others have not asked for the same. */
  #takeBack(
    type: PubSubType,
    channels: readonly Channel[],
    listener: AnyListener,
    wantsBuffers: boolean,
  ): void {
    const gone = channels.filter((channel) =>
      this.subscriptions.takeBack(channel, listener, wantsBuffers),
    );
    for (const channel of gone) {
      const link = leave(channel);
      settleAwaiting(channel);
      if (link?.isConnected && channel.state !== 'unknown') link.request(type, false, [channel]);
    }
    this.#restIfUnused();
  }

  #restIfUnused(): void {
    this.#common.restIfUnused();
    for (const [endpointId, link] of this.#ofShards) {
      link.restIfUnused();
      if (!link.isNeeded && !link.isConnected) this.#ofShards.delete(endpointId);
    }
  }
}

function join(link: SubscriberLink, channel: Channel): void {
  channel.link = link;
  link.channels.add(channel);
}

/** Returns where it was had. */
function leave(channel: Channel): SubscriberLink | undefined {
  const { link } = channel;
  channel.link = undefined;
  link?.channels.delete(channel);
  return link;
}

function refuseAborted(verb: string, { signal }: CallTerms): void {
  if (signal?.aborted) throw abortedError(verb, signal, false);
}

function checkedNames(names: unknown): string[] {
  const list = Array.isArray(names) ? names : [names];
  const isRight = list.length > 0 && list.every((name) => typeof name === 'string');
  if (!isRight) throw invalid('channels must be a string or a non-empty array of strings');
  return [...new Set(list as string[])];
}

function invalid(what: string): PoolError {
  return new PoolError('INVALID_ARGUMENT', `Subscribing: ${what}`, { sent: false });
}
