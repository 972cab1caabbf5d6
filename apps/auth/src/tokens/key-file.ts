// The file of signing keys: a private JWKS that only its owner can read. The first key signs, the
// others verify. It is replaced as a whole, so that a reader sees the old keys or the new ones.

import { randomUUID } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { writeSecretFile } from '../secret-file.js';

export const ALGORITHMS = ['EdDSA', 'ES256'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export interface PrivateKey extends JWK {
  readonly kid: string;
  readonly alg: Algorithm;
  /** When it was made, Unix s; later than that of any key that was in the file before it. */
  readonly iat?: number;
}

/** Keys that are kept for verification, beside the one that signs; older ones are dropped. */
const MAX_KEYS = 5;

/** What a key is later than its predecessor at least, where the clock stood still or went back, s. */
const IAT_STEP_SECONDS = 0.001;

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
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined) throw new Error(`${file} cannot be read: ${whyUnreadable(file, code)}`);
    throw new Error(`${file} is not a JSON file of keys`);
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

/** @throws Error EEXIST where there is such a file. */
export async function createKeys(file: string, algorithm: Algorithm = 'EdDSA'): Promise<string> {
  const key = await newKey(algorithm, []);
  writeSecretFile(file, serialized([key]), { isNew: true });
  return key.kid;
}

/**
 * The two steps of a rotation, so that no verifier meets a key that it could not have known:
 * `add` publishes a new key that doesn't sign yet; `promote` lets the newest key sign.
 */
export async function addKey(file: string, algorithm: Algorithm = 'EdDSA'): Promise<string> {
  const keys = readKeys(file);
  const [signing, ...others] = keys;
  const key = await newKey(algorithm, keys);
  replace(file, [signing!, key, ...others].slice(0, MAX_KEYS));
  return key.kid;
}

/** Does nothing where the newest key signs already. @returns The id of the key that signs. */
export function promoteKey(file: string): string {
  const keys = readKeys(file);
  const newest = keys.reduce((latest, key) => (madeAt(key) > madeAt(latest) ? key : latest));
  if (newest !== keys[0]) replace(file, [newest, ...keys.filter((key) => key !== newest)]);
  return newest.kid;
}

/** Its tokens are refused from then on. @throws Error for the key that signs, and for an unknown one. */
export function removeKey(file: string, kid: string): void {
  const keys = readKeys(file);
  const rest = keys.filter((key) => key.kid !== kid);
  if (rest.length === keys.length) throw new Error(`${file} has no key ${kid}`);
  if (keys[0]!.kid === kid) throw new Error(`${kid} signs; promote another key first`);
  replace(file, rest);
}

function madeAt({ iat }: PrivateKey): number {
  return iat ?? 0;
}

async function newKey(alg: Algorithm, others: readonly PrivateKey[]): Promise<PrivateKey> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  const iat = Math.max(Date.now() / 1000, ...others.map((key) => madeAt(key) + IAT_STEP_SECONDS));
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg, use: 'sig', iat };
}

/** The service that reads the file must go on being able to, so the file stays its owner's. */
function replace(file: string, keys: readonly PrivateKey[]): void {
  const target = realpathSync(file);
  const owner = statSync(target);
  const uid = process.geteuid?.();
  if (uid !== 0 && uid !== owner.uid) {
    throw new Error(`${file} belongs to user ${owner.uid}; do this as that user, or as root`);
  }
  writeSecretFile(target, serialized(keys), uid === 0 ? { owner } : {});
}

function serialized(keys: readonly PrivateKey[]): string {
  return `${JSON.stringify({ keys }, null, 2)}\n`;
}

function whyUnreadable(file: string, code: string): string {
  if (code !== 'EACCES') return code;
  const owner = statSync(file, { throwIfNoEntry: false })?.uid;
  return `${code}, this is user ${process.geteuid?.()}, and the file belongs to user ${owner}`;
}
