import { expect, test } from 'vitest';
import type { AccessClaims } from './access-tokens.js';
import { MAX_REMEMBERED, VerifiedTokens } from './verified-tokens.js';

const NOW = 1_000;
const KEYS = 0;

function claims(sid: string, exp = NOW + 60): AccessClaims {
  const who = { iss: 'issuer', aud: 'audience', sub: 'user', username: 'ada' };
  return { ...who, sid, jti: `${sid}-token`, iat: NOW, exp };
}

test('knows a token until it expires', () => {
  const tokens = new VerifiedTokens();
  const good = claims('session');
  tokens.remember('token', good, KEYS);
  expect(tokens.get('token', KEYS, NOW)).toBe(good);
  expect(tokens.get('token', KEYS, good.exp)).toBeUndefined();
  expect(tokens.size).toBe(0);
});

test('a renewed token takes the place of the one before, and of no other session', () => {
  const tokens = new VerifiedTokens();
  tokens.remember('other', claims('other session'), KEYS);
  for (let turn = 0; turn < 100; turn++) tokens.remember(`token ${turn}`, claims('session'), KEYS);
  expect(tokens.size).toBe(2);
  expect(tokens.get('token 99', KEYS, NOW)).toBeDefined();
  expect(tokens.get('token 98', KEYS, NOW)).toBeUndefined();
  expect(tokens.get('other', KEYS, NOW)).toBeDefined();
});

test('a token that is shown again stays known', () => {
  const tokens = new VerifiedTokens();
  tokens.remember('token', claims('session'), KEYS);
  tokens.remember('token', claims('session'), KEYS);
  expect(tokens.get('token', KEYS, NOW)).toBeDefined();
  expect(tokens.size).toBe(1);
});

test('the oldest gives way', () => {
  const tokens = new VerifiedTokens();
  for (let user = 0; user <= MAX_REMEMBERED; user++) {
    tokens.remember(`token ${user}`, claims(`session ${user}`), KEYS);
  }
  expect(tokens.size).toBe(MAX_REMEMBERED);
  expect(tokens.get('token 0', KEYS, NOW)).toBeUndefined();
  expect(tokens.get('token 1', KEYS, NOW)).toBeDefined();
});

test('other keys: nothing is known, and what the old ones found good is not taken', () => {
  const tokens = new VerifiedTokens();
  tokens.remember('token', claims('session'), KEYS);
  expect(tokens.get('token', KEYS + 1, NOW)).toBeUndefined();
  tokens.remember('token', claims('session'), KEYS);
  expect(tokens.get('token', KEYS + 1, NOW)).toBeUndefined();
});
