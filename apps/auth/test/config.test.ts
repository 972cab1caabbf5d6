// The environment is read whole: every problem at once, safe defaults, nothing half-accepted.
// Holds docs/auth-service.md to the code as well.

import { readFileSync } from 'node:fs';
import { resolveOptions } from 'plimsoll';
import { describe, expect, test } from 'vitest';
import {
  ConfigError,
  problemOfTarget,
  resolveConfig,
  type StoreDriver,
  VARIABLES,
} from '../src/config.js';
import { PROBLEMS } from '../src/errors.js';

const OWN_FILE = new URL(import.meta.url).pathname;

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    resolveConfig(env);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION' });
    return (error as ConfigError).problems;
  }
}

describe('configuration', () => {
  test('an empty environment gives the defaults, frozen', () => {
    const config = resolveConfig({});
    expect(Object.isFrozen(config)).toBe(true);
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 8000,
      issuer: 'http://localhost:8000',
      audience: 'plimsoll',
      keysFile: undefined,
      accessTokenSeconds: 900,
      refreshTokenSeconds: 2_592_000,
      storeDriver: 'plimsoll',
      accountLimit: 10,
      addressLimit: 100,
      trustProxy: false,
    });
  });

  test('production listens to all and needs its keys', () => {
    expect(problemsOf({ DEPLOYMENT_ENV: 'production' })).toEqual([
      expect.stringContaining('AUTH_KEYS_FILE'),
    ]);
    const config = resolveConfig({ DEPLOYMENT_ENV: 'production', AUTH_KEYS_FILE: OWN_FILE });
    expect(config.host).toBe('0.0.0.0');
  });

  test.each<NodeJS.ProcessEnv>([
    { DEPLOYMENT_ENV: 'Production' },
    { DEPLOYMENT_ENV: ' production ' },
    { DEPLOYMENT_ENV: 'PRODUCTION\n' },
    { NODE_ENV: 'production' },
    { NODE_ENV: ' Production' },
    { NODE_ENV: 'production', DEPLOYMENT_ENV: '' },
  ])('%j is production, for the pool and for the keys', (env) => {
    expect(resolveOptions({}, env).environment).toBe('production');
    expect(problemsOf(env)).toEqual([expect.stringContaining('AUTH_KEYS_FILE')]);
  });

  test.each<NodeJS.ProcessEnv>([
    {},
    { NODE_ENV: 'test' },
    { NODE_ENV: 'production', DEPLOYMENT_ENV: 'staging' },
  ])('%j is not production', (env) => {
    expect(resolveOptions({}, env).environment).not.toBe('production');
    expect(problemsOf(env)).toEqual([]);
  });

  test('all problems are said at once', () => {
    const problems = problemsOf({
      PORT: '80000',
      LOG_LEVEL: 'loud',
      AUTH_KEYS_FILE: '/nowhere/keys.json',
      AUTH_ACCESS_TOKEN_TTL_SECONDS: '0',
      AUTH_STORE_DRIVER: 'memory',
      AUTH_HASH_CONCURRENCY: '4',
      AUTH_TRUST_PROXY: 'maybe',
      AUTH_MAX_CONNECTIONS: '0',
      AUTH_PID_FILE: '/nowhere/service.pid',
    });
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'PORT',
      'LOG_LEVEL',
      'AUTH_ACCESS_TOKEN_TTL_SECONDS',
      'AUTH_STORE_DRIVER',
      'AUTH_HASH_CONCURRENCY',
      'AUTH_TRUST_PROXY',
      'AUTH_MAX_CONNECTIONS',
      'AUTH_KEYS_FILE',
      'AUTH_PID_FILE',
    ]);
  });

  test.each(['', ' ', '1e3x', '1.5', '-1', 'NaN', 'Infinity'])('AUTH_HASH_QUEUE=%j', (text) => {
    const isEmpty = text.trim() === '';
    expect(problemsOf({ AUTH_HASH_QUEUE: text })).toHaveLength(isEmpty ? 0 : 1);
  });
});

describe('AUTH_TRUST_PROXY', () => {
  test.each([
    ['false', false],
    ['0', false],
    ['1', 1],
    ['10', 10],
    ['loopback', ['loopback']],
    ['loopback, uniquelocal', ['loopback', 'uniquelocal']],
    ['192.0.2.1,10.0.0.0/8,2001:db8::/32,::1', ['192.0.2.1', '10.0.0.0/8', '2001:db8::/32', '::1']],
  ])('%s is taken', (text, expected) => {
    expect(resolveConfig({ AUTH_TRUST_PROXY: text }).trustProxy).toEqual(expected);
  });

  // `true` would believe whoever connects, and so does a network of everybody.
  test.each([
    'true',
    '11',
    '-1',
    '10.0.0.0/0',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '10.1',
    'a,b',
    '1,2',
    ',',
  ])('%s is refused', (text) => {
    expect(problemsOf({ AUTH_TRUST_PROXY: text })).toEqual([
      expect.stringMatching(/^AUTH_TRUST_PROXY: must be false, the number of proxies/),
    ]);
  });
});

describe('AUTH_RESOURCE_SERVERS', () => {
  const hash = 'a1'.repeat(32);

  test('ids with hashes are taken', () => {
    const { resourceServers } = resolveConfig({
      AUTH_RESOURCE_SERVERS: `orders=${hash}, billing.eu=${hash},`,
    });
    expect([...resourceServers]).toEqual([
      ['orders', hash],
      ['billing.eu', hash],
    ]);
  });

  // A secret in the place of its hash must not be printed.
  test.each(['orders', 'orders=secret', `or:ders=${hash}`, `a=${hash},a=${hash}`, `=${hash}`])(
    '%s is refused',
    (text) => {
      const problems = problemsOf({ AUTH_RESOURCE_SERVERS: text });
      expect(problems).toEqual([expect.stringMatching(/^AUTH_RESOURCE_SERVERS: must be/)]);
      expect(problems.join()).not.toContain('=secret');
    },
  );
});

describe('where Redis is', () => {
  const problemOf = (REDIS_URL: string, storeDriver: StoreDriver = 'plimsoll') =>
    problemOfTarget({ storeDriver }, resolveOptions({}, { REDIS_URL }));

  test.each([
    'redis://one',
    'redis-sentinel://one,two/main',
    'redis-cluster://one,two',
    'rediss-cluster://user:secret@one?reads=primary',
  ])('%s is taken', (url) => expect(problemOf(url)).toBeUndefined());

  test('replicas are not asked whether a session has ended', () => {
    expect(problemOf('redis-cluster://:secret@one?reads=prefer-replica')).toMatch(
      /^REDIS_URL: reads must be primary/,
    );
  });

  test('clients that are there for comparison take one server', () => {
    for (const url of ['redis-sentinel://one/main', 'redis-cluster://one']) {
      expect(problemOf(url, 'ioredis')).toMatch(/^AUTH_STORE_DRIVER: ioredis is for one server/);
    }
    const several = resolveOptions({}, { REDIS_ENDPOINTS: 'redis://one redis://two' });
    expect(problemOfTarget({ storeDriver: 'redis' }, several)).toMatch(/^AUTH_STORE_DRIVER/);
    expect(problemOfTarget({ storeDriver: 'plimsoll' }, several)).toBeUndefined();
    expect(problemOf('redis://one', 'ioredis')).toBeUndefined();
  });
});

describe('docs/auth-service.md', () => {
  const page = readFileSync(new URL('../../../docs/auth-service.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('|'));

  test.each(VARIABLES)('has a row for the variable %s', (name) => {
    expect(rows.filter((row) => row.startsWith(`| \`${name}\` |`))).toHaveLength(1);
  });

  test('has no variable that the code does not read', () => {
    const named = rows.flatMap(
      (row) => /^\| `([A-Z][A-Z_]+)` \| [^|]* \| [^|]* \|$/.exec(row)?.[1] ?? [],
    );
    expect(named.sort()).toEqual([...VARIABLES].sort());
  });

  test.each(Object.entries(PROBLEMS))('has a row for the error %s', (code, [status]) => {
    expect(rows.filter((row) => row.startsWith(`| ${status} | \`${code}\` |`))).toHaveLength(1);
  });
});
