// The primary that Redis Sentinel watches. Every connection is made where the sentinels say, and
// used only after the server there has said itself that it is a primary: a sentinel may be behind,
// and a server may have been demoted a moment ago.
//
//   connect() --> sentinels, all at once --> candidate --> ROLE says primary --> connection
//   news, or a look every few seconds --> sentinels --> ROLE says primary --> onMoved()

import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../base/clock.js';
import type { ConnectionSource, Link } from '../base/link.js';
import { outsideOfCalls } from '../base/outside.js';
import type { ConnectionTarget, NodeAddress, SentinelTarget } from '../config/options.js';
import { PoolError } from '../errors.js';
import { GreetingMemory, openConnection } from '../wire/connector.js';
import { textOf } from './addresses.js';
import { question } from './question.js';
import { SentinelDirectory } from './sentinel-directory.js';
import { SentinelWatch } from './sentinel-watch.js';

/** Pause between two rounds of questions while there is no primary to be had, ms. */
const ASK_PAUSE_MS = 100;
/** So many rounds are one attempt to connect, as the breaker counts them. */
const ROUNDS = 4;
/** An event may be missed, so the sentinels are asked every so often, ms. */
const LOOK_PAUSE_MS = 5_000;
/** A primary that is named before it is one is asked again after a pause that doubles, ms. */
const FIRST_CHECK_PAUSE_MS = 25;
const MAX_CHECK_PAUSE_MS = 500;
/** Until the next look. */
const MAX_CHECKS = 12;

export class SentinelSource implements ConnectionSource {
  onMoved: (() => void) | undefined;
  onLookFailed: ((error: Error) => void) | undefined;
  /** Told where the primary is whenever it was reached. */
  onFound: ((primary: NodeAddress) => void) | undefined;
  /** Told when the sentinels say something of the replicas. */
  onReplicaNews: (() => void) | undefined;
  readonly #name: string;
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  readonly #directory: SentinelDirectory;
  readonly #watch: SentinelWatch;
  readonly #memory = new GreetingMemory();
  readonly #ending = new AbortController();
  #isStarted = false;
  #isLooking = false;
  /** It was told that no sentinel answers. */
  #isFailureTold = false;
  #mustLookAgain = false;
  #lookTimer: NodeJS.Timeout | undefined;
  /** Where the connections of now lead; `undefined`: it was demoted, or none was made yet. */
  #current: NodeAddress | undefined;
  /** The last that was heard of, so that an older check gives up. */
  #wanted: string | undefined;

  constructor(
    sentinel: SentinelTarget,
    target: ConnectionTarget,
    clock: Clock,
    directory = new SentinelDirectory(sentinel, target, clock),
  ) {
    this.#name = sentinel.name;
    this.#target = target;
    this.#clock = clock;
    this.#directory = directory;
    this.#watch = new SentinelWatch(
      this.#directory,
      sentinel.name,
      () => this.#look(),
      () => this.onReplicaNews?.(),
    );
  }

  /** The primary's name, and where it is as far as is known. */
  get address(): string {
    return this.#current === undefined ? this.#name : `${this.#name} (${textOf(this.#current)})`;
  }

  /** Asks again and again for a while: during a failover the answer changes any moment. */
  async connect(signal: AbortSignal, keepsAlive: boolean): Promise<Link> {
    this.start();
    for (let round = 1; ; round++) {
      try {
        return await this.#connectOnce(signal, keepsAlive);
      } catch (error) {
        if (signal.aborted || round === ROUNDS || !mayPass(error)) throw error;
      }
      await sleep(ASK_PAUSE_MS, undefined, { ref: keepsAlive });
    }
  }

  reportDemotion(): void {
    this.#current = undefined;
  }

  stop(): void {
    clearTimeout(this.#lookTimer);
    this.#watch.stop();
    this.#ending.abort();
  }

  async #connectOnce(signal: AbortSignal, keepsAlive: boolean): Promise<Link> {
    let failure: unknown;
    for await (const primary of this.#directory.candidates(signal, keepsAlive)) {
      try {
        const link = await this.#open(primary, signal, keepsAlive);
        this.#onFound(primary);
        return link;
      } catch (error) {
        failure = error;
        if (signal.aborted) break;
      }
    }
    throw failure;
  }

  /** Begins to listen to the sentinels; the first connect does it too. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    outsideOfCalls(() => {
      this.#watch.refresh();
      this.#lookLater();
    });
  }

  #lookLater(): void {
    clearTimeout(this.#lookTimer);
    if (this.#ending.signal.aborted) return;
    this.#lookTimer = setTimeout(() => this.#look(), LOOK_PAUSE_MS);
    this.#lookTimer.unref();
  }

  /** Asks the sentinels whether the primary is still the one that is used; once at a time. */
  #look(): void {
    this.#lookLater();
    this.#mustLookAgain = this.#isLooking;
    if (this.#isLooking || this.#ending.signal.aborted) return;
    this.#isLooking = true;
    void this.#lookOnce().finally(() => {
      this.#isLooking = false;
      if (this.#mustLookAgain) this.#look();
    });
  }

  async #lookOnce(): Promise<void> {
    try {
      for await (const primary of this.#directory.candidates(this.#ending.signal, false)) {
        void this.#consider(primary);
        break;
      }
      this.#isFailureTold = false;
    } catch (error) {
      // None answers just now: what is open goes on.
      if (!this.#isFailureTold && !this.#ending.signal.aborted) {
        this.#isFailureTold = true;
        this.onLookFailed?.(error as Error);
      }
    }
    this.#watch.refresh();
  }

  /** A sentinel names a primary: once that says so too, everything moves there. */
  async #consider(primary: NodeAddress): Promise<void> {
    const text = textOf(primary);
    this.#wanted = text;
    let pauseMs = FIRST_CHECK_PAUSE_MS;
    for (let check = 0; check < MAX_CHECKS; check++) {
      const isOutdated = this.#wanted !== text || this.#current === undefined;
      if (isOutdated || this.#isCurrent(primary) || this.#ending.signal.aborted) return;
      try {
        const link = await this.#open(primary, this.#ending.signal, false);
        link.destroy(new PoolError('ABORTED', 'The server was asked for its role'));
        this.#onFound(primary);
      } catch {
        await sleep(pauseMs, undefined, { ref: false });
        pauseMs = Math.min(2 * pauseMs, MAX_CHECK_PAUSE_MS);
      }
    }
  }

  #onFound(primary: NodeAddress): void {
    const hasMoved = this.#current !== undefined && !this.#isCurrent(primary);
    this.#current = primary;
    this.onFound?.(primary);
    if (hasMoved) this.onMoved?.();
  }

  #isCurrent(primary: NodeAddress): boolean {
    return this.#current !== undefined && textOf(this.#current) === textOf(primary);
  }

  /** @throws PoolError CONNECT_FAILED where the server is no primary. */
  async #open(primary: NodeAddress, signal: AbortSignal, keepsAlive: boolean): Promise<Link> {
    const target = { ...this.#target, ...primary, path: undefined };
    const link = await openConnection(target, this.#clock, signal, this.#memory, keepsAlive);
    try {
      const role = await this.#roleOf(link);
      if (role === undefined || role === 'master') return link;
      const text = `The sentinels name ${textOf(primary)} as primary of ${this.#name}`;
      throw new PoolError('CONNECT_FAILED', `${text}, which says it is a ${role}`, { sent: false });
    } catch (error) {
      link.destroy(error as Error);
      throw error;
    }
  }

  /** `undefined` where the user may not ask. */
  async #roleOf(link: Link): Promise<string | undefined> {
    try {
      const reply = await question(link, ['ROLE'], this.#target.connectTimeoutMs, this.#clock);
      return Array.isArray(reply) ? String(reply[0]) : undefined;
    } catch (error) {
      // What a socket died of is no word of the server's.
      if (error instanceof PoolError || !link.writable) throw error;
      return undefined;
    }
  }
}

/** What a failover can be the reason of; a wrong password or certificate is told at once. */
function mayPass(error: unknown): boolean {
  const { code } = error as PoolError;
  return code === 'CONNECT_FAILED' || code === 'CONNECT_TIMEOUT' || code === 'SERVER_LOADING';
}
