// The replicas behind sentinels that serve reads: found, tried, and left when they are no good. What
// sentinels list is a candidate until a connection was made there and the server itself has said that
// it is a replica in touch with its primary; so no read ever waits for a server that is away.
//
//   events, every 5 s --> sentinels --> listed, linked --> tried (ROLE, zone) --> in use
//   not listed any more, link down, silent, no connection to be had --> out of use; tried again later

import type { Clock } from '../base/clock.js';
import type { ConnectionSource } from '../base/link.js';
import { outsideOfCalls } from '../base/outside.js';
import type { ConnectionTarget, NodeAddress, SentinelTarget } from '../config/options.js';
import type { PoolError } from '../errors.js';
import { addressOf as nameOf } from '../wire/connect-error.js';
import { GreetingMemory } from '../wire/connector.js';
import { textOf } from './addresses.js';
import { type PrimaryFacts, ReplicaCheck, UselessReplica } from './replica-check.js';
import { type ListedReplica, ReplicaList } from './replica-list.js';
import type { SentinelDirectory } from './sentinel-directory.js';
import type { Endpoint } from './topology.js';

/** An event may be missed, so the sentinels are asked every so often, ms. */
const LOOK_PAUSE_MS = 5_000;
/** Between the end of a look and the next that an event brings, ms. */
const MIN_PAUSE_MS = 100;
/** Sentinels see the same thing one after another: so long after an event they are asked often, ms. */
const SETTLING_MS = 2_500;
const SETTLING_PAUSE_MS = 500;
/** A replica that was left is not tried again before this, ms, which doubles each time. */
const FIRST_ABSENCE_MS = 250;
const MAX_ABSENCE_MS = 15_000;
/** One that served for so long is as good as new when it is left, ms. */
const TRUSTED_AFTER_MS = 60_000;
/** Replicas in use at most. */
const MAX_REPLICAS = 64;

interface Absence {
  readonly until: number;
  readonly lengthMs: number;
}

export interface ReplicasOwner extends PrimaryFacts {
  /** Others are in use from now on. */
  onChange(): void;
  /** The sentinels were asked. */
  onLooked(): void;
}

export class SentinelReplica implements Endpoint {
  readonly id: string;
  readonly address: string;
  readonly role = 'replica';
  readonly zone: string | undefined;
  /** Those that are have left. */
  readonly isAway = false;
  readonly source: ConnectionSource;
  /** On the pool's clock. */
  readonly usedSince: number;

  constructor(
    text: string,
    zone: string | undefined,
    now: number,
    source: Pick<ConnectionSource, 'address' | 'connect'>,
  ) {
    this.id = text;
    this.address = source.address;
    this.zone = zone;
    this.usedSince = now;
    // Whether it is used any more is for the sentinels to say, and for who looks after it.
    this.source = { ...source, reportDemotion() {}, onMoved: undefined, stop() {} };
  }
}

export class SentinelReplicas {
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  readonly #list: ReplicaList;
  readonly #check: ReplicaCheck;
  readonly #owner: ReplicasOwner;
  readonly #inUse = new Map<string, SentinelReplica>();
  readonly #absences = new Map<string, Absence>();
  readonly #beingTried = new Set<string>();
  readonly #ending = new AbortController();
  #looking: Promise<void> | undefined;
  #isWantedAgain = false;
  #endedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #settledAt = Number.NEGATIVE_INFINITY;

  constructor(
    sentinel: SentinelTarget,
    target: ConnectionTarget,
    clock: Clock,
    directory: SentinelDirectory,
    owner: ReplicasOwner,
  ) {
    this.#target = target;
    this.#clock = clock;
    this.#list = new ReplicaList(sentinel, target, clock, directory);
    this.#check = new ReplicaCheck(sentinel, target, clock, directory, owner);
    this.#owner = owner;
  }

  get inUse(): readonly SentinelReplica[] {
    return [...this.#inUse.values()];
  }

  /** The sentinels told something: all of them may be good by now. */
  onNews(): void {
    this.#absences.clear();
    this.#settledAt = this.#clock.now() + SETTLING_MS;
    this.#want();
  }

  /** It is no replica any more. */
  onPrimary(primary: NodeAddress): void {
    const text = textOf(primary);
    if (this.#inUse.delete(text)) this.#owner.onChange();
  }

  /** It can't be reached, or does not serve. */
  leave(replica: Endpoint): void {
    const known = this.#inUse.get(replica.id);
    if (known === undefined || known !== replica) return;
    this.#inUse.delete(known.id);
    const now = this.#clock.now();
    if (now - known.usedSince >= TRUSTED_AFTER_MS) this.#absences.delete(known.id);
    this.#prolongAbsence(known.id);
    this.#owner.onChange();
  }

  /** Asks the sentinels now, or joins those who do. Rejects where none answers. */
  look(): Promise<void> {
    if (this.#ending.signal.aborted) return Promise.resolve();
    this.#looking ??= outsideOfCalls(() => this.#look());
    return this.#looking;
  }

  /** In which zone a server is. @throws PoolError where it can't be reached. */
  zoneOf(address: NodeAddress): Promise<string | undefined> {
    return this.#check.visit(address, this.#ending.signal, (link) => this.#check.zoneBehind(link));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#ending.abort();
  }

  #want(): void {
    if (this.#looking !== undefined) this.#isWantedAgain = true;
    else this.#lookAt(Math.max(this.#clock.now(), this.#endedAt + MIN_PAUSE_MS));
  }

  /** Unless a look is due before. */
  #lookAt(at: number): void {
    if (this.#ending.signal.aborted || at >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    const act = () => void this.look().catch(ignoreFailure);
    this.#timer = outsideOfCalls(() => setTimeout(act, Math.max(0, at - this.#clock.now())));
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#isWantedAgain = false;
    try {
      const listed = await this.#list.ask(this.#owner.primary, this.#ending.signal);
      if (!this.#ending.signal.aborted) this.#compare(listed);
    } finally {
      this.#looking = undefined;
      this.#endedAt = this.#clock.now();
      if (this.#isWantedAgain) this.#want();
      const isSettling = this.#endedAt < this.#settledAt;
      this.#lookAt(this.#endedAt + (isSettling ? SETTLING_PAUSE_MS : LOOK_PAUSE_MS));
      for (const { until } of this.#absences.values()) {
        const isTriedAgain = until <= this.#endedAt;
        if (!isTriedAgain) this.#lookAt(Math.max(until, this.#endedAt + MIN_PAUSE_MS));
      }
      this.#owner.onLooked();
    }
  }

  #compare(listed: ReadonlyMap<string, ListedReplica>): void {
    const { primary } = this.#owner;
    const gone = this.inUse.filter(({ id }) => !listed.has(id));
    for (const { id } of gone) this.#inUse.delete(id);
    for (const id of this.#absences.keys()) if (!listed.has(id)) this.#absences.delete(id);
    if (gone.length > 0) this.#owner.onChange();
    const now = this.#clock.now();
    for (const [text, { address, isLinked }] of listed) {
      const replica = this.#inUse.get(text);
      const isPrimary = primary !== undefined && textOf(primary) === text;
      const isAbsent = (this.#absences.get(text)?.until ?? now) > now;
      if (this.#beingTried.has(text)) continue;
      if (replica !== undefined) void this.#checkAgain(replica, address);
      else if (isLinked && !isPrimary && !isAbsent) void this.#try(text, address);
    }
  }

  /** One in use may hang, have lost its primary, or be another's by now. */
  async #checkAgain(replica: SentinelReplica, address: NodeAddress): Promise<void> {
    const { signal } = this.#ending;
    this.#beingTried.add(replica.id);
    try {
      await this.#check.visit(address, signal, (link) =>
        this.#check.refuseUnlessUseful(link, address, signal),
      );
    } catch (error) {
      // Where none can be made but those that are open serve, they go on.
      const isSure = error instanceof UselessReplica || isTimeout(error);
      if (isSure && !signal.aborted) this.leave(replica);
    } finally {
      this.#beingTried.delete(replica.id);
    }
  }

  async #try(text: string, address: NodeAddress): Promise<void> {
    if (this.#inUse.size + this.#beingTried.size >= MAX_REPLICAS) return;
    this.#beingTried.add(text);
    const { signal } = this.#ending;
    const { primary } = this.#owner;
    const memory = new GreetingMemory();
    const isZoneWanted = this.#target.reads === 'nearest-zone';
    try {
      const zone = await this.#check.visit(
        address,
        signal,
        async (link) => {
          await this.#check.refuseUnlessLinked(link, address);
          return isZoneWanted ? this.#check.zoneBehind(link) : undefined;
        },
        memory,
      );
      const hasMoved = primary !== undefined && this.#owner.primary !== primary;
      // What was found meanwhile may be all wrong.
      if (hasMoved) this.#want();
      else if (!signal.aborted) this.#use(text, address, zone, memory);
    } catch {
      // It is no good just now; who reads does not depend on it.
      this.#prolongAbsence(text);
    } finally {
      this.#beingTried.delete(text);
    }
  }

  #use(text: string, address: NodeAddress, zone: string | undefined, memory: GreetingMemory): void {
    const replica = new SentinelReplica(text, zone, this.#clock.now(), {
      address: nameOf({ ...this.#target, ...address, path: undefined }),
      connect: async (signal, keepsAlive) => {
        const link = await this.#check.open(address, signal, keepsAlive, memory);
        try {
          await this.#check.refuseUnlessUseful(link, address, signal);
          return link;
        } catch (error) {
          link.destroy(error as Error);
          throw error;
        }
      },
    });
    this.#inUse.set(text, replica);
    this.#owner.onChange();
  }

  #prolongAbsence(text: string): void {
    const now = this.#clock.now();
    const before = this.#absences.get(text)?.lengthMs ?? 0;
    const lengthMs = Math.min(Math.max(2 * before, FIRST_ABSENCE_MS), MAX_ABSENCE_MS);
    this.#absences.set(text, { until: now + lengthMs, lengthMs });
    this.#lookAt(now + lengthMs);
  }
}

function isTimeout(error: unknown): boolean {
  return (error as Partial<PoolError>).code === 'CONNECT_TIMEOUT';
}

function ignoreFailure(): void {
  // No sentinel answers: what is in use goes on.
}
