// MONITOR: every command that the server executes, as a line each, on a connection of its own for
// as long as somebody looks. It comes back by itself when the connection is lost; what the server
// executed meanwhile is not told.

import { textPayload } from '../base/payload.js';
import { callListener } from '../base/uncaught.js';
import { PoolError } from '../errors.js';
import { abortedError } from '../node/caller-errors.js';
import { type Call, Calls, type CallTerms } from './calls.js';
import { finalRefusal } from './final-cause.js';
import { KeptLease, type LeaseSource, type LeaseUser } from './kept-lease.js';

export type MonitorListener = (line: string) => unknown;

export interface MonitorOwner {
  /** How long the server may take to begin, unless the caller says otherwise, ms; 0: for ever. */
  readonly timeoutMs: number;
  /** The connection was lost or refused; another attempt follows. */
  onTrouble(error: Error): void;
  /** The server has begun, for the first time or again. */
  onRestored(): void;
  onStop(monitor: Monitor): void;
}

const MONITOR = textPayload(['MONITOR']);
/** `1339518083.107412 [0 127.0.0.1:60866] "get" "key"`; what is no line is an answer. */
const LINE = /^\d+\.\d+ \[/;

export class Monitor implements LeaseUser {
  readonly #owner: MonitorOwner;
  readonly #listener: MonitorListener;
  readonly #lease: KeptLease;
  readonly #calls: Calls;
  #start: Call | undefined;
  #hasStarted = false;
  isNeeded = true;

  constructor(source: LeaseSource, owner: MonitorOwner, listener: MonitorListener) {
    this.#owner = owner;
    this.#listener = listener;
    this.#lease = new KeptLease(source, this);
    this.#calls = new Calls(source.clock);
  }

  /** Resolves when the server has begun. Rejects with its refusal, or a PoolError. */
  async start(terms: CallTerms): Promise<void> {
    if (terms.signal?.aborted) throw abortedError('MONITOR', terms.signal, false);
    this.#start = this.#calls.open('MONITOR', 1, terms, () => this.stop());
    this.#lease.connect();
    await this.#start.promise;
  }

  stop(error: Error = new PoolError('ABORTED', 'MONITOR was stopped')): void {
    if (!this.isNeeded) return;
    this.isNeeded = false;
    this.#lease.rest();
    this.#calls.rejectAll(error);
    this.#owner.onStop(this);
  }

  onConnected(): void {
    this.#calls.startClocks(this.#owner.timeoutMs);
    const question = {
      verb: 'MONITOR',
      awaited: 1,
      onAnswered: () => {
        this.#hasStarted = true;
        this.#start?.countDown();
        this.#owner.onRestored();
      },
      onRefused: (error: Error) => this.#onRefused(error),
      onGone() {},
    };
    this.#lease.ask(question, MONITOR);
  }

  deliver(reply: unknown): boolean {
    if (typeof reply !== 'string' || !LINE.test(reply)) return false;
    callListener(() => this.#listener(reply));
    return true;
  }

  onLost(error: Error, isInVain: boolean): void {
    this.#calls.stopClocks();
    if (isInVain) this.#calls.rejectAll(error);
  }

  onConnectFailed(error: Error): void {
    const final = finalRefusal(error);
    if ((error as Partial<PoolError>).code === 'POOL_CLOSED') this.stop(error);
    else if (final !== undefined) this.#calls.rejectAll(final);
  }

  onTrouble(error: Error): void {
    this.#owner.onTrouble(error);
  }

  #onRefused(error: Error): void {
    if (this.#hasStarted) this.#lease.retryLater(error);
    else this.#start?.reject(error);
  }
}
