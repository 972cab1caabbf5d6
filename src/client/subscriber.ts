// A client's subscriptions on a connection of their own, which is taken with the first, given back
// with the last, and replaced when it is lost or too old (`kept-lease.ts`).
//
//   subscribe() --> outbox --(end of the turn: one command for all)--> server
//                                                                        |
//       caller <-- counted down, channel by channel <-- confirmation ----+--> refusal: asked again
//                                                                             one by one, so that
// While nothing is connected, channels and callers wait: all that is wanted   it hits whom it means
// is asked for on the next connection. A call that fails is taken back.

import { PoolError } from '../errors.js';
import { abortedError } from '../node/caller-errors.js';
import { CommandEncoder } from '../wire/encoder.js';
import type { PubSubListener, PubSubType } from '../wire/protocol.js';
import { type Call, Calls, type CallTerms } from './calls.js';
import { finalRefusal } from './final-cause.js';
import { KeptLease, type LeaseSource, type LeaseUser } from './kept-lease.js';
import { type Channel, PUB_SUB_TYPES, Subscriptions } from './subscriptions.js';

/** Channels in one command: a refusal of one of them asks so many again, one by one. */
const MAX_CHANNELS = 1_000;
/** A channel that was had before and is refused now is asked for again after this, ms, at first. */
const REFUSED_PAUSE_MS = 1_000;
/** ... and after twice as much each further time, up to this, ms. */
const MAX_REFUSED_PAUSE_MS = 60_000;

const VERBS = {
  CHANNELS: { on: 'SUBSCRIBE', off: 'UNSUBSCRIBE' },
  PATTERNS: { on: 'PSUBSCRIBE', off: 'PUNSUBSCRIBE' },
  SHARDED: { on: 'SSUBSCRIBE', off: 'SUNSUBSCRIBE' },
} as const;

type AnyListener = PubSubListener<boolean>;

export interface SubscriberOwner extends LeaseSource {
  /** How long the server may take to confirm, unless the caller says otherwise, ms; 0: for ever. */
  readonly timeoutMs: number;
  /** The connection was lost or could not be replaced; another attempt follows. */
  onTrouble(error: Error): void;
  /** A channel that was subscribed before is refused now; it is asked for again, ever more rarely. */
  onRefused(error: Error): void;
}

/** What is to be sent at the end of the turn. */
interface Request {
  readonly type: PubSubType;
  readonly isOn: boolean;
  readonly channels: Channel[];
}

export class Subscriber implements LeaseUser {
  readonly subscriptions = new Subscriptions();
  readonly #owner: SubscriberOwner;
  readonly #lease: KeptLease;
  readonly #calls: Calls;
  #outbox: Request[] = [];
  #refusedPauseMs = REFUSED_PAUSE_MS;
  #refusedTimer: NodeJS.Timeout | undefined;

  constructor(owner: SubscriberOwner) {
    this.#owner = owner;
    this.#lease = new KeptLease(owner, this);
    this.#calls = new Calls(owner.clock);
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
    if (!this.#lease.isConnected) {
      this.#lease.connect();
    } else {
      this.#calls.startClock(call, this.#owner.timeoutMs);
      this.#request(type, true, missing);
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
    for (const channel of gone) settleAwaiting(channel);
    if (!this.#lease.isConnected || gone.length === 0) {
      this.#restIfUnused();
      return;
    }
    const call = this.#calls.open(VERBS[type].off, gone.length, terms);
    this.#calls.startClock(call, this.#owner.timeoutMs);
    for (const channel of gone) channel.leftBy = call;
    this.#request(type, false, gone);
    await call.promise;
  }

  /** Gives up all subscriptions and the connection. */
  close(error: Error): void {
    this.subscriptions.clear();
    clearTimeout(this.#refusedTimer);
    this.#refusedTimer = undefined;
    // What was being given up is gone; what was being asked for won't come.
    this.#forgetOutbox();
    this.#lease.rest();
    this.#calls.rejectAll(error);
  }

  get isNeeded(): boolean {
    return !this.subscriptions.isEmpty;
  }

  onConnected(): void {
    this.#forgetOutbox();
    for (const channel of this.subscriptions.all()) channel.state = 'unknown';
    for (const type of PUB_SUB_TYPES) this.#request(type, true, this.subscriptions.channels(type));
    this.#calls.startClocks(this.#owner.timeoutMs);
    this.#flush();
    this.#restIfUnused();
  }

  deliver(reply: unknown): boolean {
    return Array.isArray(reply) && this.subscriptions.deliver(reply);
  }

  onLost(error: Error, isInVain: boolean): void {
    this.#forgetOutbox();
    this.#calls.stopClocks();
    if (isInVain) this.#calls.rejectAll(error);
    for (const channel of this.subscriptions.all()) channel.state = 'unknown';
  }

  /** Who waits goes on waiting, unless it would be in vain; what was subscribed stays wanted. */
  onConnectFailed(error: Error): void {
    const final = finalRefusal(error);
    if (final !== undefined) this.#calls.rejectAll(final);
    if ((error as Partial<PoolError>).code === 'POOL_CLOSED') this.close(error);
  }

  onTrouble(error: Error): void {
    this.#owner.onTrouble(error);
  }

  /** Puts channels in the outbox, together with what this turn asks for in the same way. */
  #request(type: PubSubType, isOn: boolean, channels: readonly Channel[]): void {
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

  #flush(): void {
    const requests = this.#outbox;
    this.#outbox = [];
    for (const { type, isOn, channels } of requests) {
      for (let start = 0; start < channels.length; start += MAX_CHANNELS) {
        const some = channels.slice(start, start + MAX_CHANNELS);
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
      for (const { leftBy } of channels) leftBy?.reject(error);
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
        this.#restIfUnused();
      },
      onRefused: (error: Error) => {
        outcome.onRefused(error);
        this.#restIfUnused();
      },
      onGone: outcome.onGone,
    };
    this.#lease.ask(question, encoder.payload() as string);
  }

  #onConfirmed(channel: Channel): void {
    if (!this.subscriptions.isWanted(channel)) return;
    channel.state = 'confirmed';
    this.#refusedPauseMs = REFUSED_PAUSE_MS;
    settleAwaiting(channel);
  }

  /** The server refuses a command as a whole, so whom it means shows when each is asked alone. */
  #onRefused(type: PubSubType, channels: readonly Channel[], refusal: Error): void {
    const wanted = channels.filter((channel) => this.subscriptions.isWanted(channel));
    if (channels.length > 1) {
      for (const channel of wanted) this.#askFor(type, [channel]);
      return;
    }
    for (const channel of wanted) {
      channel.state = 'unknown';
      for (const call of channel.awaitedBy.splice(0)) call.reject(refusal);
      if (this.subscriptions.isWanted(channel)) this.#askAgainLater(refusal);
    }
  }

  /** Others have had the channel before: it stays wanted, as the right may come back. */
  #askAgainLater(refusal: Error): void {
    if (this.#refusedTimer !== undefined) return;
    this.#refusedTimer = setTimeout(() => {
      this.#refusedTimer = undefined;
      if (!this.#lease.isConnected) return;
      for (const type of PUB_SUB_TYPES)
        this.#request(type, true, this.subscriptions.channels(type));
    }, this.#refusedPauseMs);
    // The connection keeps the process alive, or, if nothing shall, nothing does.
    this.#refusedTimer.unref();
    this.#refusedPauseMs = Math.min(this.#refusedPauseMs * 2, MAX_REFUSED_PAUSE_MS);
    this.#owner.onRefused(refusal);
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
    for (const channel of gone) settleAwaiting(channel);
    const known = gone.filter(({ state }) => state !== 'unknown');
    if (this.#lease.isConnected && known.length > 0) this.#request(type, false, known);
    else this.#restIfUnused();
  }

  /** What was to be sent is asked for anew on the next connection, or not wanted there. */
  #forgetOutbox(): void {
    for (const { isOn, channels } of this.#outbox.splice(0)) {
      if (isOn) continue;
      for (const { leftBy } of channels) leftBy?.countDown();
    }
  }

  #restIfUnused(): void {
    if (this.isNeeded || this.#outbox.length > 0 || !this.#lease.isQuiet) return;
    clearTimeout(this.#refusedTimer);
    this.#refusedTimer = undefined;
    this.#lease.rest();
  }
}

/** Answers those who wait for a channel that is confirmed, or not wanted any more. */
function settleAwaiting(channel: Channel): void {
  const calls: readonly Call[] = channel.awaitedBy;
  channel.awaitedBy = [];
  for (const call of calls) call.countDown();
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
