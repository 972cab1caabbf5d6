// Waits until what was ended stands where a crash can't undo it: on so many replicas (WAIT), or on disk
// as well (WAITAOF, of Redis 7.2 and Valkey on). A server's writes are one sequence. So one more write,
// made after those that are to be confirmed, stands for all of them, on whatever connection they were
// made; and revocations that come while one is waited for share the next wait. A worker takes one
// connection for it, however many log out and however slow the replicas are.
//
// In a cluster each primary has a sequence, and so a line of those who wait and a connection, of its
// own: replicas that are slow hold up nobody whose account lies elsewhere. There the further write is one
// for each account, by a key of its slot: a server that has lost the slot meanwhile refuses it.

import { Problem } from '../errors.js';
import type { Shard, ShardClient, Shards } from './shards.js';

const FENCE_LIFE_MS = 60_000;
const RETRY_AFTER_SECONDS = 1;

export interface ConfirmationOptions {
  /** Replicas that must have a revocation before it is answered; 0: none. */
  readonly revocationReplicas: number;
  /** Whether it must stand on disk, of the primary and of so many replicas. */
  readonly revocationFsync: boolean;
  readonly revocationTimeoutMs: number;
}

export class Confirmation {
  readonly #shards: Shards;
  readonly #options: ConfirmationOptions;
  /** By the primary's id. */
  readonly #lines = new Map<string, Line>();

  constructor(shards: Shards, options: ConfirmationOptions) {
    this.#shards = shards;
    this.#options = options;
  }

  get isWanted(): boolean {
    return this.#options.revocationFsync || this.#options.revocationReplicas > 0;
  }

  get isOnDisk(): boolean {
    return this.#options.revocationFsync;
  }

  /** Where revocations stand then, for a log line. */
  get place(): string {
    const { revocationFsync, revocationReplicas } = this.#options;
    const replicas = revocationReplicas === 0 ? [] : [`by ${revocationReplicas} replicas`];
    return [...replicas, ...(revocationFsync ? ['on disk'] : [])].join(' and ');
  }

  /**
   * Settles when all that was written before for the accounts of this home is confirmed; at once where
   * nobody asks for it.
   * @throws Problem REVOCATION_UNCONFIRMED: it is done, but may be undone by a crash.
   */
  async confirm(home: string): Promise<void> {
    if (this.isWanted) await this.#confirmed(async () => [await this.#shards.of(home)]);
  }

  /** The same by all primaries. */
  async confirmAll(): Promise<void> {
    if (this.isWanted) await this.#confirmed(() => this.#shards.all());
  }

  async #confirmed(find: () => Promise<readonly Shard[]>): Promise<void> {
    try {
      const shards = await find();
      await Promise.all(shards.map((shard) => this.#lineOf(shard).confirm(shard.key)));
    } catch (cause) {
      this.#shards.forget();
      throw new Problem('REVOCATION_UNCONFIRMED', undefined, RETRY_AFTER_SECONDS, { cause });
    }
  }

  #lineOf({ id }: Shard): Line {
    const known = this.#lines.get(id);
    if (known !== undefined) return known;
    // Those of servers that have gone: a line without anybody in it is as good as a new one.
    for (const [other, line] of this.#lines) if (line.isEmpty) this.#lines.delete(other);
    const line = new Line((keys) => this.#wait(keys));
    this.#lines.set(id, line);
    return line;
  }

  #wait(keys: readonly [string, ...string[]]): Promise<void> {
    return this.#shards.lease(keys[0], async (redis) => {
      const expiration = { type: 'PX', value: FENCE_LIFE_MS } as const;
      await Promise.all(keys.map((key) => redis.set(key, '1', { expiration })));
      await this.#waitOn(redis);
    });
  }

  async #waitOn(redis: ShardClient): Promise<void> {
    const { revocationReplicas, revocationFsync, revocationTimeoutMs } = this.#options;
    const wanted = [String(revocationReplicas), String(revocationTimeoutMs)];
    const answer = revocationFsync
      ? ((await redis.sendCommand(['WAITAOF', '1', ...wanted])) as number[])
      : [1, (await redis.sendCommand(['WAIT', ...wanted])) as number];
    const [onDisk = 0, replicas = 0] = answer;
    if (onDisk < 1) throw new Error(`not on disk within ${revocationTimeoutMs} ms`);
    if (replicas < revocationReplicas) {
      const found = `${replicas} of ${revocationReplicas} replicas`;
      throw new Error(`${found} within ${revocationTimeoutMs} ms`);
    }
  }
}

/** Who waits for one server: for the wait that is on, which may have begun too early, and the next. */
class Line {
  readonly #wait: (keys: readonly [string, ...string[]]) => Promise<void>;
  #current: Promise<void> | undefined;
  #next: { readonly keys: Set<string>; readonly done: Promise<void> } | undefined;

  constructor(wait: (keys: readonly [string, ...string[]]) => Promise<void>) {
    this.#wait = wait;
  }

  get isEmpty(): boolean {
    return this.#current === undefined && this.#next === undefined;
  }

  confirm(key: string): Promise<void> {
    if (this.#next === undefined) {
      const keys = new Set<string>();
      this.#next = { keys, done: this.#after(this.#current, keys) };
    }
    this.#next.keys.add(key);
    return this.#next.done;
  }

  async #after(previous: Promise<void> | undefined, keys: ReadonlySet<string>): Promise<void> {
    await previous?.catch(() => undefined);
    const done = this.#next?.done;
    this.#current = done;
    this.#next = undefined;
    try {
      await this.#wait([...keys] as [string, ...string[]]);
    } finally {
      if (this.#current === done) this.#current = undefined;
    }
  }
}
