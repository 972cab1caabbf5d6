// The keys of one worker, read from the file and read again when the file has changed: a rotation
// reaches every worker within a second, without a restart. A file that can't be read any more is told
// once, and leaves the keys as they were.

import { hkdfSync } from 'node:crypto';
import { statSync } from 'node:fs';
import { type CryptoKey, importJWK, type JWK } from 'jose';
import type { SecurityEvents } from '../security-events.js';
import { type Algorithm, type PrivateKey, readKeys } from './key-file.js';

/** How often the file is looked at, at most, ms. */
export const RELOAD_PAUSE_MS = 1_000;
const REFRESH_SECRET_BYTES = 32;

export interface RingKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
  /** What refresh tokens are made with: derived, so that it says nothing of the signing key. */
  readonly refreshSecret: Buffer;
}

export interface KeyRingOptions {
  /** Where changes and failures are told. */
  readonly events?: SecurityEvents;
  /** Monotonic, ms. Default: `performance.now`. */
  readonly now?: () => number;
}

export interface KeyRingState {
  /** The id of the key that signs. */
  readonly signing: string;
  /** When the keys were read, Unix ms. */
  readonly readAt: number;
  /** Why the file can't be read now; the keys are those from before. */
  readonly failure: string | undefined;
}

export class KeyRing {
  readonly #file: string;
  readonly #events: SecurityEvents | undefined;
  readonly #now: () => number;
  #keys: readonly RingKey[] = [];
  #byId = new Map<string, RingKey>();
  /** What tells one state of the file from another; its mode and owner too. */
  #identity = '';
  #version = 0;
  #readAt = 0;
  #failure: string | undefined;
  #lookedAt = 0;
  #reloading: Promise<void> | undefined;

  private constructor(file: string, { events, now = () => performance.now() }: KeyRingOptions) {
    this.#file = file;
    this.#events = events;
    this.#now = now;
  }

  /** @throws Error where the file can't be used. */
  static async open(file: string, options: KeyRingOptions = {}): Promise<KeyRing> {
    const ring = new KeyRing(file, options);
    await ring.#load(identityOf(file));
    return ring;
  }

  /** The key that signs. */
  async signing(): Promise<RingKey> {
    await this.#reloadIfChanged();
    return this.#keys[0]!;
  }

  /** The one that signs first. */
  async all(): Promise<readonly RingKey[]> {
    await this.#reloadIfChanged();
    return this.#keys;
  }

  async find(kid: string): Promise<RingKey | undefined> {
    await this.#reloadIfChanged();
    return this.#byId.get(kid);
  }

  /** Another number whenever the keys are others than before. */
  async version(): Promise<number> {
    await this.#reloadIfChanged();
    return this.#version;
  }

  /** Public halves alone, for everybody. */
  async publicKeys(): Promise<{ keys: JWK[] }> {
    await this.#reloadIfChanged();
    return { keys: this.#keys.map(({ publicJwk }) => publicJwk) };
  }

  /** What operators see; the file is looked at before. */
  async state(): Promise<KeyRingState> {
    await this.#reloadIfChanged();
    return { signing: this.#keys[0]!.kid, readAt: this.#readAt, failure: this.#failure };
  }

  /** Whoever comes while the file is read waits for it: the key asked for may be the new one. */
  #reloadIfChanged(): Promise<void> | undefined {
    const now = this.#now();
    if (now - this.#lookedAt >= RELOAD_PAUSE_MS) {
      this.#lookedAt = now;
      this.#reloading ??= this.#reload().finally(() => {
        this.#reloading = undefined;
      });
    }
    return this.#reloading;
  }

  async #reload(): Promise<void> {
    try {
      const identity = identityOf(this.#file);
      if (identity !== this.#identity) {
        const before = this.#ids();
        await this.#load(identity);
        if (this.#ids() !== before) this.#events?.emit('keys_changed', { kid: this.#keys[0]!.kid });
      }
      this.#failure = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#failure) this.#events?.emit('keys_unreadable', { reason: message });
      this.#failure = message;
    }
  }

  async #load(identity: string): Promise<void> {
    const keys = await Promise.all(
      readKeys(this.#file).map((key) =>
        imported(key).catch(() => {
          throw new Error(`${this.#file}: the key ${key.kid} is no ${key.alg} key`);
        }),
      ),
    );
    this.#keys = keys;
    this.#version++;
    this.#byId = new Map(keys.map((key) => [key.kid, key]));
    this.#identity = identity;
    this.#readAt = Date.now();
    this.#lookedAt = this.#now();
  }

  #ids(): string {
    return this.#keys.map(({ kid }) => kid).join();
  }
}

function identityOf(file: string): string {
  const { ino, size, ctimeNs } = statSync(file, { bigint: true });
  return `${ino}:${size}:${ctimeNs}`;
}

async function imported(key: PrivateKey): Promise<RingKey> {
  // What is published is named, so that nothing private gets out by a name nobody thought of.
  const { kty, crv, x, y, kid, alg } = key;
  const publicJwk = { kty, crv, x, ...(y === undefined ? {} : { y }), kid, alg, use: 'sig' } as JWK;
  return {
    kid: key.kid,
    algorithm: key.alg,
    privateKey: (await importJWK(key, key.alg)) as CryptoKey,
    publicKey: (await importJWK(publicJwk, key.alg)) as CryptoKey,
    publicJwk,
    refreshSecret: refreshSecretOf(key),
  };
}

function refreshSecretOf({ d }: PrivateKey): Buffer {
  const secret = Buffer.from(d as string, 'base64url');
  return Buffer.from(hkdfSync('sha256', secret, '', 'refresh token', REFRESH_SECRET_BYTES));
}
