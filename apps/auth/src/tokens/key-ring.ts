// The keys of one worker, read from the file and read again when the file has changed: a rotation
// reaches every worker within a second, without a restart.

import { statSync } from 'node:fs';
import { type CryptoKey, importJWK, type JWK } from 'jose';
import { type Algorithm, type PrivateKey, readKeys } from './key-file.js';

/** How often the file is looked at, at most, ms. */
export const RELOAD_PAUSE_MS = 1_000;

export interface RingKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
}

export class KeyRing {
  readonly #file: string;
  readonly #now: () => number;
  #keys: readonly RingKey[] = [];
  #byId = new Map<string, RingKey>();
  #modifiedAt = 0;
  #version = 0;
  #lookedAt = 0;
  #reloading: Promise<void> | undefined;

  private constructor(file: string, now: () => number) {
    this.#file = file;
    this.#now = now;
  }

  /** @throws Error where the file can't be used. */
  static async open(file: string, now: () => number = Date.now): Promise<KeyRing> {
    const ring = new KeyRing(file, now);
    await ring.#load();
    return ring;
  }

  /** The key that signs. */
  async signing(): Promise<RingKey> {
    await this.#reloadIfChanged();
    return this.#keys[0]!;
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
      if (statSync(this.#file).mtimeMs !== this.#modifiedAt) await this.#load();
    } catch {
      // The keys that were read stay good; a file that is gone or broken is seen at the next start.
    }
  }

  async #load(): Promise<void> {
    const modifiedAt = statSync(this.#file).mtimeMs;
    const keys = await Promise.all(readKeys(this.#file).map(imported));
    this.#keys = keys;
    this.#version++;
    this.#byId = new Map(keys.map((key) => [key.kid, key]));
    this.#modifiedAt = modifiedAt;
    this.#lookedAt = this.#now();
  }
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
  };
}
