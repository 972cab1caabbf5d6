// When Redis is away or passwords come faster than they can be hashed: the service says so at
// once, lets nobody in meanwhile, and recovers by itself.

import { createClient } from '@redis/client';
import { describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { Passwords } from '../src/passwords.js';
import { expectProblem } from './support/expectations.js';
import {
  bearer,
  CHEAP,
  login,
  newName,
  openService,
  PASSWORD,
  post,
  register,
  verify,
} from './support/service.js';

describe('without Redis', () => {
  const server = useServer();

  test.each(['killed', 'silent'])('all that needs it answers 503 while it is %s', async (how) => {
    const service = await openService(server().url);
    const username = await register(service);
    const { access_token, refresh_token } = await login(service, username);
    expect((await verify(service, access_token)).statusCode).toBe(200);
    if (how === 'killed') await server().kill();
    else server().pause();
    const as = bearer(access_token);
    const credentials = { username, password: PASSWORD };
    const answers = await Promise.all([
      verify(service, access_token),
      post(service, '/auth/login', credentials),
      post(service, '/auth/register', { ...credentials, username: newName() }),
      post(service, '/auth/refresh', { refresh_token }),
      post(service, '/auth/logout', undefined, as),
      post(service, '/auth/logout', { refresh_token }),
      post(service, '/auth/logout-all', undefined, as),
      post(service, '/auth/revoke', { token: refresh_token }),
      service.app.inject({ method: 'DELETE', url: '/auth/sessions/any', headers: as }),
      post(
        service,
        '/auth/password',
        { current_password: PASSWORD, new_password: `new ${PASSWORD}` },
        as,
      ),
      post(service, '/auth/introspect', { token: access_token }, as),
      service.app.inject({ url: '/auth/sessions', headers: as }),
      service.app.inject('/health/ready'),
    ]);
    for (const answer of answers) expectProblem(answer, 'STORE_UNAVAILABLE');
    // Neither of these needs Redis, and a forged token is refused without it.
    expect((await service.app.inject('/health/live')).statusCode).toBe(200);
    expect((await service.app.inject('/.well-known/jwks.json')).statusCode).toBe(200);
    expectProblem(await verify(service, 'a.b.c'), 'INVALID_TOKEN');

    if (how === 'killed') await server().restart();
    else server().resume();
    const statusOf = async () => (await verify(service, access_token)).statusCode;
    // A restarted server has lost the session: refused, where a resumed one still knows it.
    await expect.poll(statusOf, { timeout: 10_000 }).toBe(how === 'killed' ? 401 : 200);
    await service.close();
  });
});

describe('a server without memory', () => {
  const server = useServer({ args: ['--maxmemory-policy', 'noeviction'] });

  test('takes no login and no refresh, and goes on with the sessions that are there', async () => {
    const service = await openService(server().url, { config: { addressRefreshLimit: 1_000 } });
    const username = await register(service);
    const { access_token, refresh_token } = await login(service, username);
    const observer = await createClient({ url: server().url }).connect();
    await observer.configSet('maxmemory', '1mb');
    for (let count = 0; count < 3; count++) {
      const login = { username, password: PASSWORD };
      expectProblem(await post(service, '/auth/login', login), 'STORE_UNAVAILABLE');
      expectProblem(await post(service, '/auth/refresh', { refresh_token }), 'STORE_UNAVAILABLE');
      expect((await verify(service, access_token)).statusCode).toBe(200);
    }
    await observer.configSet('maxmemory', '0');
    const refreshed = await post(service, '/auth/refresh', { refresh_token });
    expect(refreshed.statusCode).toBe(200);
    await observer.configSet('maxmemory', '1mb');
    expect((await post(service, '/auth/logout', { refresh_token })).statusCode).toBe(204);
    expect((await verify(service, access_token)).statusCode).toBe(401);
    observer.destroy();
    await service.close();
  });
});

describe('too many passwords', () => {
  const server = useServer();

  test('beyond the queue logins answer 503 at once, and verification goes on', async () => {
    const passwords = new Passwords({
      hashConcurrency: 1,
      hashQueue: 2,
      parameters: { ...CHEAP, memoryCost: 19_456, timeCost: 2 },
    });
    const service = await openService(server().url, { passwords });
    const username = await register(service);
    const { access_token } = await login(service, username);
    const credentials = { username, password: PASSWORD };
    const logins = Array.from({ length: 20 }, () => post(service, '/auth/login', credentials));
    expect((await verify(service, access_token)).statusCode).toBe(200);
    const answers = await Promise.all(logins);
    const refused = answers.filter(({ statusCode }) => statusCode !== 200);
    expect(refused.length).toBeGreaterThanOrEqual(10);
    expect(refused.length).toBeLessThan(20);
    for (const answer of refused) expectProblem(answer, 'BUSY');
    expect((await post(service, '/auth/login', credentials)).statusCode).toBe(200);
    await service.close();
  });
});
