import { describe, expect, it } from 'vitest';
import { Cookies } from './cookies.js';
import { parseHead } from './response-head.js';
import type { RawResponse } from './response-reader.js';

function setting(...lines: string[]): RawResponse {
  const head = ['HTTP/1.1 200 OK', ...lines.map((line) => `Set-Cookie: ${line}`)].join('\r\n');
  return { head: parseHead(head), body: Buffer.alloc(0), keepAlive: true };
}

describe('cookies', () => {
  it('are sent back to the paths that they are for, the nearest first', () => {
    const cookies = new Cookies(false);
    cookies.keep('/login', setting('sid=1; Path=/; HttpOnly', 'cart="a=b"; path=/shop', 'here=2'));
    expect(cookies.for('/shop/1?x=/other')).toBe('cart="a=b"; sid=1; here=2');
    expect(cookies.for('/shopping')).toBe('sid=1; here=2');
    cookies.keep('/a/b?c', setting('deep=3'));
    expect(cookies.for('/a/x')).toBe('deep=3; sid=1; here=2');
    expect(cookies.for('/a')).toContain('deep');
    expect(cookies.for('/ab')).not.toContain('deep');
  });

  it('are replaced, and end when they say so', () => {
    let nowMs = 1_000_000;
    const cookies = new Cookies(false, () => nowMs);
    cookies.keep(
      '/',
      setting('a=1', 'b=1; Max-Age=5', 'c=1; Expires=Thu, 01 Jan 1970 01:00:00 GMT'),
    );
    cookies.keep('/', setting('a=2'));
    expect(cookies.for('/')).toBe('b=1; c=1; a=2');
    nowMs += 5000;
    expect(cookies.for('/')).toBe('c=1; a=2');
    cookies.keep('/', setting('a=; Max-Age=0'));
    expect(cookies.for('/')).toBe('c=1');
  });

  it('that are secure neither come nor go over plain HTTP', () => {
    const [plain, secure] = [new Cookies(false), new Cookies(true)];
    for (const cookies of [plain, secure]) cookies.keep('/', setting('s=1; Secure'));
    expect(plain.for('/')).toBe('');
    expect(secure.for('/')).toBe('s=1');
  });

  it('are bounded in number, and the oldest goes', () => {
    const cookies = new Cookies(false);
    cookies.keep('/', setting(...Array.from({ length: 200 }, (_, index) => `n${index}=1`)));
    expect(cookies.for('/').split('; ')).toHaveLength(180);
    expect(cookies.for('/')).not.toContain('n0=');
  });
});
