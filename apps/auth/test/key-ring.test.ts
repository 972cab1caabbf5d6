// A rotation on disk reaches a running worker, and a bad file does not take its keys away.

import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openLog } from '../src/log.js';
import { SecurityEvents } from '../src/security-events.js';
import type { Session } from '../src/store/store.js';
import { AccessTokens } from '../src/tokens/access-tokens.js';
import {
  addKey,
  createKeys,
  isExposed,
  promoteKey,
  readKeys,
  removeKey,
} from '../src/tokens/key-file.js';
import { registerKeyMetrics } from '../src/tokens/key-metrics.js';
import { KeyRing, RELOAD_PAUSE_MS } from '../src/tokens/key-ring.js';

const OPTIONS = {
  issuer: 'http://issuer.test',
  audience: 'plimsoll',
  clientId: 'login',
  accessTokenSeconds: 60,
};
const SESSION: Session = { id: 'session', userId: 'user', userName: 'ann', createdAt: 0 };

const isRoot = process.geteuid?.() === 0;
/** The user that Linux keeps for those who own nothing. */
const NOBODY = 65_534;

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

const openRing = () => KeyRing.open(file, { now: () => now });
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

test('a file that exists is not overwritten', async () => {
  const before = readFileSync(file, 'utf8');
  await expect(createKeys(file)).rejects.toThrow(/EEXIST/);
  expect(readFileSync(file, 'utf8')).toBe(before);
  expect(readdirSync(folder)).toEqual(['keys.json']);
});

test('promoting again changes nothing, and never brings an old key back', async () => {
  const [first] = readKeys(file);
  expect(promoteKey(file)).toBe(first!.kid);
  for (let rotation = 0; rotation < 3; rotation++) {
    const added = await addKey(file);
    for (let time = 0; time < 3; time++) expect(promoteKey(file)).toBe(added);
    expect(readKeys(file)[0]!.kid).toBe(added);
  }
});

test('a key that is added while the clock goes back is the newest all the same', async () => {
  vi.useFakeTimers({ now: 0, toFake: ['Date'] });
  const added = await addKey(file);
  vi.useRealTimers();
  expect(promoteKey(file)).toBe(added);
});

test('a key that was removed verifies no more; the one that signs cannot be removed', async () => {
  const [old] = readKeys(file);
  const added = await addKey(file);
  expect(() => removeKey(file, old!.kid)).toThrow(/signs; promote another/);
  expect(() => removeKey(file, 'made-up')).toThrow(/no key made-up/);
  promoteKey(file);
  removeKey(file, old!.kid);
  expect(readKeys(file).map(({ kid }) => kid)).toEqual([added]);
});

/** Without root's right to read everything, where the tests run as root. */
async function asOrdinaryUser<T>(act: () => Promise<T> | T): Promise<T> {
  if (!isRoot) return act();
  chmodSync(folder, 0o777);
  process.seteuid!(NOBODY);
  try {
    return await act();
  } finally {
    process.seteuid!(0);
  }
}

test('a file that only another user can read is told once, shown, and leaves the keys', async () => {
  const lines: string[] = [];
  const log = openLog('info', { write: (line) => void lines.push(line) });
  const registry = new Registry();
  const events = new SecurityEvents({ log, registry });
  const ring = await KeyRing.open(file, { events, now: () => now });
  registerKeyMetrics(ring, registry);
  const { kid } = await ring.signing();
  const added = await addKey(file);
  chmodSync(file, isRoot ? 0o600 : 0o000);
  const page = await asOrdinaryUser(async () => {
    for (let look = 0; look < 3; look++) {
      now += RELOAD_PAUSE_MS;
      expect((await ring.signing()).kid).toBe(kid);
    }
    await expect(KeyRing.open(file)).rejects.toThrow(/cannot be read: EACCES/);
    return registry.metrics();
  });
  expect(lines.filter((line) => line.includes('"event":"keys_unreadable"'))).toHaveLength(1);
  expect(lines.join('')).toContain('EACCES');
  expect(page).toMatch(/^auth_keys_file_readable 0$/m);
  expect(page).toContain(`auth_signing_key_info{kid="${kid}"} 1`);
  chmodSync(file, 0o600);
  now += RELOAD_PAUSE_MS;
  expect(await ring.find(added)).toBeDefined();
  expect(lines.at(-1)).toContain('"event":"keys_changed"');
  const healed = await registry.metrics();
  expect(healed).toMatch(/^auth_keys_file_readable 1$/m);
  const [, readAt] = /^auth_keys_read_timestamp_seconds (\S+)$/m.exec(healed)!;
  expect(Math.abs(Number(readAt) - Date.now() / 1000)).toBeLessThan(60);
});

test.runIf(isRoot)('a rotation by root leaves the file its owner’s', async () => {
  chownSync(file, NOBODY, NOBODY);
  const added = await addKey(file);
  promoteKey(file);
  expect([statSync(file).uid, statSync(file).gid]).toEqual([NOBODY, NOBODY]);
  const readable = await asOrdinaryUser(() => readKeys(file));
  expect(readable[0]!.kid).toBe(added);
});

test.runIf(isRoot)('a rotation by a third user is refused before anything is written', async () => {
  chmodSync(file, 0o644);
  const before = readFileSync(file, 'utf8');
  await asOrdinaryUser(async () => {
    await expect(addKey(file)).rejects.toThrow(/belongs to user 0/);
  });
  expect(readFileSync(file, 'utf8')).toBe(before);
});

test('a link that leads to another file by now is followed, as mounted secrets are replaced', async () => {
  const [next, link] = ['next.json', 'link.json'].map((name) => path.join(folder, name));
  symlinkSync(file, link!);
  const ring = await KeyRing.open(link!, { now: () => now });
  const kid = await createKeys(next!);
  const mtime = statSync(file).mtime;
  utimesSync(next!, mtime, mtime);
  rmSync(link!);
  symlinkSync(next!, link!);
  now += RELOAD_PAUSE_MS;
  expect((await ring.signing()).kid).toBe(kid);
});

test('a rotation through a symbolic link replaces the file, not the link', async () => {
  const link = path.join(folder, 'link.json');
  symlinkSync(file, link);
  const added = await addKey(link);
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readKeys(file).map(({ kid }) => kid)).toContain(added);
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
