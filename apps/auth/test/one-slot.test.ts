// What the service sends to Redis, as Redis tells it (MONITOR): each command and each script touches
// one slot of a cluster, also by keys that scripts find in others, which no client could check.

import { createClient } from '@redis/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keySlot } from '../../../src/base/key-slot.js';
import { useServer } from '../../../test/support/servers.js';
import { until } from '../../../test/support/until.js';
import { Passwords } from '../src/passwords.js';
import { homeOf, sessionPrefix } from '../src/store/keys.js';
import * as scripts from '../src/store/scripts.js';
import {
  CHEAP,
  getAs,
  login,
  newName,
  openService,
  PASSWORD,
  post,
  postAs,
  register,
  type TestService,
} from './support/service.js';

const ARGUMENT = /"((?:[^"\\]|\\.)*)"/g;
const KEYLESS = new Set(['PING', 'TIME', 'HELLO', 'CLIENT', 'INFO', 'CONFIG', 'SCRIPT', 'COMMAND']);

/** A command as sent, and the keys that it, or the script that it ran, has touched. */
interface Sent {
  readonly command: readonly string[];
  readonly keys: string[];
}

const server = useServer();
const sent: Sent[] = [];
let service: TestService;
let monitor: ReturnType<typeof createClient>;

beforeAll(async () => {
  monitor = createClient({ url: server().url });
  await monitor.connect();
  await monitor.monitor((line) => note(String(line)));
  service = await openService(server().url, {
    config: {
      maxSessions: 2,
      accountLimit: 2,
      addressLimit: 1_000,
      sessionRefreshLimit: 3,
      addressRefreshLimit: 1_000,
    },
  });
});
afterAll(async () => {
  await service?.close();
  monitor?.destroy();
});

function note(line: string): void {
  const command = [...line.matchAll(ARGUMENT)].map(([, text]) => text!);
  const name = command[0]!.toUpperCase();
  if (/^[\d.]+ \[\d+ lua\]/.test(line)) {
    if (!KEYLESS.has(name)) sent.at(-1)!.keys.push(command[1]!);
    return;
  }
  if (KEYLESS.has(name)) return;
  const isScript = name === 'EVALSHA' || name === 'EVAL';
  const keys = isScript ? command.slice(3, 3 + Number(command[2])) : [command[1]!];
  sent.push({ command, keys: [...keys] });
}

const refresh = (refresh_token: string) => post(service, '/auth/refresh', { refresh_token });

/** Rotated, retried, reused and limited; one session too many, and one that is listed but gone. */
async function useSessions(name: string): Promise<void> {
  const { refresh_token } = await login(service, name);
  const statuses: number[] = [];
  let token = refresh_token;
  for (let count = 0; count < 4; count++) {
    const answer = await refresh(token);
    statuses.push(answer.statusCode);
    token = answer.json().refresh_token ?? token;
  }
  expect((await refresh(refresh_token)).statusCode).toBe(200);
  expect(statuses.slice(0, 3)).toEqual([200, 200, 200]);
  for (let count = 0; count < 2; count++) await login(service, name);
  expect((await refresh(token)).statusCode).toBe(401);
  const { access_token } = await login(service, name);
  const { sid } = await service.tokens.check(access_token);
  await service.pool.client.del(sessionPrefix(homeOf(name)) + sid);
  const other = await login(service, name);
  expect((await getAs(service, '/auth/sessions', other.access_token)).statusCode).toBe(200);
}

/** Failures, an attack, and a device that is known to the account. */
async function failToLogIn(username: string): Promise<void> {
  const from = (remoteAddress: string, payload: object) =>
    service.app.inject({ method: 'POST', url: '/auth/login', payload, remoteAddress });
  for (let count = 0; count < 15; count++) {
    await from(`192.0.2.${count}`, { username, password: 'a wild guess' });
  }
  const { device_token } = (await from('2001:db8::7', { username, password: PASSWORD })).json();
  await from('2001:db8::7', { username, password: 'a wild guess', device_token });
}

/** By change of password, by each kind of token, and all at once; a hash is made anew on the way. */
async function endSessions(): Promise<void> {
  const [cost, name] = [{ ...CHEAP, timeCost: 2 }, newName()];
  const other = new Passwords({ hashConcurrency: 1, hashQueue: 1, parameters: cost });
  await service.store.createUser(name, await other.hash(PASSWORD));
  await login(service, name);
  const { access_token, refresh_token } = await login(service, name);
  const change = { current_password: PASSWORD, new_password: PASSWORD };
  const authorization = `Bearer ${access_token}`;
  expect((await post(service, '/auth/password', change, { authorization })).statusCode).toBe(204);
  expect((await post(service, '/auth/logout', { refresh_token })).statusCode).toBe(204);
  const last = await login(service, name);
  expect((await postAs(service, '/auth/logout-all', last.access_token)).statusCode).toBe(204);
}

test('each command and each script touches keys of one slot alone', async () => {
  const name = await register(service);
  await useSessions(name);
  await failToLogIn(name);
  await endSessions();
  const all = Object.values(scripts).flatMap((one) => (typeof one === 'object' ? [one] : []));
  const unseen = () => all.filter(({ sha1 }) => !sent.some(({ command }) => command[1] === sha1));
  // The server tells a moment later.
  await until(() => unseen().length === 0).catch(() => undefined);
  expect(unseen().map((one) => one.name)).toEqual([]);
  const across = sent.filter(({ keys }) => new Set(keys.map((key) => keySlot(key))).size !== 1);
  expect(across).toEqual([]);
  // That of the oldest session beside those of a login: what scripts find was seen, too.
  expect(Math.max(...sent.map(({ keys }) => new Set(keys).size))).toBeGreaterThan(3);
});
