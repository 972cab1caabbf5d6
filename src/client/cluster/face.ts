// What node-redis' cluster client has besides a client's methods, for libraries that ask for it: which
// nodes there are, and a client of one of them. `pool.client` has it only where keys decide which
// server runs a command, as libraries tell a cluster by that.

import type { Command } from '../../base/command.js';
import { keySlot } from '../../base/key-slot.js';
import type { CommandRoute } from '../../base/route.js';
import { PoolError } from '../../errors.js';
import type { ConnectionLease } from '../../node/lease.js';
import type { LeaseTerms } from '../../node/lease-request.js';
import type { KnownEndpoint, PoolExecutor } from '../../pool/executor.js';
import { prefixKey } from '../../wire/encoder.js';
import type { RedisArgument } from '../../wire/protocol.js';
import { classOfWords } from '../catalog.js';
import type { Client } from '../client.js';
import type { CommandContext, CommandOptions } from '../context.js';
import { argumentError, encodeWords } from '../encode.js';
import { PoolFacade } from '../facade.js';
import { issue } from '../issue.js';
import type { PlimsollClient } from '../types.js';
import { routeTo } from './parts.js';
import { slotsOf } from './slots.js';

/** A node of a cluster, as node-redis describes it. */
export interface ClusterNode {
  readonly id: string;
  /** `host:port` */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** It is a replica. */
  readonly readonly: boolean;
}

/**
 * What `pool.client` has besides in a cluster, as node-redis' cluster client has it: for libraries that
 * tell a cluster by it, and ask each node for itself.
 */
export interface ClusterFace {
  readonly masters: ClusterNode[];
  readonly replicas: ClusterNode[];
  readonly nodeByAddress: Map<string, ClusterNode>;
  /** By slot; where nobody is known to serve one, it is missing. */
  readonly slots: { readonly master: ClusterNode }[];
  /** A client whose commands go to that node, and are followed nowhere else. */
  nodeClient(node: ClusterNode): Promise<PlimsollClient>;
  getRandomNode(): ClusterNode;
  /** The primary: which replicas serve which slot is the pool's to know. */
  getSlotRandomNode(slot: number): ClusterNode;
  getSlotMaster(slot: number): ClusterNode;
  getMasters(): ClusterNode[];
  getNodeClientForKey(key: RedisArgument): Promise<PlimsollClient>;
}

/** What a client keeps to itself. */
interface Inside {
  readonly host: unknown;
  readonly context: CommandContext;
  readonly root: Client;
}

const inside = (client: Client) => client as unknown as Inside;

/** The class of clients in a cluster. @param Base That of all others. */
export function withClusterFace(Base: typeof Client): typeof Client {
  class ClusterClient extends Base implements ClusterFace {
    get masters(): ClusterNode[] {
      return nodesOf(this).filter(({ readonly }) => !readonly);
    }

    get replicas(): ClusterNode[] {
      return nodesOf(this).filter(({ readonly }) => readonly);
    }

    get nodeByAddress(): Map<string, ClusterNode> {
      return new Map(nodesOf(this).map((node) => [node.address, node]));
    }

    get slots(): { readonly master: ClusterNode }[] {
      const pool = poolOf(this);
      const shards = new Map(this.masters.map((master) => [master.id, { master }]));
      const slots: { readonly master: ClusterNode }[] = [];
      for (let slot = 0; slot < 16_384; slot++) {
        const shard = shards.get(pool.slotOwnerId(slot) ?? '');
        if (shard !== undefined) slots[slot] = shard;
      }
      return slots;
    }

    async nodeClient(node: ClusterNode): Promise<PlimsollClient> {
      const { host, context, root } = inside(this);
      const pool = new NodeExecutor(poolOf(this), node.id);
      const Class = Base as new (...args: unknown[]) => Client;
      const own = context.at({ pool }, context.keyPrefix, context.options);
      return new Class(host, own, root) as unknown as PlimsollClient;
    }

    getRandomNode(): ClusterNode {
      const nodes = nodesOf(this);
      return nodes[Math.floor(Math.random() * nodes.length)] ?? nobody();
    }

    getSlotRandomNode(slot: number): ClusterNode {
      return this.getSlotMaster(slot);
    }

    getSlotMaster(slot: number): ClusterNode {
      const id = poolOf(this).slotOwnerId(slot);
      return nodesOf(this).find((node) => node.id === id) ?? nobody();
    }

    getMasters(): ClusterNode[] {
      return this.masters;
    }

    async getNodeClientForKey(key: RedisArgument): Promise<PlimsollClient> {
      const slot = keySlot(prefixKey(inside(this).context.keyPrefix, key));
      return this.nodeClient(this.getSlotMaster(slot));
    }

    /** Also as node-redis' cluster has it: `sendCommand(firstKey, isReadonly, args, options)`. */
    override sendCommand(...given: unknown[]): Promise<unknown> {
      const [first, second, third, fourth] = given;
      if (Array.isArray(first) || !Array.isArray(third)) {
        return super.sendCommand(first as readonly RedisArgument[], second as CommandOptions);
      }
      return sendNear(
        inside(this).context,
        first as RedisArgument | undefined,
        third,
        fourth as CommandOptions | undefined,
      );
    }
  }
  return ClusterClient as unknown as typeof Client;
}

/** Sends words to the server of a key, where nobody knows a key among them. */
async function sendNear(
  given: CommandContext,
  firstKey: RedisArgument | undefined,
  words: readonly RedisArgument[],
  options: CommandOptions | undefined,
): Promise<unknown> {
  try {
    const context = options === undefined ? given : given.with(options);
    const encoder = encodeWords(words);
    const commandClass = classOfWords(encoder.name, encoder.subcommand);
    const isLost = slotsOf(encoder, commandClass) === undefined;
    if (isLost && firstKey !== undefined) encoder.slots = keySlot(firstKey);
    return await issue(context, encoder, commandClass);
  } catch (error) {
    if (error instanceof TypeError) throw argumentError(error);
    throw error;
  }
}

function poolOf(client: Client): PoolExecutor {
  return inside(client).context.pool as PoolExecutor;
}

function nodesOf(client: Client): ClusterNode[] {
  return poolOf(client).endpoints.map(nodeOf);
}

function nodeOf({ id, address, role }: KnownEndpoint): ClusterNode {
  const colon = address.lastIndexOf(':');
  const [host, port] = [address.slice(0, colon), Number(address.slice(colon + 1))];
  return { id, address, host, port, readonly: role === 'replica' };
}

function nobody(): never {
  throw new PoolError('CONNECT_FAILED', 'No node of the cluster is known yet', { sent: false });
}

/** The pool, as a client of one server sees it. */
class NodeExecutor extends PoolFacade {
  readonly #route: CommandRoute;

  constructor(pool: PoolExecutor, endpointId: string) {
    super(pool);
    this.#route = routeTo(endpointId, 'write');
  }

  override get isSharded(): boolean {
    return false;
  }

  override get hasReaders(): boolean {
    return false;
  }

  override get endpoints(): readonly KnownEndpoint[] {
    return [];
  }

  /** It alone knows where its commands go, so that no order is kept. */
  claims(): boolean {
    return true;
  }

  override execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    command.route = this.#route;
    return this.pool.execute(command, signal);
  }

  override executeExclusive(command: Command, signal?: AbortSignal): Promise<unknown> {
    command.route = this.#route;
    return this.pool.executeExclusive(command, signal);
  }

  override acquireLease(options?: LeaseTerms): Promise<ConnectionLease> {
    return this.pool.acquireLease({ ...options, route: this.#route });
  }

  override endpointIds(): readonly string[] {
    return [];
  }

  override slotOwnerId(): undefined {
    return undefined;
  }
}
