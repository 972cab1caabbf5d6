// A size that follows its load: how many connections there may be, or how many workers run. It is
// judged by what was seen over a time, cut into parts, so that neither a peak makes it grow nor a
// lull makes it shrink. Pure; who keeps the size changes it and says so.
//
//   every part's mean use above 80 % of the size, for 5 minutes ---------------> a step more
//   no part's highest use above 50 % of the *smaller* size, for 15 minutes ----> a step less
//
// The second is measured against the size there would be: however large a step is, what has just
// shrunk is far from growing again.

export interface AutoscaleOptions {
  /**
   * Connections of this process that the maximum may grow to, at least `maxConnections`
   * (`REDIS_AUTOSCALE_CEILING`, a total over all workers). Default 0: it doesn't grow.
   */
  readonly ceiling: number;
  /** Connections that it grows or shrinks by at a time. Default 10. */
  readonly step: number;
  /** Utilisation above which it grows, per cent. Default 80. */
  readonly growAbovePercent: number;
  /** For how long utilisation has to be above that, ms. Default 300,000. */
  readonly growAfterMs: number;
  /** Utilisation of the smaller maximum below which it shrinks, per cent. Default 50. */
  readonly shrinkBelowPercent: number;
  /** For how long utilisation has to be below that, ms. Default 900,000. */
  readonly shrinkAfterMs: number;
  /** Of the server's `maxclients`, what growth leaves free for others. Default 100. */
  readonly reserve: number;
}

export interface ScalingRule {
  /** The size never falls below this. */
  readonly least: number;
  /** The size never grows beyond this. */
  readonly most: number;
  /** How much more or less, each time. */
  readonly step: number;
  /** Use of the size above which it is too small, per cent. */
  readonly growAbovePercent: number;
  /** For how long, ms. */
  readonly growAfterMs: number;
  /** Use below which the smaller size would do, per cent of that. */
  readonly shrinkBelowPercent: number;
  /** For how long, ms. */
  readonly shrinkAfterMs: number;
}

/** `full`: it should grow, and is as large as it may be. */
export type ScalingVerdict =
  | { readonly action: 'grow' | 'shrink'; readonly to: number }
  | { readonly action: 'full' };

/** Into so many parts the shorter of the two times is cut. */
const PARTS = 10;
/** After a longer pause between two samples nothing is known of the time before, ms. */
const LONGEST_GAP_MS = 5_000;

export class Scaling {
  #rule: ScalingRule;
  #partSince: number;
  #sampledAt: number;
  #sum = 0;
  #samples = 0;
  #peak = 0;
  /** Since when each part's mean says that it is too small, or each part's peak that less would do. */
  #crowdedSince: number | undefined;
  #roomySince: number | undefined;

  /** @param now ms, on any clock that {@link judge} gets too. */
  constructor(rule: ScalingRule, now: number) {
    this.#rule = rule;
    this.#partSince = now;
    this.#sampledAt = now;
  }

  /** The last part of the time says that it is too small. */
  get isCrowded(): boolean {
    return this.#crowdedSince !== undefined;
  }

  /** Another least size, from which it grows on; what was seen is forgotten. */
  startFrom(least: number, now: number): void {
    this.#rule = { ...this.#rule, least, most: Math.max(least, this.#rule.most) };
    this.restart(now);
  }

  /** The size has changed: what was seen of the one before counts no more. */
  restart(now: number): void {
    this.#partSince = now;
    this.#crowdedSince = undefined;
    this.#roomySince = undefined;
    this.#clearPart();
  }

  /**
   * Notes a sample, and says what to do about the size; `undefined`: nothing.
   * @param used In the units of the size.
   */
  judge(used: number, size: number, now: number): ScalingVerdict | undefined {
    const { growAfterMs, shrinkAfterMs, least, most, step } = this.#rule;
    if (now - this.#sampledAt > Math.max(LONGEST_GAP_MS, growAfterMs / 2)) this.restart(now);
    this.#sampledAt = now;
    this.#sum += used;
    this.#samples++;
    this.#peak = Math.max(this.#peak, used);
    if (now - this.#partSince < Math.min(growAfterMs, shrinkAfterMs) / PARTS) return undefined;
    this.#closePart(size, now);
    if (hasLasted(this.#crowdedSince, growAfterMs, now)) {
      if (size >= most) return { action: 'full' };
      return { action: 'grow', to: Math.min(most, size + step) };
    }
    if (size > least && hasLasted(this.#roomySince, shrinkAfterMs, now)) {
      return { action: 'shrink', to: Math.max(least, size - step) };
    }
    return undefined;
  }

  #closePart(size: number, now: number): void {
    const { growAbovePercent, shrinkBelowPercent, least, step } = this.#rule;
    const smaller = Math.max(least, size - step);
    const isCrowded = (this.#sum / this.#samples) * 100 > growAbovePercent * size;
    const isRoomy = this.#peak * 100 < shrinkBelowPercent * smaller;
    this.#crowdedSince = isCrowded ? (this.#crowdedSince ?? this.#partSince) : undefined;
    this.#roomySince = isRoomy ? (this.#roomySince ?? this.#partSince) : undefined;
    this.#partSince = now;
    this.#clearPart();
  }

  #clearPart(): void {
    this.#sum = 0;
    this.#samples = 0;
    this.#peak = 0;
  }
}

function hasLasted(since: number | undefined, wantedMs: number, now: number): boolean {
  return since !== undefined && now - since >= wantedMs;
}
