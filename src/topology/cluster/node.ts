// One node of a cluster, which stays the same while its role changes: each role it has had is an
// endpoint of its own, as a replica's connections are set up otherwise than a primary's.

import type { Clock } from '../../base/clock.js';
import type { ConnectionSource, Link } from '../../base/link.js';
import type { ConnectionTarget, NodeAddress } from '../../config/options.js';
import { PoolError } from '../../errors.js';
import { addressOf } from '../../wire/connect-error.js';
import { GreetingMemory, type openConnection } from '../../wire/connector.js';
import type { Prelude } from '../../wire/handshake.js';
import { textOf } from '../addresses.js';
import type { Endpoint } from '../topology.js';

export type Role = Endpoint['role'];

/** How connections are made; a test can put its own here. */
export type Open = typeof openConnection;

/** What was said against a node counts for so long, unless it is said again, ms. */
const SUSPICION_MS = 15_000;

/** A dial that takes longer is a reason to ask the others: a server that hangs accepts it, ms. */
const SLOW_DIAL_MS = 250;

/** A replica sends away whoever has not said so, for each key. */
const READONLY = { args: ['READONLY'] } as const;

export interface NodeDependencies {
  readonly target: ConnectionTarget;
  readonly clock: Clock;
  readonly open: Open;
  /** It may be away, though nothing has failed yet. */
  readonly onSlow: (node: ClusterNode) => void;
}

export class ClusterNode {
  readonly address: NodeAddress;
  /** `host:port`, which tells it from others. */
  readonly text: string;
  /** Its own number, as nodes tell it; `undefined`: they don't. */
  id: string | undefined = undefined;
  /** Where it stands; `undefined`: it does not say, or was not asked yet. */
  zone: string | undefined = undefined;
  wasAskedForZone = false;
  /** When it was last in use or named, on the pool's clock. */
  seenAt: number;
  readonly #dependencies: NodeDependencies;
  readonly #memory = new GreetingMemory();
  readonly #endpoints: Partial<Record<Role, ClusterEndpoint>> = {};
  /** Since when it is said to be away; 0: it is not. */
  #suspectedAt = 0;

  constructor(address: NodeAddress, dependencies: NodeDependencies) {
    this.address = address;
    this.text = textOf(address);
    this.#dependencies = dependencies;
    this.seenAt = dependencies.clock.now();
  }

  as(role: Role): ClusterEndpoint {
    this.#endpoints[role] ??= new ClusterEndpoint(this, role);
    return this.#endpoints[role];
  }

  /** It is said to be away, and nobody has reached it since. */
  get isSuspect(): boolean {
    if (this.#suspectedAt === 0) return false;
    return this.#dependencies.clock.now() - this.#suspectedAt < SUSPICION_MS;
  }

  /** @returns Whether that is new. */
  suspect(): boolean {
    const isNew = !this.isSuspect;
    this.#suspectedAt = this.#dependencies.clock.now();
    return isNew;
  }

  clear(): void {
    this.#suspectedAt = 0;
  }

  async connect(role: Role, signal: AbortSignal, keepsAlive: boolean): Promise<Link> {
    const { target, clock, open, onSlow } = this.#dependencies;
    const own = { ...target, ...this.address, path: undefined };
    const slow = setTimeout(() => onSlow(this), SLOW_DIAL_MS).unref();
    try {
      const link = await open(own, clock, signal, this.#memory, keepsAlive, this.#prelude(role));
      this.clear();
      return link;
    } finally {
      clearTimeout(slow);
    }
  }

  /** With the greeting, as what is sent by mistake to another cluster is written there. */
  #prelude(role: Role): Prelude {
    const identify = {
      args: ['CLUSTER', 'MYID'],
      isOptional: true,
      onReply: (reply: unknown) => this.#refuseStranger(reply),
    };
    return role === 'replica' ? [READONLY, identify] : [identify];
  }

  /** The address may be that of another node, or of another cluster, by now. */
  #refuseStranger(reply: unknown): void {
    if (this.id === undefined || String(reply) === this.id) return;
    const text = `${this.name} is another node than the one that was meant (${this.id})`;
    throw new PoolError('CONNECT_FAILED', text, { sent: false });
  }

  /** For messages. */
  get name(): string {
    return addressOf({ ...this.#dependencies.target, ...this.address, path: undefined });
  }
}

export class ClusterEndpoint implements Endpoint {
  readonly id: string;
  readonly address: string;
  readonly role: Role;
  readonly node: ClusterNode;
  readonly source: ConnectionSource;

  constructor(node: ClusterNode, role: Role) {
    this.id = node.text;
    this.address = node.name;
    this.role = role;
    this.node = node;
    this.source = {
      address: this.address,
      connect: (signal, keepsAlive) => node.connect(role, signal, keepsAlive),
      // A node does not move: what moves is the slots, and the pool tells the topology.
      reportDemotion() {},
      onMoved: undefined,
      stop() {},
    };
  }

  get zone(): string | undefined {
    return this.node.zone;
  }

  get isAway(): boolean {
    return this.node.isSuspect;
  }
}
