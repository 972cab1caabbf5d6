// What clients send who mean harm, or are broken: names, bodies, methods, paths. All of it gets a
// problem document, and none of it reaches a key in Redis or the server's own objects.

import { createClient } from '@redis/client';
import { describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { expectProblem } from './support/expectations.js';
import { newName, PASSWORD, post, useService } from './support/service.js';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('hostile input', () => {
  const server = useServer();
  const service = useService(server);

  const register = (payload: object | string, headers = JSON_TYPE) =>
    post(service, '/auth/register', payload, headers);

  test.each([
    ['a colon', 'user:name'],
    ['a star', 'user*'],
    ['brackets', 'user[a]'],
    ['a line break', 'user\r\nSET x y'],
    ['a NUL', 'user\0name'],
    ['a space', 'user name'],
    ['a right-to-left mark', 'user\u202Ename'],
    ['a joiner of no width', 'user\u200Dname'],
    ['half a surrogate pair', 'user\uD800'],
    ['an emoji', 'user😀'],
    ['a fullwidth colon', 'user：name'],
    ['a ligature that becomes words', 'user\uFDFA'],
    ['a fraction that becomes a slash', 'user½'],
    ['too few characters', 'ab'],
    ['too many characters', 'a'.repeat(65)],
    ['a length that grows beyond the limit', `${'ﬃ'.repeat(40)}`],
  ])('a name with %s is refused', async (_name, username) => {
    expectProblem(await register({ username, password: PASSWORD }), 'BAD_REQUEST');
    const login = await post(service, '/auth/login', { username, password: PASSWORD });
    expectProblem(login, 'BAD_REQUEST');
  });

  test.each(['Zoë', 'Ольга', '明日香さん', 'ann.lee_1@host-2', '__proto__', 'constructor'])(
    'the name %s is as good as any',
    async (username) => {
      const answer = await register({ username, password: PASSWORD });
      expect([answer.statusCode, answer.json().username]).toEqual([201, username.toLowerCase()]);
    },
  );

  test('a name that looks like another, by letters of another script, cannot be taken', async () => {
    const answer = await register({ username: '\u0430dministrator', password: PASSWORD });
    expectProblem(answer, 'BAD_REQUEST');
  });

  test('refused names leave no key behind', async () => {
    const observer = await createClient({ url: server().url }).connect();
    for (const key of await observer.keys('auth:{*}:user:*')) {
      expect(key.slice(key.lastIndexOf(':') + 1)).toMatch(/^[\p{L}\p{N}._@-]+$/u);
    }
    observer.destroy();
  });

  test.each([
    ['nothing', ''],
    ['no JSON', '{"username":'],
    ['a list', '[]'],
    ['null', 'null'],
    ['a number for a name', JSON.stringify({ username: 12345, password: PASSWORD })],
    ['a list for a password', JSON.stringify({ username: 'anna', password: [PASSWORD] })],
    ['an object for a name', JSON.stringify({ username: { $ne: 1 }, password: PASSWORD })],
    ['a short password', JSON.stringify({ username: 'anna', password: 'short' })],
    ['a long password', JSON.stringify({ username: 'anna', password: 'x'.repeat(257) })],
    ['a further property', JSON.stringify({ username: 'anna', password: PASSWORD, admin: true })],
    ['__proto__', `{"username":"anna","password":"${PASSWORD}","__proto__":{"admin":true}}`],
    [
      'a constructor',
      `{"username":"anna","password":"${PASSWORD}","constructor":{"prototype":{}}}`,
    ],
  ])('a body with %s is refused', async (_name, body) => {
    const answer = await register(body);
    expectProblem(answer, 'BAD_REQUEST');
    expect(answer.body).not.toContain(PASSWORD);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test('forms cannot touch prototypes either', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = `username=${newName()}&password=${'x'.repeat(10)}&__proto__=1&constructor=2`;
    expectProblem(await register(body, headers), 'BAD_REQUEST');
  });

  test('a body beyond 4 KiB is not read', async () => {
    const body = JSON.stringify({ username: 'anna', password: 'x'.repeat(5_000) });
    expectProblem(await register(body), 'BODY_TOO_LARGE');
  });

  test('other media types are refused', async () => {
    for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x']) {
      expectProblem(await register('x', { 'content-type': type }), 'UNSUPPORTED_MEDIA_TYPE');
    }
  });

  test('unknown paths are not found, and other methods are named', async () => {
    for (const url of ['/', '/auth', '/auth/login/', '/auth/../metrics/x', '/%2e%2e/etc/passwd']) {
      expectProblem(await service.app.inject(url), 'NOT_FOUND');
    }
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const) {
      const answer = await service.app.inject({ method, url: '/auth/login?x=1' });
      expectProblem(answer, 'METHOD_NOT_ALLOWED');
      expect(answer.headers.allow).toBe('POST');
    }
  });

  test('a path that cannot be decoded is a problem like any other', async () => {
    expectProblem(await service.app.inject('/auth/%zz'), 'BAD_REQUEST');
  });

  test('each answer carries the headers that browsers heed', async () => {
    for (const url of ['/auth/verify', '/health/live', '/nowhere']) {
      const { headers } = await service.app.inject(url);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['strict-transport-security']).toMatch(/^max-age=/);
      expect(headers['x-powered-by']).toBeUndefined();
    }
  });
});
