// The option `autoscale`: the pool's maximum follows how full it is. When it is to change the policy
// says (`policy/autoscale.ts`), how far the server allows it the claims of all pools (`claims.ts`);
// here both come together, and each decision is told.
//
//   grow ---> claim ---> granted, or a part of it: the maximum changes
//                   +--> nothing: held, and asked again with the next part of the time
//   shrink -> the maximum changes, and the next claim says so
//
// A claim is made again each few seconds. If others need the room that growth has taken, it is given
// back, down to what the pool began with.

import type { CommandRoute } from '../base/route.js';
import type { NodePool } from '../node/node-pool.js';
import { type AutoscaleOptions, Scaling } from '../policy/autoscale.js';
import { utilizationPercent } from '../policy/recommendations.js';
import { claim } from './claims.js';

/** A claim is made again this often at the latest, and is good for three times as long, ms. */
const LONGEST_CLAIM_PAUSE_MS = 10_000;
const CLAIM_LIVES = 3;
/** A claim is good for this long at least, ms: a busy process comes late. */
const SHORTEST_CLAIM_MS = 5_000;
/** Looks in a row that find too much before it is given back: the others' figures are not of now. */
const LOOKS_BEFORE_GIVING_BACK = 3;

export type AutoscaleAction = 'grow' | 'shrink' | 'hold';

/**
 * `utilization`: it was high, or low, for long enough; `ceiling`: it is as large as it may be;
 * `maxclients`: the server has no more room; `unknown`: how much it has could not be had.
 */
export type AutoscaleReason = 'utilization' | 'ceiling' | 'maxclients' | 'unknown';

export interface SizeChange {
  /** `hold`: it should grow and can't; told once until that changes. */
  readonly action: AutoscaleAction;
  /** The maximum before and after. */
  readonly from: number;
  readonly to: number;
  readonly reason: AutoscaleReason;
}

/** What the event `autoscale` tells. */
export interface AutoscaleDecision extends SizeChange {
  /** Of the maximum before, at that moment. */
  readonly utilizationPercent: number;
  /** With `unknown`: why. */
  readonly error: Error | undefined;
}

export interface AutoscaleStatus {
  /** The maximum that it began with, and shrinks to. */
  readonly base: number;
  /** The most that it may become. */
  readonly ceiling: number;
  /** What the server's `maxclients` leaves to this pool; `undefined`: not known yet. */
  readonly room: number | undefined;
  /** How often it was decided so. */
  readonly decisions: Readonly<Record<AutoscaleAction, number>>;
  readonly lastDecision: (SizeChange & { readonly agoMs: number }) | undefined;
}

export interface GrowthHost {
  /** The most connections there may be, in all. */
  readonly max: number;
  resize(max: number): void;
  /** Servers that it has connections to. */
  reachable(): readonly NodePool[];
  nodeFor(route: CommandRoute): NodePool;
  announce(decision: AutoscaleDecision): void;
}

export class Growth {
  readonly #options: AutoscaleOptions;
  readonly #host: GrowthHost;
  readonly #scaling: Scaling;
  readonly #id: string;
  readonly #claimPauseMs: number;
  readonly #decisions: Record<AutoscaleAction, number> = { grow: 0, shrink: 0, hold: 0 };
  #last: { readonly change: SizeChange; readonly at: number } | undefined;
  #base: number;
  #room: number | undefined;
  #inUse = 0;
  #now: number;
  #claimAt: number;
  #isClaiming = false;
  #isStopped = false;
  #looksBeyond = 0;
  /** Why it could not grow when it last should; told once. */
  #heldFor: AutoscaleReason | undefined;

  /** @param id Tells its claim from those of all other pools. */
  constructor(options: AutoscaleOptions, host: GrowthHost, id: string, now: number) {
    this.#options = options;
    this.#host = host;
    this.#id = id;
    this.#base = host.max;
    this.#now = now;
    this.#claimAt = now;
    this.#claimPauseMs = Math.min(LONGEST_CLAIM_PAUSE_MS, options.growAfterMs / 4);
    this.#scaling = new Scaling({ ...options, least: host.max, most: options.ceiling }, now);
  }

  /** Somebody has set the maximum: growth begins there. */
  startFrom(max: number): void {
    this.#base = max;
    this.#scaling.startFrom(max, this.#now);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Every 500 ms or so. @param used Connections in use; all of them where callers find none. */
  inspect(used: number, now: number): void {
    if (this.#isStopped) return;
    this.#now = now;
    this.#inUse = used;
    const { max } = this.#host;
    const verdict = this.#scaling.judge(used, max, now);
    if (verdict?.action === 'shrink') this.#change('shrink', verdict.to, 'utilization');
    else if (verdict?.action === 'full') this.#hold('ceiling');
    else if (verdict?.action === 'grow') void this.#claim(verdict.to);
    else if (!this.#scaling.isCrowded) this.#heldFor = undefined;
    if (now >= this.#claimAt) void this.#claim(this.#host.max);
  }

  status(now: number): AutoscaleStatus {
    const last = this.#last;
    const lastDecision = last && Object.freeze({ ...last.change, agoMs: now - last.at });
    return Object.freeze({
      base: this.#base,
      ceiling: Math.max(this.#base, this.#options.ceiling),
      room: this.#room,
      decisions: Object.freeze({ ...this.#decisions }),
      lastDecision,
    });
  }

  async #claim(wish: number): Promise<void> {
    const { max: current } = this.#host;
    const reachable = this.#host.reachable();
    if (this.#isClaiming || reachable.length === 0) return;
    this.#isClaiming = true;
    this.#claimAt = this.#now + this.#claimPauseMs;
    const givesBack = this.#looksBeyond >= LOOKS_BEFORE_GIVING_BACK;
    const lifeMs = Math.max(SHORTEST_CLAIM_MS, CLAIM_LIVES * this.#claimPauseMs);
    const { reserve } = this.#options;
    const terms = { id: this.#id, wish, current, least: this.#base, lifeMs, reserve, givesBack };
    try {
      const { granted, room } = await claim(terms, reachable, (route) => this.#host.nodeFor(route));
      // Somebody may have set another maximum meanwhile.
      if (this.#host.max === current && !this.#isStopped) this.#onGrant(wish, granted, room);
    } catch (error) {
      if (wish > current && !this.#isStopped) this.#hold('unknown', error as Error);
    } finally {
      this.#isClaiming = false;
    }
  }

  #onGrant(wish: number, granted: number, room: number): void {
    const { max } = this.#host;
    this.#room = Math.max(this.#base, room);
    this.#looksBeyond = room < max && max > this.#base ? this.#looksBeyond + 1 : 0;
    if (granted > max) this.#change('grow', granted, 'utilization');
    else if (granted < max) this.#change('shrink', granted, 'maxclients');
    else if (wish > max && room <= max) this.#hold('maxclients');
  }

  #change(action: 'grow' | 'shrink', to: number, reason: AutoscaleReason): void {
    const from = this.#host.max;
    this.#heldFor = undefined;
    this.#looksBeyond = 0;
    this.#host.resize(to);
    this.#scaling.restart(this.#now);
    this.#tell({ action, from, to, reason });
  }

  #hold(reason: AutoscaleReason, error?: Error): void {
    if (this.#heldFor === reason) return;
    this.#heldFor = reason;
    const { max } = this.#host;
    this.#tell({ action: 'hold', from: max, to: max, reason }, error);
  }

  #tell(change: SizeChange, error?: Error): void {
    const percent = utilizationPercent(this.#inUse, change.from);
    this.#decisions[change.action]++;
    this.#last = { change, at: this.#now };
    this.#host.announce(Object.freeze({ ...change, utilizationPercent: percent, error }));
  }
}
