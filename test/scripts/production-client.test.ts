// Users as they are in production: addresses of their own, and now and then a new connection.

import { defineUser, type RequestOptions, type User } from 'plimsoll-load';
import { expect, test } from 'vitest';
import {
  addressOf,
  inProduction,
  RECONNECT_SHARE,
} from '../../scripts/validation/users/production-client.js';
import { seededRandom } from '../support/seeded-random.js';

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly options: RequestOptions | undefined;
}

/** A user as the load tester has it, whose requests go nowhere. */
function userThatSends(index: number): { user: User; sent: Sent[] } {
  const random = seededRandom(index);
  const sent: Sent[] = [];
  const request = async (method: string, path: string, options?: RequestOptions) => {
    sent.push({ method, path, options });
    return { status: 200, ok: true } as Awaited<ReturnType<User['get']>>;
  };
  const user = {
    index,
    random: () => random.next(),
    account: undefined,
    state: {},
    request,
    get: (path: string, options?: RequestOptions) => request('GET', path, options),
    post: (path: string, options?: RequestOptions) => request('POST', path, options),
  } as unknown as User;
  return { user, sent };
}

const userClass = inProduction(
  defineUser({
    name: 'Reader',
    waitMs: () => 0,
    onStart: async (user) => {
      user.state.begun = true;
    },
    tasks: [
      { name: 'get', weight: 1, run: (user) => user.get('/a', { headers: { accept: 'x' } }) },
      { name: 'post', weight: 1, run: (user) => user.post('/b', { json: {}, expect: 201 }) },
    ],
  }),
);

test('a user tells its own address with each request, beside what the task sends', async () => {
  const { user, sent } = userThatSends(70_000);
  for (const task of userClass.tasks) await task.run(user);
  expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /a', 'POST /b']);
  expect(sent[0]?.options?.headers).toMatchObject({
    accept: 'x',
    'x-forwarded-for': '10.1.17.112',
  });
  expect(sent[1]?.options).toMatchObject({ json: {}, expect: 201 });
});

test('what a task remembers is the user’s', async () => {
  const { user } = userThatSends(1);
  await userClass.onStart?.(user);
  expect(user.state.begun).toBe(true);
});

test('one in fifty requests is the last of its connection', async () => {
  const { user, sent } = userThatSends(3);
  for (let turn = 0; turn < 10_000; turn++) await userClass.tasks[0]!.run(user);
  const last = sent.filter(({ options }) => options?.headers?.connection === 'close').length;
  expect(last / sent.length).toBeGreaterThan(RECONNECT_SHARE * 0.7);
  expect(last / sent.length).toBeLessThan(RECONNECT_SHARE * 1.3);
});

test('no two of 100,000 users have one address', () => {
  const addresses = new Set(Array.from({ length: 100_000 }, (_, index) => addressOf(index)));
  expect(addresses.size).toBe(100_000);
});
