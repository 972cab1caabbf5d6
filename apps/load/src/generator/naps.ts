// The waits of the users, all of which end at once when the run stops.

export class Naps {
  readonly #sleepers = new Map<NodeJS.Timeout, () => void>();
  #over = false;

  sleep(durationMs: number): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#sleepers.delete(timer);
        resolve();
      }, durationMs);
      this.#sleepers.set(timer, resolve);
    });
  }

  /** Ends all waits, and those to come. */
  wakeAll(): void {
    this.#over = true;
    for (const [timer, resolve] of this.#sleepers) {
      clearTimeout(timer);
      resolve();
    }
    this.#sleepers.clear();
  }
}
