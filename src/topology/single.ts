// One place to connect to, which serves everything: a server at an address, or the primary that
// sentinels name. If that moves, its source says so; the endpoint stays the same.

import type { Endpoint } from '../base/endpoint.js';
import type { ConnectionSource } from '../base/link.js';
import type { Topology, TopologyOwner } from './topology.js';

export class SingleTopology implements Topology {
  readonly isSingle = true as const;
  readonly isSharded = false;
  readonly endpoints: readonly Endpoint[];
  readonly #endpoint: Endpoint;

  constructor(source: ConnectionSource) {
    this.#endpoint = {
      id: 'primary',
      get address() {
        return source.address;
      },
      role: 'primary',
      source,
    };
    this.endpoints = [this.#endpoint];
  }

  get address(): string {
    return this.#endpoint.address;
  }

  /** There is nothing to look for: connections find their way themselves. */
  start(owner: TopologyOwner): void {
    this.#endpoint.source.onLookFailed = (error) => owner.onLookFailed?.(error);
  }

  route(): Endpoint {
    return this.#endpoint;
  }

  endpointAt(): undefined {
    return undefined;
  }

  report(): void {
    // What is learnt of the server, its source is told.
  }

  async look(): Promise<void> {}

  stop(): void {
    this.#endpoint.source.stop();
  }
}
