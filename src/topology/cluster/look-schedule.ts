// When the nodes are asked next. A fact brings a look at once, but not more than one after another:
// what comes while one is under way is answered by one more. While something is wrong looks follow
// with a pause that grows; else one comes each minute, for what nobody noticed.
//
//   fact ------> want() --(jitter, pause since the last)--> look --> as before: in a minute
//   somebody waits ------> now() ------------------------>   |
//                                                            +--> changed: in a second
//                                                            +--> something is wrong: 50, 100, ... ms

import type { Clock } from '../../base/clock.js';
import { outsideOfCalls } from '../../base/outside.js';

/** Pause between the end of a look and the next that a fact brings, ms. */
const MIN_PAUSE_MS = 100;
/** At random up to so long until a look that a fact brings: many clients see it at once, ms. */
const JITTER_MS = 50;
/** While something is wrong: the first pause, and the longest of the beginning and of later on, ms. */
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 250;
const MAX_LATE_PAUSE_MS = 1_000;
/** A promotion takes no longer in most cases, so that looks are closer until then, ms. */
const BEGINNING_MS = 15_000;
/** What has changed may be half of it, as nodes hear of it one after another: a further look, ms. */
const SETTLING_MS = 1_000;
/** A view that nobody complained of is looked at all the same, ms. */
const MAX_AGE_MS = 60_000;

/** What a look has shown. */
export type Finding = 'as before' | 'changed' | 'wrong';

export class LookSchedule {
  readonly #look: () => Promise<Finding>;
  readonly #onFailed: (error: Error) => void;
  readonly #clock: Clock;
  readonly #random: () => number;
  #running: Promise<void> | undefined;
  #isWantedAgain = false;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires, on the pool's clock. */
  #dueAt = Number.POSITIVE_INFINITY;
  #endedAt = Number.NEGATIVE_INFINITY;
  #pauseMs = FIRST_PAUSE_MS;
  /** Since when something is wrong. */
  #troubledAt: number | undefined;
  #isStopped = false;
  /** It was told that looks fail. */
  #isFailureTold = false;

  /**
   * @param look A rejection says that something is wrong.
   * @param onFailed Told of the first look of its own that fails, and again once one has succeeded.
   */
  constructor(
    look: () => Promise<Finding>,
    onFailed: (error: Error) => void,
    clock: Clock,
    random: () => number,
  ) {
    this.#look = look;
    this.#onFailed = onFailed;
    this.#clock = clock;
    this.#random = random;
  }

  /** Something has happened. */
  want(): void {
    if (this.#running !== undefined) {
      this.#isWantedAgain = true;
      return;
    }
    const now = this.#clock.now();
    const earliest = Math.max(now, this.#endedAt + MIN_PAUSE_MS);
    this.#lookAt(earliest + this.#random() * JITTER_MS, now);
  }

  /** Looks now, or joins the look that is under way. */
  now(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    this.#running ??= outsideOfCalls(() => this.#run());
    return this.#running;
  }

  /** The same without anybody who waits for it. */
  inBackground(): void {
    this.now().catch((error: Error) => {
      if (this.#isFailureTold || this.#isStopped) return;
      this.#isFailureTold = true;
      this.#onFailed(error);
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#dueAt = Number.POSITIVE_INFINITY;
    let finding: Finding = 'wrong';
    try {
      finding = await this.#look();
      this.#isFailureTold = false;
    } finally {
      this.#running = undefined;
      this.#plan(finding);
    }
  }

  #plan(finding: Finding): void {
    const now = this.#clock.now();
    this.#endedAt = now;
    this.#lookAt(now + this.#pauseAfter(finding, now) * (0.5 + 0.5 * this.#random()), now);
    const isWantedAgain = this.#isWantedAgain;
    this.#isWantedAgain = false;
    if (isWantedAgain) this.want();
  }

  #pauseAfter(finding: Finding, now: number): number {
    if (finding !== 'wrong') {
      this.#troubledAt = undefined;
      this.#pauseMs = FIRST_PAUSE_MS;
      return finding === 'changed' ? SETTLING_MS : MAX_AGE_MS;
    }
    const pauseMs = this.#pauseMs;
    this.#troubledAt ??= now;
    const isLate = now - this.#troubledAt > BEGINNING_MS;
    this.#pauseMs = Math.min(2 * pauseMs, isLate ? MAX_LATE_PAUSE_MS : MAX_PAUSE_MS);
    return pauseMs;
  }

  /** Unless it is to look earlier anyway. */
  #lookAt(dueAt: number, now: number): void {
    if (this.#isStopped || dueAt >= this.#dueAt) return;
    this.#dueAt = dueAt;
    outsideOfCalls(() => {
      clearTimeout(this.#timer);
      // Who waits for a server sees to it that the process lives.
      this.#timer = setTimeout(() => this.inBackground(), Math.max(0, dueAt - now)).unref();
    });
  }
}
