// A cluster of simulated servers, for tests of what the pool does with several: the test says who
// serves which slot, and who is known.

import type { CommandRoute } from '../../src/base/route.js';
import type {
  Endpoint,
  Topology,
  TopologyFact,
  TopologyOwner,
} from '../../src/topology/topology.js';
import { SimulatedSource } from './simulated-connection.js';

export interface SimulatedEndpoint extends Endpoint {
  readonly source: SimulatedSource;
}

export function simulatedEndpoint(
  id: string,
  role: Endpoint['role'] = 'primary',
): SimulatedEndpoint {
  return { id, address: id, role, source: new SimulatedSource() };
}

export class SimulatedTopology implements Topology {
  readonly address = 'simulated cluster';
  readonly isSharded = true;
  readonly facts: TopologyFact[] = [];
  looks = 0;
  /** What a look finds; an error: nobody can be asked. */
  onLook: (() => void) | Error = () => {};
  #endpoints: readonly SimulatedEndpoint[] = [];
  #ownerOf = new Map<number, SimulatedEndpoint>();
  #owner: TopologyOwner | undefined;

  get endpoints(): readonly SimulatedEndpoint[] {
    return this.#endpoints;
  }

  /** What is known from now on: who there is, and who serves which slots. */
  show(
    endpoints: readonly SimulatedEndpoint[],
    slots: Readonly<Record<number, SimulatedEndpoint>>,
  ) {
    this.#endpoints = endpoints;
    this.#ownerOf = new Map(Object.entries(slots).map(([slot, owner]) => [Number(slot), owner]));
    this.#owner?.onChange();
  }

  start(owner: TopologyOwner): void {
    this.#owner = owner;
  }

  route(route: CommandRoute | undefined): Endpoint | undefined {
    if (route?.slot === undefined) return this.#endpoints[0];
    return this.#ownerOf.get(route.slot);
  }

  endpointAt(address: string): Endpoint | undefined {
    return this.#endpoints.find(({ id }) => id === address);
  }

  report(fact: TopologyFact): void {
    this.facts.push(fact);
    if (fact.kind !== 'moved') return;
    const target = this.#endpoints.find(({ id }) => id === fact.to);
    if (target !== undefined) this.#ownerOf.set(fact.slot, target);
    this.#owner?.onChange();
  }

  async look(): Promise<void> {
    this.looks++;
    if (this.onLook instanceof Error) throw this.onLook;
    this.onLook();
  }

  stop(): void {}
}
