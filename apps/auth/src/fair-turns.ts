// Turns at something dear, of which few are taken at once. A bounded number waits, and whoever waits
// is served in rotation of sites, and within a site in rotation of accounts: who asks a thousand
// times has one place in it, like who asks once. When all places are taken, who has most of them
// loses the last one to who has fewer.

/** Who asks. */
export interface Asker {
  readonly site: string;
  /** An account that the asker is known to belong to; all others of a site are one. */
  readonly account?: string | undefined;
}

interface Waiter {
  readonly start: () => void;
  readonly refuse: (error: Error) => void;
}

/** Those of one account, or of none, at one site; never empty. */
interface Group {
  readonly site: string;
  readonly account: string | undefined;
  readonly waiters: Waiter[];
}

/** In the order of the rotation; never empty. */
type Groups = Map<string | undefined, Group>;

export class FairTurns {
  /** In the order of the rotation. */
  readonly #sites = new Map<string, Groups>();
  #waiting = 0;
  #running = 0;

  /** @param refusal What those are told who have no place. */
  constructor(
    private readonly concurrency: number,
    private readonly places: number,
    private readonly refusal: () => Error,
  ) {}

  /** @throws the refusal */
  async run<T>(asker: Asker, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.concurrency) this.#running++;
    else await this.#wait(asker);
    try {
      return await work();
    } finally {
      this.#handOn();
    }
  }

  /** @throws the refusal, where `run` would do so now. */
  refuseWhenFull(asker: Asker): void {
    if (this.#running >= this.concurrency && this.#waiting >= this.places) this.#loser(asker);
  }

  #wait({ site, account }: Asker): Promise<void> {
    if (this.#waiting >= this.places) {
      const loser = this.#loser({ site, account });
      const { refuse } = loser.waiters.pop()!;
      this.#left(loser);
      refuse(this.refusal());
    }
    const groups: Groups = this.#sites.get(site) ?? new Map();
    this.#sites.set(site, groups);
    const group = groups.get(account) ?? { site, account, waiters: [] };
    groups.set(account, group);
    this.#waiting++;
    return new Promise((start, refuse) => group.waiters.push({ start, refuse }));
  }

  /** Whose last waiter gives way to a newcomer. @throws the refusal, where it is he. */
  #loser({ site, account }: Asker): Group {
    const own: Groups = this.#sites.get(site) ?? new Map();
    // With one more than the newcomer the two would only change places.
    const rivals = largest([...this.#sites.values()], sizeOf);
    if (rivals !== undefined && sizeOf(rivals) > sizeOf(own) + 1) {
      return largest([...rivals.values()], lengthOf)!;
    }
    const rival = largest([...own.values()], lengthOf);
    const ownLength = own.get(account)?.waiters.length ?? 0;
    if (rival !== undefined && lengthOf(rival) > ownLength + 1) return rival;
    const unknown = this.#unknownFor(own, account);
    if (unknown !== undefined) return unknown;
    throw this.refusal();
  }

  /** Many sites may take a place each; one known account of a site goes before such. */
  #unknownFor(own: Groups, account: string | undefined): Group | undefined {
    const isFirst = account !== undefined && [...own.keys()].every((key) => key === undefined);
    if (!isFirst) return undefined;
    const unknown = [...this.#sites.values()].flatMap((groups) => groups.get(undefined) ?? []);
    return largest(unknown, lengthOf);
  }

  /** A turn is handed on, so that nobody who comes meanwhile overtakes. */
  #handOn(): void {
    const [groups] = this.#sites.values();
    if (groups === undefined) {
      this.#running--;
      return;
    }
    const [group] = groups.values();
    const { start } = group!.waiters.shift()!;
    this.#toEnd(group!);
    this.#left(group!);
    start();
  }

  /** Of both rotations. */
  #toEnd(group: Group): void {
    const { site, account } = group;
    const groups = this.#sites.get(site)!;
    groups.delete(account);
    groups.set(account, group);
    this.#sites.delete(site);
    this.#sites.set(site, groups);
  }

  /** A waiter has left. */
  #left({ site, account, waiters }: Group): void {
    this.#waiting--;
    if (waiters.length > 0) return;
    const groups = this.#sites.get(site)!;
    groups.delete(account);
    if (groups.size === 0) this.#sites.delete(site);
  }
}

function lengthOf({ waiters }: Group): number {
  return waiters.length;
}

function sizeOf(groups: Groups): number {
  let size = 0;
  for (const { waiters } of groups.values()) size += waiters.length;
  return size;
}

function largest<T>(all: readonly T[], measure: (one: T) => number): T | undefined {
  let found: T | undefined;
  for (const one of all) {
    if (found === undefined || measure(one) > measure(found)) found = one;
  }
  return found;
}
