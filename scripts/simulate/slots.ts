// Who serves which hash slot: how it is, and how each server of a simulated cluster believes that it
// is. A server knows for certain what is its own; of the others it may be behind.
//
//   migration of a slot:  source --(some keys gone: ASK, TRYAGAIN)--> target --> all are told

import { array, bulk, error, integer, map, OK, simple } from 'plimsoll-cli/simulated-time/resp.js';
import type { ServerClient, SimulatedServer, SlotView } from './server.js';

export const SLOT_COUNT = 16_384;

/** A primary and its replicas. */
export interface Shard {
  primary: SimulatedServer;
  replicas: SimulatedServer[];
}

/** What a server believes of the others. */
interface Belief {
  readonly shardOf: Uint8Array;
  readonly shards: readonly Shard[];
  readonly epoch: number;
}

interface Migration {
  readonly target: Shard;
  /** Share of the slot's keys that are gone already. */
  progress: number;
}

export class Slots implements SlotView {
  readonly shards: readonly Shard[];
  readonly shardOf = new Uint8Array(SLOT_COUNT);
  readonly migrations = new Map<number, Migration>();
  readonly #beliefs = new Map<SimulatedServer, Belief>();
  #epoch = 1;

  constructor(shards: readonly Shard[]) {
    this.shards = shards;
    const each = SLOT_COUNT / shards.length;
    for (let slot = 0; slot < SLOT_COUNT; slot++) this.shardOf[slot] = Math.floor(slot / each);
    this.tellAll();
  }

  /** Something has changed, of which nobody else has heard yet. */
  noteChange(): void {
    this.#epoch++;
  }

  /** A server learns how it is. */
  tell(server: SimulatedServer): void {
    this.#beliefs.set(server, this.#truth());
  }

  tellAll(): void {
    const truth = this.#truth();
    for (const { primary, replicas } of this.shards) {
      for (const server of [primary, ...replicas]) this.#beliefs.set(server, truth);
    }
  }

  beliefOf(server: SimulatedServer): Belief {
    return this.#beliefs.get(server) as Belief;
  }

  /** A server falls back to what it, or another one, believed before. */
  mislead(server: SimulatedServer, belief: Belief): void {
    this.#beliefs.set(server, belief);
  }

  refusal(
    server: SimulatedServer,
    keys: readonly string[],
    isAsking: boolean,
    isReplicaRead: boolean,
  ): string | undefined {
    const slot = slotOf(keys[0] as string);
    if (keys.some((key) => slotOf(key) !== slot)) {
      return "CROSSSLOT Keys in request don't hash to the same slot";
    }
    const shard = this.shards[this.shardOf[slot] as number] as Shard;
    const migration = this.migrations.get(slot);
    if (server === shard.primary) return this.#refusalOfSource(slot, keys, migration);
    if (isReplicaRead && shard.replicas.includes(server)) return undefined;
    if (migration?.target.primary === server && isAsking) {
      const missing = keys.filter((key) => !isGone(key, migration));
      return keys.length > 1 && missing.length > 0 ? TRY_AGAIN : undefined;
    }
    const { shardOf, shards } = this.beliefOf(server);
    const believed = shards[shardOf[slot] as number] as Shard;
    // Nobody sends a client to himself: he knows what is his own.
    const owner = believed.primary === server ? shard.primary : believed.primary;
    return `MOVED ${slot} ${owner.address}`;
  }

  describe(
    server: SimulatedServer,
    { protocol }: ServerClient,
    [what, ...args]: readonly string[],
  ): string {
    switch ((what ?? '').toUpperCase()) {
      case 'SLOTS':
        return array(this.#ranges(server, protocol));
      case 'INFO':
        return bulk(`cluster_state:ok\r\ncluster_current_epoch:${this.beliefOf(server).epoch}\r\n`);
      case 'MYID':
        return bulk(idOf(server));
      case 'KEYSLOT':
        return integer(slotOf(args[0] as string));
      case 'RESET':
        return OK;
      case 'SAVECONFIG':
        return simple('OK');
      default:
        return error(`ERR unknown subcommand '${what}'`);
    }
  }

  #refusalOfSource(
    slot: number,
    keys: readonly string[],
    migration: Migration | undefined,
  ): string | undefined {
    if (migration === undefined) return undefined;
    const gone = keys.filter((key) => isGone(key, migration)).length;
    if (gone === 0) return undefined;
    return gone < keys.length ? TRY_AGAIN : `ASK ${slot} ${migration.target.primary.address}`;
  }

  #truth(): Belief {
    return {
      shardOf: this.shardOf.slice(),
      shards: this.shards.map(({ primary, replicas }) => ({ primary, replicas: [...replicas] })),
      epoch: this.#epoch,
    };
  }

  #ranges(server: SimulatedServer, protocol: 2 | 3): string[] {
    const { shardOf, shards } = this.beliefOf(server);
    const ranges: string[] = [];
    for (let start = 0; start < SLOT_COUNT; ) {
      let end = start;
      while (end + 1 < SLOT_COUNT && shardOf[end + 1] === shardOf[start]) end++;
      const { primary, replicas } = shards[shardOf[start] as number] as Shard;
      const nodes = [primary, ...replicas].map((node) => describeNode(node, protocol));
      ranges.push(array([integer(start), integer(end), ...nodes]));
      start = end + 1;
    }
    return ranges;
  }
}

const TRY_AGAIN = 'TRYAGAIN Multiple keys request during rehashing of slot';

function describeNode(server: SimulatedServer, protocol: 2 | 3): string {
  const { host, port } = server;
  return array([bulk(host), integer(port), bulk(idOf(server)), map([], protocol)]);
}

function idOf({ address }: SimulatedServer): string {
  return Buffer.from(address).toString('hex').padStart(40, '0').slice(-40);
}

/** A key is gone, or not, for all who ask, and more of them are as the migration goes on. */
function isGone(key: string, { progress }: Migration): boolean {
  let sum = 0;
  for (let index = 0; index < key.length; index++) sum = (31 * sum + key.charCodeAt(index)) >>> 0;
  return (sum % 1_000) / 1_000 < progress;
}

const known = new Map<string, number>();

/** By the hash tag, which all keys here have. */
export function slotOf(key: string): number {
  const tag = key.slice(key.indexOf('{') + 1, key.indexOf('}'));
  let slot = known.get(tag);
  if (slot === undefined) {
    slot = crc16(tag) % SLOT_COUNT;
    known.set(tag, slot);
  }
  return slot;
}

/** Written anew rather than taken from the library, which it is to check. */
function crc16(text: string): number {
  let remainder = 0;
  for (const character of text) {
    remainder ^= character.charCodeAt(0) << 8;
    for (let bit = 0; bit < 8; bit++) {
      remainder = remainder & 0x8000 ? (remainder << 1) ^ 0x1021 : remainder << 1;
    }
    remainder &= 0xffff;
  }
  return remainder;
}
