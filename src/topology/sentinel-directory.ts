// What the sentinels say: where the primary is, and which other sentinels there are. All are asked
// at once, as some may be down, slow or behind; what one says is a candidate until the server at
// that address has said itself that it is a primary.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../base/clock.js';
import type { Link } from '../base/link.js';
import type { ConnectionTarget, NodeAddress, SentinelTarget } from '../config/options.js';
import { PoolError } from '../errors.js';
import { openConnection } from '../wire/connector.js';
import { addressOf, mappedAddress, textOf } from './addresses.js';
import { onlySilence, question } from './question.js';

/** Sentinels that were found are kept up to so many, beside those of the options. */
const MAX_DISCOVERED = 32;
/** The others have this long, ms, once one has answered: the first may be behind, or wrong. */
const HEAR_OUT_MS = 50;
const HEARD_OUT = Symbol('heard out');
/** Of one that doesn't say it. */
const NO_EPOCH = -1;

/** Where the primary may be. */
interface Candidate {
  readonly address: NodeAddress;
  /** Each failover has a higher one: what a sentinel knows of an older one is behind. */
  readonly epoch: number;
}

interface Answer {
  /** Empty: it watches none of that name. */
  readonly candidates: readonly Candidate[];
  readonly peers: readonly NodeAddress[];
}

export class SentinelDirectory {
  readonly #sentinel: SentinelTarget;
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  #discovered: readonly NodeAddress[] = [];
  #highestEpoch = NO_EPOCH;

  /** @param target The server's: time-outs, name and protocol are the same for sentinels. */
  constructor(sentinel: SentinelTarget, target: ConnectionTarget, clock: Clock) {
    this.#sentinel = sentinel;
    this.#clock = clock;
    // Nothing that concerns the data goes to a sentinel: no password of the server, no SELECT.
    const { username, password, tls } = sentinel;
    this.#target = { ...target, username, password, credentials: undefined, tls, database: 0 };
  }

  /** Those of the options first, and for ever: found ones may be gone with their addresses. */
  get sentinels(): readonly NodeAddress[] {
    const known = new Map<string, NodeAddress>();
    for (const node of [...this.#sentinel.nodes, ...this.#discovered])
      known.set(textOf(node), node);
    return [...known.values()];
  }

  /**
   * Where the primary may be, each address once, that of the latest failover first. One that is behind
   * what was known before has its turn when no other sentinel is left to answer.
   * @param keepsAlive Whether asking keeps the process alive.
   * @throws PoolError where none named any: AUTH_FAILED if one refused the password.
   */
  async *candidates(signal: AbortSignal, keepsAlive: boolean): AsyncGenerator<NodeAddress, void> {
    const ending = new AbortController();
    const all = AbortSignal.any([signal, ending.signal]);
    const pending = this.#askAll(all, keepsAlive);
    const found = new Ranking();
    const failures: PoolError[] = [];
    let hearOut: Promise<typeof HEARD_OUT> | undefined;
    let isHeardOut = false;
    try {
      while (pending.size > 0) {
        const isAwaited = hearOut !== undefined && !isHeardOut;
        const settled = await Promise.race([...pending.values(), ...(isAwaited ? [hearOut] : [])]);
        if (settled === HEARD_OUT) isHeardOut = true;
        else if (settled !== undefined) {
          pending.delete(settled.node);
          if (settled.error !== undefined) failures.push(settled.error);
          if (settled.answer !== undefined) this.#take(settled.answer, found);
          if (settled.answer !== undefined) hearOut ??= pauseOf(HEAR_OUT_MS, all);
        }
        if (pending.size === 0) yield* found.take(NO_EPOCH);
        else if (isHeardOut) yield* found.take(this.#highestEpoch);
      }
    } finally {
      ending.abort();
    }
    if (found.size === 0) throw this.#nobodyKnows(hearOut === undefined ? failures : []);
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

  #askAll(signal: AbortSignal, keepsAlive: boolean) {
    return new Map(
      this.sentinels.map((node) => {
        const asking = this.#ask(node, signal, keepsAlive).then(
          (answer) => ({ node, answer, error: undefined }),
          (error: PoolError) => ({ node, answer: undefined, error }),
        );
        return [node, asking] as const;
      }),
    );
  }

  #take({ candidates, peers }: Answer, found: Ranking): void {
    if (peers.length > 0) this.#discovered = peers.slice(0, MAX_DISCOVERED);
    for (const candidate of candidates) {
      this.#highestEpoch = Math.max(this.#highestEpoch, Math.floor(candidate.epoch));
      found.add(candidate);
    }
  }

  async #ask(node: NodeAddress, signal: AbortSignal, keepsAlive: boolean): Promise<Answer> {
    const link = await this.open(node, signal, keepsAlive);
    try {
      const { name } = this.#sentinel;
      const ask = (what: string) =>
        question(link, ['SENTINEL', what, name], this.#target.connectTimeoutMs, this.#clock);
      const [address, facts, replicas, peers] = await Promise.all([
        ask('GET-MASTER-ADDR-BY-NAME'),
        ask('MASTER').catch(onlySilence),
        ask('REPLICAS').catch(onlySilence),
        ask('SENTINELS').catch(onlySilence),
      ]);
      const named = addressOf(address);
      const located = (each: Facts) => this.#locate(each);
      const promoted = listOf(replicas).filter(isPromoted).flatMap(located);
      return {
        candidates:
          named === undefined ? [] : candidatesOf(this.map(named), epochOf(facts), promoted),
        peers: listOf(peers).flatMap(located),
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

/** Candidates that were not handed out yet, and those that were. */
class Ranking {
  readonly #waiting = new Map<string, Candidate>();
  readonly #taken = new Set<string>();

  get size(): number {
    return this.#waiting.size + this.#taken.size;
  }

  add(candidate: Candidate): void {
    const text = textOf(candidate.address);
    if (this.#taken.has(text)) return;
    const known = this.#waiting.get(text);
    if (known === undefined || known.epoch < candidate.epoch) this.#waiting.set(text, candidate);
  }

  /** Hands out those of this epoch or a later one, the latest first. */
  *take(leastEpoch: number): Generator<NodeAddress, void> {
    const ranked = [...this.#waiting].sort(([, one], [, other]) => other.epoch - one.epoch);
    for (const [text, { address, epoch }] of ranked) {
      if (epoch < leastEpoch) return;
      this.#waiting.delete(text);
      this.#taken.add(text);
      yield address;
    }
  }
}

function candidatesOf(
  named: NodeAddress,
  epoch: number,
  promoted: readonly NodeAddress[],
): Candidate[] {
  // The failover that is under way is later than the last that is over, and may be given up.
  const next = promoted.map((address) => ({ address, epoch: epoch + 0.5 }));
  return [...next, { address: named, epoch }];
}

function epochOf(facts: unknown): number {
  const epoch = Number(listOf([facts])[0]?.['config-epoch']);
  return Number.isInteger(epoch) && epoch >= 0 ? epoch : NO_EPOCH;
}

async function pauseOf(waitMs: number, signal: AbortSignal): Promise<typeof HEARD_OUT> {
  await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
  return HEARD_OUT;
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
