import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { Access } from './access.js';
import { digestOf } from './visitor.js';

const TOKEN = 'a-token-of-this-test';
const HERE = { host: '127.0.0.1:8000' };

function request(headers: IncomingHttpHeaders, remoteAddress = '127.0.0.1'): IncomingMessage {
  return { headers, socket: { remoteAddress } } as unknown as IncomingMessage;
}

const open = new Access({});
const guarded = new Access({ token: TOKEN });
const shown = request({ ...HERE, authorization: `Bearer ${TOKEN}` }, '10.0.0.9');

test.each([
  ['this machine', request(HERE), 'allowed'],
  ['this machine by IPv6', request({ host: '[::1]:8000' }, '::1'), 'allowed'],
  ['this machine on a socket of both', request(HERE, '::ffff:127.0.0.1'), 'allowed'],
  ['another machine', request(HERE, '10.0.0.9'), 'needs-token'],
  ['another name for this one (DNS rebinding)', request({ host: 'evil.example' }), 'needs-token'],
  ['through a proxy here', request({ ...HERE, 'x-forwarded-for': '10.0.0.9' }), 'needs-token'],
  ["another site's page", request({ ...HERE, 'sec-fetch-site': 'cross-site' }), 'foreign'],
])('without a token, %s', (_who, asked, verdict) => {
  expect(open.judge(asked, false)).toBe(verdict);
});

test.each([
  ['nothing', request(HERE), 'token-missing'],
  ['the token', shown, 'allowed'],
  ['another token', request({ ...HERE, authorization: 'Bearer another' }), 'token-wrong'],
  ['another scheme', request({ ...HERE, authorization: `Basic ${TOKEN}` }), 'token-wrong'],
  ['an invented cookie', request({ ...HERE, cookie: 'plimsoll_dashboard=x' }), 'token-missing'],
])('with a token, who shows %s', (_what, asked, verdict) => {
  expect(guarded.judge(asked, true)).toBe(verdict);
});

test('the cookie is good in each worker and after a restart, and nowhere else', () => {
  const [cookie] = guarded.cookieFor(shown)!.split('; ');
  const again = request({ host: 'pool.example', cookie: `a=b; ${cookie}` }, '10.0.0.9');
  const byHash = new Access({ tokenSha256: digestOf(TOKEN).toString('hex') });
  expect(byHash.judge(again, false)).toBe('allowed');
  expect(new Access({ token: `${TOKEN}!` }).judge(again, false)).toBe('token-missing');
  expect(cookie).not.toContain(TOKEN);
});

test('a token that can be guessed is refused, and not repeated', () => {
  expect(() => new Access({ token: 'secret' })).toThrow(/at least 16/);
  expect(() => new Access({ token: 'secret' })).not.toThrow(/secret/);
  expect(() => new Access({ tokenSha256: TOKEN })).toThrow(/64 hexadecimal/);
});
