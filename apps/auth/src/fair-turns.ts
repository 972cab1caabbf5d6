// Turns at something dear, of which few are taken at once. A bounded number waits, and whoever waits
// is served in rotation, so that who asks a thousand times has one place in it like who asks once.
// When all places are taken, who has most of them loses the last one to who has fewer.

/** Who asks: the same for all requests that shall share one place in the rotation. */
export interface Asker {
  readonly id: string;
  /** Where no place is left, unknown askers give way to known ones, and never the other way. */
  readonly isKnown: boolean;
}

interface Waiter {
  readonly start: () => void;
  readonly refuse: (error: Error) => void;
}

interface Line {
  readonly asker: Asker;
  readonly waiters: Waiter[];
}

export class FairTurns {
  /** In the order of the rotation; none is empty. */
  readonly #lines = new Map<string, Line>();
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

  #wait(asker: Asker): Promise<void> {
    if (this.#waiting >= this.places) this.#dropLast(this.#loser(asker));
    const line = this.#lines.get(asker.id) ?? { asker, waiters: [] };
    this.#lines.set(asker.id, line);
    this.#waiting++;
    return new Promise((start, refuse) => line.waiters.push({ start, refuse }));
  }

  /** Whose last waiter gives way to a newcomer. @throws the refusal, where it is he. */
  #loser(newcomer: Asker): Line {
    const own = this.#lines.get(newcomer.id)?.waiters.length ?? 0;
    const lines = [...this.#lines.values()];
    const unknown = longest(lines.filter(({ asker }) => !asker.isKnown));
    if (unknown !== undefined && newcomer.isKnown) return unknown;
    const rival = newcomer.isKnown ? longest(lines) : unknown;
    // With one more than the newcomer the two would only change places.
    if (rival === undefined || rival.waiters.length <= own + 1) throw this.refusal();
    return rival;
  }

  #dropLast(line: Line): void {
    const { refuse } = line.waiters.pop()!;
    this.#waiting--;
    if (line.waiters.length === 0) this.#lines.delete(line.asker.id);
    refuse(this.refusal());
  }

  /** A turn is handed on, so that nobody who comes meanwhile overtakes. */
  #handOn(): void {
    const [line] = this.#lines.values();
    if (line === undefined) {
      this.#running--;
      return;
    }
    const { start } = line.waiters.shift()!;
    this.#waiting--;
    // To the end of the rotation.
    this.#lines.delete(line.asker.id);
    if (line.waiters.length > 0) this.#lines.set(line.asker.id, line);
    start();
  }
}

function longest(lines: readonly Line[]): Line | undefined {
  let found: Line | undefined;
  for (const line of lines) {
    if (found === undefined || line.waiters.length > found.waiters.length) found = line;
  }
  return found;
}
