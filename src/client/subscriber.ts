// Keeps a client's subscriptions alive on a leased connection of their own: taken with the first,
// given back with the last, and replaced when it is lost.
//
//   idle --subscribe--> connecting --lease--> connected --last one gone--> idle
//                          ^   |(fails)           |
//                          |   v                  |(lost: everything is subscribed again)
//                          pausing <--------------+      25 ms, 50 ms, ... 1 s
//
// The server confirms in the order of the commands, so the one at the head of `#sent` is meant by
// each confirmation, and by an error: wire ends the connection then, as no command awaits a reply.

import { PoolError } from '../errors.js';
import { retryWaitMs } from '../policy/retry.js';
import type { AcquireOptions } from '../pool/executor.js';
import type { ConnectionLease } from '../pool/lease.js';
import { CommandEncoder } from '../wire/encoder.js';
import { ErrorReply, type PubSubListener, type PubSubType } from '../wire/protocol.js';
import { type Channel, Subscriptions } from './subscriptions.js';

const NEVER_GIVES_UP = {
  retries: Number.POSITIVE_INFINITY,
  baseMs: 25,
  factor: 2,
  capMs: 1_000,
  jitter: false,
};

const VERBS = {
  CHANNELS: { on: 'SUBSCRIBE', off: 'UNSUBSCRIBE' },
  PATTERNS: { on: 'PSUBSCRIBE', off: 'PUNSUBSCRIBE' },
  SHARDED: { on: 'SSUBSCRIBE', off: 'SUNSUBSCRIBE' },
} as const;

export interface SubscriberOwner {
  /** How long a subscription may take, ms; 0: for ever. */
  readonly timeoutMs: number;
  /** How long the connection may be silent before it is asked for a sign of life, ms. */
  readonly healthCheckIntervalMs: number;
  acquireLease(options: AcquireOptions): Promise<ConnectionLease>;
  /** Sends PING on the lease; rejects when no answer comes in time. */
  ping(lease: ConnectionLease): Promise<unknown>;
  /** The connection was lost or could not be replaced; another attempt follows. */
  onTrouble(error: Error): void;
}

/** A command on its way whose confirmations have not all come. */
interface SentCommand {
  readonly verb: string;
  readonly channels: readonly Channel[];
  awaited: number;
  /** For UNSUBSCRIBE: tells who asked. */
  readonly onDone: (() => void) | undefined;
}

/** A caller of subscribe(). */
interface Caller {
  readonly channels: readonly Channel[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Subscriber {
  readonly subscriptions = new Subscriptions();
  readonly #owner: SubscriberOwner;
  readonly #callers = new Set<Caller>();
  #sent: SentCommand[] = [];
  #lease: ConnectionLease | undefined;
  #connecting: AbortController | undefined;
  #pause: NodeJS.Timeout | undefined;
  #pulse: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(owner: SubscriberOwner) {
    this.#owner = owner;
  }

  /** Resolves when the server confirmed all channels. Rejects with its refusal, or a PoolError. */
  async subscribe(
    type: PubSubType,
    names: string | readonly string[],
    listener: PubSubListener<boolean>,
    wantsBuffers = false,
  ): Promise<void> {
    const wanted = checkedNames(names);
    if (typeof listener !== 'function') throw invalid('the listener must be a function');
    const channels = wanted.map((name) =>
      this.subscriptions.add(type, name, listener, wantsBuffers),
    );
    const missing = channels.filter(({ isConfirmed }) => !isConfirmed);
    if (missing.length === 0) return;
    const confirmed = this.#confirmation(VERBS[type].on, missing, () => {
      void this.unsubscribe(type, wanted, listener, wantsBuffers);
    });
    if (this.#lease !== undefined) this.#send(VERBS[type].on, missing);
    else if (this.#pause === undefined) this.#connect();
    await confirmed;
  }

  /** Resolves when the server confirmed, or the connection is gone and the channels with it. */
  async unsubscribe(
    type: PubSubType,
    names: string | readonly string[] = this.subscriptions.names(type),
    listener?: PubSubListener<boolean>,
    wantsBuffers = false,
  ): Promise<void> {
    const gone = (names.length === 0 ? [] : checkedNames(names))
      .map((name) => this.subscriptions.remove(type, name, listener, wantsBuffers))
      .filter((channel) => channel !== undefined);
    if (this.#lease === undefined || gone.length === 0) {
      this.#settleCallers();
      this.#restIfUnused();
      return;
    }
    await new Promise<void>((resolve) => this.#send(VERBS[type].off, gone, resolve));
  }

  /** Gives up all subscriptions and the connection. */
  close(error: Error): void {
    this.subscriptions.clear();
    for (const caller of [...this.#callers]) caller.reject(error);
    for (const { onDone } of this.#sent.splice(0)) onDone?.();
    this.#restIfUnused();
  }

  /** Settles with the confirmation of all channels; rejects when it is late, or refused. */
  #confirmation(verb: string, channels: readonly Channel[], undo: () => void): Promise<void> {
    const { timeoutMs } = this.#owner;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#callers.delete(caller);
        act();
      };
      const caller: Caller = {
        channels,
        resolve: () => settle(resolve),
        reject: (error) => {
          settle(() => reject(error));
          undo();
        },
      };
      const timer =
        timeoutMs === 0
          ? undefined
          : setTimeout(() => caller.reject(late(verb, timeoutMs)), timeoutMs);
      this.#callers.add(caller);
    });
  }

  #connect(): void {
    if (this.#connecting !== undefined) return;
    const connecting = new AbortController();
    this.#connecting = connecting;
    this.#owner.acquireLease({ isLongLived: true, signal: connecting.signal }).then(
      (lease) => {
        if (this.#connecting === connecting) this.#onConnected(lease);
        else lease.release();
      },
      (error: Error) => {
        if (this.#connecting === connecting) this.#onConnectFailed(error);
      },
    );
  }

  #onConnected(lease: ConnectionLease): void {
    this.#connecting = undefined;
    this.#lease = lease;
    lease.onPush = (push) => this.#onPush(push);
    lease.onLost = (error) => this.#onLost(error);
    if (lease.lostError !== undefined) {
      this.#onLost(lease.lostError);
      return;
    }
    this.#startPulse(lease);
    // One command for each channel, so that an error says which one is refused.
    for (const channel of this.subscriptions.all()) this.#send(VERBS[channel.type].on, [channel]);
    this.#restIfUnused();
  }

  #onConnectFailed(error: Error): void {
    this.#connecting = undefined;
    // Whoever waits is told at once; what had been subscribed before stays wanted.
    for (const caller of [...this.#callers]) caller.reject(error);
    if (this.subscriptions.isEmpty) return;
    if ((error as Partial<PoolError>).code === 'POOL_CLOSED') this.close(error);
    else this.#reconnectLater(error);
  }

  #onLost(error: Error): void {
    const head = this.#sent[0];
    for (const { onDone } of this.#sent.splice(0)) onDone?.();
    this.#lease = undefined;
    clearInterval(this.#pulse);
    for (const channel of this.subscriptions.all()) channel.isConfirmed = false;
    const refusal = error.cause instanceof ErrorReply ? error.cause : undefined;
    if (refusal !== undefined && head !== undefined) this.#onRefused(head.channels, refusal);
    this.#settleCallers();
    if (!this.subscriptions.isEmpty) this.#reconnectLater(error);
  }

  /** The server won't have these channels: asking again would bring the same answer. */
  #onRefused(channels: readonly Channel[], refusal: Error): void {
    for (const channel of channels) {
      if (this.#isWanted(channel)) this.subscriptions.remove(channel.type, channel.name);
    }
    const callers = [...this.#callers].filter((caller) =>
      caller.channels.some((channel) => channels.includes(channel)),
    );
    for (const caller of callers) caller.reject(refusal);
    if (callers.length === 0) this.#owner.onTrouble(refusal);
  }

  #reconnectLater(error: Error): void {
    this.#owner.onTrouble(error);
    this.#failures++;
    const waitMs = retryWaitMs(this.#failures, NEVER_GIVES_UP, () => 0);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (!this.subscriptions.isEmpty) this.#connect();
    }, waitMs);
  }

  #send(verb: string, channels: readonly Channel[], onDone?: () => void): void {
    const encoder = new CommandEncoder();
    encoder.push(verb, ...channels.map(({ name }) => name));
    this.#sent.push({ verb, channels, awaited: channels.length, onDone });
    this.#lease?.sendUnanswered(verb, encoder.payload() as string);
  }

  #onPush(push: readonly unknown[]): void {
    if (this.subscriptions.deliver(push)) return;
    const head = this.#sent[0];
    if (head === undefined || String(push[0]).toUpperCase() !== head.verb) return;
    head.awaited--;
    if (head.awaited > 0) return;
    this.#sent.shift();
    this.#failures = 0;
    for (const channel of head.channels) channel.isConfirmed = head.onDone === undefined;
    head.onDone?.();
    this.#settleCallers();
    this.#restIfUnused();
  }

  /** Answers those whose channels are all confirmed, or not wanted any more. */
  #settleCallers(): void {
    for (const caller of [...this.#callers]) {
      const isMissing = (channel: Channel) => !channel.isConfirmed && this.#isWanted(channel);
      if (!caller.channels.some(isMissing)) caller.resolve();
    }
  }

  /** False also where it was given up and asked for anew: that is another subscription. */
  #isWanted(channel: Channel): boolean {
    return this.subscriptions.get(channel.type, channel.name) === channel;
  }

  /** A connection that died without a word would go unnoticed: nothing is ever sent on it. */
  #startPulse(lease: ConnectionLease): void {
    // Over RESP2 a message could be taken for the answer; there TCP keepalive has to do.
    if (lease.serverClientId === undefined) return;
    this.#pulse = setInterval(() => {
      this.#owner.ping(lease).catch((error: Error) => lease.destroy(error));
    }, this.#owner.healthCheckIntervalMs);
    this.#pulse.unref();
  }

  #restIfUnused(): void {
    if (!this.subscriptions.isEmpty || this.#sent.length > 0) return;
    clearTimeout(this.#pause);
    clearInterval(this.#pulse);
    this.#pause = undefined;
    this.#failures = 0;
    this.#connecting?.abort();
    this.#connecting = undefined;
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined) return;
    lease.onPush = undefined;
    lease.onLost = undefined;
    if (!lease.isReleased) lease.release();
  }
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

function late(verb: string, timeoutMs: number): PoolError {
  const text = `${verb} was not confirmed within ${timeoutMs} ms`;
  return new PoolError('COMMAND_TIMEOUT', text, { sent: true });
}
