// Every route as a well-behaved client meets it, on real servers.

import { describe, expect, test } from 'vitest';
import { describeEachServer } from '../../../test/support/servers.js';
import { Passwords } from '../src/passwords.js';
import { userKey } from '../src/store/keys.js';
import { expectProblem } from './support/expectations.js';
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
  type TokenAnswer,
  useWorkers,
  verify,
} from './support/service.js';

describeEachServer('routes', (server) => {
  const [service, secondWorker] = useWorkers(server);

  describe('accounts', () => {
    test('register answers 201 with the normalised name and no password', async () => {
      const username = newName();
      const answer = await post(service, '/auth/register', {
        username: username.toUpperCase(),
        password: PASSWORD,
      });
      expect(answer.statusCode).toBe(201);
      expect(answer.json()).toEqual({ id: expect.any(String), username });
    });

    test('a name that is taken is refused, in other letters too', async () => {
      const username = await register(service);
      for (const taken of [
        username,
        username.toUpperCase(),
        username.replace('user', 'ｕｓｅｒ'),
      ]) {
        const answer = await post(service, '/auth/register', {
          username: taken,
          password: PASSWORD,
        });
        expectProblem(answer, 'USERNAME_TAKEN');
      }
    });

    test('of many who register one name at once one gets it', async () => {
      const body = { username: newName(), password: PASSWORD };
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => post(service, '/auth/register', body)),
      );
      const statuses = answers.map((answer) => answer.statusCode);
      expect(statuses.filter((status) => status === 201)).toHaveLength(1);
      expect(statuses.filter((status) => status === 409)).toHaveLength(19);
    });

    test('login answers tokens that no cache may keep', async () => {
      const username = await register(service);
      const answer = await post(service, '/auth/login', { username, password: PASSWORD });
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['cache-control']).toBe('no-store');
      const tokens = answer.json<TokenAnswer>();
      expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
      expect(tokens.refresh_token).toMatch(/^[\w-]{96}$/);
    });

    test('a hash of another cost, which could be told by its time, is made anew at login', async () => {
      const [name, cost] = [newName(), { ...CHEAP, timeCost: 2 }];
      const other = new Passwords({ hashConcurrency: 1, hashQueue: 1, parameters: cost });
      await service.store.createUser(name, await other.hash(PASSWORD), 3_600);
      const first = await login(service, name);
      const { passwordHash } = (await service.store.findUser(name))!;
      expect(passwordHash).toContain('$m=8,t=1,p=1$');
      expect(await service.pool.client.ttl(userKey(name))).toBeGreaterThan(0);
      await login(service, name);
      expect((await service.store.findUser(name))!.passwordHash).toBe(passwordHash);
      expect((await verify(service, first.access_token)).statusCode).toBe(200);
    });

    test('a wrong password and an unknown user get the same answer', async () => {
      const username = await register(service);
      const wrong = await post(service, '/auth/login', { username, password: 'not the password' });
      const unknown = await post(service, '/auth/login', {
        username: newName(),
        password: PASSWORD,
      });
      expectProblem(wrong, 'INVALID_CREDENTIALS');
      expect(unknown.json()).toEqual(wrong.json());
    });
  });

  describe('tokens', () => {
    test('verify answers the claims, in every worker', async () => {
      const { access_token } = await login(service);
      for (const worker of [service, secondWorker]) {
        const answer = await verify(worker, access_token);
        expect(answer.statusCode).toBe(200);
        expect(answer.json()).toMatchObject({ iss: 'http://issuer.test', aud: 'plimsoll' });
      }
    });

    test('verify asks for a token where there is none, and names no error then', async () => {
      const answer = await service.app.inject('/auth/verify');
      expectProblem(answer, 'TOKEN_REQUIRED');
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    });

    test('refresh answers new tokens, and the session goes on', async () => {
      const first = await login(service);
      const answer = await post(service, '/auth/refresh', { refresh_token: first.refresh_token });
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['cache-control']).toBe('no-store');
      const second = answer.json<TokenAnswer>();
      expect(second.refresh_token).not.toBe(first.refresh_token);
      const sid = async (token: string) => (await verify(secondWorker, token)).json().sid;
      expect(await sid(second.access_token)).toBe(await sid(first.access_token));
    });

    test('a refresh that is repeated gets the same refresh token, from any worker', async () => {
      const { refresh_token } = await login(service);
      const answers = await Promise.all(
        [service, secondWorker, service].map((worker) =>
          post(worker, '/auth/refresh', { refresh_token }),
        ),
      );
      const tokens = answers.map((answer) => answer.json<TokenAnswer>());
      expect(new Set(tokens.map((token) => token.refresh_token)).size).toBe(1);
      expect(new Set(tokens.map((token) => token.access_token)).size).toBe(3);
      for (const { access_token } of tokens) {
        expect((await verify(secondWorker, access_token)).statusCode).toBe(200);
      }
    });

    test('too many refreshes are told to come back, and the session goes on', async () => {
      const config = { sessionRefreshLimit: 1 };
      const limited = await openService(server().url, { config, keysFile: service.keysFile });
      let tokens = await login(limited);
      const refresh = () => post(limited, '/auth/refresh', { refresh_token: tokens.refresh_token });
      let answer = await refresh();
      // The second of one minute; a minute may end in between.
      for (let count = 0; answer.statusCode === 200 && count < 3; count++) {
        tokens = answer.json();
        answer = await refresh();
      }
      expectProblem(answer, 'TOO_MANY_REFRESHES');
      expect((await verify(limited, tokens.access_token)).statusCode).toBe(200);
      await limited.close();
    });

    test('the JWKS has public keys alone', async () => {
      const { keys } = (await service.app.inject('/.well-known/jwks.json')).json();
      expect(keys).toEqual([
        {
          kty: 'OKP',
          crv: 'Ed25519',
          alg: 'EdDSA',
          use: 'sig',
          x: expect.any(String),
          kid: expect.any(String),
        },
      ]);
    });
  });

  describe('sessions', () => {
    test('logout ends its own session in every worker, and no other', async () => {
      const username = await register(service);
      const [gone, kept] = [await login(service, username), await login(service, username)];
      // The second worker has found the token good before.
      expect((await verify(secondWorker, gone.access_token)).statusCode).toBe(200);
      const answer = await postAs(service, '/auth/logout', gone.access_token);
      expect([answer.statusCode, answer.body]).toEqual([204, '']);
      for (const worker of [service, secondWorker]) {
        expectProblem(await verify(worker, gone.access_token), 'INVALID_TOKEN');
        expect((await verify(worker, kept.access_token)).statusCode).toBe(200);
      }
      const { refresh_token } = gone;
      expectProblem(await post(service, '/auth/refresh', { refresh_token }), 'INVALID_TOKEN');
    });

    test('logout-all ends every session of the user, and of nobody else', async () => {
      const username = await register(service);
      const own = [await login(service, username), await login(service, username)];
      const somebody = await login(service);
      const answer = await postAs(service, '/auth/logout-all', own[0]!.access_token);
      expect(answer.statusCode).toBe(204);
      for (const { access_token, refresh_token } of own) {
        expectProblem(await verify(secondWorker, access_token), 'INVALID_TOKEN');
        expectProblem(await post(service, '/auth/refresh', { refresh_token }), 'INVALID_TOKEN');
      }
      expect((await verify(secondWorker, somebody.access_token)).statusCode).toBe(200);
    });

    test('sessions are listed, with the one that asks marked', async () => {
      const username = await register(service);
      await login(service, username);
      const { access_token } = await login(service, username);
      const { sessions } = (await getAs(service, '/auth/sessions', access_token)).json();
      expect(sessions).toHaveLength(2);
      expect(sessions.filter(({ current }: { current: boolean }) => current)).toHaveLength(1);
      expect(Date.parse(sessions[0].created_at)).toBeGreaterThan(Date.now() - 60_000);
    });

    test('one login too many ends the oldest session', async () => {
      const username = await register(service);
      const oldest = await login(service, username);
      const others: TokenAnswer[] = [];
      while (others.length < service.config.maxSessions)
        others.push(await login(service, username));
      expectProblem(await verify(service, oldest.access_token), 'INVALID_TOKEN');
      expect((await verify(service, others[0]!.access_token)).statusCode).toBe(200);
    });
  });

  describe('operators', () => {
    test('health and metrics answer', async () => {
      const get = (url: string) => service.app.inject(url);
      expect((await get('/health/live')).json()).toEqual({ status: 'alive' });
      expect((await get('/health/ready')).json()).toEqual({ status: 'ready' });
      expect((await get('/health/redis')).json()).toEqual({ healthy: true });
      const metrics = await get('/metrics');
      expect([metrics.body, metrics.headers['content-type']]).toEqual([
        'up 1\n',
        expect.stringMatching(/^text\/plain/),
      ]);
    });

    test('requests are measured by route', async () => {
      const seen: string[] = [];
      const measured = await openService(server().url, {
        hooks: {
          onAnswer: (method, route, status) => void seen.push(`${method} ${route} ${status}`),
        },
      });
      const { access_token } = await login(measured);
      await verify(measured, access_token);
      await measured.app.inject('/made/up');
      expect(seen).toEqual([
        'POST /auth/register 201',
        'POST /auth/login 200',
        'GET /auth/verify 200',
        'GET unknown 404',
      ]);
      await measured.close();
    });
  });
});
