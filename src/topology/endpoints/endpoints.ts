// Several endpoints with the same data, of which the healthy one of highest weight is used. Each is
// a topology of its own: one server, a group behind sentinels, or a cluster. What is seen from here
// is the view of the one in use, under ids that no other endpoint has.
//
//   check each few seconds --+                                    +--> another one is used
//   no connection to be made +--> failed --> is the next one up? -+
//   a better one is healthy  +                                    +--> none: all are asked until one
//   switchTo()              -+                                         answers; callers are refused

import type { Clock } from '../../base/clock.js';
import { outsideOfCalls } from '../../base/outside.js';
import type { CommandRoute } from '../../base/route.js';
import { PoolError } from '../../errors.js';
import { betterThan, type FailoverOptions, heaviest, successors } from '../../policy/failback.js';
import type {
  Failover,
  FailoverEvent,
  FailoverStatus,
  SwitchOptions,
  SwitchReason,
} from '../failover.js';
import type { Endpoint, Topology, TopologyFact, TopologyOwner } from '../topology.js';
import { type EndpointMember, Member, MemberEndpoint } from './member.js';
import { pause } from './probe.js';
import { Switches } from './switches.js';

/** After a sign of trouble a cluster is checked at once, but not again within this, ms. */
const MIN_CHECK_PAUSE_MS = 1_000;
/** When a network comes back all endpoints do: so long one waits for a better one than the first, ms. */
const RETURN_PAUSE_MS = 50;
/** Node's longest timer, ms. */
const MAX_TIMER_MS = 2_147_483_647;

export class EndpointsTopology implements Topology, Failover {
  /** Where one of them is a cluster, commands have routes for it; the others don't look at them. */
  readonly isSharded: boolean;
  readonly hasReaders: boolean;
  readonly failover: Failover = this;
  onEvent: ((event: FailoverEvent) => void) | undefined;
  readonly #members: readonly Member[];
  readonly #options: FailoverOptions;
  readonly #clock: Clock;
  readonly #switches = new Switches();
  #owner: TopologyOwner | undefined;
  #active: Member;
  /** No endpoint answers: `#active` is the one that was used last. */
  #isDown = false;
  /** Why the one that was used last was left. */
  #reason: SwitchReason = 'health-check';
  #isFailingOver = false;
  #looking: Promise<void> | undefined;
  #returning: Promise<void> | undefined;
  /** What `switchTo()` has said. */
  #hold: Hold | undefined;
  #holdTimer: NodeJS.Timeout | undefined;
  #timers: NodeJS.Timeout[] = [];
  #isStopped = false;

  /** @param members One or more. The first of highest weight is used until it is found wanting. */
  constructor(members: readonly EndpointMember[], options: FailoverOptions, clock: Clock) {
    this.#members = members.map((member) => new Member(member, options, clock));
    this.#options = options;
    this.#clock = clock;
    this.#active = heaviest(this.#members);
    this.isSharded = members.some(({ topology }) => topology.isSharded);
    this.hasReaders = members.some(({ topology }) => topology.hasReaders === true);
  }

  get address(): string {
    if (!this.#isDown) return this.#active.topology.address;
    return this.#members.map(({ topology }) => topology.address).join(', ');
  }

  get endpoints(): readonly Endpoint[] {
    if (this.#isDown) return [];
    return this.#active.topology.endpoints.map((inner) => this.#active.endpointOf(inner));
  }

  get primariesWithoutReplica(): number | undefined {
    return this.#isDown ? undefined : this.#active.topology.primariesWithoutReplica;
  }

  start(owner: TopologyOwner): void {
    this.#owner = owner;
    for (const member of this.#members) {
      member.topology.start({
        onChange: (terms) => {
          if (member === this.#active && !this.#isDown) owner.onChange(terms);
        },
        onLookFailed: (error) => owner.onLookFailed?.(error),
      });
    }
    outsideOfCalls(() => {
      for (const member of this.#members) {
        void this.#check(member);
        this.#repeat(this.#options.checkIntervalMs, () => void this.#check(member));
      }
      const { failbackIntervalMs } = this.#options;
      if (failbackIntervalMs > 0) this.#repeat(failbackIntervalMs, () => void this.#failBack());
    });
  }

  route(route: CommandRoute | undefined): Endpoint | undefined {
    const inner = this.#isDown ? undefined : this.#active.topology.route(route);
    return inner === undefined ? undefined : this.#active.endpointOf(inner);
  }

  endpointAt(address: string, from: Endpoint): Endpoint | undefined {
    if (!(from instanceof MemberEndpoint)) return undefined;
    const inner = from.member.topology.endpointAt(address, from.inner);
    return inner === undefined ? undefined : from.member.endpointOf(inner);
  }

  report(fact: TopologyFact): void {
    const endpoint = fact.kind === 'moved' ? fact.from : fact.endpoint;
    // Who waits where nobody is known has no endpoint of ours.
    if (!(endpoint instanceof MemberEndpoint)) return;
    const { member, inner } = endpoint;
    member.topology.report(
      fact.kind === 'moved' ? { ...fact, from: inner } : { ...fact, endpoint: inner },
    );
    if (fact.kind !== 'unreachable' || member !== this.#active || this.#isDown) return;
    if (member.topology.isSharded) {
      // It mends the loss of a server by itself; how many are left a check has to say.
      const isDue = this.#clock.now() - member.checkedAt >= MIN_CHECK_PAUSE_MS;
      if (isDue) outsideOfCalls(() => void this.#check(member));
    } else if (inner.role === 'primary' && (fact.downForMs ?? -1) >= this.#options.patienceMs) {
      outsideOfCalls(() => this.#leave(member, 'breaker'));
    }
  }

  /** Of the endpoint in use; where none answers, of all: rejects where that is so still. */
  look(): Promise<void> {
    if (!this.#isDown) return this.#active.topology.look();
    this.#looking ??= this.#lookForAny().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async switchTo(id: string, { force = false, forMs }: SwitchOptions = {}): Promise<void> {
    const member = this.#members.find((each) => each.id === id);
    if (member === undefined) {
      const known = this.#members.map((each) => each.id).join(', ');
      throw new PoolError('INVALID_ARGUMENT', `switchTo(): the endpoints are ${known}`);
    }
    if (forMs !== undefined && !(typeof forMs === 'number' && forMs > 0)) {
      throw new PoolError('INVALID_ARGUMENT', 'switchTo(): forMs must be a number above 0');
    }
    if (!force && !(await this.#check(member))) {
      const cause = member.probe.error;
      const text = `switchTo(): ${id} fails its health check: ${cause?.message ?? 'no answer'}`;
      throw new PoolError('CONNECT_FAILED', text, { cause });
    }
    if (this.#isStopped) throw new PoolError('POOL_CLOSED', 'switchTo(): the pool is closed');
    // Whoever chooses it knows better than what was found before.
    member.reset();
    if (!force) member.isHealthy = true;
    const until = this.#clock.now() + (forMs ?? Number.POSITIVE_INFINITY);
    this.#holdFor({ until, isPinned: force && forMs !== undefined });
    this.#use(member, 'manual');
  }

  status(): FailoverStatus {
    const now = this.#clock.now();
    const active = this.#isDown ? undefined : this.#active;
    return Object.freeze({
      active: active?.id,
      endpoints: Object.freeze(
        this.#members.map((member) => member.status(member === active, now)),
      ),
      ...this.#switches.status(now),
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#holdTimer);
    for (const { probe, topology } of this.#members) {
      probe.stop();
      topology.stop();
    }
  }

  #repeat(intervalMs: number, act: () => void): void {
    const timer = setInterval(act, intervalMs);
    timer.unref();
    this.#timers.push(timer);
  }

  /** Those who ask meanwhile share the verdict, unless more was learnt since. */
  #check(member: Member): Promise<boolean> {
    const { generation, checking } = member;
    if (checking?.generation === generation) return checking.verdict;
    member.checkedAt = this.#clock.now();
    const verdict = member.probe.check().then((isHealthy) => {
      // Else it is too old to say anything.
      if (member.generation === generation) {
        member.checking = undefined;
        if (!this.#isStopped) this.#judge(member, isHealthy);
      }
      return isHealthy;
    });
    member.checking = { generation, verdict };
    return verdict;
  }

  #judge(member: Member, isHealthy: boolean): void {
    const { error } = member.probe;
    const isNews = !isHealthy && member.isHealthy !== false;
    if (isNews && error !== undefined) this.#owner?.onLookFailed?.(error);
    member.isHealthy = isHealthy;
    if (isHealthy) {
      member.isBroken = false;
      if (this.#isDown) void this.#return();
    } else if (member === this.#active && !this.#isDown) {
      this.#leave(member, 'health-check');
    }
  }

  /** The endpoint in use has failed. */
  #leave(member: Member, reason: SwitchReason): void {
    if (this.#isPinned || this.#isStopped) return;
    member.generation++;
    member.isBroken = true;
    this.#reason = reason;
    void this.#failOver(member);
  }

  /** What was healthy a while ago may not be by now, so each is asked before it takes over. */
  async #failOver(left: Member): Promise<void> {
    if (this.#isFailingOver) return;
    this.#isFailingOver = true;
    try {
      for (const member of successors(this.#members, left, this.#clock.now())) {
        const { generation } = member;
        const isUp = await member.probe.ping();
        // Meanwhile somebody may have chosen another one, or this one anew.
        if (this.#isStopped || this.#active !== left || !left.isBroken) return;
        if (member.generation === generation && !isUp) member.isHealthy = false;
        if (!isUp) continue;
        this.#use(member, this.#reason);
        return;
      }
      this.#giveUp();
    } finally {
      this.#isFailingOver = false;
      this.#catchUp(left);
    }
  }

  /** The endpoint that was taken while others were asked may have failed since. */
  #catchUp(left: Member): void {
    const active = this.#active;
    if (active !== left && active.isBroken && !this.#isDown && !this.#isStopped) {
      void this.#failOver(active);
    }
  }

  /** No endpoint answers. */
  #giveUp(): void {
    if (this.#isDown) return;
    this.#isDown = true;
    this.#hold = undefined;
    this.#owner?.onChange();
    this.#tell({
      name: 'endpointsDown',
      facts: {
        endpoints: this.#members.map(({ id }) => id),
        reason: this.#reason,
        error: this.#nobodyAnswers(),
      },
    });
  }

  async #lookForAny(): Promise<void> {
    await Promise.all(
      this.#members.map(async (member) => {
        const { generation } = member;
        const isUp = await member.probe.ping();
        // One answer is enough where the alternative is none.
        if (isUp && !this.#isStopped && member.generation === generation) {
          this.#judge(member, true);
        }
      }),
    );
    await this.#returning;
    if (this.#isDown) throw this.#nobodyAnswers();
  }

  /** One answers again: of those that do the best is used. */
  #return(): Promise<void> {
    this.#returning ??= outsideOfCalls(() => pause(RETURN_PAUSE_MS)).then(() => {
      this.#returning = undefined;
      const back = this.#members.filter((member) => member.isHealthy && !member.isBroken);
      if (this.#isDown && !this.#isStopped && back.length > 0) {
        this.#use(heaviest(back), this.#reason);
      }
    });
    return this.#returning;
  }

  async #failBack(): Promise<void> {
    const current = this.#active;
    if (this.#isDown || this.#isFailingOver || this.#hold !== undefined) return;
    const better = betterThan(this.#members, current, this.#clock.now());
    if (better === undefined) return;
    const { generation } = better;
    const isUp = await better.probe.ping();
    if (this.#isStopped || better.generation !== generation) return;
    if (!isUp) better.isHealthy = false;
    const isWanted = this.#active === current && !this.#isDown && this.#hold === undefined;
    if (isUp && isWanted) this.#use(better, 'failback');
  }

  #use(member: Member, reason: SwitchReason): void {
    const left = this.#active;
    const wasDown = this.#isDown;
    if (member === left && !wasDown) return;
    if (reason !== 'manual') this.#hold = undefined;
    if (left.isBroken) left.graceUntil = this.#clock.now() + this.#options.graceMs;
    this.#active = member;
    this.#isDown = false;
    if (reason !== 'manual') {
      member.reset();
      member.isHealthy = true;
    }
    if (member !== left) this.#switches.note(left.id, member.id, reason, this.#clock.now());
    this.#owner?.onChange({ drainMs: this.#options.drainMs });
    if (member !== left) {
      this.#tell({ name: 'failover', facts: { from: left.id, to: member.id, reason } });
    }
    // It may have failed while it was being chosen.
    outsideOfCalls(() => void this.#check(member));
  }

  get #isPinned(): boolean {
    return this.#hold?.isPinned === true;
  }

  #holdFor(hold: Hold): void {
    clearTimeout(this.#holdTimer);
    this.#hold = hold;
    const forMs = hold.until - this.#clock.now();
    if (forMs > MAX_TIMER_MS) return;
    this.#holdTimer = outsideOfCalls(() => setTimeout(() => this.#endHold(hold), forMs));
    this.#holdTimer.unref();
  }

  /** Whether the endpoint can stay in use is asked at once, and a better one is looked for. */
  #endHold(hold: Hold): void {
    if (this.#hold !== hold) return;
    this.#hold = undefined;
    void this.#check(this.#active);
    void this.#failBack();
  }

  #tell(event: FailoverEvent): void {
    this.onEvent?.(event);
  }

  #nobodyAnswers(): PoolError {
    const cause = this.#members.map(({ probe }) => probe.error).find((error) => error);
    const reason = cause === undefined ? 'they failed under use' : cause.message;
    // Where all are silent, each look takes long.
    const isSilent = (cause as Partial<PoolError> | undefined)?.code === 'CONNECT_TIMEOUT';
    return new PoolError(
      isSilent ? 'CONNECT_TIMEOUT' : 'CONNECT_FAILED',
      `No endpoint answers (${this.#members.map(({ id }) => id).join(', ')}): ${reason}`,
      { cause, sent: false },
    );
  }
}

interface Hold {
  readonly until: number;
  /** Whatever the checks say. */
  readonly isPinned: boolean;
}
