// A primary and its replicas, and who of them serves a read: of a cluster's shard, or of the group that
// sentinels watch.

import type { Reads } from '../config/options.js';

export interface ReadPreference {
  readonly reads: Reads;
  readonly zone: string | undefined;
}

/** One of the servers, as far as the choice is concerned. */
export interface ShardServer {
  /** Availability zone; `undefined`: it does not say, or was not asked yet. */
  readonly zone?: string | undefined;
  /** It can't be reached just now, as far as is known. */
  readonly isAway: boolean;
}

export class Shard<Server extends ShardServer> {
  readonly primary: Server;
  readonly replicas: readonly Server[];
  readonly #preference: ReadPreference;
  /** Who serves reads, those of the first list before those of the next. */
  #readers: readonly (readonly Server[])[] = [];
  #turn = 0;

  constructor(primary: Server, replicas: readonly Server[], preference: ReadPreference) {
    this.primary = primary;
    this.replicas = replicas;
    this.#preference = preference;
    this.rank();
  }

  /** Who is in which zone may have become known. */
  rank(): void {
    const { reads, zone } = this.#preference;
    const { primary, replicas } = this;
    if (reads === 'primary') this.#readers = [];
    else if (reads === 'prefer-replica') this.#readers = [replicas];
    else {
      const isNear = (server: Server) => server.zone === zone;
      const near = replicas.filter(isNear);
      const far = replicas.filter((server) => !isNear(server));
      this.#readers = [near, isNear(primary) ? [primary] : [], far];
    }
  }

  /** Who serves a read: in turn those who are preferred, and the primary where they are away. */
  reader(): Server {
    for (const list of this.#readers) {
      for (let tries = list.length; tries > 0; tries--) {
        this.#turn = (this.#turn + 1) % list.length;
        const server = list[this.#turn] as Server;
        if (!server.isAway) return server;
      }
    }
    return this.primary;
  }
}
