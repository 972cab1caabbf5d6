// Access tokens as RFC 9068 has them, and introspection as RFC 7662 has it: who may ask, about whom,
// and what is answered to others.

import { createHash, randomBytes } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { expectProblem } from './support/expectations.js';
import {
  bearer,
  countOf,
  login,
  post,
  postAs,
  register,
  type TokenAnswer,
  useService,
} from './support/service.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const SECRET = randomBytes(32).toString('base64url');

describe('introspection', () => {
  const server = useServer();
  const hash = createHash('sha256').update(SECRET).digest('hex');
  const config = { resourceServers: new Map([['orders', hash]]) };
  const service = useService(server, { config });

  const basic = (credentials: string) => ({
    authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
  });
  const resourceServer = basic(`orders:${SECRET}`);
  const ask = (token: string, as: Record<string, string>) =>
    post(service, '/auth/introspect', new URLSearchParams({ token }).toString(), {
      ...FORM,
      ...as,
    });

  test('an access token has what RFC 9068 asks for, and a refresh keeps the time of login', async () => {
    const username = await register(service);
    const before = Math.floor(Date.now() / 1000);
    const { access_token, refresh_token } = await login(service, username);
    expect(decodeProtectedHeader(access_token)).toEqual({
      alg: 'EdDSA',
      typ: 'at+jwt',
      kid: expect.any(String),
    });
    const claims = decodeJwt(access_token);
    expect(claims).toEqual({
      iss: 'http://issuer.test',
      aud: 'plimsoll',
      client_id: 'login',
      sub: expect.stringMatching(/^[\w-]{36}$/),
      sid: expect.stringMatching(/^[\w-]{36}$/),
      jti: expect.stringMatching(/^[\w-]{36}$/),
      username,
      iat: expect.any(Number),
      exp: claims.iat! + 900,
      auth_time: expect.any(Number),
    });
    expect(claims.auth_time).toBeGreaterThanOrEqual(before);
    const refreshed = await post(service, '/auth/refresh', { refresh_token });
    const { jti, ...kept } = decodeJwt(refreshed.json<TokenAnswer>().access_token);
    expect(jti).not.toBe(claims.jti);
    expect(kept).toMatchObject({ auth_time: claims.auth_time, sid: claims.sid, sub: claims.sub });
  });

  test('a resource server learns of every live token, and of no other', async () => {
    const { access_token, refresh_token } = await login(service);
    const gone = await login(service);
    await postAs(service, '/auth/logout', gone.access_token);
    const live = await ask(access_token, resourceServer);
    expect(live.json()).toEqual({
      active: true,
      token_type: 'Bearer',
      ...decodeJwt(access_token),
    });
    expect(live.headers['cache-control']).toBe('no-store');
    for (const bad of [gone.access_token, refresh_token, 'nonsense', '', 'a.b.c']) {
      const answer = await ask(bad, resourceServer);
      expect([answer.statusCode, answer.json()]).toEqual([200, { active: false }]);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
  });

  test('a user learns of tokens of the own account alone', async () => {
    const username = await register(service);
    const [one, two] = [await login(service, username), await login(service, username)];
    const somebody = await login(service);
    expect((await ask(two.access_token, bearer(one.access_token))).json().active).toBe(true);
    const answer = await ask(somebody.access_token, bearer(one.access_token));
    expect([answer.statusCode, answer.json()]).toEqual([200, { active: false }]);
  });

  test('who shows nothing, or what is not good, is refused before the token is looked at', async () => {
    const { access_token } = await login(service);
    const gone = await login(service);
    await postAs(service, '/auth/logout', gone.access_token);
    expectProblem(await ask(access_token, {}), 'TOKEN_REQUIRED');
    expectProblem(await ask(access_token, bearer(gone.access_token)), 'INVALID_TOKEN');
    const before = await countOf(service, 'client_refused');
    const wrong = [`orders:${SECRET}x`, 'orders:', 'orders', `nobody:${SECRET}`, ':', '', 'a:b:c'];
    for (const credentials of [...wrong, `__proto__:${SECRET}`]) {
      const answer = await ask(access_token, basic(credentials));
      expectProblem(answer, 'INVALID_CLIENT', 'Basic');
      expect(answer.json().error).toBe('invalid_client');
    }
    expectProblem(
      await ask(access_token, { authorization: 'Basic %%%' }),
      'INVALID_CLIENT',
      'Basic',
    );
    expect(await countOf(service, 'client_refused')).toBe(before + wrong.length + 2);
    expect(service.logged.join('')).not.toContain(SECRET);
  });

  test('a secret of introspection opens nothing else', async () => {
    for (const url of ['/auth/verify', '/auth/sessions']) {
      expectProblem(await service.app.inject({ url, headers: resourceServer }), 'INVALID_TOKEN');
    }
  });

  test('parameters may stand once, and others than the token are ignored', async () => {
    const { access_token } = await login(service);
    const send = (body: string) =>
      post(service, '/auth/introspect', body, { ...FORM, ...resourceServer });
    const hinted = await send(`token=${access_token}&token_type_hint=access_token&more=1`);
    expect(hinted.json().active).toBe(true);
    for (const body of [
      `token=${access_token}&token=nonsense`,
      `token=${access_token}&token_type_hint=a&token_type_hint=b`,
      'token_type_hint=access_token',
      '',
    ]) {
      const answer = await send(body);
      expectProblem(answer, 'BAD_REQUEST');
      expect(answer.json().error).toBe('invalid_request');
    }
    const json = await post(service, '/auth/introspect', { token: access_token }, resourceServer);
    expect(json.json().active).toBe(true);
  });

  test('answers with tokens or claims are kept by no cache', async () => {
    const username = await register(service);
    const tokens = await login(service, username);
    const { access_token, refresh_token } = tokens;
    const as = bearer(access_token);
    for (const answer of [
      await post(service, '/auth/refresh', { refresh_token }),
      await service.app.inject({ url: '/auth/verify', headers: as }),
      await service.app.inject({ url: '/auth/sessions', headers: as }),
      await postAs(service, '/auth/logout', access_token),
    ]) {
      expect(answer.statusCode).toBeLessThan(300);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
    const keys = await service.app.inject('/.well-known/jwks.json');
    expect(keys.headers['cache-control']).toBe('public, max-age=300');
    expect(keys.headers['content-type']).toMatch(/^application\/jwk-set\+json/);
  });
});
