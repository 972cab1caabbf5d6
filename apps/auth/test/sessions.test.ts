// How sessions end, and what ends with them, on real servers: by any of their tokens, from another
// session, by a change of password; asked once or, where an answer was lost, again.

import { describe, expect, test } from 'vitest';
import { describeEachServer } from '../../../test/support/servers.js';
import { expectProblem } from './support/expectations.js';
import {
  bearer,
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

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };

interface ListedSession {
  readonly id: string;
  readonly current: boolean;
}

describeEachServer('sessions', (server) => {
  const [service, secondWorker] = useWorkers(server);

  const isLive = async ({ access_token, refresh_token }: TokenAnswer) => {
    const verified = (await verify(secondWorker, access_token)).statusCode;
    const refreshed = (await post(service, '/auth/refresh', { refresh_token })).statusCode;
    expect([verified, refreshed]).toEqual(verified === 200 ? [200, 200] : [401, 401]);
    return verified === 200;
  };
  const listed = async ({ access_token }: TokenAnswer): Promise<ListedSession[]> =>
    (await getAs(service, '/auth/sessions', access_token)).json().sessions;
  const endById = (id: string, { access_token }: TokenAnswer) =>
    service.app.inject({
      method: 'DELETE',
      url: `/auth/sessions/${id}`,
      headers: bearer(access_token),
    });
  const changePassword = (tokens: TokenAnswer, current_password: string, new_password: string) =>
    post(
      service,
      '/auth/password',
      { current_password, new_password },
      bearer(tokens.access_token),
    );

  describe('logout', () => {
    test.each([
      ['with nothing', {}],
      ['with the type of JSON and no body', { headers: JSON_TYPE }],
      [
        'with the type of JSON in another spelling',
        { headers: { 'content-type': 'application/json; charset=utf-8' } },
      ],
      ['with an empty object', { headers: JSON_TYPE, payload: '{}' }],
      ['with an empty form', { headers: FORM_TYPE, payload: '' }],
    ])(
      'by access token %s',
      async (_name, { headers = {}, payload }: { headers?: object; payload?: string }) => {
        const tokens = await login(service);
        const answer = await service.app.inject({
          method: 'POST',
          url: '/auth/logout',
          headers: { ...bearer(tokens.access_token), ...headers },
          ...(payload === undefined ? {} : { payload }),
        });
        expect([answer.statusCode, answer.body]).toEqual([204, '']);
        expect(await isLive(tokens)).toBe(false);
      },
    );

    test('by refresh token, without an access token, which may have expired', async () => {
      const username = await register(service);
      const [gone, kept] = [await login(service, username), await login(service, username)];
      const { refresh_token } = gone;
      expect((await post(service, '/auth/logout', { refresh_token })).statusCode).toBe(204);
      expect(await isLive(gone)).toBe(false);
      expect(await isLive(kept)).toBe(true);
    });

    test('by a refresh token that was replaced, as who logs out may have lost an answer', async () => {
      const { refresh_token } = await login(service);
      const next = (await post(service, '/auth/refresh', { refresh_token })).json<TokenAnswer>();
      expect((await post(service, '/auth/logout', { refresh_token })).statusCode).toBe(204);
      expect(await isLive(next)).toBe(false);
    });

    test('may be repeated, and ends nothing else then', async () => {
      const username = await register(service);
      const [gone, kept] = [await login(service, username), await login(service, username)];
      const { refresh_token } = gone;
      for (let count = 0; count < 2; count++) {
        expect((await postAs(service, '/auth/logout', gone.access_token)).statusCode).toBe(204);
        expect((await post(service, '/auth/logout', { refresh_token })).statusCode).toBe(204);
      }
      expect(await isLive(kept)).toBe(true);
    });

    test('refuses what it was never given, and bodies of other kinds', async () => {
      const { access_token, refresh_token } = await login(service);
      expectProblem(await post(service, '/auth/logout', '', JSON_TYPE), 'TOKEN_REQUIRED');
      const forged = `${refresh_token.slice(0, -1)}${refresh_token.endsWith('A') ? 'B' : 'A'}`;
      expectProblem(
        await post(service, '/auth/logout', { refresh_token: forged }),
        'INVALID_TOKEN',
      );
      for (const body of ['[]', '"text"', '{"token":"x"}', '{', '{"refresh_token":1}']) {
        const headers = { ...JSON_TYPE, ...bearer(access_token) };
        expectProblem(await post(service, '/auth/logout', body, headers), 'BAD_REQUEST');
      }
      expect((await verify(service, access_token)).statusCode).toBe(200);
    });

    test('a route that needs a body says so where there is none', async () => {
      for (const url of ['/auth/login', '/auth/refresh', '/auth/revoke', '/auth/register']) {
        expectProblem(await post(service, url, '', JSON_TYPE), 'BAD_REQUEST');
      }
    });

    test('of all sessions may be repeated, but not by a session that has ended before', async () => {
      const username = await register(service);
      const [ended, asking] = [await login(service, username), await login(service, username)];
      await postAs(service, '/auth/logout', ended.access_token);
      expectProblem(await postAs(service, '/auth/logout-all', ended.access_token), 'INVALID_TOKEN');
      expect(await isLive(asking)).toBe(true);
      for (let count = 0; count < 2; count++) {
        const answer = await postAs(service, '/auth/logout-all', asking.access_token);
        expect(answer.statusCode).toBe(204);
      }
      const later = await login(service, username);
      expectProblem(
        await postAs(service, '/auth/logout-all', asking.access_token),
        'INVALID_TOKEN',
      );
      expect(await isLive(later)).toBe(true);
    });
  });

  describe('revocation (RFC 7009)', () => {
    const revoke = (parameters: Record<string, string>) =>
      post(service, '/auth/revoke', new URLSearchParams(parameters).toString(), FORM_TYPE);

    test.each([
      ['access_token', 'access_token'],
      ['refresh_token', 'refresh_token'],
      ['access_token', 'refresh_token'],
      ['refresh_token', 'nonsense'],
    ] as const)('the %s ends its session, whatever the hint (%s) says', async (kind, hint) => {
      const tokens = await login(service);
      const answer = await revoke({ token: tokens[kind], token_type_hint: hint });
      expect([answer.statusCode, answer.body]).toEqual([200, '']);
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(await isLive(tokens)).toBe(false);
      expect((await revoke({ token: tokens[kind] })).statusCode).toBe(200);
    });

    test('a token that was never good is answered 200 and ends nothing', async () => {
      const tokens = await login(service);
      const forged = `${tokens.access_token.slice(0, -4)}AAAA`;
      for (const token of ['', 'nonsense', 'a.b.c', forged, tokens.refresh_token.slice(1)]) {
        expect((await revoke({ token })).statusCode).toBe(200);
      }
      expect((await post(service, '/auth/revoke', { token: 'as JSON' })).statusCode).toBe(200);
      expectProblem(await revoke({ token_type_hint: 'access_token' }), 'BAD_REQUEST');
      expect(await isLive(tokens)).toBe(true);
    });
  });

  describe('one session', () => {
    test('is ended from another, by the id that the list has', async () => {
      const username = await register(service);
      const [own, other] = [await login(service, username), await login(service, username)];
      const { id } = (await listed(own)).find(({ current }) => !current)!;
      expect((await endById(id, own)).statusCode).toBe(204);
      expect(await isLive(other)).toBe(false);
      expect(await listed(own)).toHaveLength(1);
      expectProblem(await endById(id, own), 'NOT_FOUND');
    });

    test('of somebody else looks like none', async () => {
      const [own, somebody] = [await login(service), await login(service)];
      const [{ id }] = (await listed(somebody)) as [ListedSession];
      for (const wanted of [id, 'nonsense', '*', '%00', encodeURIComponent('../x')]) {
        expectProblem(await endById(wanted, own), 'NOT_FOUND');
      }
      expect(await isLive(somebody)).toBe(true);
    });
  });

  describe('a change of password', () => {
    const NEW_PASSWORD = 'another horse entirely';

    test('ends the other sessions, and the old password with them', async () => {
      const username = await register(service);
      const [own, other] = [await login(service, username), await login(service, username)];
      expect((await changePassword(own, PASSWORD, NEW_PASSWORD)).statusCode).toBe(204);
      expect(await isLive(own)).toBe(true);
      expect(await isLive(other)).toBe(false);
      const tryPassword = (password: string) =>
        post(service, '/auth/login', { username, password });
      expectProblem(await tryPassword(PASSWORD), 'INVALID_CREDENTIALS');
      expect((await tryPassword(NEW_PASSWORD)).statusCode).toBe(200);
    });

    test('needs the current password and a session that lives', async () => {
      const username = await register(service);
      const [own, ended] = [await login(service, username), await login(service, username)];
      expectProblem(await changePassword(own, 'a wild guess', NEW_PASSWORD), 'INVALID_CREDENTIALS');
      expectProblem(await changePassword(own, PASSWORD, 'short'), 'BAD_REQUEST');
      expectProblem(await changePassword(own, PASSWORD, 'a zero\u200bwidth space'), 'BAD_REQUEST');
      await postAs(service, '/auth/logout', ended.access_token);
      expectProblem(await changePassword(ended, PASSWORD, NEW_PASSWORD), 'INVALID_TOKEN');
      expect(
        (await post(service, '/auth/login', { username, password: PASSWORD })).statusCode,
      ).toBe(200);
    });

    test('counts guesses of the current password, and only those of this session', async () => {
      const limited = await openService(server().url, {
        config: { accountLimit: 2 },
        keysFile: service.keysFile,
      });
      const username = await register(limited);
      const [guessing, own] = [await login(limited, username), await login(limited, username)];
      const change = ({ access_token }: TokenAnswer, current_password: string) =>
        post(
          limited,
          '/auth/password',
          { current_password, new_password: NEW_PASSWORD },
          bearer(access_token),
        );
      for (let count = 0; count < 2; count++) {
        expectProblem(await change(guessing, 'a wild guess'), 'INVALID_CREDENTIALS');
      }
      expectProblem(await change(guessing, PASSWORD), 'TOO_MANY_ATTEMPTS');
      expect((await change(own, PASSWORD)).statusCode).toBe(204);
      await limited.close();
    });

    test('of many at once one is carried out, and no login with the old password outlives it', async () => {
      const username = await register(service);
      const own = await login(service, username);
      const [changes, logins] = await Promise.all([
        Promise.all(
          Array.from({ length: 5 }, (_, index) =>
            changePassword(own, PASSWORD, `${NEW_PASSWORD} ${index}`),
          ),
        ),
        Promise.all(
          Array.from({ length: 20 }, () =>
            post(service, '/auth/login', { username, password: PASSWORD }),
          ),
        ),
      ]);
      expect(changes.filter(({ statusCode }) => statusCode === 204)).toHaveLength(1);
      for (const answer of logins) {
        if (answer.statusCode === 200) expect(await isLive(answer.json())).toBe(false);
        else expectProblem(answer, 'INVALID_CREDENTIALS');
      }
      expect(await isLive(own)).toBe(true);
      expect(await listed(own)).toHaveLength(1);
    });
  });

  test('a password is the same however a keyboard writes it', async () => {
    const username = newName();
    const answer = await post(service, '/auth/register', {
      username,
      password: 'cafe\u0301 au\u00a0lait',
    });
    expect(answer.statusCode).toBe(201);
    const tryPassword = (password: string) => post(service, '/auth/login', { username, password });
    expect((await tryPassword('café au lait')).statusCode).toBe(200);
    expectProblem(await tryPassword('Café au lait'), 'INVALID_CREDENTIALS');
    expectProblem(await tryPassword('café au\tlait'), 'BAD_REQUEST');
    const short = await post(service, '/auth/register', {
      username: newName(),
      password: 'e\u0301'.repeat(5),
    });
    expectProblem(short, 'BAD_REQUEST');
  });
});
