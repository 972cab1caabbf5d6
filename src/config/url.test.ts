import { describe, expect, it } from 'vitest';
import { InvalidOptionsError } from '../errors.js';
import { Problems } from './problems.js';
import { parseUrl } from './url.js';

function parsed(url: string) {
  const problems = new Problems();
  const parts = parseUrl(url, 'url', problems);
  problems.throwIfAny();
  return parts;
}

function problemsOf(url: string): readonly string[] {
  try {
    parsed(url);
  } catch (error) {
    if (error instanceof InvalidOptionsError) return error.problems;
    throw error;
  }
  return [];
}

describe('parseUrl', () => {
  it.each([
    ['redis://localhost', { host: 'localhost', tls: false }],
    ['redis://', { tls: false }],
    ['redis:///3', { database: 3, tls: false }],
    ['redis://cache:6380/2', { host: 'cache', port: 6380, database: 2, tls: false }],
    ['redis://cache/', { host: 'cache', tls: false }],
    ['redis://cache?db=5', { host: 'cache', database: 5, tls: false }],
    ['rediss://cache', { host: 'cache', tls: true }],
    ['REDIS://cache_1.internal', { host: 'cache_1.internal', tls: false }],
    ['redis://[::1]:6379', { host: '::1', port: 6379, tls: false }],
    ['unix:///run/redis.sock', { path: '/run/redis.sock' }],
    ['unix:/run/redis.sock', { path: '/run/redis.sock' }],
    ['unix:///run/my%20redis.sock?db=3', { path: '/run/my redis.sock', database: 3 }],
    [
      'unix://app:s%2Fcret@/run/redis.sock?db=1',
      { path: '/run/redis.sock', username: 'app', password: 's/cret', database: 1 },
    ],
    ['redis://:pw@h', { host: 'h', password: 'pw', tls: false }],
    ['redis://app@h', { host: 'h', username: 'app', tls: false }],
    ['redis://:@h', { host: 'h', tls: false }],
    [
      'redis://%C3%A4pp:p%40ss%3A%2F%25%23@h',
      { host: 'h', username: 'äpp', password: 'p@ss:/%#', tls: false },
    ],
    ['redis://app:pä ß@h', { host: 'h', username: 'app', password: 'pä ß', tls: false }],
  ])('reads %s', (url, parts) => {
    expect(parsed(url)).toEqual(parts);
  });

  it.each([
    ['hunter2', /is not an address such as/],
    ['localhost:6379', /must begin with redis:\/\//],
    ['http://u:hunter2@h', /must begin with redis:\/\//],
    ['redis://u:hunter2@h:port', /is not an address such as/],
    ['redis://u:hunter2@h:0', /must have a whole number from 1 to 65,535 as its port/],
    ['redis://u:hunter2@h:99999', /is not an address such as/],
    ['redis://u:hunter2@h/zero', /as its database/],
    ['redis://u:hunter2@h/-1', /as its database/],
    ['redis://u:hunter2@h/1/2', /as its database/],
    ['redis://u:hunter2@h/1?db=1', /names the database twice/],
    ['redis://u:hunter2@h?hunter2=1', /has a parameter other than db/],
    ['redis://u:12/hunter2@h', /as its database/],
    ['redis://u:12?hunter2=@h', /has a parameter other than db/],
    ['redis://u:12#hunter2@h', /has a #/],
    ['redis://u:hunter2%@h', /has a % that begins no percent-encoding/],
    ['redis://h%40hunter2', /has a host that is no host name/],
    ['unix://run/redis.sock', /three slashes/],
    ['unix://', /three slashes/],
    ['unix:///', /three slashes/],
  ])('refuses %s without repeating any of it', (url, problem) => {
    const problems = problemsOf(url);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
    expect(problems[0]).toMatch(/^url /);
    expect(problems[0]).not.toContain('hunter2');
  });

  it('finds all that is wrong with an address', () => {
    expect(problemsOf('redis://u:%@h:0/x?y=1#z')).toHaveLength(5);
  });
});
