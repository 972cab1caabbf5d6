// Who listens to which channel: pure bookkeeping, without a connection. A channel is here from the
// moment somebody wants it until its last listener is gone; `state` says what the server knows of
// it on the present connection.

import { throwUncaught } from '../base/uncaught.js';
import type { PubSubListener, PubSubType, PubSubTypeListeners } from '../wire/protocol.js';
import type { Call } from './calls.js';
import type { SubscriberLink } from './subscriber-link.js';

type AnyListener = PubSubListener<boolean>;

/** Listeners with how many calls have asked for each, so that one that fails takes back its own. */
type Listeners = Map<AnyListener, number>;

/**
 * - `unknown`: the server was not asked on this connection, or has refused;
 * - `asked`: a SUBSCRIBE is on its way;
 * - `confirmed`: messages come.
 */
export type ChannelState = 'unknown' | 'asked' | 'confirmed';

export interface Channel {
  readonly type: PubSubType;
  /** Channel name or pattern. */
  readonly name: string;
  readonly strings: Listeners;
  readonly buffers: Listeners;
  state: ChannelState;
  /** At which server it is had; `undefined`: it has to be found, or was given up. */
  link: SubscriberLink | undefined;
  /** Who waits for its confirmation. */
  awaitedBy: Call[];
  /** Who waits for the confirmation that it is given up. */
  leftBy: Call | undefined;
}

export const PUB_SUB_TYPES = ['CHANNELS', 'PATTERNS', 'SHARDED'] as const;

/** Which type a message is of, and where in it the channel's name, channel and text stand. */
const MESSAGES: Readonly<Record<string, readonly [PubSubType, number, number, number]>> = {
  message: ['CHANNELS', 1, 1, 2],
  pmessage: ['PATTERNS', 1, 2, 3],
  smessage: ['SHARDED', 1, 1, 2],
};

export class Subscriptions {
  readonly #byType: Readonly<Record<PubSubType, Map<string, Channel>>> = {
    CHANNELS: new Map(),
    PATTERNS: new Map(),
    SHARDED: new Map(),
  };

  get isEmpty(): boolean {
    return PUB_SUB_TYPES.every((type) => this.#byType[type].size === 0);
  }

  names(type: PubSubType): string[] {
    return [...this.#byType[type].keys()];
  }

  channels(type: PubSubType): Channel[] {
    return [...this.#byType[type].values()];
  }

  all(): Channel[] {
    return PUB_SUB_TYPES.flatMap((type) => this.channels(type));
  }

  add(type: PubSubType, name: string, listener: AnyListener, wantsBuffers: boolean): Channel {
    const channels = this.#byType[type];
    let channel = channels.get(name);
    if (channel === undefined) {
      channel = newChannel(type, name);
      channels.set(name, channel);
    }
    const listeners = wantsBuffers ? channel.buffers : channel.strings;
    listeners.set(listener, (listeners.get(listener) ?? 0) + 1);
    return channel;
  }

  /**
   * Takes back one `add()` of this channel; the listener stays while others have asked for it.
   * @returns true if that was the end of the channel.
   */
  takeBack(channel: Channel, listener: AnyListener, wantsBuffers: boolean): boolean {
    if (!this.isWanted(channel)) return false;
    const listeners = wantsBuffers ? channel.buffers : channel.strings;
    const claims = listeners.get(listener) ?? 0;
    if (claims > 1) {
      listeners.set(listener, claims - 1);
      return false;
    }
    return this.remove(channel.type, channel.name, listener, wantsBuffers) !== undefined;
  }

  find(type: PubSubType, name: string): Channel | undefined {
    return this.#byType[type].get(name);
  }

  /** False also where it was given up and asked for anew: that is another channel. */
  isWanted(channel: Channel): boolean {
    return this.#byType[channel.type].get(channel.name) === channel;
  }

  /** Removes one listener, or all; returns the channel if that was the end of it. */
  remove(
    type: PubSubType,
    name: string,
    listener?: AnyListener,
    wantsBuffers = false,
  ): Channel | undefined {
    const channel = this.#byType[type].get(name);
    if (channel === undefined) return undefined;
    if (listener !== undefined) {
      (wantsBuffers ? channel.buffers : channel.strings).delete(listener);
      if (channel.buffers.size + channel.strings.size > 0) return undefined;
    }
    this.#byType[type].delete(name);
    return channel;
  }

  clear(): void {
    for (const type of PUB_SUB_TYPES) this.#byType[type].clear();
  }

  /**
   * Hands a message to its listeners. A listener that throws is reported as an uncaught exception,
   * as with any event, and keeps nobody else from the message.
   * @returns false where it is no message, but a confirmation.
   */
  deliver(push: readonly unknown[]): boolean {
    const positions = MESSAGES[String(push[0])];
    if (positions === undefined) return false;
    const [type, nameAt, channelAt, textAt] = positions;
    const listeners = this.#byType[type].get(String(push[nameAt]));
    if (listeners === undefined) return true;
    const [channel, text] = [push[channelAt] as Buffer | string, push[textAt] as Buffer | string];
    // Taken first: a listener may subscribe and unsubscribe, even itself, while it is called.
    const ofBuffers = listenersNow(listeners.buffers);
    const ofStrings = listenersNow(listeners.strings);
    if (ofBuffers.length > 0) callAll(ofBuffers, asBuffer(text), asBuffer(channel));
    if (ofStrings.length > 0) callAll(ofStrings, String(text), String(channel));
    return true;
  }

  /** As node-redis' `getPubSubListeners()` gives them. */
  listeners(type: PubSubType): PubSubTypeListeners {
    const entries = [...this.#byType[type]].map(
      ([name, { strings, buffers }]) =>
        [
          name,
          {
            unsubscribing: false,
            strings: new Set(strings.keys()),
            buffers: new Set(buffers.keys()),
          },
        ] as const,
    );
    return new Map(entries) as unknown as PubSubTypeListeners;
  }
}

function newChannel(type: PubSubType, name: string): Channel {
  return {
    type,
    name,
    strings: new Map(),
    buffers: new Map(),
    state: 'unknown',
    link: undefined,
    awaitedBy: [],
    leftBy: undefined,
  };
}

/** Answers those who wait for a channel that is confirmed, or not wanted any more. */
export function settleAwaiting(channel: Channel): void {
  const calls: readonly Call[] = channel.awaitedBy;
  channel.awaitedBy = [];
  for (const call of calls) call.countDown();
}

const NOBODY: readonly AnyListener[] = [];

function listenersNow(listeners: Listeners): readonly AnyListener[] {
  return listeners.size === 0 ? NOBODY : [...listeners.keys()];
}

function callAll<T extends string | Buffer>(
  listeners: readonly AnyListener[],
  text: T,
  channel: T,
): void {
  for (const listener of listeners) {
    try {
      (listener as (text: T, channel: T) => unknown)(text, channel);
    } catch (error) {
      throwUncaught(error);
    }
  }
}

/** Over RESP2 messages come as text already. */
function asBuffer(value: Buffer | string): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : value;
}
