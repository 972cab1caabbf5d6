import { expect, test } from 'vitest';
import { seededRandom, testSeed } from '../../../../test/support/seeded-random.js';
import type { AccessClaims } from './access-tokens.js';
import { VerifiedTokens } from './verified-tokens.js';

const SEED = testSeed();
const NOW = 1_000;
const KEYS = 0;

function claims(sid: string, exp = NOW + 60): AccessClaims {
  const who = {
    iss: 'issuer',
    aud: 'audience',
    sub: 'user',
    client_id: 'login',
    auth_time: 1,
    username: 'ada',
  };
  return { ...who, sid, jti: `${sid}-token`, iat: NOW, exp };
}

function chance(): () => number {
  console.log(`TEST_SEED=${SEED}`);
  const random = seededRandom(SEED);
  return () => random.next();
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

test('holds no more than its places', () => {
  const tokens = new VerifiedTokens(100);
  for (let user = 0; user < 1_000; user++) {
    tokens.remember(`token ${user}`, claims(`session ${user}`), KEYS);
  }
  expect(tokens.size).toBe(100);
  const known = Array.from({ length: 1_000 }, (_, user) => tokens.get(`token ${user}`, KEYS, NOW));
  expect(known.filter((one) => one !== undefined)).toHaveLength(100);
  expect(known.every((one, user) => one === undefined || one.sid === `session ${user}`)).toBe(true);
});

test('a few more tokens in turn than there are places: most are known', () => {
  const tokens = new VerifiedTokens(1_000, chance());
  let found = 0;
  for (let turn = 0; turn < 12_000; turn++) {
    const token = `token ${turn % 1_200}`;
    if (tokens.get(token, KEYS, NOW) !== undefined) found++;
    else tokens.remember(token, claims(`session ${turn % 1_200}`), KEYS);
  }
  expect(found / 12_000).toBeGreaterThan(0.5);
});

test('forgets the right ones, whatever the order', () => {
  const random = chance();
  const tokens = new VerifiedTokens(50, random);
  const last = new Map<string, string>();
  for (let turn = 0; turn < 5_000; turn++) {
    const session = `session ${Math.floor(random() * 80)}`;
    tokens.remember(`token ${turn}`, claims(session), KEYS);
    last.set(session, `token ${turn}`);
    const asked = `token ${Math.floor(random() * turn)}`;
    const known = tokens.get(asked, KEYS, NOW);
    if (known !== undefined) expect(last.get(known.sid)).toBe(asked);
    expect(tokens.size).toBeLessThanOrEqual(50);
  }
});

test('other keys: nothing is known, and what the old ones found good is not taken', () => {
  const tokens = new VerifiedTokens();
  tokens.remember('token', claims('session'), KEYS);
  expect(tokens.get('token', KEYS + 1, NOW)).toBeUndefined();
  tokens.remember('token', claims('session'), KEYS);
  expect(tokens.get('token', KEYS + 1, NOW)).toBeUndefined();
});
