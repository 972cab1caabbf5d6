// Time limits of the requests under way. All have the same limit, so they expire in the order in
// which they began: one timer looks at the oldest instead of a timer for each request.

const SWEEP_MS = 50;

export class Deadlines<T> {
  readonly #beganMs = new Map<T, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limitMs: number,
    private readonly now: () => number,
    private readonly onExpired: (item: T) => void,
  ) {}

  begin(item: T): void {
    this.#beganMs.set(item, this.now());
    this.#timer ??= setInterval(() => this.#sweep(), Math.min(SWEEP_MS, this.limitMs)).unref();
  }

  end(item: T): void {
    this.#beganMs.delete(item);
  }

  items(): readonly T[] {
    return [...this.#beganMs.keys()];
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    const expiredMs = this.now() - this.limitMs;
    for (const [item, beganMs] of this.#beganMs) {
      if (beganMs > expiredMs) return;
      this.#beganMs.delete(item);
      this.onExpired(item);
    }
  }
}
