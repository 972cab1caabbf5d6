// One contract for the store, whichever client carries it: what is atomic stays so, what is ended
// stays ended, and what is stored tells nothing.

import { createClient } from '@redis/client';
import { createPool, type Pool, resolveOptions } from 'plimsoll';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { until } from '../../../test/support/until.js';
import { STORE_DRIVERS, type StoreDriver } from '../src/config.js';
import type { Problem } from '../src/errors.js';
import type { RedisCommands } from '../src/store/commands.js';
import { peerCommands, plimsollCommands } from '../src/store/drivers.js';
import { homeOf, indexPrefix, sessionPrefix, userKey } from '../src/store/keys.js';
import {
  type OpenedSession,
  Store,
  type StoreOptions,
  type User,
  type UserReference,
} from '../src/store/store.js';
import { newName } from './support/service.js';

const MAX_SESSIONS = 20;
const OPTIONS: StoreOptions = {
  maxSessions: MAX_SESSIONS,
  refreshTokenSeconds: 86_400,
  refreshGraceSeconds: 10,
  sessionSeconds: 864_000,
  sessionRefreshLimit: 0,
  addressRefreshLimit: 0,
};
const ADDRESS = '192.0.2.1';

async function commandsOf(driver: StoreDriver, url: string): Promise<RedisCommands> {
  if (driver !== 'plimsoll') {
    return peerCommands(driver, resolveOptions({}, { REDIS_URL: url }).target);
  }
  const pool = createPool({}, { REDIS_URL: url }) as Pool;
  return plimsollCommands(pool);
}

describe.each(STORE_DRIVERS)('the store on %s', (driver) => {
  const server = useServer({ password: 'p@ss:word/' });
  let commands: RedisCommands;
  let store: Store;
  let observer: ReturnType<typeof createClient>;

  beforeAll(async () => {
    commands = await commandsOf(driver, server().url);
    store = new Store(commands, OPTIONS);
    observer = createClient({ url: server().url });
    observer.on('error', () => undefined);
    await observer.connect();
  });
  afterAll(async () => {
    observer?.destroy();
    await store?.close();
  });

  const newUser = (): Promise<User> => store.createUser(newName(), 'a hash');
  const storeWith = (options: Partial<StoreOptions>) =>
    new Store(commands, { ...OPTIONS, ...options });
  const tokenOf = ({ session }: OpenedSession) => ({
    sessionId: session.id,
    userId: session.userId,
    userName: session.userName,
  });
  const ownerOf = ({ id, name }: User) => ({ userId: id, userName: name });
  const keyOf = ({ session }: OpenedSession) =>
    sessionPrefix(homeOf(session.userName)) + session.id;
  const indexOf = ({ userId, userName }: UserReference) => indexPrefix(homeOf(userName)) + userId;
  const refusal = (answer: Promise<unknown>) =>
    answer.then(
      () => 'none',
      (problem: Problem) => problem.code,
    );

  test('a user is created once and found again', async () => {
    const user = await newUser();
    expect(await store.findUser(user.name)).toEqual(user);
    expect(await store.findUser('nobody')).toBeUndefined();
    const again = store.createUser(user.name, 'another hash');
    await expect(again).rejects.toMatchObject({ code: 'USERNAME_TAKEN' });
    expect(await store.findUser(user.name)).toEqual(user);
  });

  test('a user with a life is gone after it, and its name free', async () => {
    const name = newName();
    await store.createUser(name, 'a hash', 1);
    const again = () => store.createUser(name, 'another hash');
    await expect(again()).rejects.toMatchObject({ code: 'USERNAME_TAKEN' });
    await until(async () => (await store.findUser(name)) === undefined);
    expect((await again()).name).toBe(name);
  });

  test('of 50 who show one refresh token at once all get the same successor', async () => {
    const opened = await store.openSession(await newUser());
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => store.refresh(opened.refresh, ADDRESS)),
    );
    expect(answers.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1);
    expect(new Set(answers.map(({ refresh }) => refresh.generation))).toEqual(new Set([1]));
    const next = await store.refresh(answers[0]!.refresh, ADDRESS);
    expect([next.outcome, next.refresh.generation]).toEqual(['rotated', 2]);
  });

  test('late requests get the last token, however many were issued meanwhile', async () => {
    const opened = await store.openSession(await newUser());
    const second = await store.refresh(opened.refresh, ADDRESS);
    const third = await store.refresh(second.refresh, ADDRESS);
    for (const late of [opened, second, opened]) {
      const answer = await store.refresh(late.refresh, ADDRESS);
      expect([answer.outcome, answer.refresh]).toEqual(['retried', third.refresh]);
    }
    expect((await store.refresh(third.refresh, ADDRESS)).outcome).toBe('rotated');
  });

  test.each([
    ['the first', 0],
    ['one in the middle', 1],
    ['the one before the last', 2],
  ])('%s of the used tokens ends its session once its time is over', async (_name, position) => {
    const opened = await store.openSession(await newUser());
    const key = keyOf(opened);
    const line = [opened.refresh];
    for (let count = 0; count < 3; count++) {
      const { refresh } = await store.refresh(line.at(-1)!, ADDRESS);
      line.push(refresh);
      for (const time of ['replaced', 'began']) await observer.hIncrBy(key, time, -10_000);
    }
    expect(await refusal(store.refresh(line[position]!, ADDRESS))).toBe('REFRESH_REUSED');
    expect(await store.isLive(tokenOf(opened))).toBe(false);
    expect(await refusal(store.refresh(line[3]!, ADDRESS))).toBe('INVALID_TOKEN');
    expect(await store.sessionsOf(opened.session)).toEqual([]);
  });

  test('a line of quick refreshes makes the time of none of them longer', async () => {
    const opened = await store.openSession(await newUser());
    const key = keyOf(opened);
    let { refresh } = opened;
    const line = [refresh];
    // Six seconds apart: only the last two were replaced within ten.
    for (let count = 0; count < 6; count++) {
      for (const time of count === 0 ? [] : ['replaced', 'began']) {
        await observer.hIncrBy(key, time, -6_000);
      }
      ({ refresh } = await store.refresh(refresh, ADDRESS));
      line.push(refresh);
    }
    expect((await store.refresh(line[5]!, ADDRESS)).outcome).toBe('retried');
    expect(await refusal(store.refresh(line[3]!, ADDRESS))).toBe('REFRESH_REUSED');
  });

  test('a retry does not make the time of grace longer, and then is reuse', async () => {
    const strict = storeWith({ refreshGraceSeconds: 1 });
    const opened = await strict.openSession(await newUser());
    await strict.refresh(opened.refresh, ADDRESS);
    const rotated = performance.now();
    const outcomes: string[] = [];
    await expect
      .poll(
        async () => {
          const answer = strict.refresh(opened.refresh, ADDRESS);
          outcomes.push(
            await answer.then(
              ({ outcome }) => outcome,
              (problem: Problem) => problem.code,
            ),
          );
          return outcomes.at(-1);
        },
        { interval: 100, timeout: 5_000 },
      )
      .toBe('REFRESH_REUSED');
    expect(performance.now() - rotated).toBeGreaterThan(900);
    expect(new Set(outcomes.slice(0, -1))).toEqual(new Set(['retried']));
    expect(await strict.isLive(tokenOf(opened))).toBe(false);
  });

  test('without a time of grace one of 50 wins, and the session ends', async () => {
    const strict = storeWith({ refreshGraceSeconds: 0 });
    const opened = await strict.openSession(await newUser());
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, () => strict.refresh(opened.refresh, ADDRESS)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await store.isLive(tokenOf(opened))).toBe(false);
  });

  test('a token of another family neither refreshes a session nor ends it', async () => {
    const [own, other] = [
      await store.openSession(await newUser()),
      await store.openSession(await newUser()),
    ];
    const forged = { ...own.refresh, family: other.refresh.family };
    await store.refresh(own.refresh, ADDRESS);
    expect(await refusal(store.refresh(forged, ADDRESS))).toBe('INVALID_TOKEN');
    expect(await store.isLive(tokenOf(own))).toBe(true);
  });

  test('a token that is younger than Redis knows goes on, as Redis has lost writes', async () => {
    const opened = await store.openSession(await newUser());
    const before = await observer.hGetAll(keyOf(opened));
    const second = await store.refresh(opened.refresh, ADDRESS);
    await observer.del(keyOf(opened));
    await observer.hSet(keyOf(opened), before);
    const third = await store.refresh(second.refresh, ADDRESS);
    expect([third.outcome, third.refresh.generation]).toEqual(['ahead', 2]);
    expect((await store.refresh(second.refresh, ADDRESS)).outcome).toBe('retried');
    // Nobody knows when that one was replaced.
    expect(await refusal(store.refresh(opened.refresh, ADDRESS))).toBe('REFRESH_REUSED');
  });

  test('a thousand refreshes leave one key and no more memory than one', async () => {
    const opened = await store.openSession(await newUser());
    const key = keyOf(opened);
    let { refresh } = await store.refresh(opened.refresh, ADDRESS);
    const [keys, bytes] = [await observer.dbSize(), await observer.memoryUsage(key)];
    for (let count = 0; count < 1_000; count++)
      ({ refresh } = await store.refresh(refresh, ADDRESS));
    expect(refresh.generation).toBe(1_001);
    expect(await observer.dbSize()).toBe(keys);
    expect(await observer.memoryUsage(key)).toBeLessThanOrEqual(bytes! + 16);
  });

  test('a session is refreshed so often a minute; who is refused keeps it', async () => {
    const bounded = storeWith({ sessionRefreshLimit: 4 });
    const opened = await bounded.openSession(await newUser());
    let { refresh } = opened;
    let refused: Problem | undefined;
    // A minute may end between two of them: the fifth in one minute is refused.
    for (let count = 0; refused === undefined && count < 10; count++) {
      try {
        ({ refresh } = await bounded.refresh(refresh, ADDRESS));
      } catch (problem) {
        refused = problem as Problem;
      }
    }
    expect(refused?.code).toBe('TOO_MANY_REFRESHES');
    expect(refused?.retryAfterSeconds).toBeGreaterThan(0);
    expect(refused?.retryAfterSeconds).toBeLessThanOrEqual(60);
    expect(refresh.generation).toBeGreaterThanOrEqual(4);
    expect((await store.refresh(refresh, ADDRESS)).outcome).toBe('rotated');
    // A retry is not refused: that could make it a reuse.
    expect((await bounded.refresh(refresh, ADDRESS)).outcome).toBe('retried');
  });

  test('an address refreshes so often a minute, and holds up nobody who shares it', async () => {
    const bounded = storeWith({ addressRefreshLimit: 3 });
    const address = `2001:db8::${process.pid}-${driver}`;
    const flooding = await bounded.openSession(await newUser());
    let { refresh } = flooding;
    const refused: string[] = [];
    // A minute may end on the way: the first refresh of the next one is let through.
    for (let count = 0; count < 8; count++) {
      refused.push(
        await refusal(
          bounded.refresh(refresh, address).then((next) => {
            ({ refresh } = next);
          }),
        ),
      );
    }
    expect(refused.slice(0, 3)).toEqual(['none', 'none', 'none']);
    expect(refused).toContain('TOO_MANY_REFRESHES');
    const neighbour = await bounded.openSession(await newUser());
    expect(await refusal(bounded.refresh(neighbour.refresh, address))).toBe('none');
    expect(await refusal(bounded.refresh(refresh, `${address}-other`))).toBe('none');
  });

  test('tokens of sessions that have ended count against nobody', async () => {
    const bounded = storeWith({ addressRefreshLimit: 1 });
    const address = `2001:db8::${process.pid}-${driver}-ended`;
    const { refresh } = await bounded.openSession(await newUser());
    const ended = { ...refresh, sessionId: 'none' };
    const keys = await observer.dbSize();
    for (let count = 0; count < 3; count++) {
      expect(await refusal(bounded.refresh(ended, address))).toBe('INVALID_TOKEN');
    }
    expect(await observer.dbSize()).toBeLessThanOrEqual(keys);
    expect(await refusal(bounded.refresh(refresh, address))).toBe('none');
  });

  test('a refresh makes a session last longer, up to its absolute life', async () => {
    const short = storeWith({ refreshTokenSeconds: 100, sessionSeconds: 150 });
    const opened = await short.openSession(await newUser());
    const [key, index] = [keyOf(opened), indexOf(opened.session)];
    const restOf = async () => (await observer.pTTL(key)) / 1000;
    expect(Math.round(await restOf())).toBeCloseTo(100, -1);
    const aged = async (seconds: number) => {
      await observer.hIncrBy(key, 'created', -seconds * 1000);
      await observer.pExpire(key, 10_000);
    };
    await aged(20);
    let { refresh } = await short.refresh(opened.refresh, ADDRESS);
    expect(await restOf()).toBeGreaterThan(90);
    await aged(60);
    ({ refresh } = await short.refresh(refresh, ADDRESS));
    expect(await restOf()).toBeLessThanOrEqual(70);
    expect(await observer.pTTL(index)).toBeGreaterThanOrEqual(await observer.pTTL(key));
    await aged(80);
    expect(await refusal(short.refresh(refresh, ADDRESS))).toBe('INVALID_TOKEN');
    expect(await short.isLive(tokenOf(opened))).toBe(false);
  });

  test('ended sessions refuse their tokens, others go on', async () => {
    const user = await newUser();
    const [first, second] = [await store.openSession(user), await store.openSession(user)];
    await store.endSession(tokenOf(first));
    expect(await store.isLive(tokenOf(first))).toBe(false);
    expect(await store.isLive(tokenOf(second))).toBe(true);
    await store.endAllSessions(tokenOf(second));
    expect(await store.isLive(tokenOf(second))).toBe(false);
    expect(await store.sessionsOf(ownerOf(user))).toEqual([]);
  });

  test('one login too many ends the oldest session, also within a millisecond', async () => {
    for (let round = 0; round < 5; round++) {
      const user = await newUser();
      const opened = await Promise.all(
        Array.from({ length: MAX_SESSIONS }, () => store.openSession(user)),
      );
      const oldestFirst = (await store.sessionsOf(ownerOf(user))).map(({ id }) => id);
      expect(new Set(oldestFirst)).toEqual(new Set(opened.map(({ session }) => session.id)));
      const further = [await store.openSession(user), await store.openSession(user)];
      expect((await store.sessionsOf(ownerOf(user))).map(({ id }) => id)).toEqual([
        ...oldestFirst.slice(further.length),
        ...further.map(({ session }) => session.id),
      ]);
      const gone = { ...ownerOf(user), sessionId: oldestFirst[1]! };
      expect(await store.isLive(gone)).toBe(false);
    }
  });

  test('sessions that are gone make room, and leave the index', async () => {
    const user = await newUser();
    const first = await store.openSession(user);
    for (let count = 1; count < MAX_SESSIONS; count++) {
      await observer.del(keyOf(await store.openSession(user)));
    }
    await store.openSession(user);
    expect(await store.isLive(tokenOf(first))).toBe(true);
    expect(await store.sessionsOf(ownerOf(user))).toHaveLength(2);
    expect(await observer.zCard(indexOf(ownerOf(user)))).toBe(2);
  });

  test('all sessions end, also those of a time when refresh tokens lasted longer', async () => {
    const user = await newUser();
    const long = await store.openSession(user);
    const shortened = storeWith({ refreshTokenSeconds: 1 });
    const short = await shortened.openSession(user);
    await expect.poll(() => store.isLive(tokenOf(short)), { timeout: 5_000 }).toBe(false);
    expect(await store.sessionsOf(ownerOf(user))).toHaveLength(1);
    await store.endAllSessions(tokenOf(await store.openSession(user)));
    expect(await store.isLive(tokenOf(long))).toBe(false);
  });

  test('who has another password by now opens no session with the old one', async () => {
    const user = await newUser();
    await observer.set(userKey(user.name), JSON.stringify({ ...user, passwordHash: 'new' }));
    expect(await refusal(store.openSession(user))).toBe('INVALID_CREDENTIALS');
    expect(await store.sessionsOf(ownerOf(user))).toEqual([]);
  });

  test('scripts that the server has forgotten are sent again', async () => {
    await observer.scriptFlush();
    const opened = await store.openSession(await newUser());
    expect(await store.isLive(tokenOf(opened))).toBe(true);
  });

  test('nothing that makes a token stands in Redis, and everything but users expires', async () => {
    const opened = await store.openSession(await newUser());
    const { refresh } = await store.refresh(opened.refresh, ADDRESS);
    await storeWith({ addressRefreshLimit: 9 }).refresh(refresh, ADDRESS);
    for (const key of await observer.keys('*')) {
      expect(key).toMatch(/^auth:(\{[\w-]{4}\}:(user|session|sessions)|refreshes):/);
      const isUser = key.includes('}:user:');
      expect([key, (await observer.pTTL(key)) > 0]).toEqual([key, !isUser]);
      const value = key.includes('}:session:') ? await observer.hGetAll(key) : {};
      expect(key + JSON.stringify(value)).not.toContain(refresh.family);
    }
  });

  test('a server that is gone becomes STORE_UNAVAILABLE, soon, and is used again later', async () => {
    const opened = await store.openSession(await newUser());
    await server().kill();
    const asked = performance.now();
    const answers = [store.isLive(tokenOf(opened)), store.refresh(opened.refresh, ADDRESS)];
    for (const outcome of await Promise.allSettled(answers)) {
      expect(outcome).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } });
    }
    expect(performance.now() - asked).toBeLessThan(5_000);
    await server().restart();
    // The data is gone with the server: that must refuse, not admit.
    await expect.poll(() => store.isLive(tokenOf(opened)), { timeout: 8_000 }).toBe(false);
  });
});
