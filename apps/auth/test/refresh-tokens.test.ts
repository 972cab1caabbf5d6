// Refresh tokens as strings: who may make one, what changes one, and what a change of keys does.

import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addKey, createKeys, promoteKey, readKeys } from '../src/tokens/key-file.js';
import { KeyRing, RELOAD_PAUSE_MS } from '../src/tokens/key-ring.js';
import { RefreshTokens } from '../src/tokens/refresh-tokens.js';

const REFERENCE = {
  home: 'h-_0',
  sessionId: '0f8fad5b-d9cb-469f-a165-70867728950e',
  generation: 4_294_967_295,
  family: 'AAECAwQFBgcICQoLDA0ODw',
};
const INVALID = { code: 'INVALID_TOKEN' };

const folder = mkdtempSync(path.join(tmpdir(), 'refresh-tokens-'));
const file = path.join(folder, 'keys.json');
let now = 0;
let tokens: RefreshTokens;

beforeAll(async () => {
  await createKeys(file);
  tokens = new RefreshTokens(await KeyRing.open(file, { now: () => now }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('what was signed is read again, and signing again gives the same token', async () => {
  for (const generation of [0, 1, REFERENCE.generation]) {
    const reference = { ...REFERENCE, generation };
    const token = await tokens.sign(reference);
    expect(await tokens.read(token)).toEqual(reference);
    expect(await tokens.sign(reference)).toBe(token);
  }
});

test('a token with any character changed, added or missing is refused', async () => {
  const token = await tokens.sign(REFERENCE);
  for (let position = 0; position < token.length; position++) {
    const other = token[position] === 'A' ? 'B' : 'A';
    const changed = token.slice(0, position) + other + token.slice(position + 1);
    await expect(tokens.read(changed)).rejects.toMatchObject(INVALID);
  }
  for (const bad of [`${token}A`, token.slice(1), `${token}\n`, '', token.replaceAll('-', '+')]) {
    if (bad !== token) await expect(tokens.read(bad)).rejects.toMatchObject(INVALID);
  }
});

test('another service’s keys make other tokens, and no public key makes one', async () => {
  const otherFile = path.join(folder, 'other.json');
  await createKeys(otherFile, 'ES256');
  const others = new RefreshTokens(await KeyRing.open(otherFile));
  await expect(tokens.read(await others.sign(REFERENCE))).rejects.toMatchObject(INVALID);
  const ring = await KeyRing.open(file);
  const published = JSON.stringify(await ring.publicKeys());
  const { refreshSecret } = await ring.signing();
  for (const encoding of ['base64url', 'hex'] as const) {
    expect(published).not.toContain(refreshSecret.toString(encoding));
    expect(JSON.stringify(readKeys(file))).not.toContain(refreshSecret.toString(encoding));
  }
});

test('tokens of before a rotation of keys stay good, and those after differ', async () => {
  const before = await tokens.sign(REFERENCE);
  await addKey(file);
  promoteKey(file);
  const seconds = Date.now() / 1000 + 10;
  utimesSync(file, seconds, seconds);
  now += RELOAD_PAUSE_MS;
  const after = await tokens.sign(REFERENCE);
  expect(after).not.toBe(before);
  expect(await tokens.read(before)).toEqual(REFERENCE);
  expect(await tokens.read(after)).toEqual(REFERENCE);
});
