// What users and sessions cost in Redis, measured on a real server, and docs/sizing.md held to it.
// Prints the figures, so that the page can be brought up to date.

import { readFileSync } from 'node:fs';
import { createClient } from '@redis/client';
import { createPool, type Pool } from 'plimsoll';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { resolveConfig } from '../src/config.js';
import { Passwords } from '../src/passwords.js';
import { plimsollCommands } from '../src/store/drivers.js';
import { type OpenedSession, Store, type User } from '../src/store/store.js';

const USERS = 2_000;
const SESSIONS_EACH = 4;
/** Servers differ in their allocators and in the sizes of their tables. */
const TOLERANCE = 0.2;
/** Bytes that all clients' buffers and the like may differ by between two readings, for each user. */
const NOISE_BYTES = 60;

const server = useServer();
let store: Store;
let observer: ReturnType<typeof createClient>;

beforeAll(async () => {
  const pool = createPool({}, { REDIS_URL: server().url }) as Pool;
  const commands = plimsollCommands(pool);
  store = new Store(commands, { ...resolveConfig({}), addressRefreshLimit: 0 });
  observer = createClient({ url: server().url });
  await observer.connect();
});
afterAll(async () => {
  observer?.destroy();
  await store?.close();
});

async function usedBytes(): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await observer.info('memory'))![1]);
}

/** Bytes that `work` adds to the server's memory, divided by `count`. */
async function bytesEach(count: number, work: () => Promise<unknown>): Promise<number> {
  const before = await usedBytes();
  await work();
  return Math.round(((await usedBytes()) - before) / count);
}

function documented(what: string): number {
  const page = readFileSync(new URL('../../../docs/sizing.md', import.meta.url), 'utf8');
  return Number(new RegExp(`^\\| ${what} \\| (\\d+) `, 'm').exec(page)?.[1]);
}

test('users and sessions cost what docs/sizing.md says, and refreshes nothing', async () => {
  const passwordHash = await new Passwords(resolveConfig({})).hash('a password');
  const users: User[] = [];
  let opened: OpenedSession[] = [];
  const refreshAll = async () => {
    opened = await Promise.all(opened.map(({ refresh }) => store.refresh(refresh, 'address')));
  };
  /** Refreshed once, as a session in use is. */
  const open = async () => {
    opened = await Promise.all(users.map((user) => store.openSession(user)));
    await refreshAll();
  };
  // Scripts are loaded and buffers grown before anything is measured.
  await store.openSession(await store.createUser('warm-up', passwordHash));
  const measured = {
    'a user': await bytesEach(USERS, async () => {
      const names = Array.from({ length: USERS }, (_, index) => `user-name-${index}`);
      users.push(...(await Promise.all(names.map((name) => store.createUser(name, passwordHash)))));
    }),
    'the first session of a user': await bytesEach(USERS, open),
    'each further session': await bytesEach(USERS * (SESSIONS_EACH - 1), async () => {
      for (let count = 1; count < SESSIONS_EACH; count++) await open();
    }),
  };
  const refreshed = await bytesEach(USERS, async () => {
    for (let count = 0; count < 5; count++) await refreshAll();
  });
  console.log('bytes in Redis:', { ...measured, 'five refreshes more': refreshed });
  for (const [what, bytes] of Object.entries(measured)) {
    expect([what, Math.abs(documented(what) / bytes - 1) < TOLERANCE]).toEqual([what, true]);
  }
  expect(Math.abs(refreshed)).toBeLessThan(NOISE_BYTES);
});
