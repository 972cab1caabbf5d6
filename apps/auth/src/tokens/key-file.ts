// The file of signing keys: a private JWKS that only its owner can read. The first key signs, the
// others verify. It is replaced as a whole, so that a reader sees the old keys or the new ones.

import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

export const ALGORITHMS = ['EdDSA', 'ES256'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export interface PrivateKey extends JWK {
  readonly kid: string;
  readonly alg: Algorithm;
}

/** Keys that are kept for verification, beside the one that signs; older ones are dropped. */
const MAX_KEYS = 5;

/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

/** Whether others than its owner can get at the private keys. */
export function isExposed(file: string): boolean {
  return (statSync(file).mode & OTHERS) !== 0;
}

/** @throws Error where the file is no JWKS of private keys; it doesn't show what it read. */
export function readKeys(file: string): PrivateKey[] {
  let keys: unknown;
  try {
    keys = (JSON.parse(readFileSync(file, 'utf8')) as { keys?: unknown }).keys;
  } catch {
    throw new Error(`${file} is not a readable JSON file of keys`);
  }
  if (!Array.isArray(keys) || keys.length === 0) throw new Error(`${file} has no keys`);
  for (const key of keys as Partial<PrivateKey>[]) {
    const isWhole = typeof key.kid === 'string' && typeof key.d === 'string';
    if (!isWhole || !ALGORITHMS.includes(key.alg as Algorithm)) {
      throw new Error(`${file}: each key needs kid, d, and alg ${ALGORITHMS.join(' or ')}`);
    }
  }
  return keys as PrivateKey[];
}

export async function createKeys(file: string, algorithm: Algorithm = 'EdDSA'): Promise<string> {
  const key = await newKey(algorithm);
  writeFileSync(file, serialized([key]), { mode: 0o600, flag: 'wx' });
  return key.kid;
}

/**
 * The two steps of a rotation, so that no verifier meets a key that it could not have known:
 * `add` publishes a new key that doesn't sign yet; `promote` lets the newest key sign.
 */
export async function addKey(file: string, algorithm: Algorithm = 'EdDSA'): Promise<string> {
  const [signing, ...others] = readKeys(file);
  const key = await newKey(algorithm);
  replace(file, [signing!, key, ...others].slice(0, MAX_KEYS));
  return key.kid;
}

/** @throws Error where there is no other key. */
export function promoteKey(file: string): string {
  const [signing, next, ...others] = readKeys(file);
  if (next === undefined) throw new Error(`${file} has one key only; add another first`);
  replace(file, [next, signing!, ...others]);
  return next.kid;
}

async function newKey(alg: Algorithm): Promise<PrivateKey> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg, use: 'sig' };
}

function replace(file: string, keys: readonly PrivateKey[]): void {
  const temporary = `${file}.${randomUUID()}`;
  writeFileSync(temporary, serialized(keys), { mode: 0o600, flag: 'wx' });
  renameSync(temporary, file);
}

function serialized(keys: readonly PrivateKey[]): string {
  return `${JSON.stringify({ keys }, null, 2)}\n`;
}
