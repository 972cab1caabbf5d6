// One contract for the store, whichever client carries it: what is atomic stays so, what is ended
// stays ended, and what is stored tells nothing.

import { createClient } from '@redis/client';
import { createPool, type Pool, resolveOptions } from 'plimsoll';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { STORE_DRIVERS, type StoreDriver } from '../src/config.js';
import type { Problem } from '../src/errors.js';
import type { RedisCommands } from '../src/store/commands.js';
import { peerCommands, plimsollCommands } from '../src/store/drivers.js';
import { MAX_SESSIONS, type OpenedSession, Store, type User } from '../src/store/store.js';
import { newName } from './support/service.js';

const DAY_SECONDS = 86_400;

async function commandsOf(driver: StoreDriver, url: string): Promise<RedisCommands> {
  if (driver !== 'plimsoll') {
    return peerCommands(driver, resolveOptions({}, { REDIS_URL: url }).target, undefined);
  }
  const pool = createPool({}, { REDIS_URL: url }) as Pool;
  return plimsollCommands(pool.client, () => pool.close());
}

describe.each(STORE_DRIVERS)('the store on %s', (driver) => {
  const server = useServer({ password: 'p@ss:word/' });
  let store: Store;
  let now = Date.now();

  beforeAll(async () => {
    store = new Store(await commandsOf(driver, server().url), DAY_SECONDS, () => now);
  });
  afterAll(() => store?.close());

  const newUser = (): Promise<User> => store.createUser(newName(), 'a hash');
  const tokenOf = ({ session }: OpenedSession, tokenId = 'token') => ({
    tokenId: `${tokenId}-${session.id}`,
    sessionId: session.id,
    userId: session.userId,
    expiresAt: now + 60_000,
  });

  test('a user is created once and found again', async () => {
    const user = await newUser();
    expect(await store.findUser(user.name)).toEqual(user);
    expect(await store.findUser('nobody')).toBeUndefined();
    const again = store.createUser(user.name, 'another hash');
    await expect(again).rejects.toMatchObject({ code: 'USERNAME_TAKEN' });
    expect(await store.findUser(user.name)).toEqual(user);
  });

  test('of 50 who show one refresh token exactly one wins, and the session ends', async () => {
    const opened = await store.openSession(await newUser());
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, () => store.rotateRefresh(opened.refreshToken)),
    );
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(won).toHaveLength(1);
    expect(new Set(lost.map(({ reason }) => (reason as Problem).code))).toEqual(
      new Set(['REFRESH_REUSED']),
    );
    expect(await store.isLive(tokenOf(opened))).toBe(false);
    const winner = store.rotateRefresh(won[0]!.value.refreshToken);
    await expect(winner).rejects.toMatchObject({ code: 'INVALID_TOKEN' });
  });

  test('a rotation keeps the session and makes it last longer', async () => {
    const opened = await store.openSession(await newUser());
    now += 20 * 3_600_000;
    const next = await store.rotateRefresh(opened.refreshToken);
    expect(next.session).toEqual(opened.session);
    now += 20 * 3_600_000;
    expect(await store.sessionsOf(opened.session.userId)).toEqual([opened.session]);
    now = Date.now();
  });

  test('ended sessions refuse their tokens, others go on', async () => {
    const user = await newUser();
    const [first, second] = [await store.openSession(user), await store.openSession(user)];
    await store.endSession(tokenOf(first));
    expect(await store.isLive(tokenOf(first))).toBe(false);
    expect(await store.isLive(tokenOf(second))).toBe(true);
    await store.endAllSessions(tokenOf(second));
    expect(await store.isLive(tokenOf(second))).toBe(false);
    expect(await store.sessionsOf(user.id)).toEqual([]);
  });

  test('a denied token is refused even where its session lives', async () => {
    const opened = await store.openSession(await newUser());
    const denied = tokenOf(opened, 'denied');
    await store.endSession({ ...denied, sessionId: 'another' });
    expect(await store.isLive(denied)).toBe(false);
    expect(await store.isLive(tokenOf(opened))).toBe(true);
  });

  test('a user has a bounded number of sessions, and expired ones are not listed', async () => {
    const user = await newUser();
    for (let count = 0; count <= MAX_SESSIONS; count++) await store.openSession(user);
    expect(await store.sessionsOf(user.id)).toHaveLength(MAX_SESSIONS);
    now += (DAY_SECONDS + 1) * 1000;
    expect(await store.sessionsOf(user.id)).toEqual([]);
    now = Date.now();
  });

  test('scripts that the server has forgotten are sent again', async () => {
    const observer = await createClient({ url: server().url }).connect();
    await observer.scriptFlush();
    const opened = await store.openSession(await newUser());
    expect(await store.isLive(tokenOf(opened))).toBe(true);
    observer.destroy();
  });

  test('no token stands in Redis as it is, and everything but users expires', async () => {
    const observer = await createClient({ url: server().url }).connect();
    const opened = await store.openSession(await newUser());
    const { refreshToken } = await store.rotateRefresh(opened.refreshToken);
    await store.endSession(tokenOf(await store.openSession(await newUser())));
    for (const key of await observer.keys('*')) {
      expect(key).toMatch(/^auth:(user|session|sessions|refresh|deny):/);
      const isUser = key.startsWith('auth:user:');
      expect([key, (await observer.pTTL(key)) > 0]).toEqual([key, !isUser]);
      const value = key.startsWith('auth:sessions:') ? '' : await observer.get(key);
      for (const secret of [opened.refreshToken, refreshToken]) {
        expect(key + value).not.toContain(secret);
      }
    }
    observer.destroy();
  });

  test('a server that is gone becomes STORE_UNAVAILABLE, soon, and is used again later', async () => {
    const opened = await store.openSession(await newUser());
    await server().kill();
    const asked = performance.now();
    const answers = [store.isLive(tokenOf(opened)), store.rotateRefresh(opened.refreshToken)];
    for (const outcome of await Promise.allSettled(answers)) {
      expect(outcome).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } });
    }
    expect(performance.now() - asked).toBeLessThan(5_000);
    await server().restart();
    // The data is gone with the server: that must refuse, not admit.
    await expect.poll(() => store.isLive(tokenOf(opened)), { timeout: 8_000 }).toBe(false);
  });
});
