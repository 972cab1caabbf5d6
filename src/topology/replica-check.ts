// Whether a server is of use as a replica behind sentinels: it says itself that it is one, of this
// primary and no other, and gets what that writes. While the primary is away no replica has it, and
// the ones in use go on.

import { lookup } from 'node:dns/promises';
import type { Clock } from '../base/clock.js';
import type { Link } from '../base/link.js';
import type { ConnectionTarget, NodeAddress, SentinelTarget } from '../config/options.js';
import { PoolError } from '../errors.js';
import { type GreetingMemory, openConnection } from '../wire/connector.js';
import { addressOf, textOf } from './addresses.js';
import { onlySilence, question } from './question.js';
import type { SentinelDirectory } from './sentinel-directory.js';
import { zoneOf } from './zone.js';

/** What is known of the primary just now. */
export interface PrimaryFacts {
  /** Where it is; `undefined`: nobody has found it yet. */
  readonly primary: NodeAddress | undefined;
  /** There is no connection to it. */
  readonly isPrimaryAway: boolean;
}

/** It is no replica of the primary, or has lost it. */
export class UselessReplica extends PoolError {
  constructor(text: string) {
    super('CONNECT_FAILED', text, { sent: false });
  }
}

export class ReplicaCheck {
  readonly #sentinel: SentinelTarget;
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  readonly #directory: SentinelDirectory;
  readonly #facts: PrimaryFacts;

  constructor(
    sentinel: SentinelTarget,
    target: ConnectionTarget,
    clock: Clock,
    directory: SentinelDirectory,
    facts: PrimaryFacts,
  ) {
    this.#sentinel = sentinel;
    this.#target = target;
    this.#clock = clock;
    this.#directory = directory;
    this.#facts = facts;
  }

  /** A connection to a server as the pool's are, for whatever it is. */
  open(
    address: NodeAddress,
    signal: AbortSignal,
    keepsAlive = false,
    memory?: GreetingMemory,
  ): Promise<Link> {
    const target = { ...this.#target, ...address, path: undefined };
    return openConnection(target, this.#clock, signal, memory, keepsAlive);
  }

  /** Makes a connection, asks over it, and ends it. */
  async visit<T>(
    address: NodeAddress,
    signal: AbortSignal,
    ask: (link: Link) => Promise<T>,
    memory?: GreetingMemory,
  ): Promise<T> {
    const link = await this.open(address, signal, false, memory);
    try {
      return await ask(link);
    } finally {
      link.destroy(new PoolError('ABORTED', 'The server was asked'));
    }
  }

  /** @throws UselessReplica unless it is a replica that gets what the primary writes. */
  async refuseUnlessLinked(link: Link, address: NodeAddress): Promise<void> {
    if (!(await this.#isLinked(link, address))) throw unlinked(address);
  }

  /** While the primary is away, that a replica has lost it says nothing against it. */
  async refuseUnlessUseful(link: Link, address: NodeAddress, signal: AbortSignal): Promise<void> {
    if (await this.#isLinked(link, address)) return;
    if (await this.#doesPrimaryAnswer(signal)) throw unlinked(address);
  }

  /** In which zone the server says it is. */
  zoneBehind(link: Link): Promise<string | undefined> {
    return zoneOf(link, (args) => this.#question(link, args));
  }

  /** Who may not ask believes it. @throws UselessReplica where it is none, or another's. */
  async #isLinked(link: Link, address: NodeAddress): Promise<boolean> {
    const reply = await this.#question(link, ['ROLE']).catch(onlySilence);
    if (!Array.isArray(reply)) return true;
    const [role, host, port, state] = reply;
    const name = textOf(address);
    if (role !== 'slave') throw new UselessReplica(`${name} is no replica: it says ${role}`);
    if (state !== 'connected') return false;
    const isStrange = await this.#isOfAnother(addressOf([host, port]));
    if (isStrange) throw new UselessReplica(`${name} is another's replica`);
    return true;
  }

  async #doesPrimaryAnswer(signal: AbortSignal): Promise<boolean> {
    const { primary, isPrimaryAway } = this.#facts;
    if (primary === undefined || isPrimaryAway) return false;
    try {
      const role = await this.visit(primary, signal, (link) =>
        this.#question(link, ['ROLE']).catch(onlySilence),
      );
      return !Array.isArray(role) || role[0] === 'master';
    } catch {
      return false;
    }
  }

  /**
   * What the replica names is surely another server than the primary. One may be named by address
   * and the other by host name; under a map nobody can say what a name means to others.
   */
  async #isOfAnother(named: NodeAddress | undefined): Promise<boolean> {
    const { primary } = this.#facts;
    if (named === undefined || primary === undefined) return false;
    const mapped = this.#directory.map(named);
    if (textOf(mapped) === textOf(primary) || this.#sentinel.addressMap !== undefined) return false;
    if (mapped.port !== primary.port) return true;
    const [ones, others] = await Promise.all([mapped, primary].map(({ host }) => resolved(host)));
    if (ones === undefined || others === undefined) return false;
    return !ones.some((one) => others.includes(one));
  }

  #question(link: Link, args: readonly string[]): Promise<unknown> {
    return question(link, args, this.#target.connectTimeoutMs, this.#clock);
  }
}

function unlinked(address: NodeAddress): UselessReplica {
  return new UselessReplica(`${textOf(address)} has no connection to its primary`);
}

/** `undefined`: the name means nothing here. */
async function resolved(host: string): Promise<readonly string[] | undefined> {
  const found = await lookup(host, { all: true }).catch(() => undefined);
  return found?.map(({ address }) => address);
}
