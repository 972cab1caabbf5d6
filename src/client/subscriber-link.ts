// One server's part in a client's subscriptions: a kept connection (`kept-lease.ts`), and what was
// asked on it. What is wanted, and who waits for it, is the subscriber's.
//
//   ask() --> outbox --(end of the turn: one command for all)--> server
//                                                                   |
//       caller <-- counted down, channel by channel <-- confirmation +--> refusal: asked again
//                                                                         one by one, so that
// While nothing is connected, channels wait: all that is wanted here is   it hits whom it means
// asked for on the next connection.

import type { PoolError } from '../errors.js';
import { isOfSlots } from '../policy/reply-verdict.js';
import { CommandEncoder } from '../wire/encoder.js';
import type { PubSubType } from '../wire/protocol.js';
import type { Call } from './calls.js';
import { finalRefusal } from './final-cause.js';
import { KeptLease, type LeaseSource, type LeaseUser } from './kept-lease.js';
import { type Channel, PUB_SUB_TYPES, settleAwaiting } from './subscriptions.js';

/** Channels in one command: a refusal of one of them asks so many again, one by one. */
const MAX_CHANNELS = 1_000;
/** A channel that was had before and is refused now is asked for again after this, ms, at first. */
const REFUSED_PAUSE_MS = 1_000;
/** ... and after twice as much each further time, up to this, ms. */
const MAX_REFUSED_PAUSE_MS = 60_000;

export const VERBS = {
  CHANNELS: { on: 'SUBSCRIBE', off: 'UNSUBSCRIBE' },
  PATTERNS: { on: 'PSUBSCRIBE', off: 'PUNSUBSCRIBE' },
  SHARDED: { on: 'SSUBSCRIBE', off: 'SUNSUBSCRIBE' },
} as const;

export interface SubscriberLinkOwner {
  isWanted(channel: Channel): boolean;
  /** Hands a message to its listeners; false: it is none. */
  deliver(reply: readonly unknown[]): boolean;
  /** The server was asked: who named no deadline waits so long from now on. */
  startClock(call: Call): void;
  /** Nobody can be asked just now: who named no deadline has time. */
  stopClock(call: Call): void;
  /** The server does not have the shard channel, or has it no more. */
  onSentAway(link: SubscriberLink, channel: Channel): void;
  /** The server sent an `sunsubscribe` that may be no answer; false: it is one, or means nothing. */
  onTakenBack(link: SubscriberLink, name: string): boolean;
  /** The server can't be had just now: what is wanted there may be another's by now. */
  onAway(link: SubscriberLink): void;
  onClosed(error: Error): void;
  onTrouble(error: Error): void;
  /** All that was asked for is confirmed. */
  onRestored(): void;
  /** A channel that was subscribed before is refused now; it is asked for again, ever more rarely. */
  onRefused(error: Error): void;
}

/** What is to be sent at the end of the turn. */
interface Request {
  readonly type: PubSubType;
  readonly isOn: boolean;
  readonly channels: Channel[];
}

export class SubscriberLink implements LeaseUser {
  /** The server that it is for alone; `undefined`: any will do. */
  readonly endpointId: string | undefined;
  /** All that is wanted here; the owner says what that is. */
  readonly channels = new Set<Channel>();
  readonly #owner: SubscriberLinkOwner;
  readonly #lease: KeptLease;
  #outbox: Request[] = [];
  #refusedPauseMs = REFUSED_PAUSE_MS;
  #refusedTimer: NodeJS.Timeout | undefined;

  constructor(source: LeaseSource, endpointId: string | undefined, owner: SubscriberLinkOwner) {
    this.endpointId = endpointId;
    this.#owner = owner;
    this.#lease = new KeptLease(source, this);
  }

  get isConnected(): boolean {
    return this.#lease.isConnected;
  }

  get isNeeded(): boolean {
    return this.channels.size > 0;
  }

  /** Asks for channels, now or once it is connected. @param call Who waits for them. */
  ask(type: PubSubType, channels: readonly Channel[], call: Call | undefined): void {
    if (!this.#lease.isConnected) {
      this.#lease.connect();
      return;
    }
    if (call !== undefined) this.#owner.startClock(call);
    this.request(type, true, channels);
  }

  /** Puts channels in the outbox, together with what this turn asks for in the same way. */
  request(type: PubSubType, isOn: boolean, channels: readonly Channel[]): void {
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush());
    let last = this.#outbox[this.#outbox.length - 1];
    if (last?.type !== type || last.isOn !== isOn) {
      last = { type, isOn, channels: [] };
      this.#outbox.push(last);
    }
    for (const channel of channels) {
      if (isOn && channel.state !== 'unknown') continue;
      if (isOn) channel.state = 'asked';
      last.channels.push(channel);
    }
  }

  /** Gives up the connection. */
  close(): void {
    clearTimeout(this.#refusedTimer);
    this.#refusedTimer = undefined;
    // What was being given up is gone; what was being asked for won't come.
    this.#forgetOutbox();
    this.#lease.rest();
  }

  restIfUnused(): void {
    if (this.isNeeded || this.#outbox.length > 0 || !this.#lease.isQuiet) return;
    this.close();
  }

  onConnected(): void {
    this.#forgetOutbox();
    for (const channel of this.channels) {
      channel.state = 'unknown';
      for (const call of channel.awaitedBy) this.#owner.startClock(call);
    }
    this.#requestAll();
    this.#flush();
    this.restIfUnused();
  }

  deliver(reply: unknown): boolean {
    if (!Array.isArray(reply)) return false;
    if (this.#owner.deliver(reply)) return true;
    const isTakenBack = this.endpointId !== undefined && String(reply[0]) === 'sunsubscribe';
    return isTakenBack && this.#owner.onTakenBack(this, String(reply[1]));
  }

  onLost(error: Error, isInVain: boolean): void {
    this.#forgetOutbox();
    for (const channel of [...this.channels]) {
      channel.state = 'unknown';
      for (const call of [...channel.awaitedBy]) {
        this.#owner.stopClock(call);
        if (isInVain) call.reject(error);
      }
    }
    this.#owner.onAway(this);
  }

  /** Who waits goes on waiting, unless it would be in vain; what was subscribed stays wanted. */
  onConnectFailed(error: Error): void {
    const final = finalRefusal(error);
    if (final !== undefined) this.#rejectAll(final);
    if ((error as Partial<PoolError>).code === 'POOL_CLOSED') this.#owner.onClosed(error);
    else this.#owner.onAway(this);
  }

  onTrouble(error: Error): void {
    this.#owner.onTrouble(error);
  }

  #rejectAll(error: Error): void {
    for (const { awaitedBy } of [...this.channels]) {
      for (const call of [...awaitedBy]) call.reject(error);
    }
  }

  #requestAll(): void {
    const channels = [...this.channels];
    for (const type of PUB_SUB_TYPES) {
      const some = channels.filter((channel) => channel.type === type);
      if (some.length > 0) this.request(type, true, some);
    }
  }

  #flush(): void {
    const requests = this.#outbox;
    this.#outbox = [];
    // Shard channels of several slots have no place in one command.
    const most = this.endpointId === undefined ? MAX_CHANNELS : 1;
    for (const { type, isOn, channels } of requests) {
      for (let start = 0; start < channels.length; start += most) {
        const some = channels.slice(start, start + most);
        if (isOn) this.#askFor(type, some);
        else this.#giveUp(type, some);
      }
    }
  }

  #askFor(type: PubSubType, channels: readonly Channel[]): void {
    this.#send(VERBS[type].on, channels, {
      onAnswered: () => {
        for (const channel of channels) this.#onConfirmed(channel);
      },
      onRefused: (error) => this.#onRefused(type, channels, error),
      onGone() {},
    });
  }

  #giveUp(type: PubSubType, channels: readonly Channel[]): void {
    const settle = () => {
      for (const { leftBy } of channels) leftBy?.countDown();
    };
    const onRefused = (error: Error) => {
      // A server that has the channel no more has nothing to give up.
      if (this.#isSentAway(error)) settle();
      else for (const { leftBy } of channels) leftBy?.reject(error);
    };
    this.#send(VERBS[type].off, channels, { onAnswered: settle, onRefused, onGone: settle });
  }

  #send(
    verb: string,
    channels: readonly Channel[],
    outcome: { onAnswered(): void; onRefused(error: Error): void; onGone(): void },
  ): void {
    const encoder = new CommandEncoder();
    encoder.push(verb);
    for (const { name } of channels) encoder.push(name);
    const question = {
      verb,
      awaited: channels.length,
      onAnswered: () => {
        outcome.onAnswered();
        if (this.#lease.isQuiet && this.#outbox.length === 0) this.#owner.onRestored();
        this.restIfUnused();
      },
      onRefused: (error: Error) => {
        outcome.onRefused(error);
        this.restIfUnused();
      },
      onGone: outcome.onGone,
    };
    this.#lease.ask(question, encoder.payload() as string);
  }

  #onConfirmed(channel: Channel): void {
    if (!this.#owner.isWanted(channel)) return;
    channel.state = 'confirmed';
    this.#refusedPauseMs = REFUSED_PAUSE_MS;
    settleAwaiting(channel);
  }

  /** The server refuses a command as a whole, so whom it means shows when each is asked alone. */
  #onRefused(type: PubSubType, channels: readonly Channel[], refusal: Error): void {
    const wanted = channels.filter((channel) => this.#owner.isWanted(channel));
    if (channels.length > 1) {
      for (const channel of wanted) this.#askFor(type, [channel]);
      return;
    }
    for (const channel of wanted) {
      channel.state = 'unknown';
      if (this.#isSentAway(refusal)) {
        this.#owner.onSentAway(this, channel);
        continue;
      }
      for (const call of channel.awaitedBy.splice(0)) call.reject(refusal);
      if (this.#owner.isWanted(channel)) this.#askAgainLater(refusal);
    }
  }

  /** The channel is another server's, or nobody's for now. */
  #isSentAway(refusal: Error): boolean {
    return this.endpointId !== undefined && isOfSlots(refusal.message);
  }

  /** Others have had the channel before: it stays wanted, as the right may come back. */
  #askAgainLater(refusal: Error): void {
    if (this.#refusedTimer !== undefined) return;
    this.#refusedTimer = setTimeout(() => {
      this.#refusedTimer = undefined;
      if (this.#lease.isConnected) this.#requestAll();
    }, this.#refusedPauseMs);
    // The connection keeps the process alive, or, if nothing shall, nothing does.
    this.#refusedTimer.unref();
    this.#refusedPauseMs = Math.min(this.#refusedPauseMs * 2, MAX_REFUSED_PAUSE_MS);
    this.#owner.onRefused(refusal);
  }

  /** What was to be sent is asked for anew on the next connection, or not wanted there. */
  #forgetOutbox(): void {
    for (const { isOn, channels } of this.#outbox.splice(0)) {
      if (isOn) continue;
      for (const { leftBy } of channels) leftBy?.countDown();
    }
  }
}
