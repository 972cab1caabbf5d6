// Who listens to which channel: pure bookkeeping, without a connection. A channel is here from the
// moment somebody wants it until its last listener is gone; `isConfirmed` says whether the server
// knows of it on the present connection.

import type { PubSubListener, PubSubType, PubSubTypeListeners } from '../wire/protocol.js';

type AnyListener = PubSubListener<boolean>;

export interface Channel {
  readonly type: PubSubType;
  /** Channel name or pattern. */
  readonly name: string;
  readonly strings: Set<AnyListener>;
  readonly buffers: Set<AnyListener>;
  isConfirmed: boolean;
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

  get(type: PubSubType, name: string): Channel | undefined {
    return this.#byType[type].get(name);
  }

  names(type: PubSubType): string[] {
    return [...this.#byType[type].keys()];
  }

  all(): Channel[] {
    return PUB_SUB_TYPES.flatMap((type) => [...this.#byType[type].values()]);
  }

  add(type: PubSubType, name: string, listener: AnyListener, wantsBuffers: boolean): Channel {
    const channels = this.#byType[type];
    let channel = channels.get(name);
    if (channel === undefined) {
      channel = { type, name, strings: new Set(), buffers: new Set(), isConfirmed: false };
      channels.set(name, channel);
    }
    (wantsBuffers ? channel.buffers : channel.strings).add(listener);
    return channel;
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
    for (const listener of listeners.buffers) call(listener, asBuffer(text), asBuffer(channel));
    for (const listener of listeners.strings) call(listener, String(text), String(channel));
    return true;
  }

  /** As node-redis' `getPubSubListeners()` gives them. */
  listeners(type: PubSubType): PubSubTypeListeners {
    const entries = [...this.#byType[type]].map(
      ([name, { strings, buffers }]) => [name, { unsubscribing: false, strings, buffers }] as const,
    );
    return new Map(entries) as unknown as PubSubTypeListeners;
  }
}

function call<T extends string | Buffer>(listener: AnyListener, text: T, channel: T): void {
  try {
    (listener as (text: T, channel: T) => unknown)(text, channel);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Over RESP2 messages come as text already. */
function asBuffer(value: Buffer | string): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : value;
}
