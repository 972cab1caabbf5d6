// Opens connections as they are needed: few at a time, after a failure one at a time with a pause
// that grows. The breaker's verdict lives in `policy/breaker.ts`; this file only dials.

import type { Clock } from '../base/clock.js';
import type { ConnectionSource, Link } from '../base/link.js';
import type { TraceOrigin } from '../base/tracing.js';
import { PoolError } from '../errors.js';
import type { Breaker } from '../policy/breaker.js';
import { isConnectTraced, traceConnect } from './tracing.js';

/** A server that restarts is not met by all connections at the same moment. */
const CONCURRENT_DIALS = 4;

export interface DialerOwner {
  /** How many connections are wanted beyond those that are open. */
  readonly missingConnections: number;
  /** Connections that serve commands: while there is one, nobody is turned away. */
  readonly servingConnections: number;
  /** Grows when the server turns out to be the wrong one: dials that began before lead there. */
  readonly generation: number;
  /** Whether an attempt keeps the process alive. */
  readonly keepsAlive: boolean;
  /** Somebody waits, so that a pause must not let the process end. */
  readonly mustStayAlive: boolean;
  /** What is told of where connections come from; `undefined`: none is made there. */
  readonly traceOrigin?: TraceOrigin | undefined;
  /** @param tookMs From the dial until it was ready. */
  onConnected(connection: Link, generation: number, tookMs: number): void;
  onConnectFailed(error: PoolError): void;
  onBreakerChange(isOpen: boolean, error: PoolError | undefined): void;
}

export class Dialer {
  readonly #source: ConnectionSource;
  readonly #breaker: Breaker;
  readonly #clock: Clock;
  readonly #owner: DialerOwner;
  readonly #abort = new AbortController();
  #dialing = 0;
  #hasFailed = false;
  #pausedUntil = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(source: ConnectionSource, breaker: Breaker, clock: Clock, owner: DialerOwner) {
    this.#source = source;
    this.#breaker = breaker;
    this.#clock = clock;
    this.#owner = owner;
  }

  get dialing(): number {
    return this.#dialing;
  }

  /** How long the pause before the next dial still is, ms; `undefined`: nothing is paused. */
  get nextDialInMs(): number | undefined {
    const pauseMs = this.#pausedUntil - this.#clock.now();
    return this.#hasFailed && this.#dialing === 0 && pauseMs > 0 ? pauseMs : undefined;
  }

  /** Dials what is missing, now or when the pause is over. */
  pump(): void {
    if (this.#abort.signal.aborted) return;
    const limit = this.#hasFailed ? 1 : CONCURRENT_DIALS;
    while (this.#dialing < limit && this.#dialing < this.#owner.missingConnections) {
      const pauseMs = this.#pausedUntil - this.#clock.now();
      if (pauseMs > 0) {
        this.#pumpAfter(pauseMs);
        return;
      }
      void this.#dial();
    }
  }

  /** Dials once more at once: attempts that are under way may hang where a new one does not. */
  dialOneMore(): void {
    const isPaused = this.#pausedUntil > this.#clock.now();
    if (!isPaused && this.#dialing < CONCURRENT_DIALS && !this.#abort.signal.aborted) {
      void this.#dial();
    }
  }

  /** There is reason to believe that the next attempt succeeds. */
  endPause(): void {
    this.#pausedUntil = 0;
    this.#hasFailed = false;
    this.pump();
  }

  /** Gives up all attempts, for good. */
  stop(): void {
    clearTimeout(this.#pause);
    this.#abort.abort();
  }

  /** Keeps the process alive during a pause, or not, as the owner wants it now. */
  refresh(): void {
    if (this.#owner.mustStayAlive) this.#pause?.ref();
    else this.#pause?.unref();
  }

  #pumpAfter(pauseMs: number): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.pump(), Math.ceil(pauseMs));
    this.refresh();
  }

  async #dial(): Promise<void> {
    this.#dialing++;
    const { generation, servingConnections } = this.#owner;
    const dialedAt = this.#clock.now();
    if (servingConnections === 0) this.#breaker.noteOutage(dialedAt);
    try {
      const connection = await this.#connect();
      // It may have ended since the server's last word, of which nobody would hear any more.
      if (connection?.writable === false) throw endedAtOnce();
      this.#dialing--;
      this.#onSuccess(connection, generation, this.#clock.now() - dialedAt);
    } catch (error) {
      this.#dialing--;
      if (!this.#abort.signal.aborted) this.#onFailure(error);
    }
    this.pump();
  }

  #connect(): Promise<Link | undefined> {
    const { traceOrigin, keepsAlive } = this.#owner;
    const connect = () => this.#source.connect(this.#abort.signal, keepsAlive);
    if (traceOrigin === undefined || !isConnectTraced()) return connect();
    return traceConnect(traceOrigin, connect);
  }

  #onSuccess(connection: Link | undefined, generation: number, tookMs: number): void {
    if (this.#abort.signal.aborted) {
      connection?.destroy(new PoolError('POOL_CLOSED', 'The pool was closed'));
      return;
    }
    this.#hasFailed = false;
    this.#pausedUntil = 0;
    if (this.#breaker.recordSuccess()) this.#owner.onBreakerChange(false, undefined);
    if (connection !== undefined) this.#owner.onConnected(connection, generation, tookMs);
  }

  #onFailure(cause: unknown): void {
    const error =
      cause instanceof PoolError
        ? cause
        : new PoolError('CONNECT_FAILED', (cause as Error).message, { cause, sent: false });
    this.#hasFailed = true;
    const connectionsLeft = this.#owner.servingConnections;
    const now = this.#clock.now();
    const hasOpened = this.#breaker.recordFailure({ error, connectionsLeft }, now);
    this.#pausedUntil = now + this.#breaker.pauseMs();
    this.#owner.onConnectFailed(error);
    if (hasOpened) this.#owner.onBreakerChange(true, error);
  }
}

function endedAtOnce(): PoolError {
  const text = 'The connection ended as soon as it was made';
  return new PoolError('CONNECT_FAILED', text, { sent: false });
}
