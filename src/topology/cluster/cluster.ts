// A Redis Cluster: its nodes, and which of them serves which slot. What one node says is believed
// only where it is no worse than what is known: a node may be new, cut off or behind. MOVED puts one
// slot right at once; everything else is put right by a look at what the nodes say of each other.
//
//   facts ---> LookSchedule ---> Survey: 3 nodes at once ---> the best answer ---> ClusterView
//   MOVED -----------------------------------------------------------------------> one slot of it

import type { Clock } from '../../base/clock.js';
import type { CommandRoute } from '../../base/route.js';
import type { ClusterTarget, ConnectionTarget, NodeAddress } from '../../config/options.js';
import { openConnection } from '../../wire/connector.js';
import { textOf } from '../addresses.js';
import type { Endpoint, SlotSpan, Topology, TopologyFact, TopologyOwner } from '../topology.js';
import { type Answer, bestOf, isKin, listedIn } from './answers.js';
import { type Finding, LookSchedule } from './look-schedule.js';
import { ClusterNode, type NodeDependencies, type Open } from './node.js';
import { isSlot, type ListedNode, locatorFor, parseAddress, signatureOf } from './slot-map.js';
import { Survey } from './survey.js';
import { type ClusterShard, ClusterView } from './view.js';

/** A view that seems worse than the one in use is believed after so long all the same, ms. */
const DOUBT_MS = 10_000;
/** What is in flight at a primary that hangs and was replaced may take so long to be answered, ms. */
const LEFT_DRAIN_MS = 1_000;
/** A node that is in no view any more is remembered for so long, ms. */
const MEMORY_MS = 60_000;
/** Nodes that are asked for their zone at once. */
const ZONES_AT_ONCE = 8;
/** Seeds that `address` names. */
const NAMED_SEEDS = 3;

export class ClusterTopology implements Topology {
  readonly address: string;
  readonly isSharded = true;
  readonly #cluster: ClusterTarget;
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #survey: Survey;
  readonly #schedule: LookSchedule;
  readonly #nodeDependencies: NodeDependencies;
  /** By `host:port`, in use or lately so. */
  readonly #nodes = new Map<string, ClusterNode>();
  /** By whatever else they are called. */
  #names: ReadonlyMap<string, ClusterNode> = new Map();
  /** The nodes' own numbers: what tells this cluster from another at the same addresses. */
  #ids: ReadonlySet<string> = new Set();
  #view: ClusterView | undefined;
  /** The newest that any node knew of. */
  #epoch = 0;
  /** Of the answer that the view was made of; `undefined`: it was changed since. */
  #signature: string | undefined;
  /** Since when worse views than that in use are told. */
  #doubtedAt: number | undefined;
  #owner: TopologyOwner | undefined;
  #changeIsDue = false;
  #isAskingForZones = false;
  #isStopped = false;

  /** @param random Uniform in [0, 1). @param open For tests. */
  constructor(
    cluster: ClusterTarget,
    target: ConnectionTarget,
    clock: Clock,
    random: () => number,
    open: Open = openConnection,
  ) {
    this.#cluster = cluster;
    this.#target = target;
    this.#clock = clock;
    this.#random = random;
    const named = cluster.nodes.slice(0, NAMED_SEEDS).map(textOf).join(', ');
    this.address = `cluster (${named}${cluster.nodes.length > NAMED_SEEDS ? ', ...' : ''})`;
    this.#survey = new Survey(target, cluster.addressMap, clock, open);
    const onLookFailed = (error: Error) => this.#owner?.onLookFailed?.(error);
    this.#schedule = new LookSchedule(() => this.#look(), onLookFailed, clock, random);
    const onSlow = (node: ClusterNode) => {
      this.report({ kind: 'unreachable', endpoint: node.as('primary') });
    };
    this.#nodeDependencies = { target, clock, open, onSlow };
  }

  get endpoints(): readonly Endpoint[] {
    return this.#view?.endpoints ?? [];
  }

  get primariesWithoutReplica(): number | undefined {
    if (this.#view === undefined) return undefined;
    // Nodes don't list those that have failed; nobody may have asked a replica, so no more is known.
    return [...this.#view.shards].filter(({ replicas }) => replicas.length === 0).length;
  }

  slotsOf({ id }: Endpoint): readonly SlotSpan[] {
    return this.#view?.slotsOf(id) ?? [];
  }

  start(owner: TopologyOwner): void {
    this.#owner = owner;
    this.#schedule.inBackground();
  }

  route(route: CommandRoute | undefined): Endpoint | undefined {
    const view = this.#view;
    if (view === undefined) return undefined;
    if (route?.endpointId !== undefined) {
      return view.endpoints.find(({ id }) => id === route.endpointId);
    }
    if (route?.slot === undefined) return view.anyPrimary();
    const shard = view.shardOf(route.slot);
    return route.access === 'read' ? shard?.reader() : shard?.primary;
  }

  endpointAt(address: string, from: Endpoint): Endpoint | undefined {
    return this.#nodeNamed(address, from)?.as('primary');
  }

  report(fact: TopologyFact): void {
    if (this.#isStopped) return;
    if (fact.kind === 'moved') this.#onMoved(fact.slot, fact.to, fact.from);
    else if (!this.#suspect(fact.endpoint)) return;
    this.#schedule.want();
  }

  look(): Promise<void> {
    return this.#schedule.now();
  }

  stop(): void {
    this.#isStopped = true;
    this.#schedule.stop();
    this.#survey.stop();
  }

  /** @returns Whether that is new: what was known already brings no further look. */
  #suspect({ id }: Endpoint): boolean {
    const node = this.#nodes.get(id);
    return node === undefined || node.suspect();
  }

  #onMoved(slot: number, to: string, from: Endpoint): void {
    const view = this.#view;
    const node = this.#nodeNamed(to, from);
    if (view === undefined || node === undefined || !isSlot(slot)) return;
    const shard = view.shardOf(slot);
    if (shard?.primary.node === node || !isOf(shard, from)) return;
    const before = view.endpoints;
    if (shard?.replicas.some((replica) => replica.node === node)) view.promote(shard, node);
    else view.assign(slot, node);
    this.#signature = undefined;
    // A server is made known at once; slots that move one after another are told together.
    if (before === view.endpoints) this.#tellLater();
    else this.#owner?.onChange();
  }

  #tellLater(): void {
    if (this.#changeIsDue) return;
    this.#changeIsDue = true;
    queueMicrotask(() => {
      this.#changeIsDue = false;
      if (!this.#isStopped) this.#owner?.onChange();
    });
  }

  async #look(): Promise<Finding> {
    const before = this.#view;
    const answers = await this.#survey.run(this.#candidates(), before === undefined);
    if (this.#isStopped) return 'as before';
    this.#adopt(bestOf(answers, this.#ids));
    void this.#askForZones();
    if (!this.#isWell) return 'wrong';
    return this.#view === before ? 'as before' : 'changed';
  }

  /** Somebody is known for each slot that was served, and nobody is said to be away. */
  get #isWell(): boolean {
    if (this.#view === undefined || this.#doubtedAt !== undefined) return false;
    for (const { primary } of this.#view.shards) if (primary.node.isSuspect) return false;
    return true;
  }

  /**
   * Nodes of the view in any order, with those of the options in between, as either may be gone;
   * those that are said to be away come last.
   */
  #candidates(): NodeAddress[] {
    const nodes = this.#shuffled((this.#view?.endpoints ?? []).map(({ node }) => node));
    const known = nodes.filter((node) => !node.isSuspect).map(({ address }) => address);
    const seeds = this.#shuffled(this.#cluster.nodes);
    const mixed: NodeAddress[] = known.slice(0, 2);
    for (let place = 0; place < Math.max(seeds.length, known.length - 2); place++) {
      mixed.push(...seeds.slice(place, place + 1), ...known.slice(place + 2, place + 3));
    }
    mixed.push(...nodes.filter((node) => node.isSuspect).map(({ address }) => address));
    return [...new Map(mixed.map((address) => [textOf(address), address])).values()];
  }

  #shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((value) => ({ value, rank: this.#random() }))
      .sort((one, other) => one.rank - other.rank)
      .map(({ value }) => value);
  }

  /** What it leaves out stays as it was for a while, where it is the newest that is known. */
  #adopt(answer: Answer): void {
    const isDoubtful = this.#isWorse(answer) && !this.#mayBeBelieved();
    if (isDoubtful && !this.#isNews(answer)) return;
    if (!isDoubtful) this.#doubtedAt = undefined;
    const signature = `${isDoubtful ? 'in part ' : ''}${signatureOf(answer.ranges)}`;
    this.#epoch = isKin(answer, this.#ids) ? Math.max(this.#epoch, answer.epoch) : answer.epoch;
    if (signature === this.#signature) return;
    const now = this.#clock.now();
    const names = new Map<string, ClusterNode>();
    const ids = new Set<string>();
    const told = new Set<ClusterNode>();
    const nodeOf = (listed: ListedNode) => this.#nodeAt(listed.address);
    for (const listed of listedIn(answer)) {
      const node = nodeOf(listed);
      node.seenAt = now;
      // Behind one address for several, any of them may answer.
      node.id = told.has(node) && node.id !== listed.id ? undefined : listed.id;
      told.add(node);
      for (const name of listed.names) names.set(name, node);
      if (listed.id !== undefined) ids.add(listed.id);
    }
    const view = new ClusterView(answer.ranges, this.#target, nodeOf);
    if (isDoubtful && this.#view !== undefined) {
      view.fillFrom(this.#view);
      for (const id of this.#ids) ids.add(id);
    }
    const hasLost = this.#hasLost(view);
    this.#view = view;
    this.#names = names;
    this.#ids = ids;
    this.#signature = signature;
    this.#forgetOldNodes(now);
    this.#owner?.onChange(hasLost ? { drainMs: LEFT_DRAIN_MS } : undefined);
  }

  /** One that is away was replaced: nobody there answers what is in flight, or will any more. */
  #hasLost(next: ClusterView): boolean {
    const kept = new Set(next.endpoints);
    const before = this.#view?.endpoints ?? [];
    return before.some((endpoint) => endpoint.node.isSuspect && !kept.has(endpoint));
  }

  /** It knows of fewer slots, or less than others have told before, or of another cluster. */
  #isWorse(answer: Answer): boolean {
    const view = this.#view;
    if (view === undefined) return false;
    return answer.coverage < view.coverage || this.#isOld(answer) || !isKin(answer, this.#ids);
  }

  #isOld({ epoch }: Answer): boolean {
    return epoch > 0 && epoch < this.#epoch;
  }

  #isNews(answer: Answer): boolean {
    return answer.epoch > 0 && !this.#isOld(answer) && isKin(answer, this.#ids);
  }

  /** Nobody of the view in use can be reached, or there is no better one for a good while. */
  #mayBeBelieved(): boolean {
    const now = this.#clock.now();
    this.#doubtedAt ??= now;
    if (now - this.#doubtedAt >= DOUBT_MS) return true;
    return (this.#view?.endpoints ?? []).every(({ role, node }) => {
      return role === 'replica' || node.isSuspect;
    });
  }

  #forgetOldNodes(now: number): void {
    const inUse = new Set((this.#view?.endpoints ?? []).map(({ node }) => node));
    for (const [text, node] of this.#nodes) {
      if (!inUse.has(node) && now - node.seenAt > MEMORY_MS) this.#nodes.delete(text);
    }
  }

  #nodeAt(address: NodeAddress): ClusterNode {
    const text = textOf(address);
    let node = this.#nodes.get(text);
    if (node === undefined) {
      node = new ClusterNode(address, this.#nodeDependencies);
      this.#nodes.set(text, node);
    }
    return node;
  }

  /** Whom a server means by an address; `undefined`: nobody can say. */
  #nodeNamed(text: string, { id }: Endpoint): ClusterNode | undefined {
    const sender = this.#nodes.get(id)?.address;
    const announced = sender === undefined ? undefined : parseAddress(text, sender);
    if (sender === undefined || announced === undefined) return undefined;
    const known = this.#names.get(textOf(announced));
    if (known !== undefined) return known;
    try {
      const node = this.#nodeAt(locatorFor(sender, this.#cluster.addressMap)(announced));
      node.seenAt = this.#clock.now();
      return node;
    } catch {
      // The caller's own function threw: what it throws in a look is told.
      return undefined;
    }
  }

  /** Each node is asked once, as it does not move to another zone while it runs. */
  async #askForZones(): Promise<void> {
    if (this.#target.reads !== 'nearest-zone' || this.#isAskingForZones) return;
    this.#isAskingForZones = true;
    try {
      const nodes = (this.#view?.endpoints ?? []).map(({ node }) => node);
      const unknown = nodes.filter((node) => !node.wasAskedForZone);
      for (let place = 0; place < unknown.length; place += ZONES_AT_ONCE) {
        const some = unknown.slice(place, place + ZONES_AT_ONCE);
        await Promise.allSettled(some.map((node) => this.#askForZone(node)));
        for (const shard of this.#view?.shards ?? []) shard.rank();
      }
    } finally {
      this.#isAskingForZones = false;
    }
  }

  async #askForZone(node: ClusterNode): Promise<void> {
    node.zone = await this.#survey.zoneOf(node.address);
    node.wasAskedForZone = true;
  }
}

/** Who speaks for a slot: whoever serves it, as far as is known. Others may be behind. */
function isOf(shard: ClusterShard | undefined, { id }: Endpoint): boolean {
  if (shard === undefined || shard.primary.id === id) return true;
  return shard.replicas.some((replica) => replica.id === id);
}
