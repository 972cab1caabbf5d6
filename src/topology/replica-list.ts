// Which replicas the sentinels know of, as those say who agree on where the primary is.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../base/clock.js';
import type { ConnectionTarget, NodeAddress, SentinelTarget } from '../config/options.js';
import { PoolError } from '../errors.js';
import { addressOf, textOf } from './addresses.js';
import { question } from './question.js';
import { type Facts, listOf, type SentinelDirectory } from './sentinel-directory.js';

/** How long the other sentinels may take once one has answered, ms. */
const GRACE_MS = 100;
const UNUSABLE = ['s_down', 'o_down', 'disconnected'];

/** A replica of which a sentinel says that it is up. */
export interface ListedReplica {
  readonly address: NodeAddress;
  /** It gets what its primary writes. */
  readonly isLinked: boolean;
}

export class ReplicaList {
  readonly #sentinel: SentinelTarget;
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  readonly #directory: SentinelDirectory;

  constructor(
    sentinel: SentinelTarget,
    target: ConnectionTarget,
    clock: Clock,
    directory: SentinelDirectory,
  ) {
    this.#sentinel = sentinel;
    this.#target = target;
    this.#clock = clock;
    this.#directory = directory;
  }

  /**
   * By `host:port`. What one sentinel finds well may be tried, whatever the others say.
   * @param primary Who names another one is behind, or ahead; `undefined`: none is known yet.
   * @throws AggregateError where no sentinel answered.
   */
  async ask(
    primary: NodeAddress | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ListedReplica>> {
    const round = new AbortController();
    const either = AbortSignal.any([signal, round.signal]);
    const listed = new Map<string, ListedReplica>();
    const asking = this.#directory.sentinels.map(async (node) => {
      for (const found of await this.#ask(node, primary, either)) {
        const text = textOf(found.address);
        if (!round.signal.aborted && listed.get(text)?.isLinked !== true) listed.set(text, found);
      }
    });
    try {
      await Promise.any(asking);
      await Promise.race([Promise.allSettled(asking), sleep(GRACE_MS, undefined, { ref: false })]);
      return listed;
    } finally {
      round.abort();
    }
  }

  async #ask(
    sentinel: NodeAddress,
    primary: NodeAddress | undefined,
    signal: AbortSignal,
  ): Promise<ListedReplica[]> {
    const link = await this.#directory.open(sentinel, signal);
    try {
      const ask = (what: string) => {
        const words = ['SENTINEL', what, this.#sentinel.name];
        return question(link, words, this.#target.connectTimeoutMs, this.#clock);
      };
      const [address, replicas] = await Promise.all([
        ask('GET-MASTER-ADDR-BY-NAME'),
        ask('REPLICAS'),
      ]);
      const named = addressOf(address);
      const text = named && textOf(this.#directory.map(named));
      if (text === undefined || (primary !== undefined && text !== textOf(primary))) {
        throw new PoolError('CONNECT_FAILED', `${textOf(sentinel)} knows another primary`);
      }
      return listOf(replicas).flatMap((facts) => this.#replicaOf(facts));
    } finally {
      link.destroy(new PoolError('ABORTED', 'The sentinel was asked'));
    }
  }

  #replicaOf(facts: Facts): ListedReplica[] {
    const address = addressOf([facts.ip, facts.port]);
    const flags = String(facts.flags).split(',');
    if (address === undefined || UNUSABLE.some((flag) => flags.includes(flag))) return [];
    const isLinked = facts['master-link-status'] === 'ok';
    return [{ address: this.#directory.map(address), isLinked }];
  }
}
