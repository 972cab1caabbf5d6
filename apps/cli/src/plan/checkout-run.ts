// Calls that lease a connection of a pool, hold it, and give it back: what Erlang C speaks of, done
// by the pool's own code. The same calls come, by the same seed, on simulated and on real time.

import type { Pool } from 'plimsoll';
import type { Chance } from '../simulated-time/chance.js';
import type { QueueLoad } from './erlang.js';

/** Time as the calls see it. */
export interface Stage {
  /** ms. */
  now(): number;
  /** Calls back at that time, ms, or as soon after it as can be. */
  at(time: number, act: () => void): void;
}

export interface CheckoutTerms extends QueueLoad {
  /** Calls to make, without those of the warm-up. */
  readonly calls: number;
}

export interface CheckoutFigures {
  readonly calls: number;
  /** Share of the connections that was lent, on average. */
  readonly utilization: number;
  /** Share of calls that found all connections lent. */
  readonly waitProbability: number;
  readonly meanWaitMs: number;
  /** Mean over those that waited; 0: none did. */
  readonly meanWaitOfWaitersMs: number;
  readonly p99WaitMs: number;
  /** Calls that the pool refused: they had waited too long, or too many waited. */
  readonly refused: number;
}

/** Before anything counts, as a share of the calls: a queue needs time to become what it is. */
const WARM_UP_SHARE = 0.1;
/** What each call asks of its connection, so that it is used. */
const KEY = 'plimsoll:plan';

/**
 * Makes a pool lend at most `connections`: the last connection stays a lane, and is one more.
 * All are kept open, as a checkout pool's are, and no lease is taken for a leak.
 */
export function checkoutPoolOptions(connections: number) {
  const all = connections + 1;
  return { maxConnections: all, minConnections: all, leakThresholdMs: 0 };
}

/** The pool must lend `connections` at most, and nobody else may use it. */
export async function runCheckouts(
  pool: Pool,
  terms: CheckoutTerms,
  stage: Stage,
  chance: Chance,
): Promise<CheckoutFigures> {
  await openAll(pool, terms.connections);
  return new Run(pool, terms, stage, chance).finished;
}

/** Connections are dialed when they are first needed; that is no part of what is asked here. */
async function openAll(pool: Pool, connections: number): Promise<void> {
  const leases = await Promise.all(
    Array.from({ length: connections }, () => pool.acquire({ timeoutMs: 60_000 })),
  );
  for (const lease of leases) lease.release();
}

class Run {
  readonly finished: Promise<CheckoutFigures>;
  readonly #pool: Pool;
  readonly #terms: CheckoutTerms;
  readonly #stage: Stage;
  readonly #chance: Chance;
  readonly #warmUp: number;
  readonly #waits: number[] = [];
  #finish: (figures: CheckoutFigures) => void = () => undefined;
  #fail: (reason: unknown) => void = () => undefined;
  #asked = 0;
  #ended = 0;
  #inSystem = 0;
  #waited = 0;
  #refused = 0;
  #heldMs = 0;
  #lentNow = 0;
  #changedAt = 0;
  #beganAt = 0;
  #nextAt: number;

  constructor(pool: Pool, terms: CheckoutTerms, stage: Stage, chance: Chance) {
    this.#pool = pool;
    this.#terms = terms;
    this.#stage = stage;
    this.#chance = chance;
    this.#warmUp = Math.ceil(terms.calls * WARM_UP_SHARE);
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    this.#nextAt = stage.now();
    this.#planNext();
  }

  #planNext(): void {
    const total = this.#terms.calls + this.#warmUp;
    if (this.#asked === total) return;
    this.#nextAt += exponential(this.#chance, 1_000 / this.#terms.callsPerSecond);
    const holdMs = exponential(this.#chance, this.#terms.holdMs);
    this.#stage.at(this.#nextAt, () => {
      this.#call(holdMs).catch(this.#fail);
      this.#planNext();
    });
  }

  async #call(holdMs: number): Promise<void> {
    const askedAt = this.#stage.now();
    const isCounted = this.#asked++ >= this.#warmUp;
    if (this.#asked === this.#warmUp + 1) this.#begin(askedAt);
    const mustWait = this.#inSystem++ >= this.#terms.connections;
    try {
      const lease = await this.#pool.acquire();
      const lentAt = this.#stage.now();
      if (isCounted) this.#noteWait(lentAt - askedAt, mustWait);
      this.#noteLent(1);
      await lease.client.get(KEY);
      await new Promise<void>((resolve) => this.#stage.at(lentAt + holdMs, resolve));
      lease.release();
      this.#noteLent(-1);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (isCounted) this.#refused++;
    }
    this.#inSystem--;
    this.#ended++;
    if (this.#ended === this.#terms.calls + this.#warmUp) this.#finish(this.#figures());
  }

  #begin(now: number): void {
    this.#beganAt = now;
    this.#changedAt = now;
    this.#heldMs = 0;
  }

  #noteWait(waitMs: number, mustWait: boolean): void {
    if (mustWait) this.#waited++;
    this.#waits.push(waitMs);
  }

  #noteLent(change: 1 | -1): void {
    const now = this.#stage.now();
    this.#heldMs += this.#lentNow * (now - this.#changedAt);
    this.#changedAt = now;
    this.#lentNow += change;
  }

  #figures(): CheckoutFigures {
    const waits = this.#waits.sort((left, right) => left - right);
    const total = waits.reduce((sum, wait) => sum + wait, 0);
    const calls = this.#terms.calls;
    const lastedMs = this.#changedAt - this.#beganAt;
    return {
      calls,
      utilization: this.#heldMs / lastedMs / this.#terms.connections,
      waitProbability: (this.#waited + this.#refused) / calls,
      meanWaitMs: total / Math.max(1, waits.length),
      meanWaitOfWaitersMs: this.#waited === 0 ? 0 : total / this.#waited,
      p99WaitMs: waits[Math.floor(waits.length * 0.99)] ?? 0,
      refused: this.#refused,
    };
  }
}

function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ACQUIRE_TIMEOUT' || code === 'QUEUE_FULL';
}

function exponential(chance: Chance, mean: number): number {
  return -mean * Math.log1p(-chance.next());
}
