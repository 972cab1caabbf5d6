// The waits of the users, all of which end at once when the run stops.

interface Sleeper {
  readonly timer: NodeJS.Timeout;
  readonly resolve: () => void;
}

export class Naps {
  readonly #sleepers = new Map<object, Sleeper>();
  #over = false;

  /** One nap at a time for each who sleeps. */
  sleep(who: object, durationMs: number): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#sleepers.delete(who);
        resolve();
      }, durationMs);
      this.#sleepers.set(who, { timer, resolve });
    });
  }

  /** Ends the nap of one, if there is any. */
  wake(who: object): void {
    const sleeper = this.#sleepers.get(who);
    if (sleeper === undefined) return;
    this.#sleepers.delete(who);
    clearTimeout(sleeper.timer);
    sleeper.resolve();
  }

  /** Ends all waits, and those to come. */
  wakeAll(): void {
    this.#over = true;
    for (const who of [...this.#sleepers.keys()]) this.wake(who);
  }
}
