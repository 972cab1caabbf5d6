// The primaries that the service writes to: of one server, also behind sentinels, one; of a cluster all
// those with slots. For what concerns a server and not a key: how it keeps its data (durability.ts), and
// whether its replicas have what was written (confirmation.ts).
//
// Who has which slot is what a node says (CLUSTER SLOTS), read anew after each change that the pool
// tells of. It may be behind: whoever relies on it finds out by a command with a key.

import { keySlot, type Pool } from 'plimsoll';
import { fenceKey } from './keys.js';

/** So many homes are tried to find one of each primary: enough for one that has a single slot. */
const MAX_HOMES = 500_000;

/** What a primary may be asked, on a connection of its own or a shared one. */
export type ShardClient = Pool['client'];

export interface Shard {
  readonly id: string;
  /** A key that lies there. */
  readonly key: string;
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly id: string;
}

const NO_CLUSTER = /cluster support disabled/;
const LAST_SLOT = 16_383;
const ONLY: Shard = { id: 'only', key: 'auth:fence' };

/** Whether keys decide which server a command goes to, now or after a switch of endpoints. */
export function isSharded(pool: Pool): boolean {
  const { target, endpoints } = pool.options;
  const targets = [target, ...endpoints.map((endpoint) => endpoint.target)];
  return targets.some(({ cluster }) => cluster !== undefined);
}

export class Shards {
  readonly #pool: Pool;
  readonly #isSharded: boolean;
  #ranges: Promise<readonly Range[]> | undefined;

  constructor(pool: Pool) {
    this.#pool = pool;
    this.#isSharded = isSharded(pool);
    pool.on('topologyChange', () => this.forget());
  }

  /** @throws Error where nobody can be asked. */
  async all(): Promise<readonly Shard[]> {
    if (!this.#isSharded) return [ONLY];
    const ranges = await this.#known();
    const missing = new Set(ranges.map(({ id }) => id));
    const shards: Shard[] = [];
    for (let count = 0; missing.size > 0 && count < MAX_HOMES; count++) {
      const key = fenceKey(count.toString(36));
      const id = ownerOf(ranges, key);
      if (id !== undefined && missing.delete(id)) shards.push({ id, key });
    }
    return shards;
  }

  /** Where the accounts of a home are. @throws Error where nobody can be asked, or has it. */
  async of(home: string): Promise<Shard> {
    if (!this.#isSharded) return ONLY;
    const key = fenceKey(home);
    const id = ownerOf(await this.#known(), key);
    if (id === undefined) throw new Error('no server has the slot');
    return { id, key };
  }

  /** On any connection to it: a shared one where there is one server. */
  ask<T>({ key }: Shard, use: (client: ShardClient) => Promise<T>): Promise<T> {
    return this.#isSharded ? this.#pool.withLease(use, { key }) : use(this.#pool.client);
  }

  /** On one connection, and the server of the key. */
  lease<T>(key: string, use: (client: ShardClient) => Promise<T>): Promise<T> {
    return this.#pool.withLease(use, { key });
  }

  /** What is known is wrong by now. */
  forget(): void {
    this.#ranges = undefined;
  }

  #known(): Promise<readonly Range[]> {
    if (this.#ranges !== undefined) return this.#ranges;
    const ranges = this.#look();
    this.#ranges = ranges;
    ranges.catch(() => {
      if (this.#ranges === ranges) this.forget();
    });
    return ranges;
  }

  async #look(): Promise<readonly Range[]> {
    try {
      const slots = await this.#pool.client.clusterSlots();
      return slots.map(({ from, to, master }) => ({ from, to, id: master.id }));
    } catch (error) {
      // Of several endpoints one may be a cluster and another one, which is used now, a server.
      if (!NO_CLUSTER.test((error as Error).message)) throw error;
      return [{ from: 0, to: LAST_SLOT, id: ONLY.id }];
    }
  }
}

function ownerOf(ranges: readonly Range[], key: string): string | undefined {
  const slot = keySlot(key);
  return ranges.find(({ from, to }) => from <= slot && slot <= to)?.id;
}
