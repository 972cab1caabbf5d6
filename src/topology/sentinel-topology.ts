// The primary that sentinels name, and its replicas, which serve reads. Writes, and all that is no
// plain read, go to the primary alone; where there is no replica, so do reads.

import type { Clock } from '../base/clock.js';
import type { CommandRoute } from '../base/route.js';
import type { ConnectionTarget, NodeAddress, SentinelTarget } from '../config/options.js';
import { textOf } from './addresses.js';
import { SentinelSource } from './sentinel.js';
import { SentinelDirectory } from './sentinel-directory.js';
import { type SentinelReplica, SentinelReplicas } from './sentinel-replicas.js';
import { Shard } from './shard.js';
import type { Endpoint, LeaveTerms, Topology, TopologyFact, TopologyOwner } from './topology.js';

/**
 * What is in flight at a replica that came out of use is given up after so long, ms, as the server may
 * hang: a read is done elsewhere then.
 */
const LEAVE_TERMS: LeaveTerms = { drainMs: 1_000 };

/** The primary, wherever it is. */
class Primary implements Endpoint {
  readonly id = 'primary';
  readonly role = 'primary';
  readonly source: SentinelSource;
  zone: string | undefined = undefined;
  /** There is no connection to it. */
  isAway = false;

  constructor(source: SentinelSource) {
    this.source = source;
  }

  get address(): string {
    return this.source.address;
  }
}

export class SentinelTopology implements Topology {
  readonly isSharded = false;
  readonly hasReaders = true;
  readonly #target: ConnectionTarget;
  readonly #source: SentinelSource;
  readonly #primary: Primary;
  readonly #replicas: SentinelReplicas;
  #shard: Shard<Primary | SentinelReplica>;
  #endpoints: readonly Endpoint[];
  #owner: TopologyOwner | undefined;
  #primaryAddress: NodeAddress | undefined;
  /** The address of the primary that was asked for its zone. */
  #zoneAsked: NodeAddress | undefined;

  constructor(sentinel: SentinelTarget, target: ConnectionTarget, clock: Clock) {
    const directory = new SentinelDirectory(sentinel, target, clock);
    this.#target = target;
    this.#source = new SentinelSource(sentinel, target, clock, directory);
    this.#primary = new Primary(this.#source);
    this.#replicas = this.#createReplicas(sentinel, clock, directory);
    this.#shard = new Shard<Primary | SentinelReplica>(this.#primary, [], target);
    this.#endpoints = [this.#primary];
    this.#source.onFound = (primary) => this.#onFound(primary);
    this.#source.onReplicaNews = () => this.#replicas.onNews();
  }

  get address(): string {
    return this.#source.address;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  start(owner: TopologyOwner): void {
    this.#owner = owner;
    this.#source.onLookFailed = (error) => owner.onLookFailed?.(error);
    this.#source.start();
    this.look().catch(() => {
      // It is repeated, and told by the look for the primary; until then reads are the primary's.
    });
  }

  route(route: CommandRoute | undefined): Endpoint {
    return route?.access === 'read' ? this.#shard.reader() : this.#primary;
  }

  endpointAt(): undefined {
    return undefined;
  }

  report(fact: TopologyFact): void {
    if (fact.kind === 'moved') return;
    const { endpoint } = fact;
    if (endpoint.role === 'replica') {
      // One connection of several may be lost for reasons of its own.
      if (fact.kind === 'demoted' || fact.downForMs !== undefined) this.#replicas.leave(endpoint);
    } else if (fact.kind === 'unreachable') {
      this.#primary.isAway = fact.downForMs !== undefined;
    }
  }

  look(): Promise<void> {
    return this.#replicas.look();
  }

  stop(): void {
    this.#replicas.stop();
    this.#source.stop();
  }

  #createReplicas(
    sentinel: SentinelTarget,
    clock: Clock,
    directory: SentinelDirectory,
  ): SentinelReplicas {
    const topology = this;
    return new SentinelReplicas(sentinel, this.#target, clock, directory, {
      get primary() {
        return topology.#primaryAddress;
      },
      get isPrimaryAway() {
        return topology.#primary.isAway;
      },
      onChange: () => this.#onReplicas(),
      onLooked: () => void this.#askPrimaryForZone(),
    });
  }

  #onReplicas(): void {
    const { inUse } = this.#replicas;
    this.#shard = new Shard<Primary | SentinelReplica>(this.#primary, inUse, this.#target);
    this.#endpoints = [this.#primary, ...inUse];
    this.#owner?.onChange(LEAVE_TERMS);
  }

  /** A connection to the primary was made. */
  #onFound(primary: NodeAddress): void {
    this.#primary.isAway = false;
    const before = this.#primaryAddress;
    if (before !== undefined && textOf(before) === textOf(primary)) return;
    this.#primaryAddress = primary;
    this.#replicas.onPrimary(primary);
    if (before !== undefined) this.#replicas.onNews();
    void this.#askPrimaryForZone();
  }

  async #askPrimaryForZone(): Promise<void> {
    const address = this.#primaryAddress;
    if (this.#target.reads !== 'nearest-zone' || address === undefined) return;
    if (this.#zoneAsked === address) return;
    this.#zoneAsked = address;
    try {
      const zone = await this.#replicas.zoneOf(address);
      if (this.#primaryAddress !== address) return;
      this.#primary.zone = zone;
      this.#shard.rank();
    } catch {
      // It is asked again after the next look.
      if (this.#zoneAsked === address) this.#zoneAsked = undefined;
    }
  }
}
