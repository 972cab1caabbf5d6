import { describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import { Problems } from './problems.js';
import { parseUrl } from './url.js';

function parsed(url: string) {
  const problems = new Problems();
  const parts = parseUrl(url, 'url', problems);
  problems.throwIfAny();
  return parts;
}

function warningsOf(url: string): readonly string[] {
  const problems = new Problems();
  parseUrl(url, 'url', problems);
  problems.throwIfAny();
  for (const { code } of problems.warnings) expect(code).toBe('URL_PARAMETER_IGNORED');
  return problems.warnings.map(({ message }) => message);
}

function problemsOf(url: string): readonly string[] {
  return problemsIn(() => parsed(url));
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
    ['valkey://app:pw@cache:6380/2', parsed('redis://app:pw@cache:6380/2')],
    ['valkeys://cache', { host: 'cache', tls: true }],
    ['redis://cache?database=5', { host: 'cache', database: 5, tls: false }],
    ['redis://cache?family=6', { host: 'cache', family: 6, tls: false }],
    ['rediss://cache:1?family=0&protocol=2', { ...parsed('rediss://cache:1'), family: 0, RESP: 2 }],
    ['redis://cache?client_name=app-1', { host: 'cache', name: 'app-1', tls: false }],
    ['redis://cache?clientName=app-1', { host: 'cache', name: 'app-1', tls: false }],
    ['redis://cache?username=app&password=p%40ss', { ...parsed('redis://app:p%40ss@cache') }],
    ['redis://app@cache?password=5', { ...parsed('redis://app:5@cache') }],
    ['redis://cache?name=4', { host: 'cache', name: '4', tls: false }],
    ['redis://cache?connectTimeout=750', { host: 'cache', connectTimeoutMs: 750, tls: false }],
    ['unix:///s?protocol=3&db=1', { path: '/s', RESP: 3, database: 1 }],
    ['REDIS://cache_1.internal', { host: 'cache_1.internal', tls: false }],
    ['redis://[::1]:6379', { host: '::1', port: 6379, tls: false }],
    [
      'redis-sentinel://app:pw@one:26380,two,[::1]:5/harbour/2?sentinelPassword=s%2Fcret',
      {
        tls: false,
        username: 'app',
        password: 'pw',
        database: 2,
        sentinel: {
          name: 'harbour',
          tls: false,
          password: 's/cret',
          nodes: [
            { host: 'one', port: 26_380 },
            { host: 'two', port: 26_379 },
            { host: '[::1]', port: 5 },
          ],
        },
      },
    ],
    [
      'valkeys-sentinel://one/harbour',
      {
        tls: true,
        sentinel: { name: 'harbour', tls: true, nodes: [{ host: 'one', port: 26_379 }] },
      },
    ],
    [
      'redis-cluster://app:pw@one:7000,two,[::1]:5',
      {
        tls: false,
        username: 'app',
        password: 'pw',
        cluster: {
          nodes: [
            { host: 'one', port: 7_000 },
            { host: 'two', port: 6_379 },
            { host: '[::1]', port: 5 },
          ],
        },
      },
    ],
    ['redis-cluster://one/0', { ...parsed('redis-cluster://one'), database: 0 }],
    ['valkey-cluster://a:1,b:2', parsed('redis-cluster://a:1,b:2')],
    ['valkeys-cluster://a:1,b:2', parsed('rediss-cluster://a:1,b:2')],
    [
      'rediss-cluster://a?reads=nearest-zone&zone=eu-1a',
      { ...parsed('redis-cluster://a'), tls: true, reads: 'nearest-zone', zone: 'eu-1a' },
    ],
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
    ['redis://u:hunter2@h/1?db=1&database=1', /names the database twice/],
    ['redis://h?family=hunter2', /has the parameter family, which must be 4, 6 or 0/],
    ['redis://u:hunter2@h?password=hunter2', /names the password twice/],
    ['redis://h?name=a&client_name=b', /names the name twice/],
    ['redis://h?password=', /has the parameter password, which must be text/],
    ['redis://h?password=hunter2@', /has a \? before its @/],
    ['redis://h?family=5', /has the parameter family, which must be/],
    ['redis://h?protocol=hunter2', /has the parameter protocol, which must be 2 or 3$/],
    ['redis://h?connectTimeout=hunter2', /which must be a whole number from 1 to [\d,]+$/],
    ['redis://h?connectTimeout=0', /which must be a whole number from 1 to [\d,]+$/],
    ['redis://h?client_name=hunter2%20', /which must be 1 to 128 printable ASCII/],
    ['redis://u:12/hunter2@h', /as its database/],
    ['redis://u:12?hunter2=@h', /has a \? before its @/],
    ['redis://u:12?hunter2@h', /has a \? before its @/],
    ['redis://u:12#hunter2@h', /has a #/],
    ['redis://u:hunter2%@h', /has a % that begins no percent-encoding/],
    ['redis://h%40hunter2', /has a host that is no host name/],
    ['redis-sentinel://u:hunter2@one:0/name', /has a sentinel that is no host:port/],
    ['redis-sentinel://u:hunter2@one,,two/name', /has a sentinel that is no host:port/],
    ['redis-cluster://u:hunter2@one:0', /has a node that is no host:port/],
    ['redis-cluster://u:hunter2@one,', /has a node that is no host:port/],
    ['redis-cluster://u:hunter2@one/x', /as its database/],
    ['redis-cluster://one?reads=hunter2', /has the parameter reads, which must be primary/],
    ['redis-sentinel://u:hunter2@one', /must name the primary behind the sentinels/],
    ['redis-sentinel://u:hunter2@one/name/x', /as its database/],
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
    expect(problemsOf('redis://u:%@h:0/x?family=1#z')).toHaveLength(5);
  });

  it('names parameters that have no meaning here, without their values', () => {
    const url = 'redis://h?timeout=hunter2&ssl_cert_reqs=none&socket_timeout=5&db=1';
    expect(warningsOf(url)).toEqual([
      'url has the parameter timeout, which is not used',
      'url has the parameter ssl_cert_reqs, which is not used',
      'url has the parameter socket_timeout, which is not used',
    ]);
    expect(warningsOf('redis://h?hunter2!=1&%20=')).toEqual([
      'url has a parameter, which is not used',
      'url has a parameter, which is not used',
    ]);
    expect(warningsOf('redis://h?__proto__=1')).toEqual(['url has a parameter, which is not used']);
    expect(warningsOf('redis://h?toString=1&constructor=2')).toHaveLength(2);
    expect(warningsOf('redis://h?family=4&db=1')).toEqual([]);
  });
});
