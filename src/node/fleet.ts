// The open connections, and the choice among them. Commands pack onto the lowest lanes, leases
// take from the other end, so that the two meet as late as possible and what is idle stays idle.
//
//   entries   0 [lane, busy]  1 [lane]  2 [idle]  3 [leased]
//               commands -->                  <-- leases

import { AWAY_AFTER_MS } from '../policy/silence.js';
import type { Entry } from './entry.js';

export class Fleet {
  readonly entries: Entry[] = [];
  readonly #laneDepth: number;
  readonly #maxInFlight: number;
  #reserved = 0;

  constructor(laneDepth: number, maxInFlight: number) {
    this.#laneDepth = laneDepth;
    this.#maxInFlight = maxInFlight;
  }

  get size(): number {
    return this.entries.length;
  }

  /** Connections that commands may use, whether they have room just now or not. */
  get readyCount(): number {
    return this.#count((entry) => entry.state === 'ready');
  }

  /** Connections that commands share: those that are being emptied for a lease are none just now. */
  get laneCount(): number {
    return this.#count((entry) => entry.state === 'ready' && !entry.isReserved);
  }

  get leasedCount(): number {
    return this.#count((entry) => entry.state === 'leased');
  }

  /** Lanes that are no longer silent than a slow server is. */
  servingCount(now: number): number {
    return this.#count((entry) => {
      const since = entry.connection.waitingSince;
      return entry.state === 'ready' && (since === undefined || now - since < AWAY_AFTER_MS);
    });
  }

  /** Connections that are not on their way out. */
  get keptCount(): number {
    return this.#count(({ state }) => state !== 'draining' && state !== 'closed');
  }

  add(entry: Entry): void {
    this.entries.push(entry);
  }

  remove(entry: Entry): void {
    const index = this.entries.indexOf(entry);
    if (index !== -1) this.entries.splice(index, 1);
    this.unreserve(entry);
  }

  /**
   * The least loaded of the lanes that are worth using; `undefined` when none may take a command.
   *
   * The first lane is used alone until it has `laneDepth` commands in flight, and each further lane
   * when the least loaded of those k before it has k x `laneDepth`: a lane adds a write and a read
   * to every turn of the event loop, so it has to be deserved (docs/adr/0002).
   */
  pickLane(): Entry | undefined {
    const entries = this.entries;
    let best: Entry | undefined;
    let bestLoad = this.#maxInFlight;
    let deserved = 0;
    for (let index = 0; index < entries.length; index++) {
      if (best !== undefined && bestLoad < deserved) break;
      const entry = entries[index] as Entry;
      if (entry.state !== 'ready' || entry.isReserved || !entry.connection.writable) continue;
      if (entry.isSuspect) continue;
      deserved += this.#laneDepth;
      const load = entry.connection.inFlight;
      if (load >= bestLoad) continue;
      best = entry;
      bestLoad = load;
    }
    return best ?? this.#leastLoadedSuspect();
  }

  /** Whether one more connection would be worth using, as this least loaded lane is so full. */
  isCrowded(lane: Entry): boolean {
    const load = lane.connection.inFlight;
    return load >= this.#laneDepth && load >= this.#laneDepth * this.readyCount;
  }

  /** Whether the entry may take a command that waits. */
  hasRoom(entry: Entry): boolean {
    return (
      entry.state === 'ready' &&
      !entry.isReserved &&
      entry.connection.writable &&
      entry.connection.inFlight < this.#maxInFlight
    );
  }

  /** The highest entry that nobody uses, if it may be lent. */
  findIdle(maxConnections: number): Entry | undefined {
    for (let index = this.entries.length - 1; index >= 0; index--) {
      const entry = this.entries[index] as Entry;
      if (entry.isIdle) return this.mayLend(entry, maxConnections) ? entry : undefined;
    }
    return undefined;
  }

  /** Leases never take the last lane, unless there can be only one connection. */
  mayLend(entry: Entry, maxConnections: number): boolean {
    if (maxConnections === 1) return true;
    for (const other of this.entries) {
      if (other !== entry && other.state === 'ready') return true;
    }
    return false;
  }

  /** Lets the highest lanes run empty for `wanted` leases, but for the last one as above. */
  reserve(wanted: number, maxConnections: number): void {
    const allowed = Math.min(wanted, maxConnections === 1 ? 1 : this.readyCount - 1);
    for (let index = this.entries.length - 1; index >= 0 && this.#reserved < allowed; index--) {
      const entry = this.entries[index] as Entry;
      if (entry.state !== 'ready' || entry.isReserved) continue;
      entry.isReserved = true;
      this.#reserved++;
    }
  }

  unreserve(entry: Entry): void {
    if (!entry.isReserved) return;
    entry.isReserved = false;
    this.#reserved--;
  }

  /** No lease waits any more: all lanes are open to commands. Returns whether any was not. */
  unreserveAll(): boolean {
    if (this.#reserved === 0) return false;
    for (const entry of this.entries) this.unreserve(entry);
    return true;
  }

  /** All lanes are silent: the server may be slow, so they are used as before. */
  #leastLoadedSuspect(): Entry | undefined {
    let best: Entry | undefined;
    for (const entry of this.entries) {
      if (!entry.isSuspect || !this.hasRoom(entry)) continue;
      if (best === undefined || entry.connection.inFlight < best.connection.inFlight) best = entry;
    }
    return best;
  }

  #count(matches: (entry: Entry) => boolean): number {
    let count = 0;
    for (const entry of this.entries) if (matches(entry)) count++;
    return count;
  }
}
