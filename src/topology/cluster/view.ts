// Which endpoint serves which slot, as far as is known: made of what nodes say (CLUSTER SLOTS), and
// put right slot by slot by what MOVED says.

import { SLOT_COUNT } from '../../base/key-slot.js';
import { type ReadPreference, Shard } from '../shard.js';
import type { SlotSpan } from '../topology.js';
import type { ClusterEndpoint, ClusterNode } from './node.js';
import type { ListedNode, SlotRange } from './slot-map.js';

export type ClusterShard = Shard<ClusterEndpoint>;

export class ClusterView {
  readonly #bySlot: (ClusterShard | undefined)[] = new Array(SLOT_COUNT).fill(undefined);
  readonly #shards = new Map<string, ClusterShard>();
  readonly #preference: ReadPreference;
  #endpoints: readonly ClusterEndpoint[] | undefined;
  #turn = 0;
  /** By the endpoint's id; made when it is asked for. */
  #spans: ReadonlyMap<string, readonly SlotSpan[]> | undefined;
  /** Slots that have a primary. */
  coverage = 0;

  /** @param nodeOf The node that is meant, the same each time. */
  constructor(
    ranges: readonly SlotRange[],
    preference: ReadPreference,
    nodeOf: (listed: ListedNode) => ClusterNode,
  ) {
    this.#preference = preference;
    const primaries = new Set(ranges.map(({ primary }) => nodeOf(primary)));
    for (const { start, end, primary, replicas } of ranges) {
      const node = nodeOf(primary);
      let shard = this.#shards.get(node.text);
      if (shard === undefined) {
        // Whoever is a primary in one line is none of another's replicas: one endpoint a node.
        const others = new Set(replicas.map(nodeOf).filter((replica) => !primaries.has(replica)));
        shard = this.#newShard(node, [...others]);
      }
      for (let slot = start; slot <= end; slot++) this.#set(slot, shard);
    }
  }

  /** Each once: primaries, then replicas. */
  get endpoints(): readonly ClusterEndpoint[] {
    if (this.#endpoints === undefined) {
      const shards = [...this.#shards.values()];
      const primaries = shards.map(({ primary }) => primary);
      this.#endpoints = [...new Set([...primaries, ...shards.flatMap(({ replicas }) => replicas)])];
    }
    return this.#endpoints;
  }

  get shards(): Iterable<ClusterShard> {
    return this.#shards.values();
  }

  shardOf(slot: number): ClusterShard | undefined {
    return this.#bySlot[slot];
  }

  /** The slots that an endpoint serves: a primary its shard's, and so do its replicas. */
  slotsOf(endpointId: string): readonly SlotSpan[] {
    this.#spans ??= spansOf(this.#bySlot);
    return this.#spans.get(endpointId) ?? [];
  }

  /** One of the primaries in turn, for what any of them can do. */
  anyPrimary(): ClusterEndpoint | undefined {
    const { endpoints } = this;
    const count = this.#shards.size;
    for (let tries = count; tries > 0; tries--) {
      this.#turn = (this.#turn + 1) % count;
      const endpoint = endpoints[this.#turn] as ClusterEndpoint;
      if (!endpoint.node.isSuspect) return endpoint;
    }
    return endpoints[this.#turn];
  }

  /** One slot is another's by now. */
  assign(slot: number, node: ClusterNode): void {
    let shard = this.#shards.get(node.text);
    if (shard === undefined) {
      this.#forgetReplica(node);
      shard = this.#newShard(node, []);
    }
    this.#set(slot, shard);
  }

  /** Slots without a primary keep the one they had, unless that is none any more. */
  fillFrom(before: ClusterView): void {
    const replicas = [...this.shards].flatMap((shard) => shard.replicas);
    const demoted = new Set(replicas.map(({ node }) => node));
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const node = before.shardOf(slot)?.primary.node;
      if (this.#bySlot[slot] !== undefined || node === undefined || demoted.has(node)) continue;
      this.assign(slot, node);
    }
  }

  /** A replica has taken the place of its primary: all of the slots are its own then. */
  promote(shard: ClusterShard, node: ClusterNode): void {
    this.#shards.delete(shard.primary.id);
    const others = shard.replicas.filter((replica) => replica.node !== node);
    const next = this.#newShard(
      node,
      others.map((replica) => replica.node),
    );
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (this.#bySlot[slot] === shard) this.#bySlot[slot] = next;
    }
  }

  #set(slot: number, shard: ClusterShard): void {
    if (this.#bySlot[slot] === undefined) this.coverage++;
    this.#bySlot[slot] = shard;
    this.#spans = undefined;
  }

  #newShard(primary: ClusterNode, replicas: readonly ClusterNode[]): ClusterShard {
    const endpoints = replicas.map((node) => node.as('replica'));
    const shard = new Shard(primary.as('primary'), endpoints, this.#preference);
    this.#shards.set(primary.text, shard);
    this.#endpoints = undefined;
    this.#spans = undefined;
    return shard;
  }

  /** A node has one role: as a primary it is nobody's replica any more. */
  #forgetReplica(node: ClusterNode): void {
    for (const shard of [...this.#shards.values()]) {
      if (!shard.replicas.some((replica) => replica.node === node)) continue;
      const others = shard.replicas.filter((replica) => replica.node !== node);
      const next = this.#newShard(
        shard.primary.node,
        others.map((replica) => replica.node),
      );
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        if (this.#bySlot[slot] === shard) this.#bySlot[slot] = next;
      }
    }
  }
}

function spansOf(bySlot: readonly (ClusterShard | undefined)[]): Map<string, SlotSpan[]> {
  const spans = new Map<string, SlotSpan[]>();
  for (let first = 0; first < SLOT_COUNT; ) {
    const shard = bySlot[first];
    let last = first;
    while (last + 1 < SLOT_COUNT && bySlot[last + 1] === shard) last++;
    for (const { id } of shard === undefined ? [] : [shard.primary, ...shard.replicas]) {
      spans.set(id, [...(spans.get(id) ?? []), [first, last]]);
    }
    first = last + 1;
  }
  return spans;
}
