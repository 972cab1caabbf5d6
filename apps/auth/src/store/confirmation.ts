// Waits until what was ended stands where a crash can't undo it: on so many replicas (WAIT), or on disk
// as well (WAITAOF, of Redis 7.2 and Valkey on). A server's writes are one sequence. So one more write,
// made after those that are to be confirmed, stands for all of them, on whatever connection they were
// made; and revocations that come while one is waited for share the next wait. A worker takes one
// connection for it, however many log out and however slow the replicas are.

import type { Pool } from 'plimsoll';
import { Problem } from '../errors.js';

const FENCE = 'auth:fence';
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
  readonly #pool: Pool;
  readonly #options: ConfirmationOptions;
  #current: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(pool: Pool, options: ConfirmationOptions) {
    this.#pool = pool;
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
   * Settles when all that was written before is confirmed; at once where nobody asks for it.
   * @throws Problem REVOCATION_UNCONFIRMED: it is done, but may be undone by a crash.
   */
  async confirm(): Promise<void> {
    if (!this.isWanted) return;
    // One that is being waited for may have begun before the caller's write.
    this.#next ??= this.#after(this.#current);
    await this.#next;
  }

  async #after(previous: Promise<void> | undefined): Promise<void> {
    await previous?.catch(() => undefined);
    this.#current = this.#next;
    this.#next = undefined;
    try {
      await this.#wait();
    } catch (cause) {
      throw new Problem('REVOCATION_UNCONFIRMED', undefined, RETRY_AFTER_SECONDS, { cause });
    }
  }

  async #wait(): Promise<void> {
    const { revocationReplicas, revocationFsync, revocationTimeoutMs } = this.#options;
    const wanted = [String(revocationReplicas), String(revocationTimeoutMs)];
    await this.#pool.withLease(async (redis) => {
      await redis.set(FENCE, '1', { expiration: { type: 'PX', value: FENCE_LIFE_MS } });
      const answer = revocationFsync
        ? ((await redis.sendCommand(['WAITAOF', '1', ...wanted])) as number[])
        : [1, (await redis.sendCommand(['WAIT', ...wanted])) as number];
      const [onDisk = 0, replicas = 0] = answer;
      if (onDisk < 1) throw new Error(`not on disk within ${revocationTimeoutMs} ms`);
      if (replicas < revocationReplicas) {
        const found = `${replicas} of ${revocationReplicas} replicas`;
        throw new Error(`${found} within ${revocationTimeoutMs} ms`);
      }
    });
  }
}
