// Time limits of the requests under way. All have the same limit, so they expire in the order in
// which they began: a list in that order, and one timer that looks at its head instead of a timer
// for each request. Whoever has a deadline keeps its entry, so that a request allocates nothing here.
//
//   head (oldest) <-> ... <-> tail (newest)

const SWEEP_MS = 50;

/** A place in the list. */
export class DeadlineEntry {
  beganMs = 0;
  previous: DeadlineEntry | undefined;
  next: DeadlineEntry | undefined;
  isListed = false;

  constructor(readonly item: { timeOut(): void }) {}
}

export class Deadlines {
  #head: DeadlineEntry | undefined;
  #tail: DeadlineEntry | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limitMs: number,
    private readonly now: () => number,
  ) {}

  begin(entry: DeadlineEntry): void {
    entry.beganMs = this.now();
    entry.isListed = true;
    entry.previous = this.#tail;
    if (this.#tail === undefined) this.#head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
    this.#timer ??= setInterval(() => this.#sweep(), Math.min(SWEEP_MS, this.limitMs)).unref();
  }

  end(entry: DeadlineEntry): void {
    if (!entry.isListed) return;
    const { previous, next } = entry;
    if (previous === undefined) this.#head = next;
    else previous.next = next;
    if (next === undefined) this.#tail = previous;
    else next.previous = previous;
    entry.previous = entry.next = undefined;
    entry.isListed = false;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    const expiredMs = this.now() - this.limitMs;
    for (let entry = this.#head; entry !== undefined; entry = this.#head) {
      if (entry.beganMs > expiredMs) return;
      this.end(entry);
      entry.item.timeOut();
    }
  }
}
