// What the sentinels say: where the primary is, and which other sentinels there are. All are asked
// at once, as some may be down, slow or behind; what one says is a candidate until the server at
// that address has said itself that it is a primary.

import type { Clock } from '../base/clock.js';
import type { Link } from '../base/link.js';
import type { ConnectionTarget, NodeAddress, SentinelTarget } from '../config/options.js';
import { PoolError } from '../errors.js';
import { openConnection } from '../wire/connector.js';
import { addressOf, mappedAddress, textOf } from './addresses.js';
import { onlySilence, question } from './question.js';

/** Sentinels that were found are kept up to so many, beside those of the options. */
const MAX_DISCOVERED = 32;

interface Answer {
  /** Where the primary may be, the likeliest first; empty: it watches none of that name. */
  readonly primaries: readonly NodeAddress[];
  readonly peers: readonly NodeAddress[];
}

export class SentinelDirectory {
  readonly #sentinel: SentinelTarget;
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  #discovered: readonly NodeAddress[] = [];

  /** @param target The server's: time-outs, name and protocol are the same for sentinels. */
  constructor(sentinel: SentinelTarget, target: ConnectionTarget, clock: Clock) {
    this.#sentinel = sentinel;
    this.#clock = clock;
    // Nothing that concerns the data goes to a sentinel: no password of the server, no SELECT.
    const { username, password, tls } = sentinel;
    this.#target = { ...target, username, password, tls, database: 0 };
  }

  /** Those of the options first, and for ever: found ones may be gone with their addresses. */
  get sentinels(): readonly NodeAddress[] {
    const known = new Map<string, NodeAddress>();
    for (const node of [...this.#sentinel.nodes, ...this.#discovered])
      known.set(textOf(node), node);
    return [...known.values()];
  }

  /**
   * Where the primary may be, each address once, as the sentinels answer.
   * @param keepsAlive Whether asking keeps the process alive.
   * @throws PoolError where none named any: AUTH_FAILED if one refused the password.
   */
  async *candidates(signal: AbortSignal, keepsAlive: boolean): AsyncGenerator<NodeAddress, void> {
    const ending = new AbortController();
    const all = AbortSignal.any([signal, ending.signal]);
    const pending = new Map(
      this.sentinels.map((node) => {
        const asking = this.#ask(node, all, keepsAlive).then(
          (answer) => ({ node, answer, error: undefined }),
          (error: PoolError) => ({ node, answer: undefined, error }),
        );
        return [node, asking] as const;
      }),
    );
    const named = new Set<string>();
    const failures: PoolError[] = [];
    let answers = 0;
    try {
      while (pending.size > 0) {
        const { node, answer, error } = await Promise.race(pending.values());
        pending.delete(node);
        if (error !== undefined) failures.push(error);
        if (answer === undefined) continue;
        answers++;
        if (answer.peers.length > 0) this.#discovered = answer.peers.slice(0, MAX_DISCOVERED);
        for (const primary of answer.primaries) {
          if (named.has(textOf(primary))) continue;
          named.add(textOf(primary));
          yield primary;
        }
      }
    } finally {
      ending.abort();
    }
    if (named.size === 0) throw this.#nobodyKnows(answers > 0 ? [] : failures);
  }

  /** Opens a connection to a sentinel. */
  open(node: NodeAddress, signal: AbortSignal, keepsAlive = false): Promise<Link> {
    const target = { ...this.#target, ...node, path: undefined };
    return openConnection(target, this.#clock, signal, undefined, keepsAlive);
  }

  /** Where an address that a server gave is reached from here. */
  map(address: NodeAddress): NodeAddress {
    return mappedAddress(this.#sentinel.addressMap, address) ?? address;
  }

  async #ask(node: NodeAddress, signal: AbortSignal, keepsAlive: boolean): Promise<Answer> {
    const link = await this.open(node, signal, keepsAlive);
    try {
      const { name } = this.#sentinel;
      const ask = (what: string) =>
        question(link, ['SENTINEL', what, name], this.#target.connectTimeoutMs, this.#clock);
      const [address, replicas, peers] = await Promise.all([
        ask('GET-MASTER-ADDR-BY-NAME'),
        ask('REPLICAS').catch(onlySilence),
        ask('SENTINELS').catch(onlySilence),
      ]);
      const promoted = listOf(replicas)
        .filter(isPromoted)
        .flatMap((facts) => this.#locate(facts));
      const named = addressOf(address);
      return {
        primaries: named === undefined ? [] : [...promoted, this.map(named)],
        peers: listOf(peers).flatMap((facts) => this.#locate(facts)),
      };
    } finally {
      link.destroy(new PoolError('ABORTED', 'The sentinel was asked'));
    }
  }

  #locate({ ip, port }: Facts): NodeAddress[] {
    const address = addressOf([ip, port]);
    return address === undefined ? [] : [this.map(address)];
  }

  #nobodyKnows(failures: readonly PoolError[]): PoolError {
    const asked = this.sentinels.map(textOf).join(', ');
    const what = `No sentinel named a primary for ${this.#sentinel.name} (asked ${asked})`;
    const refused = failures.find(({ code }) => code === 'AUTH_FAILED' || code === 'TLS_FAILED');
    const cause = refused ?? failures[0];
    const reason = cause === undefined ? 'none watches that name' : cause.message;
    return new PoolError(refused?.code ?? 'CONNECT_FAILED', `${what}: ${reason}`, {
      cause,
      sent: false,
    });
  }
}

/** What a sentinel says of a server or of another sentinel. */
export type Facts = Readonly<Record<string, unknown>>;

/** A map each in RESP3, names and values in turn in RESP2. */
export function listOf(reply: unknown): Facts[] {
  const list: readonly unknown[] = Array.isArray(reply) ? reply : [];
  return list.map((entry) => {
    if (!Array.isArray(entry)) return (entry ?? {}) as Facts;
    const pairs = entry.flatMap((name, index) =>
      index % 2 === 0 ? [[name, entry[index + 1]]] : [],
    );
    return Object.fromEntries(pairs) as Facts;
  });
}

/**
 * The sentinel that leads a failover has chosen this replica and told it so. It goes on naming the
 * old primary until it has read the new one's INFO, up to a second later.
 */
function isPromoted({ flags }: Facts): boolean {
  return typeof flags === 'string' && flags.split(',').includes('promoted');
}
