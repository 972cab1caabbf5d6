// Whoever watches the log and the metrics learns of attacks and of a Redis that has gone, and no
// line holds a name, a password or a token. Holds docs/auth-service.md to the code as well.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { SECURITY_EVENTS, type SecurityEvent } from '../src/security-events.js';
import {
  countOf,
  login,
  newName,
  openService,
  PASSWORD,
  post,
  postAs,
  register,
  useService,
} from './support/service.js';

describe('security events', () => {
  const server = useServer();
  const service = useService(server, { config: { addressLimit: 0 } });

  /** The facts of the last line about an event. */
  const lastLine = (event: SecurityEvent, { logged } = service) =>
    logged
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .findLast((line) => line.event === event);

  test('a login tells who and from where, and so does its end', async () => {
    const { access_token } = await login(service);
    const { user, session, address } = lastLine('login')!;
    expect([user, session, address]).toEqual([
      expect.stringMatching(/^[\w-]{36}$/),
      expect.stringMatching(/^[\w-]{36}$/),
      '127.0.0.1',
    ]);
    await postAs(service, '/auth/logout', access_token);
    expect(lastLine('session_ended')).toMatchObject({ user, session });
    await postAs(service, '/auth/logout-all', (await login(service)).access_token);
    expect(lastLine('sessions_ended')).toMatchObject({ user: expect.any(String) });
  });

  test('a failed login is told, without the name that was tried', async () => {
    const before = await countOf(service, 'login_failed');
    const [known, unknown] = [await register(service), newName()];
    for (const username of [known, unknown]) {
      await post(service, '/auth/login', { username, password: `${PASSWORD}!` });
    }
    expect(await countOf(service, 'login_failed')).toBe(before + 2);
    expect(lastLine('login_failed')).toMatchObject({ address: '127.0.0.1' });
    expect(service.logged.join('')).not.toMatch(`${known}|${unknown}`);
  });

  test('a refresh that is repeated is told, and so is a token that is used too late', async () => {
    const strict = await openService(server().url, {
      config: { refreshGraceSeconds: 0 },
      keysFile: service.keysFile,
    });
    const { refresh_token } = await login(service);
    for (let count = 0; count < 2; count++) await post(service, '/auth/refresh', { refresh_token });
    const facts = { address: '127.0.0.1', session: expect.any(String) };
    expect(lastLine('refresh_retried')).toMatchObject(facts);
    await post(strict, '/auth/refresh', { refresh_token });
    expect(lastLine('refresh_reused', strict)).toMatchObject(facts);
    await strict.close();
  });

  test('a session that is refreshed too often is told', async () => {
    const limited = await openService(server().url, { config: { addressRefreshLimit: 1 } });
    let tokens = await login(limited);
    for (let count = 0; count < 3; count++) {
      const { refresh_token } = tokens;
      const answer = await post(limited, '/auth/refresh', { refresh_token });
      if (answer.statusCode === 200) tokens = answer.json();
    }
    expect(lastLine('refresh_limited', limited)).toMatchObject({ address: '127.0.0.1' });
    await limited.close();
  });

  test.each([
    ['account_limited', { accountLimit: 1 }],
    ['address_limited', { addressLimit: 2 }],
  ] as const)('%s is told once there were too many attempts', async (event, config) => {
    const limited = await openService(server().url, { config });
    const credentials = { username: await register(limited), password: `${PASSWORD}!` };
    for (let count = 0; count < 3; count++) await post(limited, '/auth/login', credentials);
    expect(lastLine(event, limited)).toMatchObject({ address: '127.0.0.1' });
    expect(await countOf(limited, event)).toBeGreaterThan(0);
    await limited.close();
  });
});

test.each(Object.keys(SECURITY_EVENTS))('docs/auth-service.md has a row for %s', (event) => {
  const page = readFileSync(new URL('../../../docs/auth-service.md', import.meta.url), 'utf8');
  expect(page.split('\n').filter((row) => row.startsWith(`| \`${event}\` |`))).toHaveLength(1);
});
