// A leased connection that is kept for as long as somebody wants it, as pub/sub and MONITOR do:
// lost ones are replaced, silent ones are asked for a sign of life, and one that is too old, so
// that a rotated password is used, gives way to a new one *after* that has taken over.
//
//   resting --connect()--> connecting --lease--> connected --rest()--> resting
//                             ^   |(fails)         |   ^
//                             |   v                |   | stale: another one connects meanwhile,
//                             pausing <---(lost)---+---+ takes over, and the old one goes
//
// One that is too old does no harm until then; one that leads to a server that has been replaced
// does, so it is replaced as fast as a lost one.
//
// What is asked is matched with its answers here, in order: they are pushes, or over RESP2 plain
// replies, and a refusal is an error reply. So a refusal ends its own question and nothing else.

import type { Clock } from '../base/clock.js';
import { afterFairWait } from '../base/event-loop.js';
import { textPayload } from '../base/payload.js';
import { RingQueue } from '../base/ring-queue.js';
import { PoolError } from '../errors.js';
import type { ConnectionLease } from '../node/lease.js';
import type { LeaseTerms } from '../node/lease-request.js';
import { reconnectWaitMs } from '../policy/retry.js';
import { isExhausted } from './final-cause.js';

/** So many connections in a row that end without an answer say that there won't be one. */
const MAX_HANG_UPS = 5;
/** After a connection that is too old could not be replaced, the next attempt comes this much later, ms. */
const AGED_PAUSE_MS = 30_000;

const PING = textPayload(['PING']);
/** Its answer is the last thing that is read from a connection that another one has replaced. */
const FAREWELL = 'plimsoll:farewell';

/** What the keeper of a lease needs of the pool. */
export interface LeaseSource {
  readonly clock: Clock;
  /** Whether a pause before the next connection keeps the process alive. */
  readonly keepsAlive: boolean;
  /** How long the connection may go unasked for a sign of life, ms. */
  readonly healthCheckIntervalMs: number;
  /** How long that sign may take, ms. */
  readonly probeTimeoutMs: number;
  acquireLease(options: LeaseTerms): Promise<ConnectionLease>;
}

/** A question that was sent, whose answers have not all come. */
export interface Question {
  /** As the server says it in its answer, in capitals; a plain reply answers whatever is asked. */
  readonly verb: string;
  /** How many answers it still brings, unless it is refused. */
  awaited: number;
  onAnswered(): void;
  onRefused(error: Error): void;
  /** The connection is gone, and the answer with it. */
  onGone(): void;
}

/** For whom the lease is kept. */
export interface LeaseUser {
  readonly isNeeded: boolean;
  /** A connection that knows of nothing is there: everything has to be asked anew. */
  onConnected(): void;
  /** Whether a reply is a message, which was delivered, and no answer. */
  deliver(reply: unknown): boolean;
  /**
   * The connection was lost; another attempt follows.
   * @param isInVain The server hangs up on what it is asked, again and again.
   */
  onLost(error: Error, isInVain: boolean): void;
  /** None could be had; another attempt follows, unless it is not needed any more. */
  onConnectFailed(error: Error): void;
  /** Called last, as it calls listeners. */
  onTrouble(error: Error): void;
}

export class KeptLease {
  readonly #source: LeaseSource;
  readonly #user: LeaseUser;
  readonly #asked = new RingQueue<Question>();
  #lease: ConnectionLease | undefined;
  /** The one before, which brings messages until the new one has taken over. */
  #retiring: ConnectionLease | undefined;
  #connecting: AbortController | undefined;
  #pause: NodeJS.Timeout | undefined;
  #pulse: NodeJS.Timeout | undefined;
  /** Ends the wait for a sign of life. */
  #stopWaiting: (() => void) | undefined;
  #stopFarewell: (() => void) | undefined;
  #failures = 0;
  /** Connections in a row that ended with a question unanswered. */
  #hangUps = 0;
  /** Messages and answers that came, on whichever connection. */
  #replies = 0;

  constructor(source: LeaseSource, user: LeaseUser) {
    this.#source = source;
    this.#user = user;
  }

  get isConnected(): boolean {
    return this.#lease !== undefined;
  }

  /** Everything that was asked has been answered. */
  get isQuiet(): boolean {
    return this.#asked.length === 0;
  }

  /** Sees to it that there is a connection, now or after the pause. */
  connect(): void {
    const isUnderWay = this.#connecting !== undefined || this.#pause !== undefined;
    if (this.#lease === undefined && !isUnderWay) this.#dial();
  }

  ask(question: Question, payload: string): void {
    this.#asked.push(question);
    this.#lease?.sendUnanswered(question.verb, payload);
  }

  /** Gives the connection up, and with it what was asked. */
  rest(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#connecting?.abort();
    this.#connecting = undefined;
    this.#failures = 0;
    this.#disconnect();
  }

  /** Gives the connection up and comes back with another one after a pause. */
  retryLater(error: Error): void {
    this.#disconnect();
    this.#user.onLost(error, false);
    this.#connectLater(error);
  }

  #dial(): void {
    const connecting = new AbortController();
    this.#connecting = connecting;
    this.#source.acquireLease({ isLongLived: true, signal: connecting.signal }).then(
      (lease) => {
        if (this.#connecting === connecting) this.#onLease(lease);
        else if (!lease.isReleased) lease.release();
      },
      (error: Error) => {
        if (this.#connecting === connecting) this.#onDialFailed(error);
      },
    );
  }

  #onLease(lease: ConnectionLease): void {
    this.#connecting = undefined;
    if (lease.lostError !== undefined) {
      this.#onDialFailed(lease.lostError);
      return;
    }
    const previous = this.#lease;
    this.#forgetQuestions();
    this.#lease = lease;
    this.#retiring = previous;
    if (previous !== undefined) previous.onStale = undefined;
    lease.onPush = (push) => this.#onReply(lease, push);
    lease.onUnasked = (reply) => {
      this.#onReply(lease, reply);
      return true;
    };
    lease.onLost = (error) => this.#onLost(lease, error);
    lease.onStale = () => this.#replace();
    this.#startPulse();
    this.#user.onConnected();
    // Its answer says that all that was asked before it is in force.
    if (previous !== undefined) this.#ping(() => this.#sayFarewell());
    // It may have become so before anybody listened.
    if (lease.staleReason !== undefined) this.#replaceLater(lease);
  }

  #onDialFailed(error: Error): void {
    this.#connecting = undefined;
    const lease = this.#lease;
    if (lease === undefined) {
      this.#user.onConnectFailed(error);
      if (this.#user.isNeeded) this.#connectLater(error);
    } else if (isExhausted(error)) {
      // The pool has no second connection to lend: the old one has to go first.
      this.#disconnect();
      this.#user.onLost(error, false);
      this.#dial();
    } else {
      this.#replaceLater(lease);
    }
  }

  #onLost(lease: ConnectionLease, error: Error): void {
    if (lease === this.#retiring) this.#retiring = undefined;
    if (lease !== this.#lease) return;
    if (this.#asked.length > 0) this.#hangUps++;
    this.#disconnect();
    this.#user.onLost(error, this.#hangUps >= MAX_HANG_UPS);
    if (this.#user.isNeeded) this.#connectLater(error);
  }

  #connectLater(error: Error): void {
    const waitMs = this.#nextPauseMs();
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (this.#user.isNeeded) this.connect();
    }, waitMs);
    if (!this.#source.keepsAlive) this.#pause.unref();
    this.#user.onTrouble(error);
  }

  /** The connection is to go, but not before another one has taken over. */
  #replace(): void {
    if (this.#lease !== undefined && this.#connecting === undefined) this.#dial();
  }

  #replaceLater(stale: ConnectionLease): void {
    const isMisled = stale.staleReason === 'failover';
    const timer = setTimeout(
      () => {
        if (this.#lease === stale) this.#replace();
      },
      isMisled ? this.#nextPauseMs() : AGED_PAUSE_MS,
    );
    timer.unref();
  }

  #nextPauseMs(): number {
    this.#failures++;
    return reconnectWaitMs(this.#failures);
  }

  #onReply(lease: ConnectionLease, reply: unknown): void {
    this.#replies++;
    const isError = reply instanceof Error;
    if (!isError && this.#user.deliver(reply)) return;
    if (lease === this.#retiring && (isError || isFarewell(reply))) this.#dropRetiring();
    if (lease !== this.#lease) return;
    const question = this.#asked.peek();
    if (question !== undefined && isError) {
      this.#asked.shift();
      question.onRefused(reply);
    } else if (question !== undefined && isAnswer(question, reply)) {
      question.awaited--;
      if (question.awaited > 0) return;
      this.#asked.shift();
      this.#failures = 0;
      this.#hangUps = 0;
      question.onAnswered();
    } else if (!isStrange(reply)) {
      const text = 'The server took back what the connection was for';
      lease.destroy(isError ? reply : new PoolError('CONNECTION_LOST', text));
    }
  }

  /** A connection that died without a word would go unnoticed: nothing is ever sent on it. */
  #startPulse(): void {
    clearInterval(this.#pulse);
    this.#pulse = setInterval(() => this.#takePulse(), this.#source.healthCheckIntervalMs);
    this.#pulse.unref();
  }

  #takePulse(): void {
    const { clock, probeTimeoutMs } = this.#source;
    const lease = this.#lease;
    if (lease === undefined || this.#stopWaiting !== undefined) return;
    const repliesBefore = this.#replies;
    this.#stopWaiting = afterFairWait(probeTimeoutMs, clock, () => {
      // Behind many messages the answer is late, and they are signs of life themselves.
      if (this.#replies > repliesBefore) {
        this.#onSignOfLife();
        return;
      }
      const text = `The connection gave no sign of life within ${probeTimeoutMs} ms`;
      lease.destroy(new PoolError('CONNECTION_LOST', text));
    });
    this.#ping(() => this.#onSignOfLife());
  }

  #onSignOfLife(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
  }

  /** Who refuses to answer PING is alive too. */
  #ping(onAnswered: () => void): void {
    const question = { verb: 'PONG', awaited: 1, onAnswered, onRefused: onAnswered, onGone() {} };
    this.#asked.push(question);
    this.#lease?.sendUnanswered('PING', PING);
  }

  #disconnect(): void {
    clearInterval(this.#pulse);
    this.#onSignOfLife();
    this.#dropRetiring();
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) letGo(lease);
    this.#forgetQuestions();
  }

  /** What was published before the new connection was ready may still be unread on the old one. */
  #sayFarewell(): void {
    const { clock, probeTimeoutMs } = this.#source;
    this.#retiring?.sendUnanswered('PING', textPayload(['PING', FAREWELL]));
    this.#stopFarewell?.();
    this.#stopFarewell = afterFairWait(probeTimeoutMs, clock, () => this.#dropRetiring());
  }

  #dropRetiring(): void {
    this.#stopFarewell?.();
    this.#stopFarewell = undefined;
    const lease = this.#retiring;
    this.#retiring = undefined;
    if (lease !== undefined) letGo(lease);
  }

  #forgetQuestions(): void {
    this.#onSignOfLife();
    for (const question of this.#asked.drain()) question.onGone();
  }
}

function letGo(lease: ConnectionLease): void {
  lease.onPush = undefined;
  lease.onUnasked = undefined;
  lease.onLost = undefined;
  lease.onStale = undefined;
  if (!lease.isReleased) lease.release();
}

/** Over RESP2, `PONG` comes as an array once something is subscribed. */
function isAnswer(question: Question, reply: unknown): boolean {
  return !Array.isArray(reply) || String(reply[0]).toUpperCase() === question.verb;
}

function isFarewell(reply: unknown): boolean {
  return String(Array.isArray(reply) ? reply[1] : reply) === FAREWELL;
}

/** A push of a kind that means nothing here; who moves a shard's channels away, says SUNSUBSCRIBE. */
function isStrange(reply: unknown): boolean {
  return Array.isArray(reply) && String(reply[0]) !== 'sunsubscribe';
}
