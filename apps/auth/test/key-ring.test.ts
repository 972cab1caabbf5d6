// A rotation on disk reaches a running worker, and a bad file does not take its keys away.

import { chmodSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Session } from '../src/store/store.js';
import { AccessTokens } from '../src/tokens/access-tokens.js';
import { addKey, createKeys, isExposed, promoteKey, readKeys } from '../src/tokens/key-file.js';
import { KeyRing, RELOAD_PAUSE_MS } from '../src/tokens/key-ring.js';

const OPTIONS = { issuer: 'http://issuer.test', audience: 'plimsoll', accessTokenSeconds: 60 };
const SESSION: Session = { id: 'session', userId: 'user', userName: 'ann', createdAt: 0 };

let folder: string;
let file: string;
let now: number;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'key-ring-'));
  file = path.join(folder, 'keys.json');
  now = 0;
  await createKeys(file);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const openRing = () => KeyRing.open(file, () => now);
let changes = 0;

/** File systems may keep times too coarsely to tell two quick changes apart. */
function touch(): void {
  const seconds = Date.now() / 1000 + ++changes;
  utimesSync(file, seconds, seconds);
}

test('an added key is published, signs when it is promoted, and old tokens stay good', async () => {
  const [ringA, ringB] = [await openRing(), await openRing()];
  const [signer, verifier] = [new AccessTokens(ringA, OPTIONS), new AccessTokens(ringB, OPTIONS)];
  const oldToken = await signer.sign(SESSION);
  const oldKid = (await ringA.signing()).kid;
  const added = await addKey(file);
  touch();
  now += RELOAD_PAUSE_MS;
  expect((await ringA.publicKeys()).keys.map(({ kid }) => kid)).toEqual([oldKid, added]);
  expect((await ringA.signing()).kid).toBe(oldKid);
  expect(promoteKey(file)).toBe(added);
  touch();
  now += RELOAD_PAUSE_MS;
  expect((await ringA.signing()).kid).toBe(added);
  const newToken = await signer.sign(SESSION);
  expect((await verifier.check(newToken)).sid).toBe('session');
  expect((await verifier.check(oldToken)).sid).toBe('session');
});

test('many who ask for a new key while the file is read all get it', async () => {
  const ring = await openRing();
  const added = await addKey(file);
  touch();
  now += RELOAD_PAUSE_MS;
  const found = await Promise.all(Array.from({ length: 10 }, () => ring.find(added)));
  expect(found.every((key) => key?.kid === added)).toBe(true);
});

test('a key that was taken out verifies no more, not even tokens that were found good', async () => {
  const tokens = new AccessTokens(await openRing(), OPTIONS);
  const token = await tokens.sign(SESSION);
  await tokens.check(token);
  await addKey(file);
  promoteKey(file);
  writeFileSync(file, JSON.stringify({ keys: readKeys(file).slice(0, 1) }));
  touch();
  now += RELOAD_PAUSE_MS;
  await expect(tokens.check(token)).rejects.toMatchObject({ code: 'INVALID_TOKEN' });
});

test('a file that is broken or gone leaves the keys as they were', async () => {
  const ring = await openRing();
  const { kid } = await ring.signing();
  writeFileSync(file, '{"keys": [');
  touch();
  now += RELOAD_PAUSE_MS;
  expect((await ring.signing()).kid).toBe(kid);
  rmSync(file);
  now += RELOAD_PAUSE_MS;
  expect((await ring.signing()).kid).toBe(kid);
});

test('unknown keys do not make a worker read the file more than once a second', async () => {
  const ring = await openRing();
  const added = await addKey(file);
  touch();
  now += RELOAD_PAUSE_MS - 1;
  expect(await ring.find(added)).toBeUndefined();
  now += 1;
  expect((await ring.find(added))?.kid).toBe(added);
});

test('the file is its owner’s alone, also after a rotation, and an exposed one is noticed', async () => {
  await addKey(file);
  promoteKey(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(isExposed(file)).toBe(false);
  chmodSync(file, 0o640);
  expect(isExposed(file)).toBe(true);
});

test('a file that exists is not overwritten, and one key cannot be promoted', async () => {
  await expect(createKeys(file)).rejects.toThrow(/EEXIST/);
  expect(() => promoteKey(file)).toThrow(/one key only/);
});

test('a bad file is refused without showing what is in it', async () => {
  const secret = 'c2VjcmV0LXBhcnQ';
  for (const text of [secret, '{}', '{"keys":[]}', `{"keys":[{"d":"${secret}","alg":"RS256"}]}`]) {
    writeFileSync(file, text);
    const error = await openRing().catch((reason: Error) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).not.toContain(secret);
  }
});

test('ES256 keys sign and verify as well', async () => {
  const other = path.join(folder, 'es256.json');
  await createKeys(other, 'ES256');
  const tokens = new AccessTokens(await KeyRing.open(other), OPTIONS);
  expect((await tokens.check(await tokens.sign(SESSION))).username).toBe('ann');
});
