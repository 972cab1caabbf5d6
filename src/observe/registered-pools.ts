// The pools of one registry, each under a name of its own: two of the same name would give the same
// series twice, which Prometheus refuses. A pool that is closed has no series any more.

import type { ObservedPool } from './pool-metrics.js';

export class RegisteredPools {
  readonly #names = new Map<ObservedPool, string>();

  /** A further pool of a name gets a number behind it: `cache`, `cache-2`. */
  add(pool: ObservedPool): void {
    if (this.#names.has(pool)) return;
    this.current();
    const { name } = pool.status();
    const taken = new Set(this.#names.values());
    let own = name;
    for (let number = 2; taken.has(own); number++) own = `${name}-${number}`;
    this.#names.set(pool, own);
  }

  /** Those that are not closed, as they are now. */
  current(): ObservedPool[] {
    return [...this.#names].flatMap(([pool, name]) => {
      const status = pool.status();
      if (status.state === 'closed') {
        this.#names.delete(pool);
        return [];
      }
      const named = { ...status, name };
      return { status: () => named, latencyTotals: () => pool.latencyTotals() };
    });
  }
}
