import { describe, expect, it } from 'vitest';
import { Access, type Asked, checkWebOptions } from './access.js';
import { isLoopback } from './visitor.js';

const TOKEN = 'a-token-of-this-test';
const WRITE = { isWrite: true, isPublic: false, isPage: false };
const READ = { isWrite: false, isPublic: false, isPage: false };
const LINK = { isWrite: false, isPublic: false, isPage: true };
const HERE = { host: '127.0.0.1:8089' };

function verdict(asked: Asked, token?: string) {
  return new Access(token).judge(asked);
}

describe('without a token', () => {
  it.each(['127.0.0.1:8089', 'localhost', 'LOCALHOST:1', '[::1]:8089', 'load.localhost:9000'])(
    'the page of %s is served',
    (host) => expect(verdict({ ...READ, headers: { host } })).toBe('allowed'),
  );

  it.each([
    'evil.example:8089',
    '127.0.0.1.evil.example',
    '192.168.0.2',
    'localhost.evil.example',
    '',
  ])('a name that leads here by another DNS is refused: %j', (host) =>
    expect(verdict({ ...READ, headers: { host } })).toBe('foreign-host'),
  );
});

describe('what changes something', () => {
  it.each([
    [{ origin: 'http://127.0.0.1:8089', 'sec-fetch-site': 'same-origin' }, 'allowed'],
    [{}, 'allowed'],
    [{ origin: 'http://127.0.0.1:3000' }, 'foreign-site'],
    [{ origin: 'http://localhost:8089' }, 'foreign-site'],
    [{ origin: 'http://evil.example' }, 'foreign-site'],
    [{ origin: 'null' }, 'foreign-site'],
    [{ 'sec-fetch-site': 'cross-site' }, 'foreign-site'],
    [{ 'sec-fetch-site': 'same-site' }, 'foreign-site'],
    [{ origin: 'http://127.0.0.1:8089', 'sec-fetch-site': 'none' }, 'foreign-site'],
  ])('%j is %s', (headers, expected) => {
    expect(verdict({ ...WRITE, headers: { ...HERE, ...headers } })).toBe(expected);
  });

  it('may come through a proxy that speaks https', () => {
    const host = { host: 'load.example' };
    const headers = { ...host, origin: 'https://load.example', authorization: `Bearer ${TOKEN}` };
    expect(verdict({ ...WRITE, headers }, TOKEN)).toBe('allowed');
    const named = { ...headers, host: 'load.example:443' };
    expect(verdict({ ...WRITE, headers: named }, TOKEN)).toBe('allowed');
  });
});

it('another site may link to the page, and not read it', () => {
  const headers = { ...HERE, 'sec-fetch-site': 'cross-site' };
  expect(verdict({ ...LINK, headers })).toBe('allowed');
  expect(verdict({ ...READ, headers })).toBe('foreign-site');
});

it('a token is asked for in a header or as the cookie that it was given for', () => {
  const access = new Access(TOKEN);
  const cookie = access.cookie(8089).split(';')[0]!;
  const judge = (headers: object) => access.judge({ ...READ, headers: { ...HERE, ...headers } });
  expect(judge({})).toBe('token-missing');
  expect(judge({ authorization: `Bearer ${TOKEN}` })).toBe('allowed');
  expect(judge({ authorization: `Bearer ${TOKEN}x` })).toBe('token-missing');
  expect(judge({ cookie: `other=1; ${cookie}` })).toBe('allowed');
  expect(judge({ cookie: 'plimsoll_load_8089=' })).toBe('token-missing');
  expect(judge({ cookie: new Access(TOKEN).cookie(8089).split(';')[0] })).toBe('token-missing');
  expect(cookie).not.toContain(TOKEN);
  expect(access.judge({ ...READ, isPublic: true, headers: HERE })).toBe('allowed');
  expect([access.isToken(TOKEN), access.isToken('')]).toEqual([true, false]);
});

describe('options', () => {
  const LOCAL = { host: '127.0.0.1', port: 0, token: undefined };

  it.each([
    [{ ...LOCAL, host: '0.0.0.0' }, /other machines: set LOCUST_WEB_TOKEN/],
    [{ ...LOCAL, host: '*' }, /other machines/],
    [{ ...LOCAL, host: '::' }, /other machines/],
    [{ ...LOCAL, token: 'short' }, /16 characters/],
    [{ ...LOCAL, token: 'with a space in it' }, /no spaces/],
    [{ ...LOCAL, port: 65_536 }, /web port/],
    [{ ...LOCAL, port: 1.5 }, /web port/],
  ])('%j are refused', (options, message) => {
    expect(() => checkWebOptions(options)).toThrow(message);
    expect(() => checkWebOptions(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });

  it('that are safe are taken', () => {
    checkWebOptions(LOCAL);
    checkWebOptions({ ...LOCAL, host: 'localhost' });
    checkWebOptions({ ...LOCAL, host: '*', token: TOKEN });
    expect(isLoopback('::1')).toBe(true);
    expect(isLoopback('1270.0.0.1')).toBe(false);
  });
});
