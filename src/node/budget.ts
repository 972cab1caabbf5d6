// How many connections the nodes of a pool may have together. Each node may keep one, so that a
// server with many callers, or one that hangs, does not shut out the others; beyond that, whoever
// asks first is served. A node whose callers wait while others have idle connections gets one of
// those.

export interface BudgetMember {
  /** Connections that are open or being dialed. */
  readonly held: number;
  /** Retires so many, those that nobody leases first. */
  shrinkBy(surplus: number): void;
  /** Retires one that nobody uses; false: it has none but its last. */
  yieldOne(): boolean;
  /** There may be room for what is missing. */
  pump(): void;
}

export class Budget {
  readonly #members = new Set<BudgetMember>();
  #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** For all members together. */
  get max(): number {
    return this.#max;
  }

  join(member: BudgetMember): void {
    this.#members.add(member);
  }

  leave(member: BudgetMember): void {
    this.#members.delete(member);
    this.onFreed(member);
  }

  /** How many connections this member may have now, at least 1. */
  allowanceOf(member: BudgetMember): number {
    if (this.#members.size <= 1) return this.#max;
    let others = 0;
    for (const other of this.#members) if (other !== member) others += Math.max(1, other.held);
    return Math.max(1, this.#max - others);
  }

  /** Callers wait at a member that may have no more: somebody else's idle connection gives way. */
  claimFor(member: BudgetMember): void {
    const others = [...this.#members].filter((other) => other !== member);
    others.sort((one, other) => other.held - one.held);
    others.some((other) => other.yieldOne());
  }

  /** A member has one connection less. */
  onFreed(member: BudgetMember): void {
    for (const other of this.#members) if (other !== member) other.pump();
  }

  resize(max: number): void {
    this.#max = max;
    const members = [...this.#members].sort((one, other) => other.held - one.held);
    let surplus = members.reduce((sum, { held }) => sum + held, 0) - max;
    for (const member of members) {
      const share = Math.min(surplus, member.held - 1);
      if (share > 0) member.shrinkBy(share);
      surplus -= Math.max(0, share);
    }
    for (const member of members) member.pump();
  }
}
