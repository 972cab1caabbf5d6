// One of several endpoints, as the topology above knows it: what was found of it, and its servers
// under ids that no other endpoint has.

import type { Clock } from '../../base/clock.js';
import { type FailoverOptions, type Standing, stateOf } from '../../policy/failback.js';
import type { FailoverEndpoint } from '../failover.js';
import type { Endpoint, Topology } from '../topology.js';
import { EndpointProbe } from './probe.js';

export interface EndpointMember {
  /** Tells it from the others, for people too. */
  readonly id: string;
  readonly weight: number;
  readonly topology: Topology;
}

export class Member implements Standing {
  readonly id: string;
  readonly weight: number;
  readonly topology: Topology;
  readonly probe: EndpointProbe;
  isHealthy: boolean | undefined;
  isBroken = false;
  graceUntil = Number.NEGATIVE_INFINITY;
  /** When the last check began, on the pool's clock. */
  checkedAt = Number.NEGATIVE_INFINITY;
  /** Grows when more is learnt than a check that is under way can know. */
  generation = 0;
  /** The check that is under way. */
  checking: { readonly generation: number; readonly verdict: Promise<boolean> } | undefined;
  readonly #endpoints = new WeakMap<Endpoint, MemberEndpoint>();

  constructor({ id, weight, topology }: EndpointMember, options: FailoverOptions, clock: Clock) {
    this.id = id;
    this.weight = weight;
    this.topology = topology;
    this.probe = new EndpointProbe(topology, options, clock);
  }

  /** One for each: what is sent is told apart by them. */
  endpointOf(inner: Endpoint): MemberEndpoint {
    let endpoint = this.#endpoints.get(inner);
    if (endpoint === undefined) {
      endpoint = new MemberEndpoint(this, inner);
      this.#endpoints.set(inner, endpoint);
    }
    return endpoint;
  }

  /** @param now On the pool's clock. */
  status(isActive: boolean, now: number): FailoverEndpoint {
    const { id, weight, topology } = this;
    const state = stateOf(this, now);
    return Object.freeze({ id, address: topology.address, weight, isActive, state });
  }

  /** What was found wrong before is forgotten. */
  reset(): void {
    this.generation++;
    this.isBroken = false;
    this.isHealthy = undefined;
    this.graceUntil = Number.NEGATIVE_INFINITY;
  }
}

/** An endpoint of a member as the pool knows it. */
export class MemberEndpoint implements Endpoint {
  readonly id: string;
  readonly role: Endpoint['role'];
  readonly site: string;
  readonly source: Endpoint['source'];

  constructor(
    readonly member: Member,
    readonly inner: Endpoint,
  ) {
    this.id = `${member.id}/${inner.id}`;
    this.role = inner.role;
    this.site = member.id;
    this.source = inner.source;
  }

  get address(): string {
    return this.inner.address;
  }

  get zone(): string | undefined {
    return this.inner.zone;
  }
}
